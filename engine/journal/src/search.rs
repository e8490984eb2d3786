//! Search: newest first, by keys and by what stands in the rows.
//!
//! A search is always complete: it asks the key index for what is indexed and looks through the messages after the index's cursor
//! itself; an index that is missing or damaged only makes it slower.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use crate::error::JournalError;
use crate::intake::{knows_files, origin};
use crate::key_block;
use crate::key_index;
use crate::keys::{self, KeyKind};
use crate::message::{DeliveryState, Fate};
use crate::reader::{Reader, StoredOrigin};
use crate::sqlite::{Database, coded, int, unsigned};

/// What to look for; everything given must hold.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Keys that the message must have, each.
    pub keys: Vec<KeyMatch>,
    /// The source it came in by.
    pub source: Option<String>,
    /// The file it came in, by its whole name.
    pub file: Option<String>,
    /// Its message type.
    pub message_type: Option<String>,
    /// Its trigger event.
    pub event: Option<String>,
    /// A state that one of its deliveries must have.
    pub state: Option<DeliveryState>,
    /// A destination that one of its deliveries must have; together with `state`, the same delivery.
    pub destination: Option<String>,
    /// What became of it.
    pub fate: Option<Fate>,
    /// Accepted at or after, in microseconds since 1970-01-01T00:00:00Z.
    pub since_us: Option<i64>,
    /// Accepted before, in microseconds since 1970-01-01T00:00:00Z.
    pub until_us: Option<i64>,
    /// Committed before this number: [`Summary::seq`] of the last one of the page before.
    pub before_seq: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// A key that a message must have. Case does not matter.
#[derive(Debug, Clone)]
pub struct KeyMatch {
    /// What the value is.
    pub kind: KeyKind,
    /// The value, or its beginning.
    pub value: String,
    /// Whole value or beginning.
    pub match_: Match,
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// The whole value.
    Exact,
    /// Its beginning.
    Prefix,
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
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
    /// What became of it.
    pub fate: Fate,
    /// Why.
    pub reason: Option<String>,
    /// The file it came in, if it did.
    pub origin: Option<StoredOrigin>,
    /// Its deliveries in the file that has it, in order.
    pub deliveries: Vec<SummaryDelivery>,
}

/// A delivery of a message that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryDelivery {
    /// The route that made it.
    pub route: String,
    /// The destination.
    pub destination: String,
    /// Where it stands.
    pub state: DeliveryState,
}

impl Reader {
    /// The messages that a query describes, newest first.
    pub fn search(&self, query: &Query) -> Result<Vec<Summary>, JournalError> {
        let wanted: Vec<Wanted> = query.keys.iter().map(Wanted::new).collect();
        let mut found = Vec::new();
        let mut replayed = HashSet::new();
        for file in self.files.list()?.iter().rev() {
            if found.len() >= query.limit {
                break;
            }
            let limit = query.limit - found.len();
            let candidates = self.candidates(file.number, &wanted)?;
            let database = self.pool.segment(file.number)?;
            if query.file.is_some() && !knows_files(&database)? {
                continue;
            }
            let mut here = rows(&database, query, candidates.as_ref(), &replayed, limit)?;
            for summary in &mut here {
                summary.origin = origin(&database, summary.id)?;
            }
            found.extend(here);
            if query.state.is_some() || query.destination.is_some() {
                replayed.extend(replayed_here(&database, query)?);
            }
        }
        Ok(found)
    }

    /// A message's place in commit order, and the values of one kind by which it can be found, folded as they are compared; nothing when
    /// there is no such message.
    pub fn keys_of(&self, id: u64, kind: KeyKind) -> Result<Option<(u64, Vec<String>)>, JournalError> {
        let Some(home) = self.files_of(id)?.first().copied() else { return Ok(None) };
        let found: Option<(u64, Vec<u8>)> = self.pool.segment(home)?.run(|connection| {
            connection
                .prepare_cached("SELECT seq, keys FROM message WHERE id = ?1")?
                .query_row([int(id)], |row| Ok((unsigned(row, 0)?, row.get(1)?)))
                .optional()
        })?;
        Ok(found.map(|(seq, keys)| {
            let values = keys::read(&keys).filter(|(found, _)| *found == kind.code());
            (seq, values.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect())
        }))
    }

    /// The messages of a file that have all keys; `None` when no keys are asked for.
    fn candidates(&self, number: u32, wanted: &[Wanted]) -> Result<Option<HashSet<u64>>, JournalError> {
        let Some((first, others)) = wanted.split_first() else { return Ok(None) };
        // The index first: what is indexed after this is met twice, never missed.
        let indexed = self.pool.keys(number).and_then(|index| {
            // One view of the index: its runs may be merged meanwhile.
            let _snapshot = index.snapshot()?;
            index.run(|connection| {
                let cursor = key_index::cursor(connection)?;
                let mut seqs = first.indexed(connection)?;
                for other in others {
                    let have = other.indexed(connection)?;
                    seqs.retain(|seq| have.contains(seq));
                }
                Ok((cursor, seqs))
            })
        });
        let (cursor, mut seqs) = indexed.unwrap_or_default();
        seqs.extend(unindexed(&*self.pool.segment(number)?, cursor, wanted)?);
        Ok(Some(seqs))
    }
}

/// A key as it is compared.
struct Wanted {
    kind: u8,
    value: Vec<u8>,
    match_: Match,
}

impl Wanted {
    fn new(key: &KeyMatch) -> Wanted {
        Wanted { kind: key.kind.code(), value: keys::fold(&key.value).into_bytes(), match_: key.match_ }
    }

    fn is_met_by(&self, kind: u8, value: &[u8]) -> bool {
        kind == self.kind
            && match self.match_ {
                Match::Exact => value == self.value,
                Match::Prefix => value.starts_with(&self.value),
            }
    }

    fn indexed(&self, connection: &Connection) -> rusqlite::Result<HashSet<u64>> {
        let beginning = match self.match_ {
            Match::Exact => key_block::exact(self.kind, &self.value),
            Match::Prefix => key_block::beginning(self.kind, &self.value),
        };
        Ok(key_index::find(connection, &beginning)?.into_iter().collect())
    }
}

/// The messages after the cursor that have all keys.
fn unindexed(database: &Database, cursor: u64, wanted: &[Wanted]) -> Result<Vec<u64>, JournalError> {
    database.run(|connection| {
        let mut statement = connection.prepare_cached("SELECT seq, keys FROM message WHERE seq > ?1")?;
        let mut rows = statement.query([int(cursor)])?;
        let mut seqs = Vec::new();
        while let Some(row) = rows.next()? {
            let bytes = row.get_ref(1)?.as_blob()?;
            let has = |wanted: &Wanted| keys::read(bytes).any(|(kind, value)| wanted.is_met_by(kind, value));
            if wanted.iter().all(has) {
                seqs.push(unsigned(row, 0)?);
            }
        }
        Ok(seqs)
    })
}

const COLUMNS: &str =
    "SELECT m.seq, m.id, s.name, m.accepted_at_us, f.name, m.type, m.event, m.control_id, m.fate, m.reason
     FROM message m JOIN name s ON s.id = m.source JOIN name f ON f.id = m.format";

/// The rows of one file that the query describes, newest first.
fn rows(
    database: &Database,
    query: &Query,
    candidates: Option<&HashSet<u64>>,
    replayed: &HashSet<u64>,
    limit: usize,
) -> Result<Vec<Summary>, JournalError> {
    match candidates {
        Some(candidates) => {
            let mut seqs: Vec<u64> = candidates.iter().copied().collect();
            seqs.sort_unstable_by(|left, right| right.cmp(left));
            let mut found = Vec::new();
            for seq in seqs {
                if found.len() >= limit {
                    break;
                }
                found.extend(select(database, query, Some(seq), replayed, 1)?);
            }
            Ok(found)
        }
        None => select(database, query, None, replayed, limit),
    }
}

fn select(
    database: &Database,
    query: &Query,
    seq: Option<u64>,
    replayed: &HashSet<u64>,
    limit: usize,
) -> Result<Vec<Summary>, JournalError> {
    let mut conditions = Conditions::default();
    conditions.add("m.seq = ?", seq.map(int));
    conditions.add("m.seq < ?", query.before_seq.map(int));
    conditions.add("m.source = (SELECT id FROM name WHERE name = ?)", query.source.clone());
    conditions.add("m.intake IN (SELECT id FROM intake WHERE name = ?)", query.file.clone());
    conditions.add("m.type = ?", query.message_type.clone());
    conditions.add("m.event = ?", query.event.clone());
    conditions.add("m.fate = ?", query.fate.map(Fate::code));
    conditions.add("m.accepted_at_us >= ?", query.since_us);
    conditions.add("m.accepted_at_us < ?", query.until_us);
    let by_delivery = query.state.is_some() || query.destination.is_some();
    let sql = format!(
        "{COLUMNS} {} ORDER BY m.seq DESC {}",
        conditions.sql(),
        if by_delivery { "" } else { "LIMIT ?" }
    );
    if !by_delivery {
        conditions.values.push(Box::new(int(limit as u64)));
    }
    database.run(|connection| {
        let mut statement = connection.prepare_cached(&sql)?;
        let values: Vec<&dyn ToSql> = conditions.values.iter().map(AsRef::as_ref).collect();
        let mut rows = statement.query(values.as_slice())?;
        let mut found = Vec::new();
        while found.len() < limit {
            let Some(row) = rows.next()? else { break };
            let mut summary = summary(row)?;
            if !by_delivery || replayed.contains(&summary.id) || has_delivery(connection, query, summary.id)?
            {
                summary.deliveries = deliveries_of(connection, summary.id)?;
                found.push(summary);
            }
        }
        Ok(found)
    })
}

#[derive(Default)]
struct Conditions {
    clauses: Vec<&'static str>,
    values: Vec<Box<dyn ToSql>>,
}

impl Conditions {
    fn add(&mut self, clause: &'static str, value: Option<impl ToSql + 'static>) {
        if let Some(value) = value {
            self.clauses.push(clause);
            self.values.push(Box::new(value));
        }
    }

    fn sql(&self) -> String {
        if self.clauses.is_empty() { String::new() } else { format!("WHERE {}", self.clauses.join(" AND ")) }
    }
}

fn has_delivery(connection: &Connection, query: &Query, id: u64) -> rusqlite::Result<bool> {
    let found: Option<i64> = connection
        .prepare_cached(
            "SELECT 1 FROM delivery WHERE message = ?1 AND (?2 IS NULL OR state = ?2)
               AND (?3 IS NULL OR destination = (SELECT id FROM name WHERE name = ?3)) LIMIT 1",
        )?
        .query_row(params![int(id), query.state.map(DeliveryState::code), query.destination], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(found.is_some())
}

/// Messages of earlier files whose replay in this one made a delivery that the query describes.
fn replayed_here(database: &Database, query: &Query) -> Result<Vec<u64>, JournalError> {
    database.run(|connection| {
        connection
            .prepare_cached(
                "SELECT DISTINCT p.message FROM processing p JOIN delivery d ON d.message = p.message
                 WHERE (?1 IS NULL OR d.state = ?1)
                   AND (?2 IS NULL OR d.destination = (SELECT id FROM name WHERE name = ?2))",
            )?
            .query_map(params![query.state.map(DeliveryState::code), query.destination], |row| {
                unsigned(row, 0)
            })?
            .collect()
    })
}

fn summary(row: &Row<'_>) -> rusqlite::Result<Summary> {
    Ok(Summary {
        seq: unsigned(row, 0)?,
        id: unsigned(row, 1)?,
        source: row.get(2)?,
        accepted_at_us: row.get(3)?,
        format: row.get(4)?,
        message_type: row.get(5)?,
        event: row.get(6)?,
        control_id: row.get(7)?,
        fate: coded(row, 8, Fate::from_code)?,
        reason: row.get(9)?,
        origin: None,
        deliveries: Vec::new(),
    })
}

fn deliveries_of(connection: &Connection, id: u64) -> rusqlite::Result<Vec<SummaryDelivery>> {
    connection
        .prepare_cached(
            "SELECT r.name, n.name, d.state FROM delivery d JOIN name r ON r.id = d.route
             JOIN name n ON n.id = d.destination WHERE d.message = ?1 ORDER BY d.seq",
        )?
        .query_map([int(id)], |row| {
            Ok(SummaryDelivery {
                route: row.get(0)?,
                destination: row.get(1)?,
                state: coded(row, 2, DeliveryState::from_code)?,
            })
        })?
        .collect()
}
