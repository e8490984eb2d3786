//! The balance: every message has a fate and every delivery a state, counted so that a loss would show.
//!
//! What always holds: the two sides of a line are counted from different evidence. How many there must be comes from the counters that
//! each commit keeps (of a period, from the rows), and from what the rows name; a row counts for its fate or state only where something
//! else says the same: a routed message has a delivery, a delivered one an attempt that succeeded. What does not, is a difference with a
//! [`Contradiction`] that says why.
//!
//! Each segment file is seen as of one moment, under a running engine too.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use rusqlite::{OptionalExtension, params};

use crate::error::JournalError;
use crate::message::{DeliveryState, Fate};
use crate::reader::Reader;
use crate::segment::{LEDGER_DELIVERIES, LEDGER_MESSAGES};
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
        let mut counting =
            Counting { period: accepted, replays: self.replays_elsewhere()?, ..Counting::default() };
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

    /// Calls `each` with the control id and the fate of every message of a source that was accepted in a period, in no order. A message
    /// without control id has an empty one.
    pub fn control_ids(
        &self,
        source: &str,
        accepted: Option<Range<i64>>,
        mut each: impl FnMut(&str, Fate),
    ) -> Result<(), JournalError> {
        let Range { start, end } = accepted.unwrap_or(ALWAYS);
        for file in self.files.list()?.iter() {
            self.pool.segment(file.number)?.run(|connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT control_id, fate FROM message WHERE source = (SELECT id FROM name WHERE name = ?1)
                       AND accepted_at_us >= ?2 AND accepted_at_us < ?3",
                )?;
                let mut rows = statement.query(params![source, start, end])?;
                while let Some(row) = rows.next()? {
                    // An unknown fate is told by the balance.
                    let fate = Fate::from_code(row.get(1)?).unwrap_or(Fate::Failed);
                    each(row.get_ref(0)?.as_str()?, fate);
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
            let home = counting.replays.get(&message).map(|replay| replay.home);
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

/// Deliveries of a destination that are alike.
struct Group {
    destination: String,
    state: i64,
    reason: Option<String>,
    count: i64,
    /// So many of them are delivered without an attempt that succeeded.
    unproven: i64,
    /// So many parts of a split are missing before them.
    missing: i64,
}

/// What each delivery `d` is asked: destination, state, the rule that filtered it, whether it is delivered without proof, and whether the part of
/// a split before it is missing.
const GROUP: &str = "n.name, d.state, CASE WHEN d.state = 2 THEN ifnull(d.reason, '') END,
    d.state = 1 AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.delivery = d.seq AND a.outcome = 0)";

fn strangers(database: &Database) -> Result<Vec<(u64, Group)>, JournalError> {
    let sql = format!(
        "SELECT {GROUP}, d.message FROM delivery d JOIN name n ON n.id = d.destination
         WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.id = d.message)"
    );
    database.run(|connection| {
        connection
            .prepare_cached(&sql)?
            .query_map([], |row| {
                let (destination, state, reason, unproven) =
                    (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                let group = Group { destination, state, reason, count: 1, unproven, missing: 0 };
                Ok((unsigned(row, 4)?, group))
            })?
            .collect()
    })
}

/// By ledger, name and fate or state: what the commits counted, and how many rows there are.
const COUNTERS_AND_ROWS: &str = "
    SELECT c.ledger, n.name, sum(c.counted), sum(c.there) FROM (
        SELECT ledger, name, code, count AS counted, 0 AS there FROM tally
        UNION ALL SELECT 0, source, fate, 0, count(*) FROM message GROUP BY source, fate
        UNION ALL SELECT 1, destination, state, 0, count(*) FROM delivery GROUP BY destination, state
    ) c JOIN name n ON n.id = c.name GROUP BY c.ledger, c.name, c.code";

/// The ledgers while they are counted.
#[derive(Default)]
struct Counting {
    period: Option<Range<i64>>,
    replays: HashMap<u64, Replay>,
    sources: BTreeMap<String, Side<Fate>>,
    destinations: BTreeMap<String, Side<DeliveryState>>,
    contradictions: BTreeMap<(String, &'static str), i64>,
}

/// A line while it is counted; replays take away what they then add elsewhere.
struct Side<F> {
    /// By the counters of the commits, where they are asked.
    counted: Option<i64>,
    rows: i64,
    /// What the rows name and is not there; the counters know of it.
    missing: i64,
    counts: BTreeMap<F, i64>,
    filtered_by: BTreeMap<String, i64>,
}

impl<F> Default for Side<F> {
    fn default() -> Self {
        let (counts, filtered_by) = (BTreeMap::new(), BTreeMap::new());
        Side { counted: None, rows: 0, missing: 0, counts, filtered_by }
    }
}

const UNKNOWN: &str = "a fate or state that this program does not know";
const ROUTED: &str = "messages that were routed and have no delivery";
const DELIVERED: &str = "deliveries that count as delivered without an attempt that succeeded";
const PARTS: &str = "outputs of a split that are missing before a later one";
const ORPHANS: &str = "deliveries without their message";
const ATTEMPTS: &str = "attempts without their delivery";
const MISCOUNTED: &str = "rows that the commits counted otherwise";

impl Counting {
    fn takes(&self, at_us: i64) -> bool {
        self.period.as_ref().is_none_or(|period| period.contains(&at_us))
    }

    fn add_messages(&mut self, database: &Database) -> Result<(), JournalError> {
        let Range { start, end } = self.period.clone().unwrap_or(ALWAYS);
        let groups: Vec<(String, i64, Option<String>, i64, i64)> = database.run(|connection| {
            connection
                .prepare_cached(
                    "SELECT s.name, m.fate, CASE WHEN m.fate = 1 THEN ifnull(m.reason, '') END, count(*),
                            total(m.fate = 0 AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.message = m.id))
                     FROM message m JOIN name s ON s.id = m.source
                     WHERE m.accepted_at_us >= ?1 AND m.accepted_at_us < ?2 GROUP BY 1, 2, 3",
                )?
                .query_map([start, end], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get::<_, f64>(4)? as i64))
                })?
                .collect()
        })?;
        for (source, fate, reason, count, lost) in groups {
            self.message(&source, fate, reason.as_deref(), true, count - lost);
            self.message(&source, fate, reason.as_deref(), false, lost);
        }
        Ok(())
    }

    fn message(&mut self, source: &str, fate: i64, reason: Option<&str>, has_delivery: bool, count: i64) {
        let side = self.sources.entry(source.to_owned()).or_default();
        side.rows += count;
        match Fate::from_code(fate) {
            None => self.contradict(source, UNKNOWN, count),
            Some(Fate::Routed) if !has_delivery => self.contradict(source, ROUTED, count),
            Some(fate) => {
                *side.counts.entry(fate).or_default() += count;
                if fate == Fate::Filtered {
                    *side.filtered_by.entry(reason.unwrap_or_default().to_owned()).or_default() += count;
                }
            }
        }
    }

    fn add_deliveries(&mut self, database: &Database) -> Result<(), JournalError> {
        let Range { start, end } = self.period.clone().unwrap_or(ALWAYS);
        let sql = format!(
            "SELECT {GROUP} AS unproven, count(*),
                    total(d.part > 0 AND NOT EXISTS (SELECT 1 FROM delivery o WHERE o.message = d.message
                        AND o.route = d.route AND o.destination = d.destination AND o.part = d.part - 1))
             FROM delivery d JOIN name n ON n.id = d.destination JOIN message m ON m.id = d.message
             WHERE m.accepted_at_us >= ?1 AND m.accepted_at_us < ?2 GROUP BY 1, 2, 3, 4"
        );
        let groups: Vec<Group> = database.run(|connection| {
            connection
                .prepare_cached(&sql)?
                .query_map([start, end], |row| {
                    let count: i64 = row.get(4)?;
                    Ok(Group {
                        destination: row.get(0)?,
                        state: row.get(1)?,
                        reason: row.get(2)?,
                        count,
                        unproven: if row.get(3)? { count } else { 0 },
                        missing: row.get::<_, f64>(5)? as i64,
                    })
                })?
                .collect()
        })?;
        groups.iter().for_each(|group| self.deliveries(group));
        Ok(())
    }

    fn deliveries(&mut self, group: &Group) {
        let side = self.destinations.entry(group.destination.clone()).or_default();
        side.rows += group.count;
        side.missing += group.missing;
        match DeliveryState::from_code(group.state) {
            None => self.contradict(&group.destination, UNKNOWN, group.count),
            Some(state) => {
                *side.counts.entry(state).or_default() += group.count - group.unproven;
                if state == DeliveryState::Filtered {
                    let rule = group.reason.clone().unwrap_or_default();
                    *side.filtered_by.entry(rule).or_default() += group.count;
                }
                self.contradict(&group.destination, DELIVERED, group.unproven);
            }
        }
        self.contradict(&group.destination, PARTS, group.missing);
    }

    fn orphan(&mut self, destination: &str) {
        self.destinations.entry(destination.to_owned()).or_default().rows += 1;
        self.contradict(destination, ORPHANS, 1);
    }

    /// What the commits counted, name by name and fate by fate, beside what stands in the file's rows.
    fn add_counters(&mut self, database: &Database) -> Result<(), JournalError> {
        let counters: Vec<(i64, String, i64, i64)> = database.run(|connection| {
            connection
                .prepare_cached(COUNTERS_AND_ROWS)?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
                .collect()
        })?;
        for (ledger, name, counted, rows) in counters {
            let total = match ledger {
                LEDGER_MESSAGES => &mut self.sources.entry(name.clone()).or_default().counted,
                LEDGER_DELIVERIES => &mut self.destinations.entry(name.clone()).or_default().counted,
                _ => continue,
            };
            *total.get_or_insert_default() += counted;
            self.contradict(&name, MISCOUNTED, (counted - rows).abs());
        }
        let lost: i64 = database.run(|connection| {
            connection
                .prepare_cached(
                    "SELECT count(DISTINCT a.delivery) FROM attempt a
                     WHERE NOT EXISTS (SELECT 1 FROM delivery d WHERE d.seq = a.delivery)",
                )?
                .query_row([], |row| row.get(0))
        })?;
        self.contradict("", ATTEMPTS, lost);
        Ok(())
    }

    fn contradict(&mut self, name: &str, what: &'static str, count: i64) {
        if count != 0 {
            *self.contradictions.entry((name.to_owned(), what)).or_default() += count;
        }
    }

    fn balance(self) -> Balance {
        let contradictions = self.contradictions.into_iter().filter(|(_, count)| *count != 0);
        let contradiction = |((name, what), count)| Contradiction { name, what, count: positive(count) };
        Balance {
            sources: ledgers(self.sources),
            destinations: ledgers(self.destinations),
            contradictions: contradictions.map(contradiction).collect(),
        }
    }
}

fn ledgers<F: Ord>(sides: BTreeMap<String, Side<F>>) -> Vec<Ledger<F>> {
    let mut ledgers = Vec::with_capacity(sides.len());
    for (name, side) in sides {
        let total = positive(side.counted.unwrap_or(side.rows + side.missing));
        let counts = side.counts.into_iter().filter(|(_, count)| *count > 0);
        let filtered_by = side.filtered_by.into_iter().filter(|(_, count)| *count > 0);
        ledgers.push(Ledger {
            total,
            counts: counts.map(|(what, count)| (what, positive(count))).collect(),
            filtered_by: filtered_by.map(|(rule, count)| (rule, positive(count))).collect(),
            ..Ledger::new(name)
        });
    }
    ledgers.retain(|ledger| ledger.total > 0 || !ledger.counts.is_empty());
    ledgers
}

fn positive(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}
