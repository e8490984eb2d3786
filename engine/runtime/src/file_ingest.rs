//! From a file to its messages: split, process, commit, and only then say what became of the file.
//!
//! What always holds: a file is said to be stored only after the commit of its last message told us so; its messages are handed to the
//! journal in their order, from the first one that is not stored; the last one only when the file was read to its end and has not changed
//! meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;

use orderly_journal::{CommitError, Intake, IntakeStanding, Origin};
use orderly_pipeline::plan::Listener;
use orderly_pipeline::{Fate, Member, Stream, not_whole, process};
use orderly_queue::planted::{self, Fault};
use orderly_transport::listeners::files::{
    Arrival, Content, ContentError, FileEvent, FileHandler, Standing, Taken, Taking,
};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use crate::ingest::Ingest;

/// The largest message taken in when nothing is said: as for a frame, because embedded documents of tens of megabytes are common.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// How many messages of a file are handed to the journal before the first of them is stored, and how many bytes of them: a few commits,
/// so that the disk is never waited for, and memory stays flat however large the file is.
const MEMBERS_IN_FLIGHT: usize = 512;
const BYTES_IN_FLIGHT: usize = 16 << 20;

impl FileHandler for Ingest {
    async fn standings(&self) -> Result<Vec<Standing>, String> {
        let intakes = self.journal.reader().intakes(&self.source).map_err(|error| error.to_string())?;
        Ok(intakes.into_iter().map(standing).collect())
    }

    async fn file(&self, arrival: Arrival) -> Taking {
        let Arrival { identity, name, stored, mut content } = arrival;
        let intake = Arc::new(Intake { source: self.source.clone(), identity, name });
        let mut reading = Reading {
            ingest: self,
            intake,
            stored_before: stored,
            next: 0,
            unreadable: 0,
            reason: None,
            in_flight: InFlight::default(),
        };
        let ended = reading.read(&mut content).await;
        reading.taking(ended)
    }

    fn released(&self, identity: &Arc<str>) {
        release(self, identity);
    }

    fn file_event(&self, event: FileEvent) {
        let source = &self.source;
        match event {
            FileEvent::FolderUnreadable(problem) => {
                warn!(%source, "the folder cannot be looked at, trying again: {problem}");
            }
            FileEvent::FolderReadable => info!(%source, "the folder can be looked at again"),
            FileEvent::PutAside { reason } => warn!(%source, "a file was put aside: {reason}"),
            FileEvent::Stuck(problem) => {
                warn!(%source, "a file cannot be read or put away, trying again: {problem}");
            }
            FileEvent::StoreUnreadable(problem) => {
                error!(%source, "the journal cannot be read, taking no files until it can: {problem}");
            }
        }
    }
}

/// The journal's standing of a file in the words of the listener.
fn standing(standing: IntakeStanding) -> Standing {
    let IntakeStanding { intake, members, unreadable, complete } = standing;
    Standing {
        identity: intake.identity,
        stored: members,
        taken: complete.then(|| fate(members, unreadable, None)),
    }
}

/// A file of which nothing could be read is put aside, so that whoever dropped it sees it; the journal has its bytes in quarantine.
fn fate(members: u64, unreadable: u64, reason: Option<&str>) -> Taken {
    if unreadable < members {
        return Taken::Stored;
    }
    let reason = reason.unwrap_or("see the quarantined messages of this source");
    Taken::PutAside(format!(
        "nothing in it could be read as a message: {reason}\nWhat it holds is kept in quarantine."
    ))
}

fn release(ingest: &Ingest, identity: &Arc<str>) {
    let (source, identity) = (ingest.source.clone(), identity.clone());
    let intake = Intake { source: source.clone(), identity, name: Arc::from("") };
    ingest.journal.release(Arc::new(intake), move |result| match result {
        // When the engine stops first, the next start finds the file gone.
        Ok(()) | Err(CommitError::Closed) => {}
        Err(problem) => warn!(%source, "that a file is out of the way could not be stored: {problem}"),
    });
}

/// One file being read.
struct Reading<'i> {
    ingest: &'i Ingest,
    intake: Arc<Intake>,
    /// So many messages were stored by an earlier reading.
    stored_before: u64,
    /// Which message comes next, from 0.
    next: u64,
    /// So many of those of this reading could not be read as messages.
    unreadable: u64,
    /// Why the first of them could not be.
    reason: Option<String>,
    in_flight: InFlight,
}

/// How reading ended.
enum Ended {
    /// At the end of the file.
    Whole,
    /// With nothing in it.
    Empty,
    /// Because it changed meanwhile.
    Changed,
    /// Before its end: it is gone on with later.
    Early,
    /// Because something could not be stored.
    NotStored(NotStored),
}

impl Reading<'_> {
    async fn read(&mut self, content: &mut Content) -> Ended {
        let mut stream = Stream::new(self.message_bytes_max());
        // One message is held back until it is known whether another follows.
        let mut held: Option<Member> = None;
        loop {
            let at_end = match content.chunk() {
                Ok(Some(chunk)) => {
                    stream.push(chunk);
                    false
                }
                Ok(None) => {
                    stream.finish();
                    true
                }
                Err(problem) => return self.broken_off(problem),
            };
            while let Some(member) = stream.next_member() {
                if let Some(before) = held.replace(member)
                    && let Err(problem) = self.hand_over(before, false).await
                {
                    return Ended::NotStored(problem);
                }
            }
            if at_end {
                break;
            }
        }
        let Some(last) = held else { return Ended::Empty };
        match self.hand_over(last, true).await {
            Ok(()) => Ended::Whole,
            Err(problem) => Ended::NotStored(problem),
        }
    }

    fn message_bytes_max(&self) -> usize {
        let source = self.ingest.plan.source(&self.ingest.source);
        match source.map(|source| &source.listener) {
            Some(Listener::Files(files)) => files.message_bytes_max.unwrap_or(MESSAGE_BYTES_MAX),
            Some(Listener::Mllp(_)) | None => MESSAGE_BYTES_MAX,
        }
    }

    fn broken_off(&self, problem: ContentError) -> Ended {
        match problem {
            ContentError::Changed if self.next > 0 => Ended::Changed,
            // It is still being written, and nothing of it is stored.
            ContentError::Changed | ContentError::Stopping => Ended::Early,
            ContentError::Unreadable(problem) => {
                warn!(source = %self.ingest.source, "a file cannot be read to its end, trying again: {problem}");
                Ended::Early
            }
        }
    }

    /// Hands a message to the journal, unless it is stored; waits when too many are on their way.
    async fn hand_over(&mut self, member: Member, last: bool) -> Result<(), NotStored> {
        let number = self.next;
        self.next += 1;
        if number < self.stored_before {
            return Ok(());
        }
        self.in_flight.make_room(member.bytes.len()).await?;
        let facts = self.ingest.facts();
        let mut processed = if member.cut {
            let why = format!("the message is larger than the {} bytes that are allowed", member.bytes.len());
            not_whole(&self.ingest.plan, &facts, &member.bytes, &why)
        } else {
            process(&self.ingest.plan, &facts, &member.bytes)
        };
        self.ingest.note(facts.id, &processed);
        if processed.fate == Fate::Quarantined {
            self.unreadable += 1;
            self.reason = self.reason.take().or_else(|| processed.reason.clone());
        }
        let bytes = member.bytes.len();
        let origin = Origin { intake: self.intake.clone(), member: number, last };
        let message = self.ingest.new_message(&facts, &mut processed, Arc::from(member.bytes), Some(origin));
        self.in_flight.push(self.ingest.commit(message), bytes);
        Ok(())
    }

    /// What becomes of the file, once the journal has answered for all of its messages.
    fn taking(self, ended: Ended) -> Taking {
        let Reading { ingest, intake, stored_before, next, unreadable, reason, in_flight } = self;
        let (source, journal) = (ingest.source.clone(), ingest.journal.clone());
        if planted::is_planted(Fault::FileReleasedBeforeMove) {
            release(ingest, &intake.identity);
        }
        Box::pin(async move {
            if planted::is_planted(Fault::FileRemovedBeforeCommit) {
                return Some(Taken::Stored);
            }
            let ended = match ended {
                Ended::NotStored(_) => ended,
                ended => in_flight.all_stored().await.map_or_else(Ended::NotStored, |()| ended),
            };
            match ended {
                Ended::Early | Ended::NotStored(NotStored(None)) => None,
                Ended::NotStored(NotStored(Some(problem))) => {
                    error!(%source, "a file could not be stored, trying again: {problem}");
                    None
                }
                Ended::Empty => Some(Taken::PutAside("it is empty".to_owned())),
                Ended::Changed => Some(Taken::PutAside(format!(
                    "it changed while it was being read, after {next} of its messages were stored\nDrop the rest again, without these."
                ))),
                Ended::Whole if stored_before == 0 => Some(fate(next, unreadable, reason.as_deref())),
                Ended::Whole => {
                    let intakes = journal.reader().intakes(&source).ok()?;
                    let own = intakes.into_iter().find(|own| own.intake.identity == intake.identity)?;
                    Some(fate(own.members, own.unreadable, reason.as_deref()))
                }
            }
        })
    }
}

/// Something could not be stored; why, unless the journal is closing.
struct NotStored(Option<CommitError>);

type Committed = oneshot::Receiver<Result<(), CommitError>>;

/// Messages on their way to the journal.
#[derive(Default)]
struct InFlight {
    commits: VecDeque<(Committed, usize)>,
    bytes: usize,
}

impl InFlight {
    fn push(&mut self, committed: Committed, bytes: usize) {
        self.commits.push_back((committed, bytes));
        self.bytes += bytes;
    }

    /// Waits until another one of that size may follow; one always may when none is on its way.
    async fn make_room(&mut self, bytes: usize) -> Result<(), NotStored> {
        while self.commits.len() >= MEMBERS_IN_FLIGHT
            || (!self.commits.is_empty() && self.bytes + bytes > BYTES_IN_FLIGHT)
        {
            self.first_stored().await?;
        }
        Ok(())
    }

    async fn all_stored(mut self) -> Result<(), NotStored> {
        while !self.commits.is_empty() {
            self.first_stored().await?;
        }
        Ok(())
    }

    async fn first_stored(&mut self) -> Result<(), NotStored> {
        let Some((committed, bytes)) = self.commits.pop_front() else { return Ok(()) };
        self.bytes -= bytes;
        match committed.await {
            Ok(Ok(()) | Err(CommitError::AlreadyStored { .. })) => Ok(()),
            Ok(Err(CommitError::Closed)) | Err(_) => Err(NotStored(None)),
            Ok(Err(problem)) => Err(NotStored(Some(problem))),
        }
    }
}
