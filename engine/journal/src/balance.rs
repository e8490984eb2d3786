//! The balance: every message has a fate and every delivery a state, counted so that a loss would show.
//!
//! What always holds: the two sides of a line are counted from different evidence. How many there must be comes from the counters that
//! each commit keeps (of a period, from the rows), and from what the rows name; a row counts for its fate or state only where something
//! else says the same: a routed message has a delivery, a delivered one an attempt that succeeded. What does not, is a difference with a
//! [`Contradiction`] that says why.
//!
//! Each segment file is seen as of one moment, under a running engine too.

mod counting;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use rusqlite::{OptionalExtension, params};

use self::counting::{Counting, strangers};
use crate::error::JournalError;
use crate::message::{DeliveryState, Fate};
use crate::reader::Reader;
use crate::sqlite::{Database, int, unsigned};

/// Both ledgers, over all files that retention has left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balance {
    /// Messages by source.
    pub sources: Vec<Ledger<Fate>>,
    /// Deliveries by destination.
    pub destinations: Vec<Ledger<DeliveryState>>,
    /// What is wrong, where anything is.
    pub contradictions: Vec<Contradiction>,
}

/// A line of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger<F> {
    /// The source, or the destination.
    pub name: String,
    /// How many there must be.
    pub total: u64,
    /// How many there are, by what became of them; none that are zero.
    pub counts: BTreeMap<F, u64>,
    /// Those that were filtered, by the rule.
    pub filtered_by: BTreeMap<String, u64>,
}

impl<F: Ord> Ledger<F> {
    fn new(name: String) -> Ledger<F> {
        Ledger { name, total: 0, counts: BTreeMap::new(), filtered_by: BTreeMap::new() }
    }

    /// How many became this.
    pub fn count(&self, what: F) -> u64 {
        self.counts.get(&what).copied().unwrap_or_default()
    }

    /// How many have a fate.
    pub fn sum(&self) -> u64 {
        self.counts.values().sum()
    }

    /// How many have none: 0 where all is well, negative where there are more than there must be.
    pub fn difference(&self) -> i64 {
        int(self.total) - int(self.sum())
    }
}

/// Two pieces of evidence that do not agree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contradiction {
    /// The source or destination; empty where it cannot be told.
    pub name: String,
    /// What does not agree.
    pub what: &'static str,
    /// How many are concerned.
    pub count: u64,
}

impl Balance {
    /// Whether every message and every delivery is accounted for.
    pub fn is_balanced(&self) -> bool {
        let sources = self.sources.iter().all(|ledger| ledger.difference() == 0);
        let destinations = self.destinations.iter().all(|ledger| ledger.difference() == 0);
        sources && destinations && self.contradictions.is_empty()
    }
}

impl Reader {
    /// The balance of the messages accepted in a period (microseconds since 1970-01-01T00:00:00Z), with all their deliveries; of
    /// everything when none is given.
    pub fn balance(&self, accepted: Option<Range<i64>>) -> Result<Balance, JournalError> {
        self.balance_with(accepted, self.replays_elsewhere()?)
    }

    /// The same, with the replays that were known a moment ago: others may have come since.
    fn balance_with(
        &self,
        accepted: Option<Range<i64>>,
        replays: HashMap<u64, Replay>,
    ) -> Result<Balance, JournalError> {
        let mut counting = Counting::new(accepted, replays);
        for file in self.files.list()?.iter() {
            let database = self.pool.segment(file.number)?;
            let _snapshot = database.snapshot()?;
            counting.add_messages(&database)?;
            self.follow_replays(file.number, &database, &mut counting)?;
            counting.add_deliveries(&database)?;
            self.add_strangers(&database, &mut counting)?;
            if counting.period.is_none() {
                counting.add_counters(&database)?;
            }
        }
        Ok(counting.balance())
    }

    /// Calls `each` with the id, the control id and the fate of every message of a source that was accepted in a period, in no order. A
    /// message without control id has an empty one.
    pub fn control_ids(
        &self,
        source: &str,
        accepted: Option<Range<i64>>,
        mut each: impl FnMut(u64, &str, Fate),
    ) -> Result<(), JournalError> {
        let Range { start, end } = accepted.unwrap_or(ALWAYS);
        for file in self.files.list()?.iter() {
            self.pool.segment(file.number)?.run(|connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT id, control_id, fate FROM message WHERE source = (SELECT id FROM name WHERE name = ?1)
                       AND accepted_at_us >= ?2 AND accepted_at_us < ?3",
                )?;
                let mut rows = statement.query(params![source, start, end])?;
                while let Some(row) = rows.next()? {
                    // An unknown fate is told by the balance.
                    let fate = Fate::from_code(row.get(2)?).unwrap_or(Fate::Failed);
                    each(unsigned(row, 0)?, row.get_ref(1)?.as_str()?, fate);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// What replays in later files have made of messages in earlier, sealed ones.
    fn replays_elsewhere(&self) -> Result<HashMap<u64, Replay>, JournalError> {
        let mut replays: HashMap<u64, Replay> = HashMap::new();
        for file in self.files.list()?.iter() {
            self.pool.segment(file.number)?.run(|connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT message, home, fate, reason FROM processing WHERE home <> ?1 ORDER BY id",
                )?;
                let mut rows = statement.query([file.number])?;
                while let Some(row) = rows.next()? {
                    let fresh = || Replay { home: 0, fate: 0, reason: None, files: Vec::new() };
                    let replay = replays.entry(unsigned(row, 0)?).or_insert_with(fresh);
                    (replay.home, replay.fate, replay.reason) = (row.get(1)?, row.get(2)?, row.get(3)?);
                    if replay.files.last() != Some(&file.number) {
                        replay.files.push(file.number);
                    }
                }
                Ok(())
            })?;
        }
        Ok(replays)
    }

    /// The last word on a message's fate has its last replay, wherever that stands.
    fn follow_replays(
        &self,
        number: u32,
        database: &Database,
        counting: &mut Counting,
    ) -> Result<(), JournalError> {
        let here = counting.replays.iter().filter(|(_, replay)| replay.home == number);
        let here: Vec<(u64, Replay)> = here.map(|(id, replay)| (*id, replay.clone())).collect();
        for (id, replay) in here {
            let Some(row) = message_row(database, id)? else { continue };
            if !counting.takes(row.accepted_at_us) {
                continue;
            }
            let mut has_delivery = row.has_delivery;
            for file in &replay.files {
                has_delivery |= self.pool.segment(*file)?.run(|connection| {
                    connection.prepare_cached("SELECT 1 FROM delivery WHERE message = ?1")?.exists([int(id)])
                })?;
            }
            counting.message(&row.source, row.fate, row.reason.as_deref(), row.has_delivery, -1);
            counting.message(&row.source, replay.fate, replay.reason.as_deref(), has_delivery, 1);
        }
        Ok(())
    }

    /// Deliveries whose message stands in another file: replays of a sealed one made them.
    fn add_strangers(&self, database: &Database, counting: &mut Counting) -> Result<(), JournalError> {
        for (message, group) in strangers(database)? {
            // One that is not known came meanwhile; it stands beside what it made.
            let home = match counting.replays.get(&message) {
                Some(replay) => Some(replay.home),
                None => replayed_from(database, message)?,
            };
            let accepted_at_us = match home {
                None => None,
                Some(home) => self.pool.segment(home)?.run(|connection| {
                    connection
                        .prepare_cached("SELECT accepted_at_us FROM message WHERE id = ?1")?
                        .query_row([int(message)], |row| row.get(0))
                        .optional()
                })?,
            };
            match accepted_at_us {
                Some(at_us) if counting.takes(at_us) => counting.deliveries(&group),
                Some(_) => {}
                None if counting.period.is_none() => counting.orphan(&group.destination),
                None => {}
            }
        }
        Ok(())
    }
}

/// The file that has the message of a replay in this one.
fn replayed_from(database: &Database, message: u64) -> Result<Option<u32>, JournalError> {
    database.run(|connection| {
        connection
            .prepare_cached("SELECT home FROM processing WHERE message = ?1 ORDER BY id DESC LIMIT 1")?
            .query_row([int(message)], |row| row.get(0))
            .optional()
    })
}

const ALWAYS: Range<i64> = i64::MIN..i64::MAX;

/// The last replay of a message that stands in another file.
#[derive(Clone)]
struct Replay {
    home: u32,
    fate: i64,
    reason: Option<String>,
    /// The files that have replays of it.
    files: Vec<u32>,
}

/// A message, as far as the ledger asks.
struct MessageRow {
    source: String,
    fate: i64,
    reason: Option<String>,
    accepted_at_us: i64,
    has_delivery: bool,
}

fn message_row(database: &Database, id: u64) -> Result<Option<MessageRow>, JournalError> {
    database.run(|connection| {
        connection
            .prepare_cached(
                "SELECT s.name, m.fate, m.reason, m.accepted_at_us,
                        EXISTS (SELECT 1 FROM delivery d WHERE d.message = m.id)
                 FROM message m JOIN name s ON s.id = m.source WHERE m.id = ?1",
            )?
            .query_row([int(id)], |row| {
                Ok(MessageRow {
                    source: row.get(0)?,
                    fate: row.get(1)?,
                    reason: row.get(2)?,
                    accepted_at_us: row.get(3)?,
                    has_delivery: row.get(4)?,
                })
            })
            .optional()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::samples::{delivery, message};
    use crate::{Options, Reprocessed, open};

    /// A message of a sealed file is replayed after the balance has looked for replays, and before it counts.
    #[test]
    fn a_replay_that_comes_meanwhile_leaves_nobody_without_a_message() {
        let folder = tempfile::tempdir().unwrap();
        let retention_interval = Duration::from_millis(5);
        let options = Options { segment_bytes_max: 1, retention_interval, ..Options::new(folder.path()) };
        let (journal, writer, indexer) = open(options).unwrap();
        let threads = [std::thread::spawn(|| writer.run()), std::thread::spawn(|| indexer.run())];
        for id in [1, 2] {
            let (send, receive) = mpsc::channel();
            journal.accept(message(id), move |result| send.send(result).unwrap());
            receive.recv().unwrap().unwrap();
        }
        let reader = journal.reader();
        let home = reader.files_of(1).unwrap()[0];
        let is_sealed = || {
            let files = reader.files.list().unwrap();
            files.iter().any(|file| file.number == home && file.state == crate::catalog::FileState::Sealed)
        };
        while !is_sealed() {
            std::thread::yield_now();
        }
        let known = reader.replays_elsewhere().unwrap();
        let replay = Reprocessed {
            message_id: 1,
            at_us: 2_000,
            plan: "p2".into(),
            fate: Fate::Routed,
            reason: None,
            deliveries: vec![delivery()],
            also_delivered: false,
            also_cancelled: false,
            only: None,
        };
        let (send, receive) = mpsc::channel();
        journal.reprocess(replay, move |result| send.send(result).unwrap());
        receive.recv().unwrap().unwrap();
        assert!(known.is_empty() && reader.files_of(1).unwrap().len() == 2, "it stands in another file");
        for accepted in [None, Some(0..5_000)] {
            let balance = reader.balance_with(accepted, known.clone()).unwrap();
            assert!(balance.is_balanced(), "{balance:?}");
            assert_eq!(balance.destinations[0].total, 1);
        }
        journal.close();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
