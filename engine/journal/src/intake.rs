//! Files that sources take messages from: how far each is taken in, so that a crash neither loses nor repeats one of its messages.
//!
//! What always holds: how far a file is taken in changes in the transactions that store its messages only; its messages are stored in
//! order, each once; the current segment file has a row for every file that is not out of the way yet, so
//! that a start looks into one file only. The rows of files that are out of the way stay: they say where a message came from.

use std::sync::Arc;

use rusqlite::{OptionalExtension, Row, params};

use crate::error::JournalError;
use crate::message::Fate;
use crate::reader::{Reader, StoredOrigin};
use crate::segment::SegmentFile;
use crate::sqlite::{Database, int, unsigned};

/// What brings a segment file of version 1 to version 2.
pub(crate) const UPGRADE: &str = "
    CREATE TABLE intake (
        id INTEGER PRIMARY KEY,
        source INTEGER NOT NULL,
        identity TEXT NOT NULL,
        name TEXT NOT NULL,
        members INTEGER NOT NULL,        -- so many of its messages are stored, here or in earlier segment files
        unreadable INTEGER NOT NULL,     -- so many of them are quarantined
        state INTEGER NOT NULL           -- 0 messages are to come, 1 all are stored, 2 the file is out of the way
    );
    CREATE INDEX intake_pending ON intake (source, identity) WHERE state < 2;
    ALTER TABLE message ADD COLUMN intake INTEGER;    -- the file it came in
    ALTER TABLE message ADD COLUMN member INTEGER;    -- which of the file's messages it is, from 0
    CREATE UNIQUE INDEX message_by_member ON message (intake, member) WHERE intake IS NOT NULL;";

const COMING: i64 = 0;
const STORED: i64 = 1;
const RELEASED: i64 = 2;

/// A file that messages came in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Intake {
    /// Name of the source that takes it in.
    pub source: Arc<str>,
    /// What tells it from every other file that ever had its name, in the words of whoever watches for files.
    pub identity: Arc<str>,
    /// Its name, for people. It may hold patient data.
    pub name: Arc<str>,
}

/// Where a message came from, when it came in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub intake: Arc<Intake>,
    /// Which of the file's messages it is, from 0.
    pub member: u64,
    /// Whether no other follows in the file.
    pub last: bool,
}

/// How far a file is taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeStanding {
    /// The file.
    pub intake: Intake,
    /// So many of its messages are stored: the first ones.
    pub members: u64,
    /// So many of those could not be read and are quarantined.
    pub unreadable: u64,
    /// Whether all of its messages are stored, so that the file may be put out of the way.
    pub complete: bool,
}

/// What storing one of a file's messages comes to.
pub(crate) enum Step {
    /// It is the next one; the number of the file's row.
    Next(i64),
    /// It is stored already.
    Known,
    /// An earlier one is not stored.
    Early,
}

impl SegmentFile {
    /// Counts one message of a file as stored, in the transaction that stores it.
    pub(crate) fn count_member(&mut self, origin: &Origin, fate: Fate) -> Result<Step, JournalError> {
        let source = self.name(&origin.intake.source)?;
        let unreadable = i64::from(fate == Fate::Quarantined);
        let state = if origin.last { STORED } else { COMING };
        self.database.run(|connection| {
            let found = connection
                .prepare_cached(
                    "SELECT id, members, state FROM intake WHERE source = ?1 AND identity = ?2 AND state < 2",
                )?
                .query_row(params![source, origin.intake.identity], |row| {
                    Ok((row.get::<_, i64>(0)?, unsigned(row, 1)?, row.get::<_, i64>(2)?))
                })
                .optional()?;
            match found {
                None if origin.member == 0 => connection
                    .prepare_cached(
                        "INSERT INTO intake (source, identity, name, members, unreadable, state)
                         VALUES (?1, ?2, ?3, 1, ?4, ?5)",
                    )?
                    .insert(params![source, origin.intake.identity, origin.intake.name, unreadable, state])
                    .map(Step::Next),
                None => Ok(Step::Early),
                Some((_, members, known)) if origin.member < members || known == STORED => Ok(Step::Known),
                Some((_, members, _)) if origin.member > members => Ok(Step::Early),
                Some((id, _, _)) => connection
                    .prepare_cached(
                        "UPDATE intake SET members = members + 1, unreadable = unreadable + ?2, state = ?3
                         WHERE id = ?1",
                    )?
                    .execute(params![id, unreadable, state])
                    .map(|_| Step::Next(id)),
            }
        })
    }

    /// Notes that a file is out of the way: the next one with its identity is a new one.
    pub(crate) fn release(&mut self, intake: &Intake) -> Result<(), JournalError> {
        let source = self.name(&intake.source)?;
        self.database.run(|connection| {
            connection
                .prepare_cached(
                    "UPDATE intake SET state = ?3 WHERE source = ?1 AND identity = ?2 AND state < 2",
                )?
                .execute(params![source, intake.identity, RELEASED])
                .map(drop)
        })
    }

    /// The files that are not out of the way.
    pub(crate) fn intakes(&self) -> Result<Vec<IntakeStanding>, JournalError> {
        pending(&self.database)
    }

    /// Takes over, in a transaction of its own, what an earlier segment file knows of files that are not out of the way.
    pub(crate) fn carry(&mut self, intakes: &[IntakeStanding]) -> Result<(), JournalError> {
        if intakes.is_empty() {
            return Ok(());
        }
        self.begin()?;
        for standing in intakes {
            let source = self.name(&standing.intake.source)?;
            self.database.run(|connection| {
                connection
                    .prepare_cached(
                        "INSERT INTO intake (source, identity, name, members, unreadable, state)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    )?
                    .execute(params![
                        source,
                        standing.intake.identity,
                        standing.intake.name,
                        int(standing.members),
                        int(standing.unreadable),
                        if standing.complete { STORED } else { COMING },
                    ])
                    .map(drop)
            })?;
        }
        self.commit()
    }
}

impl Reader {
    /// The files of a source that are not out of the way, and how far each is taken in.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn intakes(&self, source: &str) -> Result<Vec<IntakeStanding>, JournalError> {
        let files = self.files.list()?;
        let Some(current) = files.last() else { return Ok(Vec::new()) };
        let mut intakes = pending(&*self.pool.segment(current.number)?)?;
        intakes.retain(|standing| *standing.intake.source == *source);
        Ok(intakes)
    }
}

/// Whether a segment file has the columns for files; one that an earlier program sealed has not.
pub(crate) fn knows_files(database: &Database) -> Result<bool, JournalError> {
    Ok(database.schema_version()? >= 2)
}

/// The file that a message came in. Segment files that an earlier program sealed know none.
pub(crate) fn origin(database: &Database, message: u64) -> Result<Option<StoredOrigin>, JournalError> {
    if !knows_files(database)? {
        return Ok(None);
    }
    database.run(|connection| {
        connection
            .prepare_cached(
                "SELECT i.name, m.member FROM message m JOIN intake i ON i.id = m.intake WHERE m.id = ?1",
            )?
            .query_row([int(message)], |row| {
                Ok(StoredOrigin { name: row.get(0)?, member: unsigned(row, 1)? })
            })
            .optional()
    })
}

fn pending(database: &Database) -> Result<Vec<IntakeStanding>, JournalError> {
    database.run(|connection| {
        connection
            .prepare_cached(
                "SELECT n.name, i.identity, i.name, i.members, i.unreadable, i.state
                 FROM intake i JOIN name n ON n.id = i.source WHERE i.state < 2 ORDER BY i.id",
            )?
            .query_map([], standing)?
            .collect()
    })
}

fn standing(row: &Row<'_>) -> rusqlite::Result<IntakeStanding> {
    let text = |column| Ok::<_, rusqlite::Error>(Arc::from(row.get_ref(column)?.as_str()?));
    Ok(IntakeStanding {
        intake: Intake { source: text(0)?, identity: text(1)?, name: text(2)? },
        members: unsigned(row, 3)?,
        unreadable: unsigned(row, 4)?,
        complete: row.get::<_, i64>(5)? == STORED,
    })
}
