//! The search keys of one segment file, in a database of their own: the indexer's batches never hold the feed's write lock.
//!
//! Each batch is a sorted *run* of blocks, appended; [`RUNS_MERGED`] runs of one level become one of the next. So a key is written
//! a few times, always in order, however large the index grows, where one tree of all keys would have nearly all its pages
//! rewritten by each batch.
//!
//! Everything here can be derived from the segment file again. The cursor (the last message indexed) is written with the batch, so
//! that a crash loses or repeats nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension, params};

use crate::catalog::make_empty;
use crate::error::JournalError;
use crate::key_block::{self, Block, Entries, Packer};
use crate::layout;
use crate::options::Options;
use crate::sqlite::{Database, Purpose, int, unsigned};

const SCHEMA: &str = "
    CREATE TABLE cursor (seq INTEGER NOT NULL);
    INSERT INTO cursor VALUES (0);
    CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        level INTEGER NOT NULL
    );
    CREATE TABLE block (
        run INTEGER NOT NULL,
        first BLOB NOT NULL,             -- its first entry
        bytes BLOB NOT NULL
    );
    CREATE INDEX block_by_first ON block (run, first);";

/// How many runs of one level become one of the next: fewer means more rewriting, more means more places to look.
const RUNS_MERGED: usize = 8;

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
        database.prepare(SCHEMA, &[])?;
        Ok(KeyIndex { number, database })
    }

    pub(crate) fn cursor(&self) -> Result<u64, JournalError> {
        self.database.run(cursor)
    }

    /// Adds the keys (see [`key_block::entry`]) of all messages up to and including `cursor`.
    pub(crate) fn add(&self, mut batch: Vec<Box<[u8]>>, cursor: u64) -> Result<(), JournalError> {
        batch.sort_unstable();
        self.database.run(|connection| {
            let transaction = connection.unchecked_transaction()?;
            let mut run = RunWriter::new(&transaction, 0)?;
            for entry in &batch {
                run.push(entry)?;
            }
            run.finish()?;
            merge_full_levels(&transaction)?;
            transaction.prepare_cached("UPDATE cursor SET seq = ?1")?.execute([int(cursor)])?;
            transaction.commit()
        })
    }
}

/// The last message indexed.
pub(crate) fn cursor(connection: &Connection) -> rusqlite::Result<u64> {
    connection.prepare_cached("SELECT seq FROM cursor")?.query_row([], |row| unsigned(row, 0))
}

/// The messages with an entry that begins like this.
pub(crate) fn find(connection: &Connection, beginning: &[u8]) -> rusqlite::Result<Vec<u64>> {
    let mut runs = connection.prepare_cached("SELECT id FROM run")?;
    let runs: Vec<i64> = runs.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    // The block before the first that could begin like this may end like this.
    let mut blocks = connection.prepare_cached(
        "SELECT bytes FROM block WHERE run = ?1
           AND first >= ifnull((SELECT max(first) FROM block WHERE run = ?1 AND first <= ?2), ?2) ORDER BY first",
    )?;
    let mut seqs = Vec::new();
    for run in runs {
        let mut rows = blocks.query(params![run, beginning])?;
        'run: while let Some(row) = rows.next()? {
            let mut entries = Entries::new(row.get(0)?);
            while let Some(entry) = entries.next() {
                if entry.starts_with(beginning) {
                    seqs.extend(key_block::seq(entry));
                } else if entry > beginning {
                    break 'run;
                }
            }
        }
    }
    Ok(seqs)
}

fn merge_full_levels(connection: &Connection) -> rusqlite::Result<()> {
    for level in 0.. {
        let runs: Vec<i64> = connection
            .prepare_cached("SELECT id FROM run WHERE level = ?1")?
            .query_map([level], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        if runs.len() < RUNS_MERGED {
            return Ok(());
        }
        merge(connection, &runs, level + 1)?;
    }
    Ok(())
}

fn merge(connection: &Connection, runs: &[i64], level: i64) -> rusqlite::Result<()> {
    let mut readers: Vec<RunReader<'_>> = runs.iter().map(|run| RunReader::new(connection, *run)).collect();
    let mut heads = BinaryHeap::new();
    for (index, reader) in readers.iter_mut().enumerate() {
        if let Some(entry) = reader.next()? {
            heads.push(Reverse((entry.to_vec(), index)));
        }
    }
    let mut merged = RunWriter::new(connection, level)?;
    while let Some(mut head) = heads.peek_mut() {
        let Reverse((entry, index)) = &mut *head;
        merged.push(entry)?;
        let following = match readers.get_mut(*index) {
            Some(reader) => reader.next()?,
            None => None,
        };
        match following {
            Some(following) => {
                entry.clear();
                entry.extend_from_slice(following);
            }
            None => drop(std::collections::binary_heap::PeekMut::pop(head)),
        }
    }
    merged.finish()?;
    for run in runs {
        connection.prepare_cached("DELETE FROM block WHERE run = ?1")?.execute([run])?;
        connection.prepare_cached("DELETE FROM run WHERE id = ?1")?.execute([run])?;
    }
    Ok(())
}

/// Writes a new run.
struct RunWriter<'c> {
    connection: &'c Connection,
    run: i64,
    packer: Packer,
}

impl<'c> RunWriter<'c> {
    fn new(connection: &'c Connection, level: i64) -> rusqlite::Result<RunWriter<'c>> {
        let run = connection.prepare_cached("INSERT INTO run (level) VALUES (?1)")?.insert([level])?;
        Ok(RunWriter { connection, run, packer: Packer::default() })
    }

    fn push(&mut self, entry: &[u8]) -> rusqlite::Result<()> {
        match self.packer.push(entry) {
            Some(block) => self.insert(&block),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> rusqlite::Result<()> {
        match self.packer.finish() {
            Some(block) => self.insert(&block),
            None => Ok(()),
        }
    }

    fn insert(&self, block: &Block) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("INSERT INTO block (run, first, bytes) VALUES (?1, ?2, ?3)")?
            .execute(params![self.run, block.first, block.bytes])
            .map(drop)
    }
}

/// Reads a run from its beginning, one block in memory.
struct RunReader<'c> {
    connection: &'c Connection,
    run: i64,
    last: Option<Vec<u8>>,
    entries: Entries,
}

impl<'c> RunReader<'c> {
    fn new(connection: &'c Connection, run: i64) -> RunReader<'c> {
        RunReader { connection, run, last: None, entries: Entries::new(Vec::new()) }
    }

    fn next(&mut self) -> rusqlite::Result<Option<&[u8]>> {
        if self.entries.is_at_end() {
            let after = self.last.as_deref();
            let block: Option<(Vec<u8>, Vec<u8>)> = self
                .connection
                .prepare_cached(
                    "SELECT first, bytes FROM block WHERE run = ?1 AND first > ifnull(?2, x'') ORDER BY first LIMIT 1",
                )?
                .query_row(params![self.run, after], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((first, bytes)) = block else { return Ok(None) };
            self.last = Some(first);
            self.entries = Entries::new(bytes);
        }
        Ok(self.entries.next())
    }
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
