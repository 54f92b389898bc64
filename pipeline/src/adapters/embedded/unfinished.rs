//! A store whose creation was cut off, by a crash or a full disk: it holds nothing yet, and is begun anew.
//!
//! fjall (3.1) writes the file `version` last, and begins to create where that is missing; files that are there
//! already it refuses then, and would do so for ever.

use std::fs::{OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use crate::error::Result;

/// What fjall writes once a store is whole.
const MARKER: &str = "version";
/// What fjall locks while a store is open, or being created.
const LOCK: &str = "lock";

/// Clears the directory of a store that was never whole. One that somebody else is creating now stays as it is:
/// opening it tells.
///
/// # Errors
/// `Fatal` where the directory cannot be written.
pub fn clear(store: &Path) -> Result<()> {
    if !store.is_dir() || is_whole(store)? {
        return Ok(());
    }
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(store.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(cause)) => return Err(cause.into()),
    }
    // Somebody may have created it before the lock was ours.
    if is_whole(store)? {
        return Ok(());
    }
    tracing::info!(store = %store.display(), "its creation was cut off; it is begun anew");
    for entry in std::fs::read_dir(store)? {
        let entry = entry?;
        if entry.file_name() != LOCK {
            let path = entry.path();
            if entry.file_type()?.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
        }
    }
    Ok(())
}

/// Whether its creation came to its end. An empty marker is as good as none: it is written after it is made.
fn is_whole(store: &Path) -> Result<bool> {
    match std::fs::metadata(store.join(MARKER)) {
        Ok(marker) => Ok(marker.len() > 0),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::adapters::embedded::{Store, StoreOptions};

    /// The entries of a directory, but for one.
    fn entries(dir: &Path, but: &str) -> Vec<PathBuf> {
        let all = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let mut entries: Vec<PathBuf> = all.filter(|path| !path.ends_with(but)).collect();
        entries.sort();
        entries
    }

    fn remove(path: &Path) {
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }

    #[test]
    fn whatever_a_cut_off_creation_left_is_begun_anew() {
        let dirs = [(); 4].map(|()| tempfile::tempdir().unwrap());
        for (left, dir) in dirs.iter().enumerate() {
            drop(Store::open(dir.path(), StoreOptions::default()).unwrap());
            let store = dir.path().join("store");
            let made = entries(&store, MARKER);
            assert!(made.len() >= 3, "{made:?}");
            made.iter().skip(left).for_each(|path| remove(path));
            std::fs::remove_file(store.join(MARKER)).unwrap();
            if left % 2 == 1 {
                std::fs::write(store.join(MARKER), "").unwrap();
            }
            let opened = Store::open(dir.path(), StoreOptions::default());
            assert!(opened.is_ok(), "with {left} of {made:?}: {:?}", opened.err());
        }
    }

    #[test]
    fn who_is_creating_it_now_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let lock = std::fs::File::create(dir.path().join(LOCK)).unwrap();
        lock.lock().unwrap();
        std::fs::write(dir.path().join("0.jnl"), "begun").unwrap();
        clear(dir.path()).unwrap();
        assert_eq!(std::fs::read(dir.path().join("0.jnl")).unwrap(), b"begun");
        drop(lock);
        clear(dir.path()).unwrap();
        assert_eq!(entries(dir.path(), LOCK), Vec::<PathBuf>::new());
    }
}
