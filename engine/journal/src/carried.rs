//! Deliveries that are with a message broker, on their way to the node that delivers them.
//!
//! What always holds: such a delivery is noted with the envelope that it has there until what became of that envelope is known; what a person or a
//! replay changes meanwhile keeps the note, as one whose envelope is to come back. A file with such a note is not sealed. A result that is
//! told twice counts once.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, params};

use crate::catalog::FileState;
use crate::error::JournalError;
use crate::message::{AttemptRecord, DeliveryState};
use crate::reader::Reader;
use crate::segment::SegmentFile;
use crate::sqlite::{Database, int, unsigned};
use crate::waiting::{self, WaitingDelivery, WaitingQuery, waiting_delivery};

/// What brings a segment file to the version that knows envelopes.
pub(crate) const UPGRADE: &str = "
    ALTER TABLE delivery ADD COLUMN carried INTEGER;           -- its envelope's generation at the broker; negative: to come back
    ALTER TABLE delivery ADD COLUMN carried_revision INTEGER;  -- its revision in that envelope
    CREATE INDEX delivery_carried ON delivery (destination, seq) WHERE carried IS NOT NULL;";

/// The version of a segment file that knows envelopes.
const VERSION: usize = 7;

/// An envelope of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// The delivery's number.
    pub delivery: u64,
    /// How often it had been replaced.
    pub revision: u32,
    /// Which of its envelopes.
    pub generation: u64,
}

/// What is known of an envelope.
#[derive(Debug, Clone)]
pub enum Carry {
    /// The broker has it.
    Sent(Envelope),
    /// The broker does not have it any more, and nothing became of it.
    Back(Envelope),
    /// The result of an attempt with it, or what became of it without one.
    Result(Envelope, Box<AttemptRecord>),
}

impl Carry {
    pub(crate) fn delivery(&self) -> u64 {
        match self {
            Carry::Sent(envelope) | Carry::Back(envelope) | Carry::Result(envelope, _) => envelope.delivery,
        }
    }
}

/// A delivery that is noted as with the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedDelivery {
    /// The delivery, with the revision that its envelope has.
    pub delivery: WaitingDelivery,
    /// Its envelope's generation.
    pub generation: u64,
    /// It was changed since.
    pub recalled: bool,
}

/// A delivery that waits and is not with the broker, or that is parked; and the size of its payload in bytes.
pub type ToCarry = (WaitingDelivery, u64);

/// In a change by hand or by a replay: the envelope is to come back.
pub(crate) const RECALL: &str = "carried = -abs(carried)";

impl SegmentFile {
    /// Notes it; false where there is no such delivery, or it is not as it was sent any more.
    pub(crate) fn note_carried(&mut self, carry: &Carry) -> Result<bool, JournalError> {
        match carry {
            Carry::Sent(envelope) => self.sent(envelope),
            Carry::Back(envelope) => self.back(envelope),
            Carry::Result(envelope, attempt) => {
                let is_known = attempt.outcome.is_some() && self.has_attempt(attempt)?;
                let is_there = is_known || self.record_attempt(attempt)?;
                if attempt.state != DeliveryState::Waiting {
                    self.back(envelope)?;
                }
                Ok(is_there)
            }
        }
    }

    fn sent(&self, envelope: &Envelope) -> Result<bool, JournalError> {
        let Envelope { delivery, revision, generation } = *envelope;
        self.database.run(|connection| {
            connection
                .prepare_cached(
                    "UPDATE delivery SET carried = ?3, carried_revision = ?2 WHERE seq = ?1 AND state = 0 AND revision = ?2
                        AND (carried IS NULL OR abs(carried) <= ?3)",
                )?
                .execute(params![int(delivery), revision, int(generation)])
                .map(|count| count > 0)
        })
    }

    fn back(&self, envelope: &Envelope) -> Result<bool, JournalError> {
        let Envelope { delivery, revision, generation } = *envelope;
        self.database.run(|connection| {
            connection
                .prepare_cached(
                    "UPDATE delivery SET carried = NULL, carried_revision = NULL
                     WHERE seq = ?1 AND abs(carried) = ?3 AND carried_revision = ?2",
                )?
                .execute(params![int(delivery), revision, int(generation)])
                .map(|count| count > 0)
        })
    }

    /// An attempt is known by the moment at which it began.
    fn has_attempt(&self, attempt: &AttemptRecord) -> Result<bool, JournalError> {
        self.database.run(|connection| {
            connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM attempt WHERE delivery = ?1 AND at_us = ?2)")?
                .query_row(params![int(attempt.delivery), attempt.at_us], |row| row.get(0))
        })
    }
}

impl Reader {
    /// What of a destination's deliveries is noted as with the broker.
    pub fn carried(&self, destination: &str) -> Result<Vec<CarriedDelivery>, JournalError> {
        let mut carried = Vec::new();
        for file in self.files.list()?.iter().filter(|file| file.state == FileState::Open) {
            carried.extend(carried_in(&*self.pool.segment(file.number)?, destination)?);
        }
        Ok(carried)
    }

    /// How many deliveries are noted as with the broker.
    pub fn carried_count(&self) -> Result<u64, JournalError> {
        let mut count = 0;
        for file in self.files.list()?.iter().filter(|file| file.state == FileState::Open) {
            count += self.pool.segment(file.number)?.run(|connection| {
                connection
                    .prepare_cached(
                        "SELECT count(*) FROM delivery INDEXED BY delivery_carried WHERE carried IS NOT NULL",
                    )?
                    .query_row([], |row| unsigned(row, 0))
            })?;
        }
        Ok(count)
    }

    /// The same by destination; those of which none is are left out.
    pub fn carried_counts(&self) -> Result<BTreeMap<String, u64>, JournalError> {
        let mut counts = BTreeMap::new();
        for file in self.files.list()?.iter().filter(|file| file.state == FileState::Open) {
            let database = self.pool.segment(file.number)?;
            // An earlier program wrote it last.
            if database.schema_version()? < VERSION {
                continue;
            }
            let found: Vec<(String, u64)> = database.run(|connection| {
                connection
                    .prepare_cached(
                        "SELECT n.name, count(*) FROM delivery d INDEXED BY delivery_carried JOIN name n ON n.id = d.destination
                         WHERE d.carried IS NOT NULL GROUP BY d.destination",
                    )?
                    .query_map([], |row| Ok((row.get(0)?, unsigned(row, 1)?)))?
                    .collect()
            })?;
            found.into_iter().for_each(|(name, count)| *counts.entry(name).or_default() += count);
        }
        Ok(counts)
    }

    /// The deliveries of a message that wait and are not with the broker.
    pub fn to_queue(&self, message: u64) -> Result<Vec<u64>, JournalError> {
        let mut found = Vec::new();
        for number in self.files_of(message)? {
            let database = self.pool.segment(number)?;
            // What an earlier program sealed is settled.
            if database.schema_version()? < VERSION {
                continue;
            }
            found.extend(database.run(|connection| {
                connection
                    .prepare_cached(
                        "SELECT seq FROM delivery WHERE message = ?1 AND state = 0 AND carried IS NULL",
                    )?
                    .query_map([int(message)], |row| unsigned(row, 0))?
                    .collect::<Result<Vec<_>, _>>()
            })?);
        }
        Ok(found)
    }

    /// Whose delivery it is: its message, and the id by which it goes out; nothing when it is not in an open file.
    pub fn sent_as(&self, delivery: u64) -> Result<Option<(u64, Option<String>)>, JournalError> {
        let files = self.files.list()?;
        let open = files.iter().rev().filter(|file| file.state == FileState::Open);
        for file in open.filter(|file| file.first_delivery <= delivery) {
            let found = self.pool.segment(file.number)?.run(|connection| {
                connection
                    .prepare_cached("SELECT message, control_id FROM delivery WHERE seq = ?1")?
                    .query_row([int(delivery)], |row| Ok((unsigned(row, 0)?, row.get(1)?)))
                    .optional()
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// What waits for a destination and is not with the broker, in order; and whether there may be more.
    pub fn to_carry(&self, query: &WaitingQuery<'_>) -> Result<(Vec<ToCarry>, bool), JournalError> {
        let mut found = Vec::new();
        for file in self.files.list()?.iter().filter(|file| file.state == FileState::Open) {
            found.extend(to_carry_in(&*self.pool.segment(file.number)?, query)?);
        }
        found.sort_unstable_by_key(|(delivery, _)| delivery.seq);
        found.truncate(query.limit);
        let more = found.len() == query.limit;
        Ok((found, more))
    }
}

fn carried_in(database: &Database, destination: &str) -> Result<Vec<CarriedDelivery>, JournalError> {
    database.run(|connection| {
        connection
            .prepare_cached(
                "SELECT seq, state, class, lanes, attempts, next_attempt_at_us, since_us, failing_since_us, carried_revision, message, carried
                 FROM delivery INDEXED BY delivery_carried
                 WHERE carried IS NOT NULL AND destination = (SELECT id FROM name WHERE name = ?1) ORDER BY seq",
            )?
            .query_map([destination], |row| {
                let generation: i64 = row.get(10)?;
                let delivery = waiting_delivery(row)?;
                Ok(CarriedDelivery { delivery, generation: generation.unsigned_abs(), recalled: generation < 0 })
            })?
            .collect()
    })
}

fn to_carry_in(database: &Database, query: &WaitingQuery<'_>) -> Result<Vec<ToCarry>, JournalError> {
    const COLUMNS: &str =
        "d.seq, d.state, d.class, d.lanes, d.attempts, d.next_attempt_at_us, d.since_us, d.failing_since_us,
        d.revision, d.message, ifnull(c.size, 0)";
    let part = |index: &str, state: &str| {
        format!(
            "SELECT {COLUMNS} FROM delivery d INDEXED BY {index} LEFT JOIN content c ON c.id = d.content
             WHERE {state} AND d.destination = ?1 AND d.class = ?2 AND d.seq > ?3"
        )
    };
    let waiting = part("delivery_waiting", "d.state = 0 AND d.carried IS NULL");
    let parked = part("delivery_held", "d.state IN (3, 4) AND d.state = 3");
    let sql = match query.parked {
        true => format!("{waiting} UNION ALL {parked} ORDER BY 1 LIMIT ?4"),
        false => format!("{waiting} ORDER BY d.seq LIMIT ?4"),
    };
    database.run(|connection| {
        let destination = waiting::name_in(connection, query.destination)?;
        let parameters = params![destination, query.class, int(query.after), int(query.limit as u64)];
        let read = |row: &Row<'_>| Ok((waiting_delivery(row)?, unsigned(row, 10)?));
        connection.prepare_cached(&sql)?.query_map(parameters, read)?.collect()
    })
}
