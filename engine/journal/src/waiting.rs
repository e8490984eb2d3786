//! What waits for a destination, in order; and how a delivery stands to the others of its destination.
//!
//! What always holds: a batch is in order, and nothing that waits is left out of it before its last place. Batches hold no payloads:
//! each is read when it is to be sent, so that what waits costs little memory and what was replaced is never sent. Nothing here knows
//! what a class or a lane stands for.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::catalog::FileState;
use crate::content;
use crate::error::JournalError;
use crate::message::{DeliveryState, NewDelivery};
use crate::reader::Reader;
use crate::sqlite::{Database, coded, int, unsigned};

/// What brings a segment file of version 3 to version 4.
pub(crate) const UPGRADE: &str = "
    ALTER TABLE delivery ADD COLUMN class INTEGER NOT NULL DEFAULT 1;   -- smaller goes first
    ALTER TABLE delivery ADD COLUMN lanes BLOB;                -- the lanes it is in, eight bytes each
    ALTER TABLE delivery ADD COLUMN since_us INTEGER;          -- when it came in, or a replay made it anew
    ALTER TABLE delivery ADD COLUMN failing_since_us INTEGER;  -- its first failed attempt since then
    UPDATE delivery SET since_us = (SELECT accepted_at_us FROM message WHERE id = delivery.message) WHERE state = 0;
    DROP INDEX delivery_waiting;
    CREATE INDEX delivery_waiting ON delivery (destination, class, seq) WHERE state = 0;";

/// The schema's version that knows places.
const VERSION: usize = 4;

/// How a delivery stands to the others of its destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which class it is of; smaller goes first.
    pub class: u8,
    /// The lanes that it is in, in any order; none when nothing ties it to others.
    pub lanes: Arc<[u64]>,
}

impl Place {
    /// The class of what is neither hurried nor put off.
    pub const USUAL: u8 = 1;
}

impl Default for Place {
    fn default() -> Self {
        Place { class: Place::USUAL, lanes: Arc::default() }
    }
}

/// What to read of what waits.
#[derive(Debug, Clone, Copy)]
pub struct WaitingQuery<'q> {
    /// Of this destination,
    pub destination: &'q str,
    /// of this class,
    pub class: u8,
    /// behind this number,
    pub after: u64,
    /// at most so many;
    pub limit: usize,
    /// also what is parked among them.
    pub parked: bool,
}

/// A delivery that is to be sent, or that is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingDelivery {
    /// Its number: its place in its destination's order.
    pub seq: u64,
    /// The message that it comes from.
    pub message_id: u64,
    /// It is parked, and not to be sent.
    pub parked: bool,
    /// How often a replay replaced it; goes into the record of what becomes of it without an attempt.
    pub revision: u32,
    /// How it stands to the others.
    pub place: Place,
    /// Attempts so far.
    pub attempts: u32,
    /// Not before this moment, in microseconds since 1970-01-01T00:00:00Z.
    pub next_attempt_at_us: Option<i64>,
    /// When it was accepted, or a replay made it anew; in microseconds since 1970-01-01T00:00:00Z. Unknown where a program that did
    /// not note it replayed a message of a sealed file.
    pub since_us: Option<i64>,
    /// Its first failed attempt since then.
    pub failing_since_us: Option<i64>,
}

/// Deliveries in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingBatch {
    /// The first of them.
    pub deliveries: Vec<WaitingDelivery>,
    /// Whether the limit cut the batch short, so that more may wait after the last of them.
    pub more: bool,
}

/// What is sent of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The message it comes from.
    pub message_id: u64,
    /// The route that made it.
    pub route: Arc<str>,
    /// The payload's own id, by which its acknowledgement is matched.
    pub control_id: Option<String>,
    /// Where at the destination it goes, in the destination's own words.
    pub target: Option<String>,
    /// What is to be sent; empty when processing made no output.
    pub payload: Vec<u8>,
    /// How often a replay replaced it; goes into the attempt's record.
    pub revision: u32,
    /// [`WaitingDelivery::since_us`]; goes into it too.
    pub since_us: Option<i64>,
}

impl Reader {
    /// What waits for a destination, in order.
    pub fn waiting(&self, query: &WaitingQuery<'_>) -> Result<WaitingBatch, JournalError> {
        let mut deliveries = Vec::new();
        for file in self.files.list()?.iter().filter(|file| file.state == FileState::Open) {
            deliveries.extend(waiting_in(&*self.pool.segment(file.number)?, query)?);
        }
        // Replays append to earlier files too, so the files' own order is not enough.
        deliveries.sort_unstable_by_key(|delivery| delivery.seq);
        deliveries.truncate(query.limit);
        Ok(WaitingBatch { more: deliveries.len() == query.limit, deliveries })
    }

    /// What is to be sent of a delivery; nothing when it does not wait any more.
    pub fn outgoing(&self, seq: u64) -> Result<Option<Outgoing>, JournalError> {
        // Commonly it stands in the last file that began before it; a replay may have put it into an earlier one.
        for file in self.files.list()?.iter().rev().filter(|file| file.state == FileState::Open) {
            if file.first_delivery > seq {
                continue;
            }
            let database = self.pool.segment(file.number)?;
            let _snapshot = database.snapshot()?;
            if let Some((mut outgoing, content)) = outgoing_in(&database, seq)? {
                if let Some(content) = content {
                    outgoing.payload = content::load(&self.pool.options, file.number, &database, content)?;
                }
                return Ok(Some(outgoing));
            }
        }
        Ok(None)
    }
}

impl Reader {
    /// A delivery of a file as one that is to be sent anew, and which part of its pair it is; nothing where there is none with a payload.
    pub(crate) fn as_new(&self, number: u32, seq: u64) -> Result<Option<(u32, NewDelivery)>, JournalError> {
        let database = self.pool.segment(number)?;
        // One that an earlier program sealed knows no places.
        let place = if database.schema_version()? >= VERSION { "d.class, d.lanes" } else { "1, NULL" };
        let sql = format!(
            "SELECT d.part, r.name, n.name, d.control_id, d.target, {place}, d.content
             FROM delivery d JOIN name r ON r.id = d.route JOIN name n ON n.id = d.destination
             WHERE d.seq = ?1 AND d.content IS NOT NULL"
        );
        let found = database.run(|connection| {
            connection
                .prepare_cached(&sql)?
                .query_row([int(seq)], |row| Ok((row.get(0)?, as_new(row)?, row.get::<_, i64>(7)?)))
                .optional()
        })?;
        let Some((part, mut delivery, content)) = found else { return Ok(None) };
        delivery.payload = Some(content::load(&self.pool.options, number, &database, content)?.into());
        Ok(Some((part, delivery)))
    }
}

fn as_new(row: &Row<'_>) -> rusqlite::Result<NewDelivery> {
    Ok(NewDelivery {
        route: Arc::from(row.get_ref(1)?.as_str()?),
        destination: Arc::from(row.get_ref(2)?.as_str()?),
        state: DeliveryState::Waiting,
        reason: None,
        unmapped: None,
        payload: None,
        control_id: row.get(3)?,
        target: row.get(4)?,
        place: Place { class: row.get(5)?, lanes: lanes_of(row.get_ref(6)?.as_blob_or_null()?) },
    })
}

/// What waits for a destination in one file, in order.
fn waiting_in(database: &Database, query: &WaitingQuery<'_>) -> Result<Vec<WaitingDelivery>, JournalError> {
    let statement = if query.parked { WAITING_OR_PARKED } else { WAITING };
    database.run(|connection| {
        let destination = name_in(connection, query.destination)?;
        let parameters = params![destination, query.class, int(query.after), int(query.limit as u64)];
        connection.prepare_cached(statement)?.query_map(parameters, waiting_delivery)?.collect()
    })
}

/// The number of a name in a file, where it has it.
pub(crate) fn name_in(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM name WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

const WAITING: &str =
    "SELECT seq, state, class, lanes, attempts, next_attempt_at_us, since_us, failing_since_us, revision, message
    FROM delivery INDEXED BY delivery_waiting
    WHERE state = 0 AND destination = ?1 AND class = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4";

/// Both parts are read in the order of their index, and no further than the limit.
const WAITING_OR_PARKED: &str =
    "SELECT seq, state, class, lanes, attempts, next_attempt_at_us, since_us, failing_since_us, revision, message
    FROM delivery INDEXED BY delivery_waiting
    WHERE state = 0 AND destination = ?1 AND class = ?2 AND seq > ?3
    UNION ALL SELECT seq, state, class, lanes, attempts, next_attempt_at_us, since_us, failing_since_us, revision, message
    FROM delivery INDEXED BY delivery_held
    WHERE state IN (3, 4) AND state = 3 AND destination = ?1 AND class = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4";

/// Reads the columns of [`WAITING`].
pub(crate) fn waiting_delivery(row: &Row<'_>) -> rusqlite::Result<WaitingDelivery> {
    Ok(WaitingDelivery {
        seq: unsigned(row, 0)?,
        parked: coded(row, 1, DeliveryState::from_code)? == DeliveryState::Parked,
        place: Place { class: row.get(2)?, lanes: lanes_of(row.get_ref(3)?.as_blob_or_null()?) },
        attempts: row.get(4)?,
        next_attempt_at_us: row.get(5)?,
        since_us: row.get(6)?,
        failing_since_us: row.get(7)?,
        revision: row.get(8)?,
        message_id: unsigned(row, 9)?,
    })
}

fn outgoing_in(database: &Database, seq: u64) -> Result<Option<(Outgoing, Option<i64>)>, JournalError> {
    database.run(|connection| {
        connection
            .prepare_cached(
                "SELECT d.message, r.name, d.control_id, d.target, d.revision, d.content, d.since_us
                 FROM delivery d JOIN name r ON r.id = d.route WHERE d.seq = ?1 AND d.state = 0",
            )?
            .query_row([int(seq)], |row| {
                let outgoing = Outgoing {
                    message_id: unsigned(row, 0)?,
                    route: Arc::from(row.get_ref(1)?.as_str()?),
                    control_id: row.get(2)?,
                    target: row.get(3)?,
                    payload: Vec::new(),
                    revision: row.get(4)?,
                    since_us: row.get(6)?,
                };
                Ok((outgoing, row.get(5)?))
            })
            .optional()
    })
}

/// Lanes as a segment file has them.
pub(crate) fn lanes_stored(lanes: &[u64]) -> Option<Vec<u8>> {
    (!lanes.is_empty()).then(|| lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect())
}

fn lanes_of(stored: Option<&[u8]>) -> Arc<[u64]> {
    stored.unwrap_or_default().as_chunks().0.iter().map(|lane| u64::from_le_bytes(*lane)).collect()
}
