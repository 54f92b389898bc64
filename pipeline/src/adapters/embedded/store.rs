//! One fjall database: its keyspaces, its durability, its directory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use fjall::compaction::Leveled;
use fjall::config::{BlockSizePolicy, CompressionPolicy};
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, OwnedWriteBatch, PersistMode,
    Snapshot,
};

use super::{background, unfinished};
use crate::error::{Error, Result};
use crate::tables::system;

/// The layout of the directory; a directory of another one is refused.
const FORMAT: &[u8] = b"6";
/// Tables of level 0 that are compacted together.
const L0_TABLES: u8 = 4;
/// A table's size; level 1 holds [`L0_TABLES`] of them. Small levels make short compactions, and
/// what is written during one waits in memory.
const TABLE_BYTES: u64 = 16 << 20;
/// Values from this size on live in blob files, so that compaction never rewrites them.
const BLOB_THRESHOLD_BYTES: u32 = 1 << 10;

/// When a write counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// After an fsync, shared by all writers that wait for one (group commit).
    #[default]
    Fsync,
    /// Once the operating system has it: survives a killed process, not a power cut.
    Os,
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// When a write counts as done.
    pub durability: Durability,
    /// Memory for cached blocks, in bytes.
    pub cache_bytes: u64,
    /// Memory for unflushed writes of one keyspace, in bytes; there are about twenty keyspaces,
    /// of which four are busy.
    pub memtable_bytes: u64,
    /// Bytes of small rows that are merged into the trees together. Up to twice as much is held
    /// in memory, with as much again for its index, and read when the store is opened.
    pub buffer_bytes: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            durability: Durability::Fsync,
            cache_bytes: 48 << 20,
            memtable_bytes: 16 << 20,
            buffer_bytes: 40 << 20,
        }
    }
}

/// How a keyspace's values are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Small rows, read one by one.
    Rows,
    /// Small rows of random bytes, such as ids and hashes: they do not compress.
    Hashes,
    /// Lists in parts: the parts of a key but for its last eight bytes are one list, and are
    /// joined when the buffer merges them.
    Postings,
    /// Large values, compressed by who writes them.
    Blobs,
}

impl Layout {
    /// The layout of a keyspace.
    pub fn of(space: &str) -> Layout {
        match space {
            // Columnar and raw values are large and compressed already, runs mostly random.
            "log" | "runs" | system::WINDOWS | system::RESULTS | system::DEAD_LETTERS => Layout::Blobs,
            _ if space.starts_with("facts.") => Layout::Blobs,
            _ if space.starts_with("claims.") => Layout::Hashes,
            _ if space.starts_with("index.") => Layout::Postings,
            _ => Layout::Rows,
        }
    }

    /// Whether its rows go through the buffer.
    pub fn is_buffered(self) -> bool {
        matches!(self, Layout::Rows | Layout::Hashes | Layout::Postings)
    }
}

/// An open database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    db: Database,
    dir: PathBuf,
    options: StoreOptions,
    spaces: RwLock<HashMap<String, Keyspace>>,
    group: GroupSync,
    /// Removes the directory of an ephemeral store when the last handle goes; dropped last.
    _ephemeral: Option<tempfile::TempDir>,
}

impl Store {
    /// Opens the database in `dir`, creating it on first use.
    ///
    /// # Errors
    /// [`Error::Reject`] when another process owns the directory or its format is unknown.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Store> {
        Store::open_inner(dir, options, None)
    }

    /// A store that lives in memory where the system has a memory file system, else in a
    /// temporary directory, and is gone when the last handle is dropped.
    pub fn ephemeral(options: StoreOptions) -> Result<Store> {
        let shm = Path::new("/dev/shm");
        let mut builder = tempfile::Builder::new();
        builder.prefix("oddsmill-");
        let dir = if shm.is_dir() { builder.tempdir_in(shm) } else { builder.tempdir() }?;
        let path = dir.path().to_path_buf();
        Store::open_inner(&path, StoreOptions { durability: Durability::Os, ..options }, Some(dir))
    }

    fn open_inner(dir: &Path, options: StoreOptions, ephemeral: Option<tempfile::TempDir>) -> Result<Store> {
        std::fs::create_dir_all(dir).map_err(|e| {
            Error::Reject(format!("data directory {}: {e}; choose another with --data-dir", dir.display()))
        })?;
        let store = dir.join("store");
        unfinished::clear(&store)?;
        // One worker: with more, the first one spins while another compacts (fjall 3.1).
        // Large values come compressed; doing it again for the journal would cost a twentieth of all CPU.
        let builder = Database::builder(store)
            .cache_size(options.cache_bytes)
            .journal_compression(CompressionType::None)
            .worker_threads(1);
        // The worker has the priority of the thread that starts it.
        let db = background::spawn("store-open", || builder.open())?.join();
        let db = db.map_err(|_| Error::Fatal("opening the store panicked".into()))??;
        let inner = Inner {
            db,
            dir: dir.to_path_buf(),
            options,
            spaces: RwLock::default(),
            group: GroupSync::default(),
            _ephemeral: ephemeral,
        };
        let store = Store { inner: Arc::new(inner) };
        store.check_format()?;
        Ok(store)
    }

    fn check_format(&self) -> Result<()> {
        let meta = self.space("meta")?;
        match meta.get("format")? {
            None => Ok(meta.insert("format", FORMAT)?),
            Some(found) if &*found == FORMAT => Ok(()),
            Some(found) => Err(Error::Reject(format!(
                "data directory {} has format {}, this program reads format {}; use the program that wrote it",
                self.inner.dir.display(),
                String::from_utf8_lossy(&found),
                String::from_utf8_lossy(FORMAT),
            ))),
        }
    }

    /// The directory everything is in.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// How it was opened.
    pub fn options(&self) -> &StoreOptions {
        &self.inner.options
    }

    /// Bytes on the disk, journal included.
    pub fn disk_bytes(&self) -> Result<u64> {
        Ok(self.inner.db.disk_space()?)
    }

    /// A keyspace by name, created on first use.
    pub fn space(&self, name: &str) -> Result<Keyspace> {
        if let Some(space) = self.inner.spaces.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(space.clone());
        }
        let options = &self.inner.options;
        let space = self.inner.db.keyspace(name, || keyspace_options(Layout::of(name), options))?;
        self.inner.spaces.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), space.clone());
        Ok(space)
    }

    /// The names of the keyspaces that exist and start with `prefix`, sorted.
    pub fn space_names(&self, prefix: &str) -> Vec<String> {
        let names = self.inner.db.list_keyspace_names();
        let mut names: Vec<String> = names.iter().map(|n| n.to_string()).filter(|n| n.starts_with(prefix)).collect();
        names.sort();
        names
    }

    /// A consistent view of all keyspaces as of now.
    pub fn snapshot(&self) -> Snapshot {
        self.inner.db.snapshot()
    }

    /// An empty atomic write.
    pub fn batch(&self, capacity: usize) -> OwnedWriteBatch {
        OwnedWriteBatch::with_capacity(self.inner.db.clone(), capacity)
    }

    /// Waits until everything committed so far is as durable as the options ask for. Writers that
    /// wait at the same time share one fsync.
    pub fn sync(&self) -> Result<()> {
        match self.inner.options.durability {
            Durability::Os => Ok(()),
            Durability::Fsync => self.sync_to_disk(),
        }
    }

    /// Waits until everything committed so far is on the disk, whatever the options ask for.
    pub fn sync_to_disk(&self) -> Result<()> {
        self.inner.group.wait(|| Ok(self.inner.db.persist(PersistMode::SyncData)?))
    }
}

fn keyspace_options(layout: Layout, options: &StoreOptions) -> KeyspaceCreateOptions {
    let base = KeyspaceCreateOptions::default().max_memtable_size(options.memtable_bytes);
    let rows = |base: KeyspaceCreateOptions| {
        base.data_block_size_policy(BlockSizePolicy::all(8 << 10)).compaction_strategy(Arc::new(
            Leveled::default().with_l0_threshold(L0_TABLES).with_table_target_size(TABLE_BYTES),
        ))
    };
    match layout {
        Layout::Rows | Layout::Postings => rows(base),
        Layout::Hashes => rows(base).data_block_compression_policy(CompressionPolicy::all(CompressionType::None)),
        Layout::Blobs => {
            base.data_block_compression_policy(CompressionPolicy::all(CompressionType::None)).with_kv_separation(Some(
                KvSeparationOptions::default()
                    .separation_threshold(BLOB_THRESHOLD_BYTES)
                    .compression(CompressionType::None),
            ))
        }
    }
}

/// Leader and followers around one fsync: the first waiter syncs, those who come while it does
/// share the next one.
#[derive(Default)]
struct GroupSync {
    state: Mutex<Syncing>,
    done: Condvar,
}

#[derive(Default)]
struct Syncing {
    /// Fsyncs begun so far. One that begins after a write covers it.
    begun: u64,
    finished: u64,
    running: bool,
}

impl GroupSync {
    fn lock(&self) -> MutexGuard<'_, Syncing> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, sync: impl Fn() -> Result<()>) -> Result<()> {
        let mut state = self.lock();
        let wanted = state.begun + 1;
        while state.finished < wanted {
            if state.running {
                state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.running = true;
            state.begun += 1;
            let mine = state.begun;
            drop(state);
            let outcome = sync();
            state = self.lock();
            state.running = false;
            if outcome.is_ok() {
                state.finished = mine;
            }
            self.done.notify_all();
            outcome?;
        }
        Ok(())
    }
}
