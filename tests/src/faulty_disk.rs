//! A disk that forgets what was not flushed, and fails on demand.
//!
//! It stands under SQLite as a VFS and under the journal's other files as its [`FileStore`]. The real files hold what a running
//! program sees; beside them, for each file, stands what a power cut would leave: the content at the last flush, and the changes since.
//! [`FaultyDisk::reboot`] rewrites the real files to the flushed content and a random part of those changes, some of them torn at
//! sectors. A kill of the process does not show a missing flush, because the operating system keeps what was written; this does.
//!
//! All chance comes from the seed. Names are as durable as contents: a file never flushed may be gone, one removed without a flush
//! of its folder may be back. Real flushes are left out, which makes a round fast.

mod vfs;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orderly_journal::{FileStore, RealFiles};

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// A simulated disk; clones are the same disk.
#[derive(Clone)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
    registered: Arc<vfs::Registered>,
}

/// What can go wrong while the power is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A write fails; nothing of it is there.
    WriteError,
    /// A write fails after part of it.
    ShortWrite,
    /// A write finds the disk full, after part of it.
    Full,
    /// A flush fails, and some of what it should have flushed will never be durable, as on Linux.
    FlushError,
    /// A file cannot be opened.
    RefusedOpen,
}

impl FaultyDisk {
    /// A disk without faults whose chances follow from the seed.
    pub fn new(seed: u64) -> FaultyDisk {
        let state = Arc::new(Mutex::new(State::new(seed)));
        let registered = Arc::new(vfs::Registered::new(Arc::clone(&state)));
        FaultyDisk { state, registered }
    }

    /// The name of its VFS, for [`orderly_journal::Options::vfs`].
    pub fn vfs(&self) -> &str {
        self.registered.name()
    }

    /// From now on each operation of the fault's kind fails with this chance in a thousand; 0 ends it.
    pub fn fail_sometimes(&self, fault: Fault, per_thousand: u64) {
        self.lock().rates.insert(fault, per_thousand);
    }

    /// The operation of the fault's kind after this many others fails, once.
    pub fn fail_once(&self, fault: Fault, after: u64) {
        self.lock().planned.insert(fault, after);
    }

    /// No more faults, planned or by chance. Lies about flushes go on, and a power cut stays one.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.rates.clear();
        state.planned.clear();
        state.cut_after = None;
    }

    /// Flushes do nothing from now on and say that they did: the planted fault that a crash test must see.
    pub fn lie_about_flushes(&self) {
        self.lock().lies = true;
    }

    /// Every operation fails from now on.
    pub fn cut_power(&self) {
        self.lock().powered = false;
    }

    /// The power goes off after this many more writes, flushes and removals.
    pub fn cut_power_after(&self, operations: u64) {
        self.lock().cut_after = Some(operations);
    }

    /// True until the power is cut, and again after a reboot.
    pub fn is_powered(&self) -> bool {
        self.lock().powered
    }

    /// Puts on the real files what the power cut left, and the power on. All connections must be closed.
    pub fn reboot(&self) -> io::Result<()> {
        let mut state = self.lock();
        let State { files, random, .. } = &mut *state;
        for (path, file) in files.iter_mut() {
            let left = file.after_power_cut(random);
            match &left {
                Some(content) => fs::write(path, content)?,
                None => RealFiles.remove(path)?,
            }
            *file = Tracked { durable: left, present: true, ..Tracked::default() };
        }
        files.retain(|_, file| file.durable.is_some());
        remove_shared_memory(files.keys())?;
        state.powered = true;
        state.cut_after = None;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The index of a write-ahead log lives in memory only; SQLite makes it anew after a crash.
fn remove_shared_memory<'p>(paths: impl Iterator<Item = &'p PathBuf>) -> io::Result<()> {
    for path in paths {
        let mut name = path.clone().into_os_string();
        name.push("-shm");
        RealFiles.remove(Path::new(&name))?;
    }
    Ok(())
}

/// Large contents and whole files go through the same disk.
impl FileStore for FaultyDisk {
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        state.open(path).map_err(Failure::into_io)?;
        let path = real_path(path)?;
        state.watch(&path);
        let allowed = state.write(&path, 0, bytes);
        let written = allowed.as_ref().map_or_else(|failure| failure.written, |()| bytes.len());
        let content = bytes.get(..written).unwrap_or_default();
        RealFiles.write(&path, content)?;
        allowed.map_err(Failure::into_io)?;
        state.truncate(&path, bytes.len() as u64).map_err(Failure::into_io)?;
        state.flush(&path).map_err(Failure::into_io)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.lock().powered().map_err(Failure::into_io)?;
        RealFiles.read(path)
    }

    fn renew(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.powered().map_err(Failure::into_io)?;
        if !path.exists() {
            return Ok(());
        }
        let path = real_path(path)?;
        state.watch(&path);
        let content = RealFiles.read(&path)?;
        // A write that fails after part of it has written what was there anyway.
        state.write(&path, 0, &content).map_err(Failure::into_io)?;
        state.flush(&path).map_err(Failure::into_io)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if !path.exists() {
            return self.lock().powered().map_err(Failure::into_io);
        }
        let path = real_path(path)?;
        self.lock().remove(&path, false).map_err(Failure::into_io)?;
        RealFiles.remove(&path)
    }
}

/// The path as SQLite gives it: without symbolic links. Makes the folder where missing.
fn real_path(path: &Path) -> io::Result<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.exists() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::canonicalize(folder)?.join(path.file_name().unwrap_or_default()))
}

/// An operation that the disk refuses.
struct Failure {
    fault: Option<Fault>,
    /// Bytes that a failed write wrote all the same.
    written: usize,
}

impl Failure {
    fn into_io(self) -> io::Error {
        match self.fault {
            Some(Fault::Full) => io::Error::from(io::ErrorKind::StorageFull),
            Some(Fault::RefusedOpen) => io::Error::from(io::ErrorKind::PermissionDenied),
            _ => io::Error::other("the faulty disk failed"),
        }
    }
}

/// Everything about a disk but the real files.
struct State {
    random: Random,
    powered: bool,
    cut_after: Option<u64>,
    lies: bool,
    rates: BTreeMap<Fault, u64>,
    planned: BTreeMap<Fault, u64>,
    files: BTreeMap<PathBuf, Tracked>,
}

impl State {
    fn new(seed: u64) -> State {
        State {
            random: Random(seed),
            powered: true,
            cut_after: None,
            lies: false,
            rates: BTreeMap::new(),
            planned: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    fn powered(&self) -> Result<(), Failure> {
        if self.powered { Ok(()) } else { Err(Failure { fault: None, written: 0 }) }
    }

    fn open(&mut self, _path: &Path) -> Result<(), Failure> {
        self.powered()?;
        self.meet(Fault::RefusedOpen)
    }

    /// Takes note of a file before it is changed for the first time. What is there already counts as flushed.
    fn watch(&mut self, path: &Path) {
        let file = self
            .files
            .entry(path.to_path_buf())
            .or_insert_with(|| Tracked { durable: fs::read(path).ok(), ..Tracked::default() });
        if !file.present {
            file.present = true;
            // Made again after a removal: what stood there before may come back instead.
            file.changes.clear();
            file.is_new = file.durable.is_none() || file.removed;
        }
    }

    fn write(&mut self, path: &Path, offset: u64, bytes: &[u8]) -> Result<(), Failure> {
        self.step()?;
        for fault in [Fault::WriteError, Fault::ShortWrite, Fault::Full] {
            if let Err(failure) = self.meet(fault) {
                let written = match fault {
                    Fault::WriteError => 0,
                    _ => self.random.below(bytes.len() as u64) as usize,
                };
                self.change(path, Change::Write { offset, bytes: bytes[..written].to_vec() });
                return Err(Failure { written, ..failure });
            }
        }
        self.change(path, Change::Write { offset, bytes: bytes.to_vec() });
        Ok(())
    }

    fn truncate(&mut self, path: &Path, size: u64) -> Result<(), Failure> {
        self.step()?;
        self.change(path, Change::Truncate(size));
        Ok(())
    }

    fn flush(&mut self, path: &Path) -> Result<(), Failure> {
        self.step()?;
        let failed = self.meet(Fault::FlushError);
        let State { files, random, lies, .. } = self;
        let Some(file) = files.get_mut(path) else { return failed };
        match &failed {
            // The system takes the pages for clean now: they can be read, but nobody will write them again.
            Err(_) => file.changes.retain(|_| random.below(2) == 0),
            Ok(()) if *lies => {}
            Ok(()) => file.flush(),
        }
        failed
    }

    fn remove(&mut self, path: &Path, durably: bool) -> Result<(), Failure> {
        self.step()?;
        self.watch(path);
        if durably && !self.lies {
            self.files.remove(path);
        } else if let Some(file) = self.files.get_mut(path) {
            // A name that was never durable needs no flush to be gone.
            file.present = false;
            file.removed = true;
            file.changes.clear();
        }
        Ok(())
    }

    fn change(&mut self, path: &Path, change: Change) {
        if let Some(file) = self.files.get_mut(path) {
            file.changes.push(change);
        }
    }

    /// Counts an operation; the power may go off with it.
    fn step(&mut self) -> Result<(), Failure> {
        match &mut self.cut_after {
            Some(0) => self.powered = false,
            Some(left) => *left -= 1,
            None => {}
        }
        self.powered()
    }

    fn meet(&mut self, fault: Fault) -> Result<(), Failure> {
        let planned = match self.planned.get_mut(&fault) {
            Some(0) => self.planned.remove(&fault).is_some(),
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        let rate = self.rates.get(&fault).copied().unwrap_or_default();
        if planned || (rate > 0 && self.random.below(1000) < rate) {
            return Err(Failure { fault: Some(fault), written: 0 });
        }
        Ok(())
    }
}

/// What a power cut would leave of one file.
#[derive(Debug, Default)]
struct Tracked {
    /// The content at the last flush; `None` when there never was one.
    durable: Option<Vec<u8>>,
    /// Everything since, in order.
    changes: Vec<Change>,
    /// Whether a running program sees it.
    present: bool,
    /// Whether it was removed without a flush of its folder.
    removed: bool,
    /// Whether it was made (again) and not flushed since: the changes then start from nothing.
    is_new: bool,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Truncate(u64),
}

impl Tracked {
    fn flush(&mut self) {
        let mut content = if self.is_new { Vec::new() } else { self.durable.take().unwrap_or_default() };
        for change in self.changes.drain(..) {
            change.apply(&mut content);
        }
        *self = Tracked { durable: Some(content), present: true, ..Tracked::default() };
    }

    fn after_power_cut(&mut self, random: &mut Random) -> Option<Vec<u8>> {
        if self.is_new || self.removed {
            // What was there before, or what came after; and of that, nothing is sure either.
            if random.below(2) == 0 {
                return self.durable.take();
            }
            if !self.present {
                return None;
            }
        }
        let mut content = if self.is_new { Vec::new() } else { self.durable.take().unwrap_or_default() };
        let fate = random.below(4);
        for change in self.changes.drain(..) {
            match fate {
                0 => {}
                1 => change.apply(&mut content),
                _ => change.apply_in_part(&mut content, random),
            }
        }
        Some(content)
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Write { offset, bytes } => put(content, *offset as usize, bytes),
            Change::Truncate(size) => content.resize(*size as usize, 0),
        }
    }

    /// Whole, not at all, or some of its sectors.
    fn apply_in_part(&self, content: &mut Vec<u8>, random: &mut Random) {
        match (self, random.below(3)) {
            (_, 0) => {}
            (Change::Write { offset, bytes }, 1) => {
                let mut at = *offset as usize;
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    let (sector, after) = rest.split_at(rest.len().min(SECTOR_BYTES - at % SECTOR_BYTES));
                    if random.below(2) == 0 {
                        put(content, at, sector);
                    }
                    at += sector.len();
                    rest = after;
                }
            }
            _ => self.apply(content),
        }
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

/// Chance from a seed (splitmix64).
struct Random(u64);

impl Random {
    /// A number from 0 up to, and not including, the limit; 0 when that is 0.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::{Connection, OpenFlags};

    fn connect(disk: &FaultyDisk, path: &Path) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags_and_vfs(path, OpenFlags::default(), disk.vfs())?;
        // EXTRA, because the removal of the first rollback journal must be durable too.
        connection.execute_batch("PRAGMA synchronous = EXTRA; PRAGMA journal_mode = WAL;")?;
        connection.execute_batch("CREATE TABLE IF NOT EXISTS row (n INTEGER PRIMARY KEY, filler BLOB)")?;
        Ok(connection)
    }

    /// Inserts rows until one fails (a fault may also hit a checkpoint only); gives how many the database said are committed.
    fn fill(connection: &Connection, from: i64) -> i64 {
        let mut committed = from;
        while committed < from + 500
            && connection.execute("INSERT INTO row VALUES (?1, randomblob(700))", [committed + 1]).is_ok()
        {
            committed += 1;
            if committed % 20 == 0 {
                let _ = connection.query_row("PRAGMA wal_checkpoint", [], |_| Ok(()));
            }
        }
        committed
    }

    /// One life: writes, loses power after some operations, comes back. Gives committed and found rows.
    fn survive(disk: &FaultyDisk, path: &Path, operations: u64, before: i64) -> (i64, i64) {
        let connection = connect(disk, path).unwrap();
        disk.cut_power_after(operations);
        let committed = fill(&connection, before);
        drop(connection);
        disk.reboot().unwrap();
        let found = connect(disk, path).and_then(|connection| {
            let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
            assert_eq!(sound, "ok");
            connection.query_row("SELECT count(*) FROM row", [], |row| row.get(0))
        });
        (committed, found.unwrap_or(-1))
    }

    #[test]
    fn what_sqlite_committed_survives_power_cuts() {
        for seed in 0..60 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("test.db");
            let disk = FaultyDisk::new(seed);
            let mut rows = 0;
            for life in 0..4 {
                let (committed, found) = survive(&disk, &path, 20 + seed * 7 % 300, rows);
                assert!(found >= committed, "seed {seed}, life {life}: {found} of {committed} rows");
                rows = found;
            }
        }
    }

    #[test]
    fn a_disk_that_lies_about_flushes_is_seen_to_lose() {
        let lost = (0..20).filter(|seed| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("test.db");
            let disk = FaultyDisk::new(*seed);
            disk.lie_about_flushes();
            let outcome = std::panic::catch_unwind(|| survive(&disk, &path, 200, 0));
            !matches!(outcome, Ok((committed, found)) if found >= committed)
        });
        assert!(lost.count() >= 15, "a harness that cannot see a missing flush proves nothing");
    }

    #[test]
    fn faults_are_met_once_or_by_chance_and_committed_rows_stay() {
        for fault in [Fault::WriteError, Fault::ShortWrite, Fault::Full, Fault::FlushError] {
            for seed in 0..20 {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("test.db");
                let disk = FaultyDisk::new(seed);
                let connection = connect(&disk, &path).unwrap();
                disk.fail_once(fault, seed * 3);
                let failed_at = fill(&connection, 0);
                disk.heal();
                drop(connection);
                let connection = connect(&disk, &path).unwrap();
                disk.fail_sometimes(fault, 30);
                let found = connection.query_row("SELECT max(n) FROM row", [], |row| row.get(0)).unwrap_or(0);
                assert!(found >= failed_at, "{fault:?}, seed {seed}");
                let committed = fill(&connection, found);
                drop(connection);
                disk.cut_power();
                disk.reboot().unwrap();
                disk.heal();
                let connection = connect(&disk, &path).unwrap();
                let found: i64 =
                    connection.query_row("SELECT count(*) FROM row", [], |row| row.get(0)).unwrap();
                assert!(found >= committed, "{fault:?}, seed {seed}: {found} of {committed}");
            }
        }
    }

    #[test]
    fn a_refused_open_and_a_dead_disk_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let disk = FaultyDisk::new(1);
        disk.fail_once(Fault::RefusedOpen, 0);
        assert!(connect(&disk, &path).is_err());
        let connection = connect(&disk, &path).unwrap();
        disk.cut_power();
        assert!(connection.execute("INSERT INTO row VALUES (1, x'')", []).is_err());
        assert!(disk.write(&folder.path().join("body"), b"x").is_err());
    }

    #[test]
    fn a_whole_file_written_by_the_store_survives_and_a_failed_one_may_not() {
        for seed in 0..30 {
            let folder = tempfile::tempdir().unwrap();
            let disk = FaultyDisk::new(seed);
            let (kept, failed) = (folder.path().join("kept"), folder.path().join("failed"));
            disk.write(&kept, b"whole").unwrap();
            disk.fail_once(Fault::FlushError, 0);
            assert!(disk.write(&failed, &[7; 2000]).is_err());
            disk.cut_power();
            disk.reboot().unwrap();
            assert_eq!(disk.read(&kept).unwrap(), b"whole");
            disk.remove(&kept).unwrap();
            assert!(!kept.exists());
        }
    }
}
