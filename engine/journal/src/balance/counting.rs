//! Counting: what stands in a file's rows, each by what else confirms it, and what its commits counted.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::{ALWAYS, Balance, Contradiction, Ledger, Replay};
use crate::error::JournalError;
use crate::message::{DeliveryState, Fate};
use crate::segment::{LEDGER_DELIVERIES, LEDGER_MESSAGES};
use crate::sqlite::{Database, unsigned};

/// Deliveries of a destination that are alike.
pub(super) struct Group {
    pub(super) destination: String,
    pub(super) state: i64,
    pub(super) reason: Option<String>,
    pub(super) count: i64,
    /// So many of them are delivered without an attempt that succeeded.
    pub(super) unproven: i64,
    /// So many parts of a split are missing before them.
    pub(super) missing: i64,
}

/// What each delivery `d` is asked: destination, state, the rule that filtered it, whether it is delivered without proof, and whether the part of
/// a split before it is missing.
const GROUP: &str = "n.name, d.state, CASE WHEN d.state = 2 THEN ifnull(d.reason, '') END,
    d.state = 1 AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.delivery = d.seq AND a.outcome = 0)";

/// Deliveries whose message stands in another file, with its id.
pub(super) fn strangers(database: &Database) -> Result<Vec<(u64, Group)>, JournalError> {
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
pub(super) struct Counting {
    pub(super) period: Option<Range<i64>>,
    pub(super) replays: HashMap<u64, Replay>,
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
    /// Nothing counted yet.
    pub(super) fn new(period: Option<Range<i64>>, replays: HashMap<u64, Replay>) -> Counting {
        Counting { period, replays, ..Counting::default() }
    }

    pub(super) fn takes(&self, at_us: i64) -> bool {
        self.period.as_ref().is_none_or(|period| period.contains(&at_us))
    }

    pub(super) fn add_messages(&mut self, database: &Database) -> Result<(), JournalError> {
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

    pub(super) fn message(
        &mut self,
        source: &str,
        fate: i64,
        reason: Option<&str>,
        has_delivery: bool,
        count: i64,
    ) {
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

    pub(super) fn add_deliveries(&mut self, database: &Database) -> Result<(), JournalError> {
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

    pub(super) fn deliveries(&mut self, group: &Group) {
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

    pub(super) fn orphan(&mut self, destination: &str) {
        self.destinations.entry(destination.to_owned()).or_default().rows += 1;
        self.contradict(destination, ORPHANS, 1);
    }

    /// What the commits counted, name by name and fate by fate, beside what stands in the file's rows.
    pub(super) fn add_counters(&mut self, database: &Database) -> Result<(), JournalError> {
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

    pub(super) fn balance(self) -> Balance {
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
