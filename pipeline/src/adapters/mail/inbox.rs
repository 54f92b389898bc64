//! The local inbox: every mail a file that any mail program opens.
//!
//! `DIR/2022-07-11/16/20220711T164727.332Z-ID.eml`, by the mail's own time in UTC and its id, so
//! the same mail always lands in the same file, and sending it again changes nothing.
//!
//! A mail is written under `DIR/.partial/` and renamed, so it appears whole or not at all. A
//! rename is no promise that the bytes are on the disk; one `syncfs` after a batch is.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::mailer::{Mail, Sent};

/// Where mails stand while they are written. Hidden from whoever lists the inbox.
const PARTIAL: &str = ".partial";

/// Mails as files. Cheap to clone; one process at a time may write.
#[derive(Debug, Clone)]
pub struct Inbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    durable: bool,
    /// Names the next partial file; two batches at once do not meet.
    next: AtomicU64,
}

impl Inbox {
    /// Opens the inbox in `dir`, made if absent, and removes what an interrupted write left.
    /// Unless `durable`, a mail may be lost when the machine (not just the process) stops.
    pub fn open(dir: impl Into<PathBuf>, durable: bool) -> Result<Inbox> {
        let dir = dir.into();
        let partial = dir.join(PARTIAL);
        let removed = match fs::remove_dir_all(&partial) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        removed.and_then(|()| fs::create_dir_all(&partial)).map_err(|cause| failed(&dir, &cause))?;
        Ok(Inbox { shared: Arc::new(Shared { dir, durable, next: AtomicU64::new(0) }) })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Writes mails; returns once they are on the disk.
    pub async fn send(&self, mails: &[Mail]) -> Result<Vec<Sent>> {
        // The batch is copied, a few megabytes at most, because a blocking task owns what it uses.
        let (shared, mails) = (self.shared.clone(), mails.to_vec());
        let written = tokio::task::spawn_blocking(move || shared.write_all(&mails));
        written.await.map_err(|cause| Error::fatal("the inbox's writer", cause))?
    }
}

impl Shared {
    fn write_all(&self, mails: &[Mail]) -> Result<Vec<Sent>> {
        let mut sent = Vec::with_capacity(mails.len());
        for mail in mails {
            sent.push(match mail.id_problem() {
                Some(problem) => Sent::Refused(problem),
                None => {
                    self.write(mail).map_err(|cause| failed(&self.dir, &cause))?;
                    Sent::Delivered
                }
            });
        }
        self.sync().map_err(|cause| failed(&self.dir, &cause))?;
        Ok(sent)
    }

    /// Five system calls: an open that finds nothing, then open, write, close, rename.
    fn write(&self, mail: &Mail) -> io::Result<()> {
        let path = self.dir.join(file_of(mail.at, &mail.id));
        // Sent again. Replacing the file would do as well, but takes ext4 a millisecond; and a file
        // that a power cut emptied is not the same.
        if fs::read(&path).is_ok_and(|stored| stored == mail.message) {
            return Ok(());
        }
        let partial = self.dir.join(PARTIAL).join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let mut file = File::create(&partial)?;
        file.write_all(&mail.message)?;
        if self.durable && !cfg!(target_os = "linux") {
            file.sync_all()?;
        }
        drop(file);
        match fs::rename(&partial, &path) {
            // The hour's first mail; or somebody tidied the folder up while we run.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(path.parent().unwrap_or(&self.dir))?;
                fs::rename(&partial, &path)
            }
            other => other,
        }
    }

    /// Names and bytes of the whole batch, new folders included, in one call.
    #[cfg(target_os = "linux")]
    fn sync(&self) -> io::Result<()> {
        if self.durable {
            rustix::fs::syncfs(File::open(&self.dir)?)?;
        }
        Ok(())
    }

    /// Elsewhere each file was synced when it was written.
    #[cfg(not(target_os = "linux"))]
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn failed(dir: &Path, cause: &io::Error) -> Error {
    Error::Fatal(format!("mail inbox {}: {cause}; check the folder's rights and the space on its disk", dir.display()))
}

/// `2022-07-11/16/20220711T164727.332Z-ID.eml`, in UTC.
fn file_of(at: Arrival, id: &str) -> String {
    // Years of four digits keep the names' order the order of time.
    let millis = at.0.clamp(0, 253_402_300_799_999);
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1000 % 60, rest % 1000);
    format!(
        "{year:04}-{month:02}-{day:02}/{hour:02}/\
         {year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{milli:03}Z-{id}.eml"
    )
}

/// Year, month and day of a day counted from 1970-01-01, in the calendar of ISO 8601: Howard
/// Hinnant's `civil_from_days` for days not before it.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Counted from March, so that the leap day is the year's last.
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(id: &str, at: i64, message: &str) -> Mail {
        let (from, to) = ("bets@example.com".into(), "ada@example.com".into());
        Mail { id: id.into(), from, to, at: Arrival(at), message: message.into(), notice: None }
    }

    fn files(dir: &Path) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut folders = vec![dir.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else {
                    let name = entry.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
                    found.push((name, fs::read_to_string(entry).unwrap()));
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn a_file_is_named_by_time_and_id() {
        for (millis, name) in [
            (0, "1970-01-01/00/19700101T000000.000Z-x.eml"),
            (-5, "1970-01-01/00/19700101T000000.000Z-x.eml"),
            (951_782_400_000, "2000-02-29/00/20000229T000000.000Z-x.eml"),
            (1_657_550_847_332, "2022-07-11/14/20220711T144727.332Z-x.eml"),
            (1_735_689_599_999, "2024-12-31/23/20241231T235959.999Z-x.eml"),
            (i64::MAX, "9999-12-31/23/99991231T235959.999Z-x.eml"),
        ] {
            assert_eq!(file_of(Arrival(millis), "x"), name);
        }
    }

    #[tokio::test]
    async fn a_mail_sent_again_stands_there_once() {
        let dir = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(dir.path(), true).unwrap();
        let mails = [mail("a", 0, "one"), mail("../b", 0, "two"), mail("c", 3_600_000, "three")];
        for _ in 0..2 {
            let sent = inbox.send(&mails).await.unwrap();
            assert!(matches!(&sent[..], [Sent::Delivered, Sent::Refused(_), Sent::Delivered]), "{sent:?}");
        }
        // A file that a power cut emptied is written again; a folder removed is made again.
        fs::write(dir.path().join("1970-01-01/00/19700101T000000.000Z-a.eml"), "").unwrap();
        inbox.send(&mails[..1]).await.unwrap();
        fs::remove_dir_all(dir.path().join("1970-01-01/01")).unwrap();
        inbox.send(&mails[2..]).await.unwrap();
        let found = files(dir.path());
        assert_eq!(
            found,
            [
                ("1970-01-01/00/19700101T000000.000Z-a.eml".to_owned(), "one".to_owned()),
                ("1970-01-01/01/19700101T010000.000Z-c.eml".to_owned(), "three".to_owned()),
            ]
        );
    }

    #[tokio::test]
    async fn half_a_mail_is_never_seen_and_is_tidied_up() {
        let dir = tempfile::tempdir().unwrap();
        Inbox::open(dir.path(), false).unwrap();
        fs::write(dir.path().join(PARTIAL).join("0"), "on").unwrap();
        assert!(crate::adapters::mail::list(dir.path(), 10, "").unwrap().is_empty());
        let inbox = Inbox::open(dir.path(), false).unwrap();
        assert_eq!(files(dir.path()), []);
        inbox.send(&[mail("a", 0, "one")]).await.unwrap();
        assert_eq!(files(dir.path()).len(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Inbox::open(&file, true).unwrap_err();
        assert!(matches!(&error, Error::Fatal(text) if text.contains("file")), "{error}");
    }
}
