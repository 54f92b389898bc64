//! Binding and connecting the socket, however long the directory's path is.
//!
//! A Unix socket's address holds 107 bytes. On Linux a longer path is reached through an open
//! handle of its directory: `/proc/self/fd/N/oddsmill.sock` names the same file.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::SOCKET_NAME;

const MAX_PATH_BYTES: usize = 107;

/// The socket of a data directory.
pub fn path(dir: &Path) -> PathBuf {
    dir.join(SOCKET_NAME)
}

/// Binds the socket of a directory that the caller has locked: whatever is there is stale.
pub fn bind(dir: &Path) -> io::Result<UnixListener> {
    let path = path(dir);
    remove(dir)?;
    let address = Address::of(dir)?;
    let listener = UnixListener::bind(&address.path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to a directory's socket; nothing where nobody serves it.
pub async fn connect(dir: &Path) -> io::Result<Option<UnixStream>> {
    if !path(dir).exists() {
        return Ok(None);
    }
    let address = Address::of(dir)?;
    match UnixStream::connect(&address.path).await {
        Ok(stream) => Ok(Some(stream)),
        Err(cause) if matches!(cause.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Removes the socket, if it is there.
pub fn remove(dir: &Path) -> io::Result<()> {
    match std::fs::remove_file(path(dir)) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

/// A path short enough, and the directory's handle that it goes through.
struct Address {
    path: PathBuf,
    _dir: Option<File>,
}

impl Address {
    fn of(dir: &Path) -> io::Result<Address> {
        let path = path(dir);
        if path.as_os_str().len() <= MAX_PATH_BYTES || !cfg!(target_os = "linux") {
            return Ok(Address { path, _dir: None });
        }
        let handle = File::open(dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET_NAME}", handle.as_raw_fd()));
        Ok(Address { path, _dir: Some(handle) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_paths_and_stale_sockets_work() {
        for name in ["d".to_owned(), "long".repeat(40)] {
            let parent = tempfile::tempdir().unwrap();
            let dir = parent.path().join(name);
            std::fs::create_dir(&dir).unwrap();
            assert!(connect(&dir).await.unwrap().is_none());
            drop(bind(&dir).unwrap());
            assert!(path(&dir).exists() && connect(&dir).await.unwrap().is_none(), "a stale socket is nobody");
            let _listener = bind(&dir).unwrap();
            assert!(connect(&dir).await.unwrap().is_some());
            assert_eq!(std::fs::metadata(path(&dir)).unwrap().permissions().mode() & 0o777, 0o600);
            remove(&dir).unwrap();
            remove(&dir).unwrap();
        }
    }
}
