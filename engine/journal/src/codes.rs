//! Codes without a row in a table, for which deliveries are parked: how often each was met, and what waits for it.
//!
//! What always holds: a code's row is written in the transaction that parks its delivery; a delivery waits for a code as long as it is parked
//! and was not replaced since. The rows of those that went on stay: they say how often a code was met.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::params;

use crate::error::JournalError;
use crate::reader::Reader;
use crate::segment::SegmentFile;
use crate::sqlite::{Database, int, unsigned};

/// What brings a segment file of version 2 to version 3.
pub(crate) const UPGRADE: &str = "
    CREATE TABLE unmapped (
        delivery INTEGER NOT NULL,
        mapping INTEGER NOT NULL,
        lookup INTEGER NOT NULL,         -- the name of the mapping's table
        code TEXT NOT NULL,
        revision INTEGER NOT NULL,       -- the delivery's when it was parked for it
        since_us INTEGER NOT NULL,       -- when it was parked for it first
        PRIMARY KEY (delivery, mapping, lookup, code)
    ) WITHOUT ROWID;";

/// The schema's version that knows codes.
const VERSION: usize = 3;

/// A code without a row in a table. It comes out of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmappedCode {
    /// The mapping that looked it up.
    pub mapping: Arc<str>,
    /// The table's name in that mapping.
    pub table: Arc<str>,
    /// The code.
    pub code: String,
}

/// Which codes are meant: all that fit what is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeFilter {
    /// The table's name.
    pub table: Option<String>,
    /// The code.
    pub code: Option<String>,
}

/// How a code stands at a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeStanding {
    /// The table's name in its mapping.
    pub table: String,
    /// The code.
    pub code: String,
    /// The mapping.
    pub mapping: String,
    /// The destination of the deliveries.
    pub destination: String,
    /// So many deliveries met it.
    pub count: u64,
    /// So many of them are still parked for it.
    pub waiting: u64,
    /// When it was met first, in microseconds since 1970-01-01T00:00:00Z.
    pub first_us: i64,
    /// When it was met last.
    pub last_us: i64,
}

/// The deliveries of a message that are parked for want of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedForCode {
    /// The message's id.
    pub message_id: u64,
    /// The numbers of its deliveries, in order.
    pub deliveries: Vec<u64>,
}

impl SegmentFile {
    /// Notes the code that a delivery is parked for.
    pub(crate) fn park_for_code(
        &mut self,
        delivery: u64,
        revision: u32,
        unmapped: &UnmappedCode,
        at_us: i64,
    ) -> Result<(), JournalError> {
        let (mapping, table) = (self.name(&unmapped.mapping)?, self.name(&unmapped.table)?);
        self.database.run(|connection| {
            connection
                .prepare_cached(
                    "INSERT INTO unmapped (delivery, mapping, lookup, code, revision, since_us)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET revision = excluded.revision",
                )?
                .execute(params![int(delivery), mapping, table, unmapped.code, revision, at_us])
                .map(drop)
        })
    }
}

type Key = (String, String, String, String);

impl Reader {
    /// The codes without a row, by table, code, mapping and destination.
    pub fn codes(&self) -> Result<Vec<CodeStanding>, JournalError> {
        let mut codes: BTreeMap<Key, CodeStanding> = BTreeMap::new();
        for file in self.files.list()?.iter() {
            for found in codes_in(&*self.pool.segment(file.number)?)? {
                let key = (
                    found.table.clone(),
                    found.code.clone(),
                    found.mapping.clone(),
                    found.destination.clone(),
                );
                match codes.get_mut(&key) {
                    Some(code) => code.add(&found),
                    None => {
                        codes.insert(key, found);
                    }
                }
            }
        }
        Ok(codes.into_values().collect())
    }

    /// The deliveries that are parked for these codes, message by message, in the order of each message's first.
    pub fn parked_for_codes(&self, filter: &CodeFilter) -> Result<Vec<ParkedForCode>, JournalError> {
        let mut found = Vec::new();
        for file in self.files.list()?.iter() {
            found.extend(parked_in(&*self.pool.segment(file.number)?, filter)?);
        }
        found.sort_unstable();
        let mut messages: Vec<ParkedForCode> = Vec::new();
        let mut places: BTreeMap<u64, usize> = BTreeMap::new();
        for (seq, message_id) in found {
            let place = *places.entry(message_id).or_insert(messages.len());
            match messages.get_mut(place) {
                Some(message) => message.deliveries.push(seq),
                None => messages.push(ParkedForCode { message_id, deliveries: vec![seq] }),
            }
        }
        Ok(messages)
    }
}

impl CodeStanding {
    fn add(&mut self, other: &CodeStanding) {
        self.count += other.count;
        self.waiting += other.waiting;
        self.first_us = self.first_us.min(other.first_us);
        self.last_us = self.last_us.max(other.last_us);
    }
}

/// One that an earlier program sealed knows no codes.
fn knows_codes(database: &Database) -> Result<bool, JournalError> {
    Ok(database.schema_version()? >= VERSION)
}

fn codes_in(database: &Database) -> Result<Vec<CodeStanding>, JournalError> {
    if !knows_codes(database)? {
        return Ok(Vec::new());
    }
    database.run(|connection| {
        connection
            .prepare_cached(
                "SELECT t.name, u.code, m.name, n.name, count(*), sum(d.state = 3 AND d.revision = u.revision),
                        min(u.since_us), max(u.since_us)
                 FROM unmapped u JOIN delivery d ON d.seq = u.delivery JOIN name t ON t.id = u.lookup
                 JOIN name m ON m.id = u.mapping JOIN name n ON n.id = d.destination
                 GROUP BY u.lookup, u.code, u.mapping, d.destination",
            )?
            .query_map([], |row| {
                Ok(CodeStanding {
                    table: row.get(0)?,
                    code: row.get(1)?,
                    mapping: row.get(2)?,
                    destination: row.get(3)?,
                    count: unsigned(row, 4)?,
                    waiting: unsigned(row, 5)?,
                    first_us: row.get(6)?,
                    last_us: row.get(7)?,
                })
            })?
            .collect()
    })
}

/// The numbers of the parked deliveries and of their messages.
fn parked_in(database: &Database, filter: &CodeFilter) -> Result<Vec<(u64, u64)>, JournalError> {
    if !knows_codes(database)? {
        return Ok(Vec::new());
    }
    database.run(|connection| {
        connection
            .prepare_cached(
                "SELECT d.seq, d.message FROM unmapped u JOIN delivery d ON d.seq = u.delivery
                 JOIN name t ON t.id = u.lookup
                 WHERE d.state = 3 AND d.revision = u.revision
                   AND (?1 IS NULL OR t.name = ?1) AND (?2 IS NULL OR u.code = ?2)",
            )?
            .query_map(params![filter.table, filter.code], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))?
            .collect()
    })
}
