//! `catalog.db`: which segment files exist, and whether they are sealed.
//!
//! A file is catalogued after it was made and before anything is accepted into it; it leaves the catalog after its files are
//! gone. So a catalogued file that is missing was lost, and an uncatalogued one was never used (or is half removed).

use std::path::Path;

use rusqlite::params;

use crate::error::JournalError;
use crate::layout;
use crate::options::Options;
use crate::sqlite::{Database, Purpose, coded, int, unsigned};

const SCHEMA: &str = "
    CREATE TABLE segment_file (
        number INTEGER PRIMARY KEY,
        state INTEGER NOT NULL,            -- 0 open, 1 sealed, 2 being removed
        created_at_us INTEGER NOT NULL,
        sealed_at_us INTEGER,
        first_delivery INTEGER NOT NULL,   -- no earlier delivery stands in this file
        next_delivery INTEGER NOT NULL     -- when sealed: no later delivery stands in this file
    );";

/// What is known of a segment file without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileEntry {
    pub(crate) number: u32,
    pub(crate) state: FileState,
    pub(crate) created_at_us: i64,
    pub(crate) sealed_at_us: Option<i64>,
    pub(crate) first_delivery: u64,
    pub(crate) next_delivery: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileState {
    Open,
    Sealed,
    Removing,
}

impl FileState {
    fn code(self) -> i64 {
        match self {
            FileState::Open => 0,
            FileState::Sealed => 1,
            FileState::Removing => 2,
        }
    }

    fn from_code(code: i64) -> Option<FileState> {
        [FileState::Open, FileState::Sealed, FileState::Removing]
            .into_iter()
            .find(|state| state.code() == code)
    }
}

pub(crate) struct Catalog {
    database: Database,
}

impl Catalog {
    /// Opens the catalog to change it, making it where missing.
    pub(crate) fn open(options: &Options) -> Result<Catalog, JournalError> {
        let path = layout::catalog(&options.folder);
        if !path.exists() {
            make_empty(options, &path)?;
        }
        let database = Database::open(options, &path, Purpose::Durable)?;
        database.prepare(SCHEMA, &[])?;
        Ok(Catalog { database })
    }

    /// Opens the catalog beside a running engine.
    pub(crate) fn open_reading(options: &Options) -> Result<Catalog, JournalError> {
        let path = layout::catalog(&options.folder);
        Ok(Catalog { database: Database::open(options, &path, Purpose::Reading)? })
    }

    /// All files, oldest first.
    pub(crate) fn files(&self) -> Result<Vec<FileEntry>, JournalError> {
        self.database.run(|connection| {
            connection
                .prepare_cached(
                    "SELECT number, state, created_at_us, sealed_at_us, first_delivery, next_delivery
                     FROM segment_file ORDER BY number",
                )?
                .query_map([], |row| {
                    Ok(FileEntry {
                        number: row.get(0)?,
                        state: coded(row, 1, FileState::from_code)?,
                        created_at_us: row.get(2)?,
                        sealed_at_us: row.get(3)?,
                        first_delivery: unsigned(row, 4)?,
                        next_delivery: unsigned(row, 5)?,
                    })
                })?
                .collect()
        })
    }

    /// Adds a file, or brings what is known of it up to date.
    pub(crate) fn put(&self, file: &FileEntry) -> Result<(), JournalError> {
        self.database.run(|connection| {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO segment_file
                     (number, state, created_at_us, sealed_at_us, first_delivery, next_delivery)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    file.number,
                    file.state.code(),
                    file.created_at_us,
                    file.sealed_at_us,
                    int(file.first_delivery),
                    int(file.next_delivery),
                ])
                .map(drop)
        })
    }

    /// Forgets a file that is gone.
    pub(crate) fn forget(&self, number: u32) -> Result<(), JournalError> {
        self.database.run(|connection| {
            connection.execute("DELETE FROM segment_file WHERE number = ?1", [number]).map(drop)
        })
    }
}

/// Makes an empty file for SQLite to fill, private to its owner and with a durable name.
pub(crate) fn make_empty(options: &Options, path: &Path) -> Result<(), JournalError> {
    options
        .file_store
        .write(path, b"")
        .map_err(|source| JournalError::File { path: path.to_path_buf(), source })
}
