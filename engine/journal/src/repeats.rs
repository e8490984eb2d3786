//! Messages that come once more, known by what their sender calls them and by what is in them.
//!
//! What always holds: a message is looked up, and what it is known by written, in the transaction that stores it; so of several that are
//! the same, on whatever connections they come, exactly one is the first, also over a crash. A repeat is known by the first, never by
//! another repeat. What messages are known by goes with their segment file; where an earlier file cannot be read, a message that may repeat one of
//! it is new, and says so. Nothing here knows what a name is made of.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{OptionalExtension, params};

use crate::catalog::FileEntry;
use crate::error::JournalError;
use crate::journal::Shared;
use crate::message::{Fate, NewMessage};
use crate::reader::fate_in;
use crate::segment::SegmentFile;
use crate::sqlite::{Database, coded, int, unsigned};

/// What brings a segment file of version 4 to version 5.
pub(crate) const UPGRADE: &str = "
    -- What messages are known by, where their source declares that repeats are; of a repeat nothing.
    CREATE TABLE seen (
        message INTEGER PRIMARY KEY,     -- the message's id
        name INTEGER NOT NULL,           -- a hash of who sent it and what its sender calls it
        content BLOB NOT NULL,           -- a hash of its bytes
        at_us INTEGER NOT NULL,          -- when it was accepted
        fate INTEGER NOT NULL,           -- what became of it then
        told BLOB NOT NULL               -- what its sender was told then
    );
    -- Two, because there are senders who call every message alike.
    CREATE INDEX seen_by_content ON seen (name, content);
    CREATE INDEX seen_by_name ON seen (name, at_us);
    -- The message that it repeats, or that has its name and other bytes.
    ALTER TABLE message ADD COLUMN earlier INTEGER;";

/// The schema's version that knows repeats.
const VERSION: usize = 5;

/// What a message is known by when it comes once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// A hash of who sent it and what its sender calls it.
    pub name: u64,
    /// A hash of its bytes.
    pub content: [u8; 16],
    /// For how long it is known, in microseconds since it was accepted.
    pub within_us: i64,
    /// What its sender is told once it is stored, in the words of whoever tells it.
    pub told: Vec<u8>,
}

/// A message that has the same name as one which is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Earlier {
    /// It is the same once more: this one is stored as a duplicate, without deliveries.
    Same {
        /// The first one's id.
        id: u64,
        /// What its sender was told; nothing when something else became of the first since, so that it does not hold any more.
        told: Option<Vec<u8>>,
    },
    /// It holds other bytes: this one is a message of its own.
    Namesake {
        /// The latest other one's id.
        id: u64,
    },
}

impl Earlier {
    /// The id of the one that came earlier.
    pub fn id(&self) -> u64 {
        match self {
            Earlier::Same { id, .. } | Earlier::Namesake { id } => *id,
        }
    }
}

/// A row about a message that is the same.
struct Seen {
    message: u64,
    at_us: i64,
    fate: Fate,
    told: Vec<u8>,
}

/// A file of the journal that cannot be read, so that nobody knows whether a message repeats one of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// The file's number.
    pub number: u32,
    /// What is wrong, with the file.
    pub problem: String,
}

/// What is known of the message that came earlier.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) earlier: Option<Earlier>,
    /// Where it could not be looked for; nothing when it was found.
    pub(crate) unseen: Vec<Arc<Unseen>>,
}

/// The names that files before the current one have, a half of each: nothing is added to those files any more, and asking each of them for
/// each message would cost more than storing it. Four bytes a message of the time for which any is known.
#[derive(Default)]
pub(crate) struct Names {
    by_file: HashMap<u32, Known>,
    /// The longest time for which any message was known.
    within_us: i64,
}

enum Known {
    Names(Box<[u32]>),
    /// It could not be read: until that time it is not tried again.
    Unseen(Arc<Unseen>, Instant),
}

/// How long a file that could not be read is left alone: opening it for each message would hold up all of them.
const UNSEEN_PAUSE: Duration = Duration::from_secs(60);

impl Names {
    /// Reads the names of all files in which these messages may be looked for, as far as they are not known: before the transaction, because
    /// of a busy day that takes a while.
    pub(crate) fn prepare<'m>(
        &mut self,
        shared: &Shared,
        current: u32,
        messages: impl Iterator<Item = &'m NewMessage>,
    ) -> Result<(), JournalError> {
        let since = |message: &NewMessage| message.identity.as_ref().map(|known| known.since_us(message));
        let Some(since_us) = messages.filter_map(since).min() else { return Ok(()) };
        for number in files_since(shared, current, since_us)? {
            if number != current {
                self.of(shared, number);
            }
        }
        Ok(())
    }

    /// Whether a file may have the name; when not, it has not.
    fn may_be_in(&mut self, shared: &Shared, number: u32, name: u64) -> Result<bool, Arc<Unseen>> {
        match self.of(shared, number) {
            Known::Names(names) => Ok(names.binary_search(&half(name)).is_ok()),
            Known::Unseen(unseen, _) => Err(Arc::clone(unseen)),
        }
    }

    /// What is known of a file; reads it when it is asked for the first time.
    fn of(&mut self, shared: &Shared, number: u32) -> &Known {
        let read = || match shared.pool.segment(number).and_then(|database| names_in(&database)) {
            Ok(names) => Known::Names(names),
            Err(error) => Known::Unseen(unseen(number, &error), Instant::now() + UNSEEN_PAUSE),
        };
        let known = self.by_file.entry(number).or_insert_with(read);
        if matches!(known, Known::Unseen(_, again) if *again <= Instant::now()) {
            *known = read();
        }
        known
    }

    /// A file cannot be read any more. Gives what is told of it.
    fn lose(&mut self, number: u32, error: &JournalError) -> Arc<Unseen> {
        let unseen = unseen(number, error);
        self.by_file.insert(number, Known::Unseen(Arc::clone(&unseen), Instant::now() + UNSEEN_PAUSE));
        unseen
    }

    /// Forgets files that are not there any more, and those in which nothing is known any more at this time.
    pub(crate) fn follow(&mut self, files: &[FileEntry], now_us: i64) {
        let since_us = now_us.saturating_sub(self.within_us);
        let nexts = files.iter().skip(1).map(Some).chain([None]);
        let may_be_asked = |next: Option<&FileEntry>| next.is_none_or(|next| next.created_at_us >= since_us);
        let asked: Vec<u32> = files
            .iter()
            .zip(nexts)
            .filter(|(_, next)| may_be_asked(*next))
            .map(|(file, _)| file.number)
            .collect();
        self.by_file.retain(|number, _| asked.contains(number));
    }
}

fn unseen(number: u32, error: &JournalError) -> Arc<Unseen> {
    Arc::new(Unseen { number, problem: error.to_string() })
}

/// A hash is as good by its half as a whole one, as long as a hit is looked at.
fn half(name: u64) -> u32 {
    u32::try_from(name >> 32).unwrap_or_default()
}

fn names_in(database: &Database) -> Result<Box<[u32]>, JournalError> {
    if database.schema_version()? < VERSION {
        return Ok(Box::default());
    }
    let mut names: Vec<u32> = database.run(|connection| {
        connection
            .prepare_cached("SELECT name FROM seen INDEXED BY seen_by_name")?
            .query_map([], |row| Ok(half(u64::from_ne_bytes(row.get::<_, i64>(0)?.to_ne_bytes()))))?
            .collect::<rusqlite::Result<_>>()
    })?;
    names.sort_unstable();
    names.dedup();
    Ok(names.into_boxed_slice())
}

/// Finds the earlier one of a message that is about to be stored in this file. A file before it that cannot be read holds up nobody: what may
/// repeat a message of it is taken as new, because delivering twice does less harm than refusing everything.
pub(crate) fn look(
    shared: &Shared,
    names: &mut Names,
    file: &SegmentFile,
    message: &NewMessage,
) -> Result<Found, JournalError> {
    let Some(identity) = &message.identity else { return Ok(Found::default()) };
    names.within_us = names.within_us.max(identity.within_us);
    let since_us = identity.since_us(message);
    let mut search =
        Search { shared, file, plan: &message.plan, identity, since_us, namesake: None, is_over: false };
    let mut unseen = Vec::new();
    for number in files_since(shared, file.number, since_us)? {
        let found = if number == file.number {
            search.look_in(number, &file.database)?
        } else {
            match names.may_be_in(shared, number, identity.name) {
                Ok(false) => None,
                Ok(true) => {
                    let found = shared.pool.segment(number).and_then(|lent| search.look_in(number, &lent));
                    found.unwrap_or_else(|error| {
                        unseen.push(names.lose(number, &error));
                        None
                    })
                }
                Err(known) => {
                    unseen.push(known);
                    None
                }
            }
        };
        if found.is_some() {
            return Ok(Found { earlier: found, unseen: Vec::new() });
        }
    }
    Ok(Found { earlier: search.namesake.map(|id| Earlier::Namesake { id }), unseen })
}

/// What is looked for, and what was found of it so far.
struct Search<'s> {
    shared: &'s Shared,
    file: &'s SegmentFile,
    plan: &'s str,
    identity: &'s Identity,
    since_us: i64,
    namesake: Option<u64>,
    /// The latest one that is the same is not repeated any more: it decides.
    is_over: bool,
}

impl Search<'_> {
    /// Looks in one file; gives the one that is the same.
    fn look_in(&mut self, number: u32, database: &Database) -> Result<Option<Earlier>, JournalError> {
        if !self.is_over
            && let Some(seen) = same(database, self.identity)?
        {
            let Now { fate, plan } = now(self.shared, self.file, number, &seen)?;
            // What a changed configuration may be able to read comes in as if for the first time.
            let may_be_read = fate == Fate::Quarantined && plan != *self.plan;
            if seen.at_us >= self.since_us && !may_be_read {
                let told = (fate == seen.fate).then_some(seen.told);
                return Ok(Some(Earlier::Same { id: seen.message, told }));
            }
            self.is_over = true;
        }
        if self.namesake.is_none() {
            self.namesake = other(database, self.identity, self.since_us)?;
        }
        Ok(None)
    }
}

/// The current file, and those before it that may hold messages accepted since; newest first.
fn files_since(shared: &Shared, current: u32, since_us: i64) -> Result<Vec<u32>, JournalError> {
    let files = shared.files.list()?;
    let mut numbers = vec![current];
    let mut next_created_at_us = i64::MAX;
    for file in files.iter().rev() {
        if next_created_at_us < since_us {
            break;
        }
        if file.number != current {
            numbers.push(file.number);
        }
        next_created_at_us = file.created_at_us;
    }
    Ok(numbers)
}

/// The latest one with the same name and bytes.
fn same(database: &Database, identity: &Identity) -> Result<Option<Seen>, JournalError> {
    database.run(|connection| {
        connection
            .prepare_cached(
                "SELECT message, at_us, fate, told FROM seen INDEXED BY seen_by_content
                 WHERE name = ?1 AND content = ?2 ORDER BY message DESC LIMIT 1",
            )?
            .query_row(params![stored(identity.name), identity.content], |row| {
                Ok(Seen {
                    message: unsigned(row, 0)?,
                    at_us: row.get(1)?,
                    fate: coded(row, 2, Fate::from_code)?,
                    told: row.get(3)?,
                })
            })
            .optional()
    })
}

/// The latest one with the same name and other bytes.
fn other(database: &Database, identity: &Identity, since_us: i64) -> Result<Option<u64>, JournalError> {
    database.run(|connection| {
        connection
            .prepare_cached(
                "SELECT message FROM seen INDEXED BY seen_by_name
                 WHERE name = ?1 AND at_us >= ?2 AND content <> ?3 ORDER BY at_us DESC, message DESC LIMIT 1",
            )?
            .query_row(params![stored(identity.name), since_us, identity.content], |row| unsigned(row, 0))
            .optional()
    })
}

/// What has become of the first one by now, and by which plan.
struct Now {
    fate: Fate,
    plan: String,
}

/// Replays may have changed it. Only what nothing came of needs to be looked at: all others stay what they are to their sender.
fn now(shared: &Shared, file: &SegmentFile, number: u32, seen: &Seen) -> Result<Now, JournalError> {
    let found = match seen.fate {
        Fate::Failed | Fate::Quarantined if number != file.number => shared.reader().fate_of(seen.message)?,
        // It may be of the same transaction, which no other connection sees.
        Fate::Failed | Fate::Quarantined => fate_in(&file.database, seen.message)?,
        _ => None,
    };
    let (fate, plan) = found.unwrap_or_else(|| (seen.fate, String::new()));
    Ok(Now { fate, plan })
}

impl Identity {
    /// No message that was accepted before this time is repeated by this one.
    fn since_us(&self, message: &NewMessage) -> i64 {
        message.accepted_at_us.saturating_sub(self.within_us)
    }
}

impl SegmentFile {
    /// Writes down what a message is known by from now on.
    pub(crate) fn note_seen(&self, message: &NewMessage) -> Result<(), JournalError> {
        let Some(identity) = &message.identity else { return Ok(()) };
        self.database.run(|connection| {
            connection
                .prepare_cached(
                    "INSERT INTO seen (message, name, content, at_us, fate, told) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    int(message.id),
                    stored(identity.name),
                    identity.content,
                    message.accepted_at_us,
                    message.fate.code(),
                    identity.told,
                ])
                .map(drop)
        })
    }
}

impl NewMessage {
    /// As it is stored when it is another one once more.
    pub(crate) fn repeating(&self, first: u64) -> NewMessage {
        NewMessage {
            fate: Fate::Duplicate,
            reason: Some(format!("repeats message {first}")),
            deliveries: Vec::new(),
            ..self.clone()
        }
    }
}

/// The earlier message that a stored one repeats or has its name from. Segment files that an earlier program sealed know none.
pub(crate) fn earlier(database: &Database, message: u64) -> Result<Option<u64>, JournalError> {
    if database.schema_version()? < VERSION {
        return Ok(None);
    }
    let found = database.run(|connection| {
        connection
            .prepare_cached("SELECT earlier FROM message WHERE id = ?1 AND earlier IS NOT NULL")?
            .query_row([int(message)], |row| unsigned(row, 0))
            .optional()
    })?;
    Ok(found)
}

/// A hash as SQLite stores numbers: all of their bits.
fn stored(hash: u64) -> i64 {
    i64::from_ne_bytes(hash.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::FileState;

    #[test]
    fn names_are_kept_for_as_long_as_they_are_asked_for() {
        let file = |number: u32, created_at_us| FileEntry {
            number,
            state: FileState::Open,
            created_at_us,
            sealed_at_us: None,
            first_delivery: 0,
            next_delivery: 0,
        };
        let files = [file(2, 1_000), file(3, 2_000), file(4, 3_000)];
        let by_file = (1..=4).map(|number| (number, Known::Names(Box::default()))).collect();
        let mut names = Names { by_file, within_us: 500 };
        let mut left = |now_us| {
            names.follow(&files, now_us);
            let mut numbers: Vec<u32> = names.by_file.keys().copied().collect();
            numbers.sort_unstable();
            numbers
        };
        // The first is gone; the third began late enough for the second to have some of that time.
        assert_eq!(left(2_400), [2, 3, 4]);
        assert_eq!(left(3_400), [3, 4]);
        assert_eq!(left(9_000), [4]);
    }
}
