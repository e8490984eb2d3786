//! The search keys of one segment file, in a database of their own: the indexer's batches never hold the feed's write lock.
//!
//! Everything here can be derived from the segment file again. The cursor (the last message indexed) is written with the batch, so
//! that a crash loses or repeats nothing.

use std::path::PathBuf;

use rusqlite::{Connection, params};

use crate::catalog::make_empty;
use crate::error::JournalError;
use crate::layout;
use crate::options::Options;
use crate::sqlite::{Database, Purpose, int, unsigned};

const VERSION: i64 = 1;
const SCHEMA: &str = "
    CREATE TABLE cursor (seq INTEGER NOT NULL);
    INSERT INTO cursor VALUES (0);
    CREATE TABLE key (
        kind INTEGER NOT NULL,
        value BLOB NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (kind, value, seq)
    ) WITHOUT ROWID;";

/// One key of one message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) kind: u8,
    pub(crate) value: Box<[u8]>,
    pub(crate) seq: u64,
}

/// A key index, opened for writing.
pub(crate) struct KeyIndex {
    pub(crate) number: u32,
    database: Database,
}

impl KeyIndex {
    /// Opens it; makes it anew when it is missing or damaged.
    pub(crate) fn open(options: &Options, number: u32) -> Result<KeyIndex, JournalError> {
        match KeyIndex::open_as_is(options, number) {
            Err(error) if error.is_damage() => {
                remove(options, number)?;
                KeyIndex::open_as_is(options, number)
            }
            other => other,
        }
    }

    fn open_as_is(options: &Options, number: u32) -> Result<KeyIndex, JournalError> {
        let path = layout::keys(&options.folder, number);
        if !path.exists() {
            make_empty(options, &path)?;
        }
        let database = Database::open(options, &path, Purpose::Derived)?;
        database.prepare(SCHEMA, VERSION)?;
        Ok(KeyIndex { number, database })
    }

    pub(crate) fn cursor(&self) -> Result<u64, JournalError> {
        self.database.run(cursor)
    }

    /// Adds the keys of all messages up to and including `cursor`. Sorted, neighbours share their pages.
    pub(crate) fn add(&self, mut batch: Vec<Entry>, cursor: u64) -> Result<(), JournalError> {
        batch.sort_unstable();
        self.database.run(|connection| {
            let transaction = connection.unchecked_transaction()?;
            let mut insert = transaction
                .prepare_cached("INSERT OR IGNORE INTO key (kind, value, seq) VALUES (?1, ?2, ?3)")?;
            for entry in &batch {
                insert.execute(params![entry.kind, entry.value, int(entry.seq)])?;
            }
            drop(insert);
            transaction.prepare_cached("UPDATE cursor SET seq = ?1")?.execute([int(cursor)])?;
            transaction.commit()
        })
    }
}

/// The last message indexed.
pub(crate) fn cursor(connection: &Connection) -> rusqlite::Result<u64> {
    connection.prepare_cached("SELECT seq FROM cursor")?.query_row([], |row| unsigned(row, 0))
}

/// Removes a key index.
pub(crate) fn remove(options: &Options, number: u32) -> Result<(), JournalError> {
    for path in layout::database_files(&layout::keys(&options.folder, number)) {
        remove_file(options, path)?;
    }
    Ok(())
}

pub(crate) fn remove_file(options: &Options, path: PathBuf) -> Result<(), JournalError> {
    options.file_store.remove(&path).map_err(|source| JournalError::File { path, source })
}
