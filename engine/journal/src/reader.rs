//! Reading beside the writer: one message with everything about it, and both ledgers.
//!
//! What stands in one segment file is seen as of one moment; results of attempts may lag behind by the writer's linger.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{OptionalExtension, Row};

use crate::content;
use crate::error::JournalError;
use crate::files::Files;
use crate::intake::origin;
use crate::message::{AttemptOutcome, DeliveryState, Fate};
use crate::options::Options;
use crate::pool::Pool;
use crate::repeats;
use crate::reprocess::{PairPart, Was};
use crate::segment::{LEDGER_DELIVERIES, LEDGER_MESSAGES};
use crate::sender;
use crate::sqlite::{Database, coded, int, unsigned};

/// Reads a journal; clones share their connections.
#[derive(Clone)]
pub struct Reader {
    pub(crate) files: Files,
    pub(crate) pool: Arc<Pool>,
}

/// A message with everything about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its place in commit order.
    pub seq: u64,
    /// Its id.
    pub id: u64,
    /// The source it came in by.
    pub source: String,
    /// When it came in, in microseconds since 1970-01-01T00:00:00Z.
    pub accepted_at_us: i64,
    /// Name of its format.
    pub format: String,
    /// Message type as the sender gave it.
    pub message_type: String,
    /// Trigger event as the sender gave it.
    pub event: String,
    /// The sender's id of the message.
    pub control_id: String,
    /// What became of it, by the latest processing.
    pub fate: Fate,
    /// Why.
    pub reason: Option<String>,
    /// Version of the plan of the latest processing.
    pub plan: String,
    /// The file it came in, if it did.
    pub origin: Option<StoredOrigin>,
    /// The name in the certificate that its sender showed, if it showed one.
    pub sender: Option<String>,
    /// Of a duplicate, the message that it repeats; of another, the one that came before it with the same name and other bytes.
    pub earlier: Option<u64>,
    /// The bytes as received.
    pub body: Vec<u8>,
    /// Its deliveries, in order.
    pub deliveries: Vec<StoredDelivery>,
}

/// The file that a message came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrigin {
    /// The file's name. It may hold patient data.
    pub name: String,
    /// Which of the file's messages it is, from 0.
    pub member: u64,
}

/// A delivery with everything about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDelivery {
    /// Its number.
    pub seq: u64,
    /// The route that made it.
    pub route: String,
    /// Where it goes.
    pub destination: String,
    /// Which output of its pair of route and destination, from 0.
    pub part: u32,
    /// What became of it.
    pub state: DeliveryState,
    /// Why.
    pub reason: Option<String>,
    /// Not before this moment, in microseconds since 1970-01-01T00:00:00Z.
    pub next_attempt_at_us: Option<i64>,
    /// How often a replay replaced it.
    pub revision: u32,
    /// What is (to be) sent.
    pub payload: Option<Vec<u8>>,
    /// The payload's own id.
    pub control_id: Option<String>,
    /// Its attempts, in order.
    pub attempts: Vec<StoredAttempt>,
}

impl StoredDelivery {
    /// Whether a person took it back; a replay that no longer makes a delivery cancels it too.
    pub fn is_taken_back(&self) -> bool {
        Was::of(self.state, self.reason.as_deref()).taken_back
    }
}

/// One attempt to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAttempt {
    /// When it began, in microseconds since 1970-01-01T00:00:00Z.
    pub at_us: i64,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// What kind of end it had.
    pub outcome: AttemptOutcome,
    /// The answer's code.
    pub code: Option<String>,
    /// What went wrong, in words.
    pub text: Option<String>,
    /// The answer as received.
    pub answer: Vec<u8>,
}

/// Both ledgers, over all files that retention has left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages by source and fate, in that order.
    pub messages: Vec<MessageCount>,
    /// Deliveries by destination and state, in that order.
    pub deliveries: Vec<DeliveryCount>,
}

/// A line of the ledger of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageCount {
    /// The source.
    pub source: String,
    /// The fate.
    pub fate: Fate,
    /// How many.
    pub count: u64,
}

/// A line of the ledger of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryCount {
    /// The destination.
    pub destination: String,
    /// The state.
    pub state: DeliveryState,
    /// How many.
    pub count: u64,
}

impl Reader {
    /// Reads the journal in a folder, also while an engine writes it; needs no lock.
    pub fn open(folder: &Path) -> Result<Reader, JournalError> {
        Reader::open_with(Options::new(folder))
    }

    /// As [`Reader::open`], with another VFS or file store than the default.
    pub fn open_with(options: Options) -> Result<Reader, JournalError> {
        let options = Arc::new(options);
        let reader =
            Reader { files: Files::Catalogued(Arc::clone(&options)), pool: Arc::new(Pool::new(options)) };
        reader.files.list()?;
        Ok(reader)
    }

    pub(crate) fn beside(files: Files, pool: Arc<Pool>) -> Reader {
        Reader { files, pool }
    }

    /// A message by its id, with its deliveries and their attempts.
    pub fn message(&self, id: u64) -> Result<Option<StoredMessage>, JournalError> {
        let places = self.files_of(id)?;
        let Some((&home, later)) = places.split_first() else { return Ok(None) };
        let Some(mut message) = self.message_in(home, id)? else { return Ok(None) };
        for &number in later {
            let database = self.pool.segment(number)?;
            let _snapshot = database.snapshot()?;
            message.deliveries.extend(self.deliveries_in(number, &database, id)?);
            self.overlay_processing(number, &mut message)?;
        }
        message.deliveries.sort_by_key(|delivery| delivery.seq);
        Ok(Some(message))
    }

    /// What has become of a message by now, and by which plan; without anything of what is in it.
    pub(crate) fn fate_of(&self, id: u64) -> Result<Option<(Fate, String)>, JournalError> {
        let mut latest = None;
        for number in self.files_of(id)? {
            let found = match latest {
                None => fate_in(&*self.pool.segment(number)?, id)?,
                Some(_) => self.processing_in(number, id)?.map(|(fate, _, plan)| (fate, plan)),
            };
            latest = found.or(latest);
        }
        Ok(latest)
    }

    /// The file that has the message, then the later files with replays of it; empty when there is no such message.
    pub(crate) fn files_of(&self, id: u64) -> Result<Vec<u32>, JournalError> {
        let mut later = Vec::new();
        for file in self.files.list()?.iter().rev() {
            let found = self.pool.segment(file.number).and_then(|database| {
                database.run(|connection| {
                    connection
                        .prepare_cached(
                            "SELECT EXISTS (SELECT 1 FROM message WHERE id = ?1),
                                    EXISTS (SELECT 1 FROM processing WHERE message = ?1)",
                        )?
                        .query_row([int(id)], |row| Ok((row.get::<_, bool>(0)?, row.get::<_, bool>(1)?)))
                })
            });
            let (has_message, has_replay) = match found {
                // Retention has removed it since it was listed.
                Err(_) if !self.files.list()?.iter().any(|other| other.number == file.number) => continue,
                found => found?,
            };
            if has_message {
                let mut places = vec![file.number];
                places.extend(later.into_iter().rev());
                return Ok(places);
            }
            if has_replay {
                later.push(file.number);
            }
        }
        Ok(Vec::new())
    }

    fn message_in(&self, number: u32, id: u64) -> Result<Option<StoredMessage>, JournalError> {
        let database = self.pool.segment(number)?;
        let _snapshot = database.snapshot()?;
        let found = database.run(|connection| {
            connection
                .prepare_cached(
                    "SELECT m.seq, s.name, m.accepted_at_us, f.name, m.type, m.event, m.control_id, m.fate, m.reason,
                            p.name, m.content
                     FROM message m JOIN name s ON s.id = m.source JOIN name f ON f.id = m.format
                     JOIN name p ON p.id = m.plan WHERE m.id = ?1",
                )?
                .query_row([int(id)], |row| {
                    let message = StoredMessage {
                        seq: unsigned(row, 0)?,
                        id,
                        source: row.get(1)?,
                        accepted_at_us: row.get(2)?,
                        format: row.get(3)?,
                        message_type: row.get(4)?,
                        event: row.get(5)?,
                        control_id: row.get(6)?,
                        fate: coded(row, 7, Fate::from_code)?,
                        reason: row.get(8)?,
                        plan: row.get(9)?,
                        origin: None,
                        sender: None,
                        earlier: None,
                        body: Vec::new(),
                        deliveries: Vec::new(),
                    };
                    Ok((message, row.get(10)?))
                })
                .optional()
        })?;
        let Some((mut message, content)) = found else { return Ok(None) };
        message.body = content::load(&self.pool.options, number, &database, content)?;
        message.origin = origin(&database, id)?;
        message.sender = sender::sender(&database, id)?;
        message.earlier = repeats::earlier(&database, id)?;
        message.deliveries = self.deliveries_in(number, &database, id)?;
        Ok(Some(message))
    }

    /// A replay in a later file has the last word on the message's fate.
    fn overlay_processing(&self, number: u32, message: &mut StoredMessage) -> Result<(), JournalError> {
        if let Some((fate, reason, plan)) = self.processing_in(number, message.id)? {
            message.fate = fate;
            message.reason = reason;
            message.plan = plan;
        }
        Ok(())
    }

    /// Fate, reason and plan of a message's latest replay in a file.
    fn processing_in(
        &self,
        number: u32,
        id: u64,
    ) -> Result<Option<(Fate, Option<String>, String)>, JournalError> {
        self.pool.segment(number)?.run(|connection| {
            connection
                .prepare_cached(
                    "SELECT p.fate, p.reason, n.name FROM processing p JOIN name n ON n.id = p.plan
                     WHERE p.message = ?1 ORDER BY p.id DESC LIMIT 1",
                )?
                .query_row([int(id)], |row| Ok((coded(row, 0, Fate::from_code)?, row.get(1)?, row.get(2)?)))
                .optional()
        })
    }

    fn deliveries_in(
        &self,
        number: u32,
        database: &Database,
        id: u64,
    ) -> Result<Vec<StoredDelivery>, JournalError> {
        let rows: Vec<(StoredDelivery, Option<i64>)> = database.run(|connection| {
            connection
                .prepare_cached(
                    "SELECT d.seq, r.name, n.name, d.part, d.state, d.reason, d.next_attempt_at_us, d.revision,
                            d.control_id, d.content
                     FROM delivery d JOIN name r ON r.id = d.route JOIN name n ON n.id = d.destination
                     WHERE d.message = ?1 ORDER BY d.seq",
                )?
                .query_map([int(id)], |row| Ok((stored_delivery(row)?, row.get(9)?)))?
                .collect()
        })?;
        rows.into_iter()
            .map(|(mut delivery, content)| {
                if let Some(content) = content {
                    delivery.payload = Some(content::load(&self.pool.options, number, database, content)?);
                }
                delivery.attempts = database.run(|connection| attempts(connection, delivery.seq))?;
                Ok(delivery)
            })
            .collect()
    }

    /// The states of a message's deliveries in one file; of several for one part, the latest.
    pub(crate) fn states_in(&self, number: u32, id: u64) -> Result<Vec<(PairPart, Was)>, JournalError> {
        self.pool.segment(number)?.run(|connection| {
            connection
                .prepare_cached(
                    "SELECT r.name, n.name, d.part, d.state, d.reason
                     FROM delivery d JOIN name r ON r.id = d.route JOIN name n ON n.id = d.destination
                     WHERE d.message = ?1 ORDER BY d.seq",
                )?
                .query_map([int(id)], |row| {
                    let route = Arc::from(row.get_ref(0)?.as_str()?);
                    let destination = Arc::from(row.get_ref(1)?.as_str()?);
                    let state = coded(row, 3, DeliveryState::from_code)?;
                    let was = Was::of(state, row.get_ref(4)?.as_str_or_null()?);
                    Ok(((route, destination, row.get(2)?), was))
                })?
                .collect()
        })
    }

    /// Both ledgers.
    pub fn counts(&self) -> Result<Counts, JournalError> {
        let mut messages = BTreeMap::<(String, Fate), u64>::new();
        let mut deliveries = BTreeMap::<(String, DeliveryState), u64>::new();
        for file in self.files.list()?.iter() {
            for (ledger, name, code, count) in self.tally_in(file.number)? {
                match (ledger, Fate::from_code(code), DeliveryState::from_code(code)) {
                    (LEDGER_MESSAGES, Some(fate), _) => *messages.entry((name, fate)).or_default() += count,
                    (LEDGER_DELIVERIES, _, Some(state)) => {
                        *deliveries.entry((name, state)).or_default() += count
                    }
                    _ => {}
                }
            }
        }
        Ok(Counts {
            messages: messages
                .into_iter()
                .map(|((source, fate), count)| MessageCount { source, fate, count })
                .collect(),
            deliveries: deliveries
                .into_iter()
                .map(|((destination, state), count)| DeliveryCount { destination, state, count })
                .collect(),
        })
    }

    /// How many deliveries of each destination are in each state in a file.
    pub(crate) fn deliveries_counted_in(
        &self,
        number: u32,
    ) -> Result<Vec<(String, DeliveryState, u64)>, JournalError> {
        let tally = self.tally_in(number)?.into_iter();
        let deliveries = tally.filter(|(ledger, ..)| *ledger == LEDGER_DELIVERIES);
        let known = deliveries
            .filter_map(|(_, name, code, count)| Some((name, DeliveryState::from_code(code)?, count)));
        Ok(known.collect())
    }

    fn tally_in(&self, number: u32) -> Result<Vec<(i64, String, i64, u64)>, JournalError> {
        self.pool.segment(number)?.run(|connection| {
            connection
                .prepare_cached(
                    "SELECT t.ledger, n.name, t.code, t.count FROM tally t JOIN name n ON n.id = t.name
                     WHERE t.count <> 0",
                )?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, unsigned(row, 3)?)))?
                .collect()
        })
    }
}

fn stored_delivery(row: &Row<'_>) -> rusqlite::Result<StoredDelivery> {
    Ok(StoredDelivery {
        seq: unsigned(row, 0)?,
        route: row.get(1)?,
        destination: row.get(2)?,
        part: row.get(3)?,
        state: coded(row, 4, DeliveryState::from_code)?,
        reason: row.get(5)?,
        next_attempt_at_us: row.get(6)?,
        revision: row.get(7)?,
        payload: None,
        control_id: row.get(8)?,
        attempts: Vec::new(),
    })
}

fn attempts(connection: &rusqlite::Connection, delivery: u64) -> rusqlite::Result<Vec<StoredAttempt>> {
    connection
        .prepare_cached(
            "SELECT at_us, duration_us, outcome, code, text, answer FROM attempt WHERE delivery = ?1 ORDER BY n",
        )?
        .query_map([int(delivery)], |row| {
            Ok(StoredAttempt {
                at_us: row.get(0)?,
                duration_us: unsigned(row, 1)?,
                outcome: coded(row, 2, AttemptOutcome::from_code)?,
                code: row.get(3)?,
                text: row.get(4)?,
                answer: row.get(5)?,
            })
        })?
        .collect()
}

/// The fate and the plan that the file with a message has of it.
pub(crate) fn fate_in(database: &Database, id: u64) -> Result<Option<(Fate, String)>, JournalError> {
    database.run(|connection| {
        connection
            .prepare_cached(
                "SELECT m.fate, n.name FROM message m JOIN name n ON n.id = m.plan WHERE m.id = ?1",
            )?
            .query_row([int(id)], |row| Ok((coded(row, 0, Fate::from_code)?, row.get(1)?)))
            .optional()
    })
}
