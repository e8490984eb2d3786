//! How destinations stand in the journal: what waits and since when, what is held for a person, what went out last.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use crate::catalog::FileState;
use crate::error::JournalError;
use crate::message::DeliveryState;
use crate::reader::Reader;
use crate::sqlite::{Database, coded, int, unsigned};

/// How a destination stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestinationFigures {
    /// Deliveries that wait.
    pub waiting: u64,
    /// Deliveries that are set aside.
    pub parked: u64,
    /// Deliveries that failed.
    pub failed: u64,
    /// When the first of those that wait came in (or was replayed, when its message is of an earlier file), in microseconds since
    /// 1970-01-01T00:00:00Z.
    pub oldest_waiting_us: Option<i64>,
    /// When the latest delivery that is delivered went out.
    pub last_delivered_us: Option<i64>,
}

/// A delivery that is not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its number.
    pub delivery: u64,
    /// Its message.
    pub message_id: u64,
    /// Its state.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// When it came in, or was replayed when its message is of an earlier file, in microseconds since 1970-01-01T00:00:00Z.
    pub since_us: i64,
}

/// When a delivery `d` came in.
const SINCE: &str = "coalesce((SELECT m.accepted_at_us FROM message m WHERE m.id = d.message),
    (SELECT p.at_us FROM processing p WHERE p.message = d.message ORDER BY p.id DESC LIMIT 1), 0)";

impl Reader {
    /// The destinations that ever had a delivery, by name. A sealed file that cannot be read is passed over: nothing in it waits or is held.
    pub fn destinations(&self) -> Result<BTreeMap<String, DestinationFigures>, JournalError> {
        let mut destinations: BTreeMap<String, DestinationFigures> = BTreeMap::new();
        let listed = self.files.list()?;
        let mut files = Vec::with_capacity(listed.len());
        for file in listed.iter() {
            let counts = match self.deliveries_counted_in(file.number) {
                Err(_) if file.state == FileState::Sealed => continue,
                counts => counts?,
            };
            files.push(file);
            for (destination, state, count) in counts {
                let figures = destinations.entry(destination).or_default();
                match state {
                    DeliveryState::Waiting => figures.waiting += count,
                    DeliveryState::Parked => figures.parked += count,
                    DeliveryState::Failed => figures.failed += count,
                    _ => {}
                }
            }
        }
        for (name, figures) in &mut destinations {
            for file in files.iter().filter(|_| figures.waiting > 0) {
                let oldest = oldest_waiting(&*self.pool.segment(file.number)?, name)?;
                figures.oldest_waiting_us = figures.oldest_waiting_us.into_iter().chain(oldest).min();
            }
            for file in files.iter().rev() {
                figures.last_delivered_us = last_delivered(&*self.pool.segment(file.number)?, name)?;
                if figures.last_delivered_us.is_some() {
                    break;
                }
            }
        }
        Ok(destinations)
    }

    /// A destination's deliveries that are waiting, parked or failed, of those states that are asked for, in their order.
    pub fn held(&self, destination: &str, states: &[DeliveryState]) -> Result<Vec<Held>, JournalError> {
        let mut held = Vec::new();
        for file in self.files.list()?.iter() {
            let database = self.pool.segment(file.number)?;
            for state in states {
                held.extend(held_in(&database, destination, *state)?);
            }
        }
        held.sort_unstable_by_key(|held| held.delivery);
        Ok(held)
    }

    /// How many deliveries wait for a destination, up to a number.
    pub fn waiting_up_to(&self, destination: &str, delivery: u64) -> Result<u64, JournalError> {
        let mut count = 0;
        for file in self.files.list()?.iter() {
            count += self.pool.segment(file.number)?.run(|connection| {
                connection
                    .prepare_cached(
                        "SELECT count(*) FROM delivery INDEXED BY delivery_waiting
                         WHERE state = 0 AND destination = (SELECT id FROM name WHERE name = ?1) AND seq <= ?2",
                    )?
                    .query_row(params![destination, int(delivery)], |row| unsigned(row, 0))
            })?;
        }
        Ok(count)
    }
}

fn oldest_waiting(database: &Database, destination: &str) -> Result<Option<i64>, JournalError> {
    let sql = format!(
        "SELECT {SINCE} FROM delivery d INDEXED BY delivery_waiting
         WHERE d.state = 0 AND d.destination = (SELECT id FROM name WHERE name = ?1) ORDER BY d.seq LIMIT 1"
    );
    database.run(|connection| {
        connection.prepare_cached(&sql)?.query_row([destination], |row| row.get(0)).optional()
    })
}

/// The counters tell whether there is one to look for.
fn last_delivered(database: &Database, destination: &str) -> Result<Option<i64>, JournalError> {
    database.run(|connection| {
        let id: Option<i64> = connection
            .prepare_cached(
                "SELECT n.id FROM name n JOIN tally t ON t.ledger = 1 AND t.name = n.id AND t.code = 1
                 WHERE n.name = ?1 AND t.count > 0",
            )?
            .query_row([destination], |row| row.get(0))
            .optional()?;
        let Some(id) = id else { return Ok(None) };
        connection
            .prepare_cached(
                "SELECT (SELECT max(a.at_us + a.duration_us) FROM attempt a WHERE a.delivery = d.seq AND a.outcome = 0)
                 FROM delivery d WHERE d.state = 1 AND d.destination = ?1 ORDER BY d.seq DESC LIMIT 1",
            )?
            .query_row([id], |row| row.get(0))
            .optional()
            .map(Option::flatten)
    })
}

fn held_in(database: &Database, destination: &str, state: DeliveryState) -> Result<Vec<Held>, JournalError> {
    let sql = format!(
        "SELECT d.seq, d.message, d.state, d.attempts, {SINCE} FROM delivery d
         WHERE d.state = {} AND d.destination = (SELECT id FROM name WHERE name = ?1)",
        state.code()
    );
    database.run(|connection| {
        connection
            .prepare_cached(&sql)?
            .query_map([destination], |row| {
                Ok(Held {
                    delivery: unsigned(row, 0)?,
                    message_id: unsigned(row, 1)?,
                    state: coded(row, 2, DeliveryState::from_code)?,
                    attempts: row.get(3)?,
                    since_us: row.get(4)?,
                })
            })?
            .collect()
    })
}
