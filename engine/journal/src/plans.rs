//! Which plans were in force since when, and the texts that each was made of.
//!
//! A message names the version of its plan; here stands what that version said.

use rusqlite::{OptionalExtension, params};

use crate::book;
use crate::error::JournalError;
use crate::journal::Journal;
use crate::reader::Reader;
use crate::sqlite::{Database, int, unsigned};

/// The schema of version 1 of `plans.db`.
pub(crate) const SCHEMA: &str = "
    -- Each time a plan came into force, in this order.
    CREATE TABLE in_force (
        id INTEGER PRIMARY KEY,
        plan TEXT NOT NULL,
        since_us INTEGER NOT NULL
    );
    -- The files of a plan, in its order.
    CREATE TABLE file (
        plan TEXT NOT NULL,
        n INTEGER NOT NULL,
        name TEXT NOT NULL,
        size INTEGER NOT NULL,             -- bytes, unpacked
        text BLOB NOT NULL,                -- packed by zstd
        PRIMARY KEY (plan, n)
    ) WITHOUT ROWID;";

/// The version of the schema that knows plans.
const VERSION: usize = 1;

/// Nobody waits for it, and the same texts come again and again with small changes.
const ZSTD_LEVEL: i32 = 9;

/// A plan that came into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanInForce {
    /// Its version, as messages name it.
    pub version: String,
    /// Since when, in microseconds since 1970-01-01T00:00:00Z; until the next one.
    pub since_us: i64,
}

/// A file of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFile {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Journal {
    /// Notes that a plan comes into force, with its files as name and text; durable when it returns. Nothing happens when it was in force
    /// already: at a start after the last one, for example.
    pub fn note_plan<'f>(
        &self,
        plan: &PlanInForce,
        files: impl IntoIterator<Item = (&'f str, &'f str)>,
    ) -> Result<(), JournalError> {
        self.write_book(|book| {
            let last: Option<String> = book.run(|connection| {
                connection
                    .query_row("SELECT plan FROM in_force ORDER BY id DESC LIMIT 1", [], |row| row.get(0))
                    .optional()
            })?;
            if last.as_deref() == Some(&plan.version) { Ok(()) } else { put(book, plan, files) }
        })
    }
}

fn put<'f>(
    database: &Database,
    plan: &PlanInForce,
    files: impl IntoIterator<Item = (&'f str, &'f str)>,
) -> Result<(), JournalError> {
    let packed = |text: &str| {
        zstd::bulk::compress(text.as_bytes(), ZSTD_LEVEL)
            .map_err(|source| JournalError::File { path: database.path.clone(), source })
    };
    database.run(|connection| {
        connection.execute(
            "INSERT INTO in_force (plan, since_us) VALUES (?1, ?2)",
            params![plan.version, plan.since_us],
        )
    })?;
    for (n, (name, text)) in (0_i64..).zip(files) {
        let packed = packed(text)?;
        database.run(|connection| {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO file (plan, n, name, size, text) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![plan.version, n, name, int(text.len() as u64), packed])
        })?;
    }
    Ok(())
}

impl Reader {
    /// The plans that came into force, oldest first.
    pub fn plans(&self) -> Result<Vec<PlanInForce>, JournalError> {
        let Some(database) = book::opened(&self.pool.options, VERSION)? else { return Ok(Vec::new()) };
        database.run(|connection| {
            connection
                .prepare("SELECT plan, since_us FROM in_force ORDER BY id")?
                .query_map([], |row| Ok(PlanInForce { version: row.get(0)?, since_us: row.get(1)? }))?
                .collect()
        })
    }

    /// The files of a plan; none when there never was one of this version.
    pub fn plan_files(&self, version: &str) -> Result<Vec<PlanFile>, JournalError> {
        let Some(database) = book::opened(&self.pool.options, VERSION)? else { return Ok(Vec::new()) };
        let packed: Vec<(String, u64, Vec<u8>)> = database.run(|connection| {
            connection
                .prepare("SELECT name, size, text FROM file WHERE plan = ?1 ORDER BY n")?
                .query_map([version], |row| Ok((row.get(0)?, unsigned(row, 1)?, row.get(2)?)))?
                .collect()
        })?;
        let unpacked = |(name, size, packed): (String, u64, Vec<u8>)| {
            let bytes = zstd::bulk::decompress(&packed, usize::try_from(size).unwrap_or(0)).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
                JournalError::Damaged {
                    path: database.path.clone(),
                    what: "a plan's text cannot be unpacked".into(),
                }
            })?;
            Ok(PlanFile { name, text })
        };
        packed.into_iter().map(unpacked).collect()
    }
}
