//! One segment file, opened for writing: the statements of the feed.
//!
//! Rows are small so that scans are cheap: contents stand in a table of their own, and names of sources, routes, destinations,
//! formats and plans are numbers of the file's `name` table. Callers bracket the statements with [`SegmentFile::begin`] and
//! [`SegmentFile::commit`]; after any failure the value is dropped and the file opened anew.

mod schema;

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use crate::catalog::make_empty;
use crate::content::Packer;
use crate::error::JournalError;
use crate::intake::IntakeStanding;
use crate::keys;
use crate::layout;
use crate::message::{AttemptRecord, DeliveryState, Fate, NewDelivery, NewMessage};
use crate::options::Options;
use crate::sqlite::{Database, Purpose, coded, int, unsigned};
use crate::waiting;
use schema::{SCHEMA, UPGRADES};

pub(crate) const LEDGER_MESSAGES: i64 = 0;
pub(crate) const LEDGER_DELIVERIES: i64 = 1;

/// The next free numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) id: u64,
    pub(crate) seq: u64,
    pub(crate) delivery: u64,
}

/// A delivery as it stands, as far as a change of its state needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) seq: u64,
    pub(crate) state: DeliveryState,
    pub(crate) revision: u32,
    pub(crate) attempts: u32,
    pub(crate) destination: i64,
    pub(crate) content: Option<i64>,
}

pub(crate) struct SegmentFile {
    pub(crate) number: u32,
    pub(crate) database: Database,
    pub(crate) created_at_us: i64,
    pub(crate) first_seq: u64,
    options: Arc<Options>,
    packer: Packer,
    names: HashMap<Arc<str>, i64>,
    tally: HashMap<(i64, i64, i64), i64>,
    keys: Vec<u8>,
}

impl SegmentFile {
    /// Makes a new file; nothing names it yet. It takes over the files that are not out of the way.
    pub(crate) fn create(
        options: &Arc<Options>,
        number: u32,
        created_at_us: i64,
        first: Numbers,
        intakes: &[IntakeStanding],
    ) -> Result<SegmentFile, JournalError> {
        let path = layout::segment(&options.folder, number);
        make_empty(options, &path)?;
        let database = Database::open(options, &path, Purpose::Durable)?;
        let meta = format!(
            "{SCHEMA} INSERT INTO meta VALUES ({created_at_us}, {}, {}, {});",
            int(first.id),
            int(first.seq),
            int(first.delivery)
        );
        database.prepare(&meta, UPGRADES)?;
        let mut file = SegmentFile::with(options, number, database)?;
        file.carry(intakes)?;
        Ok(file)
    }

    /// Opens a file that exists.
    pub(crate) fn open(options: &Arc<Options>, number: u32) -> Result<SegmentFile, JournalError> {
        let path = layout::segment(&options.folder, number);
        let database = Database::open(options, &path, Purpose::Durable)?;
        database.prepare(SCHEMA, UPGRADES)?;
        SegmentFile::with(options, number, database)
    }

    fn with(options: &Arc<Options>, number: u32, database: Database) -> Result<SegmentFile, JournalError> {
        let ((created_at_us, first_seq), next_content, names) = database.run(|connection| {
            let next_content =
                connection.query_row("SELECT ifnull(max(id), 0) + 1 FROM content", [], |row| row.get(0))?;
            let born = connection.query_row("SELECT created_at_us, first_seq FROM meta", [], |row| {
                Ok((row.get(0)?, unsigned(row, 1)?))
            })?;
            let names = connection
                .prepare("SELECT name, id FROM name")?
                .query_map([], |row| Ok((Arc::from(row.get_ref(0)?.as_str()?), row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            Ok((born, next_content, names))
        })?;
        Ok(SegmentFile {
            number,
            database,
            created_at_us,
            first_seq,
            options: Arc::clone(options),
            packer: Packer::new(next_content),
            names,
            tally: HashMap::new(),
            keys: Vec::new(),
        })
    }

    /// The next free numbers as far as this file knows.
    pub(crate) fn numbers(&self) -> Result<Numbers, JournalError> {
        self.database.run(|connection| {
            connection.query_row(
                "SELECT max(first_id, ifnull((SELECT max(id) + 1 FROM message), 0)),
                        max(first_seq, ifnull((SELECT max(seq) + 1 FROM message), 0)),
                        max(first_delivery, ifnull((SELECT max(seq) + 1 FROM delivery), 0)) FROM meta",
                [],
                |row| {
                    Ok(Numbers { id: unsigned(row, 0)?, seq: unsigned(row, 1)?, delivery: unsigned(row, 2)? })
                },
            )
        })
    }

    /// The next free number of a content.
    pub(crate) fn next_content(&self) -> i64 {
        self.packer.next
    }

    /// Leaves out smaller numbers of contents: they were used before the file was opened anew.
    pub(crate) fn skip_contents_to(&mut self, next: i64) {
        self.packer.next = self.packer.next.max(next);
    }

    /// The deliveries with this number or a later one.
    pub(crate) fn deliveries_from(&self, seq: u64) -> Result<Vec<u64>, JournalError> {
        self.database.run(|connection| {
            connection
                .prepare("SELECT seq FROM delivery WHERE seq >= ?1")?
                .query_map([int(seq)], |row| unsigned(row, 0))?
                .collect()
        })
    }

    /// True when no delivery waits, needs a person, or has an envelope with the broker.
    pub(crate) fn is_settled(&self) -> Result<bool, JournalError> {
        self.database.run(|connection| {
            connection.query_row(
                "SELECT NOT EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_held WHERE state IN (3, 4))
                    AND NOT EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_waiting WHERE state = 0)
                    AND NOT EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_carried WHERE carried IS NOT NULL)",
                [],
                |row| row.get(0),
            )
        })
    }

    /// Makes a settled file small: the log goes into the database, and what only the queue needed goes.
    pub(crate) fn compact(&self) -> Result<(), JournalError> {
        self.database
            .run(|connection| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
    }

    /// How large the database is, in bytes.
    pub(crate) fn bytes(&self) -> Result<u64, JournalError> {
        self.database.run(|connection| {
            connection
                .prepare_cached("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")?
                .query_row([], |row| unsigned(row, 0))
        })
    }

    pub(crate) fn begin(&self) -> Result<(), JournalError> {
        self.database.run(|connection| connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop))
    }

    /// Brings the ledgers up to date and flushes.
    pub(crate) fn commit(&mut self) -> Result<(), JournalError> {
        let tally = &mut self.tally;
        self.database.run(|connection| {
            let mut add = connection.prepare_cached(
                "INSERT INTO tally (ledger, name, code, count) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET count = count + excluded.count",
            )?;
            for ((ledger, name, code), count) in tally.drain().filter(|(_, count)| *count != 0) {
                add.execute(params![ledger, name, code, count])?;
            }
            connection.prepare_cached("COMMIT")?.execute([]).map(drop)
        })
    }

    /// Stores a message with its deliveries, which get the numbers from `first_delivery` on. `intake` is the row of the file it came in,
    /// `earlier` the message that it repeats or has its name from.
    pub(crate) fn insert_message(
        &mut self,
        message: &NewMessage,
        intake: Option<i64>,
        earlier: Option<u64>,
        seq: u64,
        first_delivery: u64,
    ) -> Result<(), JournalError> {
        let source = self.name(&message.source)?;
        let format = self.name(&message.format)?;
        let plan = self.name(&message.plan)?;
        let content = self.packer.store(&self.options, self.number, &self.database, &message.body)?;
        self.keys.clear();
        keys::write(&message.keys, &mut self.keys);
        self.database.run(|connection| {
            connection
                .prepare_cached(
                    "INSERT INTO message (seq, id, source, accepted_at_us, format, type, event, control_id,
                                          fate, reason, plan, content, keys, intake, member,
                                          earlier, sender)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
                )?
                .execute(params![
                    int(seq),
                    int(message.id),
                    source,
                    message.accepted_at_us,
                    format,
                    message.message_type,
                    message.event,
                    message.control_id,
                    message.fate.code(),
                    message.reason,
                    plan,
                    content,
                    self.keys,
                    intake,
                    message.origin.as_ref().map(|origin| int(origin.member)),
                    earlier.map(int),
                    message.sender,
                ])
                .map(drop)
        })?;
        self.count_message(source, message.fate, 1);
        let mut stored = StoredContents::new(&message.body, content);
        let mut parts = Parts::default();
        for (delivery, seq) in message.deliveries.iter().zip(first_delivery..) {
            let part = parts.next(delivery);
            self.insert_delivery(seq, message.id, part, delivery, message.accepted_at_us, &mut stored)?;
        }
        Ok(())
    }

    /// Stores a delivery that is new at a moment.
    pub(crate) fn insert_delivery<'p>(
        &mut self,
        seq: u64,
        message: u64,
        part: u32,
        delivery: &'p NewDelivery,
        at_us: i64,
        stored: &mut StoredContents<'p>,
    ) -> Result<(), JournalError> {
        let route = self.name(&delivery.route)?;
        let destination = self.name(&delivery.destination)?;
        let content = self.store_payload(delivery, stored)?;
        self.database.run(|connection| {
            connection
                .prepare_cached(
                    "INSERT INTO delivery (seq, message, route, destination, part, state, reason, attempts,
                                           next_attempt_at_us, revision, content, control_id, target, class, lanes,
                                           since_us)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, NULL, 0, ?8, ?9, ?10, ?11, ?12, ?13)",
                )?
                .execute(params![
                    int(seq),
                    int(message),
                    route,
                    destination,
                    part,
                    delivery.state.code(),
                    delivery.reason,
                    content,
                    delivery.control_id,
                    delivery.target,
                    delivery.place.class,
                    waiting::lanes_stored(&delivery.place.lanes),
                    at_us,
                ])
                .map(drop)
        })?;
        if let Some(unmapped) = &delivery.unmapped {
            self.park_for_code(seq, 0, unmapped, at_us)?;
        }
        self.count_delivery(destination, delivery.state, 1);
        Ok(())
    }

    /// Stores a payload, unless this message has stored an equal one.
    pub(crate) fn store_payload<'p>(
        &mut self,
        delivery: &'p NewDelivery,
        stored: &mut StoredContents<'p>,
    ) -> Result<Option<i64>, JournalError> {
        let Some(payload) = &delivery.payload else { return Ok(None) };
        if let Some(content) = stored.find(payload) {
            return Ok(Some(content));
        }
        let content = self.packer.store(&self.options, self.number, &self.database, payload)?;
        stored.0.push((payload, content));
        Ok(Some(content))
    }

    /// Keeps an attempt, if there was one, and moves its delivery on; false when the file has no such delivery. A delivery that a replay replaced, that a person
    /// has had tried anew, or that was settled otherwise since, is left as it is (but what was delivered, was delivered).
    pub(crate) fn record_attempt(&mut self, attempt: &AttemptRecord) -> Result<bool, JournalError> {
        let Some(standing) = self.standing(attempt.delivery)? else { return Ok(false) };
        let n = standing.attempts + u32::from(attempt.outcome.is_some());
        let current = standing.revision == attempt.revision
            && match attempt.state {
                DeliveryState::Delivered => true,
                _ => standing.state == DeliveryState::Waiting && !self.began_anew(attempt)?,
            };
        self.database.run(|connection| {
            if let Some(outcome) = attempt.outcome {
                connection
                    .prepare_cached(
                        "INSERT INTO attempt (delivery, n, at_us, duration_us, outcome, code, text, answer)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                    )?
                    .execute(params![
                        int(attempt.delivery),
                        n,
                        attempt.at_us,
                        int(attempt.duration_us),
                        outcome.code(),
                        attempt.code,
                        attempt.text,
                        attempt.answer,
                    ])?;
            }
            if current {
                connection
                    .prepare_cached(
                        "UPDATE delivery SET state = ?2, reason = ?3, attempts = ?4, next_attempt_at_us = ?5,
                                             failing_since_us = iif(?2 = 0, ifnull(failing_since_us, ?6), NULL)
                         WHERE seq = ?1",
                    )?
                    .execute(params![
                        int(attempt.delivery),
                        attempt.state.code(),
                        attempt.reason,
                        n,
                        attempt.next_attempt_at_us,
                        attempt.at_us
                    ])
            } else {
                connection
                    .prepare_cached("UPDATE delivery SET attempts = ?2 WHERE seq = ?1")?
                    .execute(params![int(attempt.delivery), n])
            }
            .map(drop)
        })?;
        if current {
            self.count_delivery(standing.destination, standing.state, -1);
            self.count_delivery(standing.destination, attempt.state, 1);
        }
        Ok(true)
    }

    /// Whether the delivery's time began anew after the attempt did.
    fn began_anew(&self, attempt: &AttemptRecord) -> Result<bool, JournalError> {
        if attempt.since_us.is_none() {
            return Ok(false);
        }
        self.database.run(|connection| {
            connection
                .prepare_cached("SELECT since_us IS NOT ?2 FROM delivery WHERE seq = ?1")?
                .query_row(params![int(attempt.delivery), attempt.since_us], |row| row.get(0))
        })
    }

    /// How a delivery of this file stands.
    pub(crate) fn standing(&self, delivery: u64) -> Result<Option<Standing>, JournalError> {
        self.database.run(|connection| {
            connection
                .prepare_cached(
                    "SELECT seq, state, revision, attempts, destination, content FROM delivery WHERE seq = ?1",
                )?
                .query_row([int(delivery)], standing)
                .optional()
        })
    }

    /// The number of a name in this file.
    pub(crate) fn name(&mut self, name: &Arc<str>) -> Result<i64, JournalError> {
        if let Some(id) = self.names.get(name) {
            return Ok(*id);
        }
        let id = self.database.run(|connection| {
            connection.prepare_cached("INSERT INTO name (name) VALUES (?1)")?.insert([&**name])
        })?;
        self.names.insert(Arc::clone(name), id);
        Ok(id)
    }

    pub(crate) fn count_message(&mut self, source: i64, fate: Fate, by: i64) {
        *self.tally.entry((LEDGER_MESSAGES, source, fate.code())).or_default() += by;
    }

    pub(crate) fn count_delivery(&mut self, destination: i64, state: DeliveryState, by: i64) {
        *self.tally.entry((LEDGER_DELIVERIES, destination, state.code())).or_default() += by;
    }
}

/// Reads `seq, state, revision, attempts, destination, content`.
pub(crate) fn standing(row: &rusqlite::Row<'_>) -> rusqlite::Result<Standing> {
    Ok(Standing {
        seq: unsigned(row, 0)?,
        state: coded(row, 1, DeliveryState::from_code)?,
        revision: row.get(2)?,
        attempts: row.get(3)?,
        destination: row.get(4)?,
        content: row.get(5)?,
    })
}

/// The contents stored for one message so far, so that equal ones are stored once.
pub(crate) struct StoredContents<'p>(Vec<(&'p Arc<[u8]>, i64)>);

impl<'p> StoredContents<'p> {
    pub(crate) fn new(body: &'p Arc<[u8]>, content: i64) -> StoredContents<'p> {
        StoredContents(vec![(body, content)])
    }

    pub(crate) fn none() -> StoredContents<'p> {
        StoredContents(Vec::new())
    }

    fn find(&self, payload: &Arc<[u8]>) -> Option<i64> {
        self.0
            .iter()
            .find(|(bytes, _)| Arc::ptr_eq(bytes, payload) || *bytes == payload)
            .map(|(_, content)| *content)
    }
}

/// Numbers the outputs of each pair of route and destination of one message.
#[derive(Default)]
pub(crate) struct Parts(HashMap<(Arc<str>, Arc<str>), u32>);

impl Parts {
    pub(crate) fn next(&mut self, delivery: &NewDelivery) -> u32 {
        let pair = (Arc::clone(&delivery.route), Arc::clone(&delivery.destination));
        let next = self.0.entry(pair).or_default();
        let part = *next;
        *next += 1;
        part
    }
}
