//! Looks into the local inbox, also while another process writes to it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Bytes of a mail that are read for its headers; ours end long before.
const HEAD_BYTES: u64 = 8192;

/// A mail in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// When what it tells of happened: `20220711T144727.332Z`.
    pub at: String,
    /// The header `To` as it stands in the file.
    pub to: String,
    /// The header `Subject` as it stands in the file.
    pub subject: String,
    /// Its file.
    pub path: PathBuf,
}

/// The newest mails, at most `limit`, of those whose id, `To` or `Subject` holds `filter`.
/// An inbox that is not there is empty.
pub fn list(dir: &Path, limit: usize, filter: &str) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    newest_first(dir, &mut |path, at, id| {
        let Some(head) = head(&path)? else { return Ok(true) };
        let entry = Entry { id, at, to: header(&head, "To"), subject: header(&head, "Subject"), path };
        if [&entry.id, &entry.to, &entry.subject].iter().any(|text| text.contains(filter)) {
            found.push(entry);
        }
        Ok(found.len() < limit)
    })
    .map_err(|cause| Error::fatal(&format!("mail inbox {}", dir.display()), cause))?;
    Ok(found)
}

/// The file of the mail with this id.
pub fn find(dir: &Path, id: &str) -> Result<Option<PathBuf>> {
    let mut found = None;
    newest_first(dir, &mut |path, _, other| {
        if other == id {
            found = Some(path);
        }
        Ok(found.is_none())
    })
    .map_err(|cause| Error::fatal(&format!("mail inbox {}", dir.display()), cause))?;
    Ok(found)
}

/// Passes every mail's file, time and id until `each` says that it has seen enough. Folders and
/// files are named by time, so the order of names is the order of time.
fn newest_first(dir: &Path, each: &mut dyn FnMut(PathBuf, String, String) -> io::Result<bool>) -> io::Result<()> {
    for day in names_down(dir)? {
        for hour in names_down(&dir.join(&day))? {
            let folder = dir.join(&day).join(hour);
            for file in names_down(&folder)? {
                let parts =
                    file.to_str().and_then(|name| name.strip_suffix(".eml")).and_then(|name| name.split_once('-'));
                let Some((at, id)) = parts else { continue };
                if !each(folder.join(&file), at.to_owned(), id.to_owned())? {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// What a folder holds, last name first. Neither hidden files, nor an error for a folder that
/// was removed meanwhile, nor for a stray file beside the folders.
fn names_down(dir: &Path) -> io::Result<Vec<OsString>> {
    let entries = match fs::read_dir(dir) {
        Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(vec![]);
        }
        entries => entries?,
    };
    let mut names = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    names.retain(|name| !name.to_string_lossy().starts_with('.'));
    names.sort_by(|a, b| b.cmp(a));
    Ok(names)
}

/// The start of a file; nothing when it was removed meanwhile.
fn head(path: &Path) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut bytes)) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause),
        Ok(_) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
    }
}

/// A header's value, its lines joined; empty when the mail has none.
fn header(head: &str, name: &str) -> String {
    let mut lines = head.lines().take_while(|line| !line.is_empty());
    let first = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let Some(first) = first else { return String::new() };
    let folded = lines.take_while(|line| line.starts_with([' ', '\t']));
    std::iter::once(first).chain(folded).map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::mail::Inbox;
    use crate::clock::Arrival;
    use crate::mailer::Mail;

    #[tokio::test]
    async fn mails_are_found_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(list(&dir.path().join("none"), 10, "").unwrap(), []);
        let inbox = Inbox::open(dir.path(), false).unwrap();
        let mails = [("a-1", 0, "Won"), ("a-2", 90_000_000, "Lost\r\n  again"), ("a-3", 90_000_001, "Paid")];
        let mails = mails.map(|(id, at, subject)| {
            let message = format!("To: <ada@example.com>\r\nSubject: {subject}\r\nX: 1\r\n\r\nSubject: not this\r\n");
            let (from, to) = (String::new(), String::new());
            Mail { id: id.into(), from, to, at: Arrival(at), message: message.into(), notice: None }
        });
        inbox.send(&mails).await.unwrap();
        std::fs::write(dir.path().join("stray"), "").unwrap();
        let ids = |limit, filter| -> Vec<String> {
            list(dir.path(), limit, filter).unwrap().into_iter().map(|entry| entry.id).collect()
        };
        assert_eq!(ids(10, ""), ["a-3", "a-2", "a-1"]);
        assert_eq!(ids(2, "ada@"), ["a-3", "a-2"]);
        assert_eq!(ids(10, "Won"), ["a-1"]);
        let entry = list(dir.path(), 1, "a-2").unwrap().remove(0);
        assert_eq!((entry.subject.as_str(), entry.at.as_str()), ("Lost again", "19700102T010000.000Z"));
        assert_eq!(find(dir.path(), "a-2").unwrap(), Some(entry.path));
        assert_eq!(find(dir.path(), "a-4").unwrap(), None);
    }
}
