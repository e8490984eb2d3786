//! The operator's hand: which destinations are paused, and who did what to the journal.
//!
//! What always holds: a pause is kept until it is taken back, also when the engine is started anew; each change of it is noted in the
//! transaction that makes it.

use rusqlite::{OptionalExtension, params};

use crate::book;
use crate::error::JournalError;
use crate::journal::Journal;
use crate::reader::Reader;
use crate::sqlite::{Database, int, unsigned};

/// What brings `plans.db` of version 1 to version 2.
pub(crate) const UPGRADE: &str = "
    CREATE TABLE pause (
        destination TEXT PRIMARY KEY,
        since_us INTEGER NOT NULL,
        who TEXT NOT NULL,
        reason TEXT
    ) WITHOUT ROWID;
    -- What people did, in this order.
    CREATE TABLE act (
        id INTEGER PRIMARY KEY,
        at_us INTEGER NOT NULL,
        who TEXT NOT NULL,
        what TEXT NOT NULL,
        whom TEXT NOT NULL,                -- the destination or source; empty when it is about messages of several
        count INTEGER NOT NULL,            -- so many messages or deliveries
        reason TEXT
    );";

/// The version of the schema that knows pauses.
const VERSION: usize = 2;

/// Something that a person did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// When, in microseconds since 1970-01-01T00:00:00Z.
    pub at_us: i64,
    /// The user's name on this machine.
    pub who: String,
    /// What, in the words of the command: pause, resume, skip, cancel, resend, ...
    pub what: String,
    /// The destination or source that it was done to; empty when it is about messages of several.
    pub whom: String,
    /// To how many messages or deliveries.
    pub count: u64,
    /// Why, in the person's own words.
    pub reason: Option<String>,
}

/// A destination to which nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// The destination.
    pub destination: String,
    /// Since when, in microseconds since 1970-01-01T00:00:00Z.
    pub since_us: i64,
    /// Who paused it.
    pub who: String,
    /// Why, in the person's own words.
    pub reason: Option<String>,
}

impl Journal {
    /// Keeps that nothing is sent to a destination; durable when it returns. False when it was paused already: nothing changes then.
    pub fn pause(&self, destination: &str, act: &Act) -> Result<bool, JournalError> {
        self.write_book(|book| {
            let added = book.run(|connection| {
                connection.execute(
                    "INSERT INTO pause (destination, since_us, who, reason) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT DO NOTHING",
                    params![destination, act.at_us, act.who, act.reason],
                )
            })?;
            note(book, act, added > 0)
        })
    }

    /// Keeps that a destination is sent to again; durable when it returns. False when it was not paused.
    pub fn resume(&self, destination: &str, act: &Act) -> Result<bool, JournalError> {
        self.write_book(|book| {
            let removed = book.run(|connection| {
                connection.execute("DELETE FROM pause WHERE destination = ?1", [destination])
            })?;
            note(book, act, removed > 0)
        })
    }

    /// Notes what a person did.
    pub fn note_act(&self, act: &Act) -> Result<(), JournalError> {
        self.write_book(|book| note(book, act, true)).map(drop)
    }
}

fn note(book: &Database, act: &Act, happened: bool) -> Result<bool, JournalError> {
    if happened {
        book.run(|connection| {
            connection.execute(
                "INSERT INTO act (at_us, who, what, whom, count, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![act.at_us, act.who, act.what, act.whom, int(act.count), act.reason],
            )
        })?;
    }
    Ok(happened)
}

impl Reader {
    /// The destinations that are paused, by name.
    pub fn pauses(&self) -> Result<Vec<Pause>, JournalError> {
        let Some(book) = book::opened(&self.pool.options, VERSION)? else { return Ok(Vec::new()) };
        book.run(|connection| {
            connection
                .prepare("SELECT destination, since_us, who, reason FROM pause ORDER BY destination")?
                .query_map([], pause)?
                .collect()
        })
    }

    /// A destination's pause, if it is paused.
    pub fn pause_of(&self, destination: &str) -> Result<Option<Pause>, JournalError> {
        let Some(book) = book::opened(&self.pool.options, VERSION)? else { return Ok(None) };
        book.run(|connection| {
            connection
                .prepare("SELECT destination, since_us, who, reason FROM pause WHERE destination = ?1")?
                .query_row([destination], pause)
                .optional()
        })
    }

    /// The latest that a person did about whether a destination is sent to: `pause` or `resume`.
    pub fn last_word_on(&self, destination: &str) -> Result<Option<Act>, JournalError> {
        let Some(book) = book::opened(&self.pool.options, VERSION)? else { return Ok(None) };
        book.run(|connection| {
            connection
                .prepare(
                    "SELECT at_us, who, what, whom, count, reason FROM act
                     WHERE whom = ?1 AND what IN ('pause', 'resume')
                     ORDER BY at_us DESC, id DESC LIMIT 1",
                )?
                .query_row([destination], act)
                .optional()
        })
    }

    /// What people did since a moment, the latest `limit` of it, oldest first.
    pub fn acts(&self, since_us: i64, limit: usize) -> Result<Vec<Act>, JournalError> {
        let Some(book) = book::opened(&self.pool.options, VERSION)? else { return Ok(Vec::new()) };
        let mut acts: Vec<Act> = book.run(|connection| {
            connection
                .prepare(
                    "SELECT at_us, who, what, whom, count, reason FROM act WHERE at_us >= ?1
                     ORDER BY id DESC LIMIT ?2",
                )?
                .query_map(params![since_us, int(limit as u64)], act)?
                .collect()
        })?;
        acts.reverse();
        Ok(acts)
    }
}

fn pause(row: &rusqlite::Row<'_>) -> rusqlite::Result<Pause> {
    Ok(Pause { destination: row.get(0)?, since_us: row.get(1)?, who: row.get(2)?, reason: row.get(3)? })
}

fn act(row: &rusqlite::Row<'_>) -> rusqlite::Result<Act> {
    Ok(Act {
        at_us: row.get(0)?,
        who: row.get(1)?,
        what: row.get(2)?,
        whom: row.get(3)?,
        count: unsigned(row, 4)?,
        reason: row.get(5)?,
    })
}
