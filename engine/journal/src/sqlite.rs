//! Opening SQLite files the way a journal needs them, and naming the file in every error.
//!
//! Every database is in WAL mode, so that readers and the writer do not wait for each other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Row, Transaction};

use crate::error::JournalError;
use crate::layout;
use crate::options::Options;

/// How long a connection waits for another one's lock. Writers have their files to themselves, so only recovery after a crash
/// and checkpoints ever make anyone wait.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection and the file it is about.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Accepted messages and the catalog: each commit is flushed.
    Durable,
    /// Data that can be derived again: a commit may be lost in a crash, but never half of one.
    Derived,
    /// Reading only.
    Reading,
}

impl Database {
    /// Opens a file that exists (it may be empty: SQLite takes that for a new database).
    pub(crate) fn open(options: &Options, path: &Path, purpose: Purpose) -> Result<Database, JournalError> {
        let access = match purpose {
            Purpose::Durable | Purpose::Derived => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Purpose::Reading => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match &options.vfs {
            Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str()),
            None => Connection::open_with_flags(path, flags),
        }
        .map_err(|source| JournalError::Database { path: path.to_path_buf(), source })?;
        let database = Database { connection, path: path.to_path_buf() };
        database.run(|connection| configure(connection, purpose))?;
        Ok(database)
    }

    /// A view of the file that stays the same until it is dropped.
    pub(crate) fn snapshot(&self) -> Result<Snapshot<'_>, JournalError> {
        self.run(|connection| connection.prepare_cached("BEGIN")?.execute([]))?;
        Ok(Snapshot(&self.connection))
    }

    /// Statements that are written together, or not at all when it is dropped before.
    pub(crate) fn transaction(&self) -> Result<Transaction<'_>, JournalError> {
        self.connection
            .unchecked_transaction()
            .map_err(|source| JournalError::Database { path: self.path.clone(), source })
    }

    /// Runs statements, naming the file when they fail.
    pub(crate) fn run<T>(
        &self,
        statements: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        statements(&self.connection)
            .map_err(|source| JournalError::Database { path: self.path.clone(), source })
    }

    /// Makes the schema in a new file, or brings the one that is there up to date. `schema` is that of version 1, `upgrades` lead from
    /// version 1 to 2, 2 to 3, ..., so the newest version is one more than there are upgrades.
    pub(crate) fn prepare(&self, schema: &str, upgrades: &[&str]) -> Result<(), JournalError> {
        let newest = 1 + upgrades.len();
        let found = self.schema_version()?;
        let statements = match (found, upgrades.get(found.saturating_sub(1)..)) {
            (_, None) => {
                return Err(JournalError::NewerSchema { path: self.path.clone(), found, known: newest });
            }
            (0, Some(all)) => format!("{schema}{}", all.concat()),
            (_, Some([])) => return Ok(()),
            (_, Some(missing)) => missing.concat(),
        };
        self.run(|connection| {
            connection.execute_batch(&format!("BEGIN; {statements} PRAGMA user_version = {newest}; COMMIT;"))
        })
    }

    /// The version of the schema in the file, 0 for a file that has none yet.
    pub(crate) fn schema_version(&self) -> Result<usize, JournalError> {
        let version: u32 =
            self.run(|connection| connection.pragma_query_value(None, "user_version", |row| row.get(0)))?;
        Ok(usize::try_from(version).unwrap_or(usize::MAX))
    }
}

/// A view of a file. Its statements are compiled once: there is one view for each message that is sent.
pub(crate) struct Snapshot<'d>(&'d Connection);

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        // It fails when the view has ended by itself, after an error.
        let _ = self.0.prepare_cached("ROLLBACK").and_then(|mut end| end.execute([]));
    }
}

/// Makes sure that a database's write-ahead log is on the disk and not only in memory, before anything is built on it: opening the file
/// takes for committed whatever it can read there, also what a flush has failed to bring to the disk. Nobody else may be writing the
/// file.
pub(crate) fn renew_log(options: &Options, path: &Path) -> Result<(), JournalError> {
    let [_, log, _] = layout::database_files(path);
    options.file_store.renew(&log).map_err(|source| JournalError::File { path: log, source })
}

fn configure(connection: &Connection, purpose: Purpose) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(32);
    // Without it, SQLite compiles a statement anew whenever a bound value might make another plan better: several times what
    // running it costs.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    let settings = match purpose {
        Purpose::Durable => DURABLE,
        Purpose::Derived => DERIVED,
        Purpose::Reading => READING,
    };
    connection.execute_batch(settings)
}

// The page caches are small on purpose: the writer works at the tail of each tree, readers fetch by key; the operating system
// caches the rest. Negative sizes are KiB.
//
// EXTRA comes first and is FULL plus one flush: a new database becomes a WAL database by a last transaction with a rollback
// journal, and only EXTRA makes the removal of that journal durable. If it came back after a power cut, it would roll the file back
// to nothing.
const DURABLE: &str = "PRAGMA synchronous = EXTRA; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = OFF;
    PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000;";
const DERIVED: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = OFF;
    PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000;";
const READING: &str = "PRAGMA query_only = ON; PRAGMA cache_size = -512; PRAGMA temp_store = MEMORY;";

/// A number as SQLite stores it. Sequence numbers and ids stay far below its limit.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A stored number that is never negative.
pub(crate) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// A stored code, as what it means.
pub(crate) fn coded<T>(
    row: &Row<'_>,
    column: usize,
    decode: impl FnOnce(i64) -> Option<T>,
) -> rusqlite::Result<T> {
    let code: i64 = row.get(column)?;
    decode(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, code))
}
