//! A store whose creation was cut off, by a crash or a full disk: it holds nothing yet, and is begun anew.
//!
//! fjall (3.1) makes `lock`, `keyspaces`, `0.jnl` and `version`, in this order, and only then puts anything into
//! them. Where `version` is missing it begins again, and refuses what is there already, for ever.

use std::fs::{OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use crate::error::{Error, Result};

/// What fjall writes once a store is whole.
const MARKER: &str = "version";
/// What fjall locks while a store is open, or being created.
const LOCK: &str = "lock";
/// The first journal, empty until the store is whole.
const JOURNAL: &str = "0.jnl";
/// The folder of trees, of which a whole store has at least one.
const TREES: &str = "keyspaces";

/// Clears the directory of a store that was never whole. One that somebody else is creating now stays as it is:
/// opening it tells.
///
/// # Errors
/// `Fatal` where the directory cannot be written, or holds more than a creation can have left.
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
    let names = || Ok::<_, Error>(std::fs::read_dir(store)?.flatten().map(|entry| entry.file_name()));
    let trees = store.join(TREES);
    let has_trees = trees.is_dir() && std::fs::read_dir(&trees)?.next().is_some();
    if has_trees || names()?.any(|name| ![LOCK, TREES, JOURNAL, MARKER].iter().any(|known| name == *known)) {
        return Err(Error::corrupt(format_args!("{} holds data and has no file {MARKER:?}", store.display())));
    }
    tracing::info!(store = %store.display(), "its creation was cut off; it is begun anew");
    for name in names()?.filter(|name| name != LOCK) {
        let path = store.join(&name);
        if name == TREES { std::fs::remove_dir(path)? } else { std::fs::remove_file(path)? }
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
    use super::*;
    use crate::adapters::embedded::{Store, StoreOptions};

    #[test]
    fn whatever_a_cut_off_creation_left_is_begun_anew() {
        for made in 0..=4 {
            let dir = tempfile::tempdir().unwrap();
            let store = dir.path().join("store");
            std::fs::create_dir(&store).unwrap();
            for name in [LOCK, TREES, JOURNAL, MARKER].into_iter().take(made) {
                let path = store.join(name);
                if name == TREES { std::fs::create_dir(path).unwrap() } else { std::fs::write(path, "").unwrap() }
            }
            let opened = Store::open(dir.path(), StoreOptions::default());
            assert!(opened.is_ok(), "{made} made: {:?}", opened.err());
        }
    }

    #[test]
    fn what_holds_data_is_never_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Store::open(dir.path(), StoreOptions::default());
        drop(open().unwrap());
        let (marker, away) = (dir.path().join("store").join(MARKER), dir.path().join("away"));
        std::fs::rename(&marker, &away).unwrap();
        let refused = open().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains("holds data and has no file \"version\""), "{refused}");
        std::fs::rename(&away, &marker).unwrap();
        drop(open().unwrap());
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
        assert!(!dir.path().join("0.jnl").exists() && dir.path().join(LOCK).exists());
    }
}
