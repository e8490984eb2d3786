//! What a person does to single deliveries: take one back, set one aside, have one be tried at once, send one again.
//!
//! What always holds: what is delivered stays delivered, also when the attempt under way at that moment succeeds; a delivery that is sent
//! again is a new one, and the old one keeps what became of it.

use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use crate::carried::RECALL;
use crate::error::{CommitError, JournalError};
use crate::journal::Shared;
use crate::message::DeliveryState;
use crate::segment::{SegmentFile, StoredContents};
use crate::sqlite::{Database, int};

/// A change of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amendment {
    /// Its number.
    pub delivery: u64,
    /// Where it goes, as it stands in the journal.
    pub destination: Arc<str>,
    /// What is done to it.
    pub change: Change,
    /// When, in microseconds since 1970-01-01T00:00:00Z.
    pub at_us: i64,
    /// By whom and why. No patient data.
    pub reason: Option<String>,
}

/// What is done to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// One that waits, is parked or failed is taken back for good.
    Cancel,
    /// One that waits is set aside.
    Park,
    /// One that waits, is parked or failed is tried as soon as its place in the order allows, with the payload that it has; its time begins
    /// anew.
    Retry,
}

/// What came of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amended {
    /// The delivery's state before.
    pub before: DeliveryState,
    /// Whether it was changed: its state may not be one that the change is for, or there is nothing that could be sent.
    pub changed: bool,
}

/// A delivery to be sent again, whatever became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resend {
    /// Its message.
    pub message_id: u64,
    /// Its number.
    pub delivery: u64,
    /// Where it goes, as it stands in the journal.
    pub destination: Arc<str>,
    /// When, in microseconds since 1970-01-01T00:00:00Z.
    pub at_us: i64,
}

/// What came of sending one again.
pub(crate) enum Copied {
    /// It is a new delivery.
    Done,
    /// There is no such delivery, or nothing that could be sent.
    Nothing,
    /// What was sent cannot be read any more.
    Unreadable(CommitError),
}

impl Change {
    fn state(self) -> DeliveryState {
        match self {
            Change::Cancel => DeliveryState::Cancelled,
            Change::Park => DeliveryState::Parked,
            Change::Retry => DeliveryState::Waiting,
        }
    }

    fn is_for(self, state: DeliveryState, has_payload: bool) -> bool {
        match (self, state) {
            (Change::Cancel | Change::Park, DeliveryState::Waiting) => true,
            (Change::Cancel, DeliveryState::Parked | DeliveryState::Failed) => true,
            (Change::Retry, DeliveryState::Waiting | DeliveryState::Parked | DeliveryState::Failed) => {
                has_payload
            }
            (_, _) => false,
        }
    }
}

impl SegmentFile {
    /// Applies a change inside the open transaction; nothing when the file has no such delivery. The revision stays: an attempt that is under
    /// way sends the same payload, and if it succeeds, it was delivered.
    pub(crate) fn amend(&mut self, amendment: &Amendment) -> Result<Option<Amended>, JournalError> {
        let Some(standing) = self.standing(amendment.delivery)? else { return Ok(None) };
        let before = standing.state;
        if !amendment.change.is_for(before, standing.content.is_some()) {
            return Ok(Some(Amended { before, changed: false }));
        }
        let state = amendment.change.state();
        self.database.run(|connection| {
            connection
                .prepare_cached(&format!(
                    "UPDATE delivery SET state = ?2, reason = ?3, next_attempt_at_us = NULL, failing_since_us = NULL,
                                         since_us = iif(?2 = 0, ?4, since_us), {RECALL} WHERE seq = ?1"
                ))?
                .execute(params![int(standing.seq), state.code(), amendment.reason, amendment.at_us])
                .map(drop)
        })?;
        self.count_delivery(standing.destination, before, -1);
        self.count_delivery(standing.destination, state, 1);
        Ok(Some(Amended { before, changed: true }))
    }

    /// Appends a delivery with the payload and the place of another one of this file; whether there was one to copy.
    fn copy_delivery(&mut self, resend: &Resend, seq: u64) -> Result<bool, JournalError> {
        let Some(standing) = self.standing(resend.delivery)?.filter(|standing| standing.content.is_some())
        else {
            return Ok(false);
        };
        self.database.run(|connection| {
            connection
                .prepare_cached(
                    "INSERT INTO delivery (seq, message, route, destination, part, state, reason, attempts,
                                           next_attempt_at_us, revision, content, control_id, target, class, lanes, since_us)
                     SELECT ?2, message, route, destination, part, ?3, NULL, 0, NULL, 0, content, control_id, target,
                            class, lanes, ?4
                     FROM delivery WHERE seq = ?1",
                )?
                .execute(params![int(resend.delivery), int(seq), DeliveryState::Waiting.code(), resend.at_us])
        })?;
        self.count_delivery(standing.destination, DeliveryState::Waiting, 1);
        Ok(true)
    }
}

/// Appends a delivery with the payload of another one, wherever that stands. `home` is the file that has the message.
pub(crate) fn resend(
    shared: &Shared,
    file: &mut SegmentFile,
    home: u32,
    places: &[u32],
    resend: &Resend,
    seq: u64,
) -> Result<Copied, JournalError> {
    if file.copy_delivery(resend, seq)? {
        return Ok(Copied::Done);
    }
    let reader = shared.reader();
    for number in places.iter().filter(|number| **number != file.number) {
        let (part, delivery) = match reader.as_new(*number, resend.delivery) {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            // Nothing is written yet, and what others of the group wrote need not suffer from it.
            Err(error) => return Ok(Copied::Unreadable(CommitError::from(&error))),
        };
        let mut stored = StoredContents::none();
        file.insert_delivery(seq, resend.message_id, part, &delivery, resend.at_us, &mut stored)?;
        hold(shared, file, home, places, resend)?;
        return Ok(Copied::Done);
    }
    Ok(Copied::Nothing)
}

/// Names the sealed file that has the message, so that it stays and the new delivery is found; the message's fate stays as it is.
fn hold(
    shared: &Shared,
    file: &mut SegmentFile,
    home: u32,
    places: &[u32],
    resend: &Resend,
) -> Result<(), JournalError> {
    let mut last = last_word(&file.database, resend.message_id, PROCESSING)?;
    if last.is_some() {
        return Ok(());
    }
    let reader = shared.reader();
    for number in places.iter().rev() {
        let database = reader.pool.segment(*number)?;
        last = last_word(&database, resend.message_id, PROCESSING)?;
        if last.is_none() && *number == home {
            last = last_word(&database, resend.message_id, MESSAGE)?;
        }
        if last.is_some() {
            break;
        }
    }
    let Some((plan, fate, reason)) = last else { return Ok(()) };
    let plan = file.name(&plan)?;
    file.database.run(|connection| {
        connection
            .prepare_cached(
                "INSERT INTO processing (message, at_us, plan, fate, reason, home) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![int(resend.message_id), resend.at_us, plan, fate, reason, home])
            .map(drop)
    })
}

const PROCESSING: &str = "SELECT n.name, p.fate, p.reason FROM processing p JOIN name n ON n.id = p.plan
    WHERE p.message = ?1 ORDER BY p.id DESC LIMIT 1";
const MESSAGE: &str =
    "SELECT n.name, m.fate, m.reason FROM message m JOIN name n ON n.id = m.plan WHERE m.id = ?1";

/// Plan, fate and reason, where a file says something of a message.
type LastWord = (Arc<str>, i64, Option<String>);

fn last_word(database: &Database, message: u64, sql: &str) -> Result<Option<LastWord>, JournalError> {
    database.run(|connection| {
        connection
            .prepare_cached(sql)?
            .query_row([int(message)], |row| {
                Ok((Arc::from(row.get_ref(0)?.as_str()?), row.get(1)?, row.get(2)?))
            })
            .optional()
    })
}
