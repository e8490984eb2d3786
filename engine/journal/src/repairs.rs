//! Which messages are repaired forms of quarantined ones.
//!
//! What always holds: the quarantined message stays as it is, with its bytes; the repaired one is a message of its own. That it is a repair
//! is noted before it is accepted, and counts once it is there.

use rusqlite::params;

use crate::book;
use crate::error::JournalError;
use crate::journal::Journal;
use crate::reader::Reader;
use crate::sqlite::{int, unsigned};

/// What brings `plans.db` of version 2 to version 3.
pub(crate) const UPGRADE: &str = "
    CREATE TABLE repair (
        repaired INTEGER PRIMARY KEY,      -- the id of the message that a person repaired
        quarantined INTEGER NOT NULL       -- the id of the message that could not be read
    );";

/// The version of the schema that knows repairs.
const VERSION: usize = 3;

/// A message that a person repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repair {
    /// The id of the message that could not be read.
    pub quarantined: u64,
    /// The id of the one that came of it.
    pub repaired: u64,
}

impl Journal {
    /// Notes that a message which is about to be accepted is a repair; durable when it returns.
    pub fn note_repair(&self, repair: Repair) -> Result<(), JournalError> {
        self.write_book(|book| {
            book.run(|connection| {
                connection.execute(
                    "INSERT INTO repair (repaired, quarantined) VALUES (?1, ?2)",
                    params![int(repair.repaired), int(repair.quarantined)],
                )
            })
        })
        .map(drop)
    }
}

impl Reader {
    /// The repairs that came in, in their order.
    pub fn repairs(&self) -> Result<Vec<Repair>, JournalError> {
        let Some(book) = book::opened(&self.pool.options, VERSION)? else { return Ok(Vec::new()) };
        let noted: Vec<Repair> = book.run(|connection| {
            connection
                .prepare("SELECT quarantined, repaired FROM repair ORDER BY repaired")?
                .query_map([], |row| {
                    Ok(Repair { quarantined: unsigned(row, 0)?, repaired: unsigned(row, 1)? })
                })?
                .collect()
        })?;
        let mut repairs = Vec::with_capacity(noted.len());
        for repair in noted {
            if !self.files_of(repair.repaired)?.is_empty() {
                repairs.push(repair);
            }
        }
        Ok(repairs)
    }
}
