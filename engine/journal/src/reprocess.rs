//! A replay inside one segment file: what is not delivered yet is replaced in place, what is delivered is appended when asked.
//!
//! Outputs are matched to standing deliveries by route, destination and part (which output of a split). Of several deliveries of one
//! part (it was sent again), the latest counts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use crate::carried::RECALL;
use crate::error::JournalError;
use crate::message::{DeliveryState, NewDelivery, Only, Reprocessed};
use crate::segment::{Parts, SegmentFile, Standing, StoredContents, standing};
use crate::sqlite::int;
use crate::waiting::lanes_stored;

/// Route, destination, part.
pub(crate) type PairPart = (Arc<str>, Arc<str>, u32);

/// What a replay changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// The destination of each delivery that waits (again).
    pub(crate) waiting: Vec<Arc<str>>,
    /// The destination of each delivery that waited and does not any more, or not with the same payload, so that its worker may hold it;
    /// or that was parked, so that others may have waited for it.
    pub(crate) withdrawn: Vec<Arc<str>>,
    /// How many new numbers were used.
    pub(crate) appended: u64,
    /// Contents in files of their own that nothing names any more, once this is committed.
    pub(crate) orphans: Vec<i64>,
}

/// A delivery that a replay may be about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Was {
    pub(crate) state: DeliveryState,
    /// A person took it back: nobody else undoes that.
    pub(crate) taken_back: bool,
}

impl Was {
    pub(crate) fn of(state: DeliveryState, reason: Option<&str>) -> Was {
        let taken_back = state == DeliveryState::Cancelled && reason != Some(REASON_NOT_MADE);
        Was { state, taken_back }
    }
}

/// Why a replay cancels, in the journal's rows: it is never reworded.
const REASON_NOT_MADE: &str = "the plan of the replay does not make it";

/// Applies a replay inside the open transaction. `home` is the file that has the message; `elsewhere` are the message's deliveries
/// in sealed files, which cannot be replaced.
pub(crate) fn reprocess(
    file: &mut SegmentFile,
    home: u32,
    replay: &Reprocessed,
    elsewhere: &HashMap<PairPart, Was>,
    first_delivery: u64,
) -> Result<Changes, JournalError> {
    let standing = standing_deliveries(file, replay.message_id)?;
    let mut changes = Changes::default();
    let mut stored = StoredContents::none();
    let mut parts = Parts::default();
    let mut made = HashSet::new();
    let released = released(&standing, replay);
    for delivery in &replay.deliveries {
        let part = parts.next(delivery);
        let pair = (Arc::clone(&delivery.route), Arc::clone(&delivery.destination), part);
        let was = standing.get(&pair).map(|(_, was)| *was).or_else(|| elsewhere.get(&pair).copied());
        let here = standing.get(&pair).map(|(here, _)| here);
        let state = was.map(|was| was.state);
        match (here, state) {
            (here, Some(state)) if spares(replay, here, state, &delivery.destination) => {}
            // It was made for a pair that these deliveries are not of. A pair of theirs may give more now than the one that was parked: it
            // is split after what parked it.
            (None, None) if is_spared(replay, &released, delivery) => {}
            (_, Some(DeliveryState::Delivered)) if !replay.also_delivered => {}
            _ if was.is_some_and(|was| was.taken_back) && !replay.also_cancelled => {}
            (Some(here), Some(state)) if state != DeliveryState::Delivered => {
                replace(file, replay, here, delivery, &mut stored, &mut changes)?;
                changes.withdraw(here, &delivery.destination);
                changes.note(delivery);
            }
            _ => {
                let seq = first_delivery + changes.appended;
                let at_us = replay.at_us;
                file.insert_delivery(seq, replay.message_id, part, delivery, at_us, &mut stored)?;
                changes.appended += 1;
                changes.note(delivery);
            }
        }
        made.insert(pair);
    }
    for (pair, (here, _)) in &standing {
        if !made.contains(pair)
            && !here.state.is_settled()
            && !spares(replay, Some(here), here.state, &pair.1)
        {
            cancel(file, here)?;
            changes.withdraw(here, &pair.1);
        }
    }
    // What is about certain deliveries, and made none for a message that has none, changed nothing: its fate stays.
    let is_without = standing.is_empty() && elsewhere.is_empty() && changes.appended == 0;
    if replay.only.is_none() || !is_without {
        note_processing(file, home, replay)?;
    }
    Ok(changes)
}

/// The routes and destinations of the parked deliveries that the replay is about.
fn released(standing: &StandingHere, replay: &Reprocessed) -> HashSet<(Arc<str>, Arc<str>)> {
    let Some(only @ Only::Parked(_)) = &replay.only else { return HashSet::new() };
    let named = standing.iter().filter(|(pair, (here, _))| only.takes(Some(here.seq), here.state, &pair.1));
    named.map(|((route, destination, _), _)| (Arc::clone(route), Arc::clone(destination))).collect()
}

/// Whether the replay is about certain deliveries, and this new one is of none of their pairs.
fn is_spared(replay: &Reprocessed, released: &HashSet<(Arc<str>, Arc<str>)>, delivery: &NewDelivery) -> bool {
    let pair = (Arc::clone(&delivery.route), Arc::clone(&delivery.destination));
    match &replay.only {
        None => false,
        Some(Only::Parked(_)) => !released.contains(&pair),
        Some(only) => !only.takes_new(&delivery.destination),
    }
}

/// Whether the replay leaves a delivery in this state alone.
fn spares(replay: &Reprocessed, here: Option<&Standing>, state: DeliveryState, destination: &str) -> bool {
    let only = replay.only.as_ref();
    only.is_some_and(|only| !only.takes(here.map(|here| here.seq), state, destination))
}

impl Changes {
    fn withdraw(&mut self, was: &Standing, destination: &Arc<str>) {
        if matches!(was.state, DeliveryState::Waiting | DeliveryState::Parked) {
            self.withdrawn.push(Arc::clone(destination));
        }
    }

    fn note(&mut self, delivery: &NewDelivery) {
        if delivery.state == DeliveryState::Waiting {
            self.waiting.push(Arc::clone(&delivery.destination));
        }
    }
}

type StandingHere = HashMap<PairPart, (Standing, Was)>;

/// The message's deliveries in this file; of several for one part, the latest.
fn standing_deliveries(file: &SegmentFile, message: u64) -> Result<StandingHere, JournalError> {
    file.database.run(|connection| {
        connection
            .prepare_cached(
                "SELECT d.seq, d.state, d.revision, d.attempts, d.destination, d.content, r.name, n.name, d.part, d.reason
                 FROM delivery d JOIN name r ON r.id = d.route JOIN name n ON n.id = d.destination
                 WHERE d.message = ?1 ORDER BY d.seq",
            )?
            .query_map([int(message)], |row| {
                let text = |column: usize| Ok::<_, rusqlite::Error>(Arc::from(row.get_ref(column)?.as_str()?));
                let standing = standing(row)?;
                let was = Was::of(standing.state, row.get_ref(9)?.as_str_or_null()?);
                Ok(((text(6)?, text(7)?, row.get(8)?), (standing, was)))
            })?
            .collect()
    })
}

fn replace<'p>(
    file: &mut SegmentFile,
    replay: &Reprocessed,
    here: &Standing,
    delivery: &'p NewDelivery,
    stored: &mut StoredContents<'p>,
    changes: &mut Changes,
) -> Result<(), JournalError> {
    let content = file.store_payload(delivery, stored)?;
    file.database.run(|connection| {
        connection
            .prepare_cached(&format!(
                "UPDATE delivery SET state = ?2, reason = ?3, next_attempt_at_us = NULL, revision = revision + 1,
                                     content = ?4, control_id = ?5, target = ?6, class = ?7, lanes = ?8, since_us = ?9,
                                     failing_since_us = NULL, {RECALL} WHERE seq = ?1"
            ))?
            .execute(params![
                int(here.seq),
                delivery.state.code(),
                delivery.reason,
                content,
                delivery.control_id,
                delivery.target,
                delivery.place.class,
                lanes_stored(&delivery.place.lanes),
                replay.at_us,
            ])
            .map(drop)
    })?;
    if let Some(unmapped) = &delivery.unmapped {
        file.park_for_code(here.seq, here.revision + 1, unmapped, replay.at_us)?;
    }
    file.count_delivery(here.destination, here.state, -1);
    file.count_delivery(here.destination, delivery.state, 1);
    if let Some(content) = here.content {
        changes.orphans.extend(remove_unused_content(file, replay.message_id, content)?);
    }
    Ok(())
}

/// Removes a content that its message and the message's deliveries no longer name (contents are shared within a message only);
/// gives its number when it stands in a file of its own.
fn remove_unused_content(
    file: &SegmentFile,
    message: u64,
    content: i64,
) -> Result<Option<i64>, JournalError> {
    file.database.run(|connection| {
        let large: Option<bool> = connection
            .prepare_cached(
                "DELETE FROM content WHERE id = ?1
                   AND NOT EXISTS (SELECT 1 FROM delivery WHERE message = ?2 AND content = ?1)
                   AND NOT EXISTS (SELECT 1 FROM message WHERE id = ?2 AND content = ?1)
                 RETURNING bytes IS NULL",
            )?
            .query_row([content, int(message)], |row| row.get(0))
            .optional()?;
        Ok(large.unwrap_or(false).then_some(content))
    })
}

fn cancel(file: &mut SegmentFile, here: &Standing) -> Result<(), JournalError> {
    file.database.run(|connection| {
        connection
            .prepare_cached(&format!(
                "UPDATE delivery SET state = ?2, reason = ?3, next_attempt_at_us = NULL, revision = revision + 1, {RECALL}
                 WHERE seq = ?1"
            ))?
            .execute(params![int(here.seq), DeliveryState::Cancelled.code(), REASON_NOT_MADE])
            .map(drop)
    })?;
    file.count_delivery(here.destination, here.state, -1);
    file.count_delivery(here.destination, DeliveryState::Cancelled, 1);
    Ok(())
}

/// Keeps that the replay happened, and the message's fate by it when the message stands in this file.
fn note_processing(file: &mut SegmentFile, home: u32, replay: &Reprocessed) -> Result<(), JournalError> {
    let plan = file.name(&replay.plan)?;
    let before: Option<(i64, i64)> = file.database.run(|connection| {
        connection
            .prepare_cached(
                "INSERT INTO processing (message, at_us, plan, fate, reason, home) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                int(replay.message_id),
                replay.at_us,
                plan,
                replay.fate.code(),
                replay.reason,
                home
            ])?;
        let before = connection
            .prepare_cached("SELECT source, fate FROM message WHERE id = ?1")?
            .query_row([int(replay.message_id)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        connection
            .prepare_cached("UPDATE message SET fate = ?2, reason = ?3, plan = ?4 WHERE id = ?1")?
            .execute(params![int(replay.message_id), replay.fate.code(), replay.reason, plan])?;
        Ok(before)
    })?;
    if let Some((source, fate)) = before {
        if let Some(fate) = crate::message::Fate::from_code(fate) {
            file.count_message(source, fate, -1);
        }
        file.count_message(source, replay.fate, 1);
    }
    Ok(())
}
