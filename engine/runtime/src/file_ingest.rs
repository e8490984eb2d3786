//! From a file to its messages: split, process, commit, and only then say what became of the file.
//!
//! What always holds: a file is said to be stored only after the commit of its last message told us so; its messages are handed to the
//! journal in their order, from the first one that is not stored; the last one only when the file was read to its end and has not changed
//! meanwhile.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use orderly_journal::{Accepted, CommitError, Intake, IntakeStanding, NewMessage, Origin};
use orderly_pipeline::plan::Listener;
use orderly_pipeline::{Fate, Member, Stream};
use orderly_queue::planted::{self, Fault};
use orderly_transport::listeners::files::{
    Arrival, Content, ContentError, FileEvent, FileHandler, Outcome, Standing, Taken, Taking,
};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tracing::{error, info, warn};

use crate::ingest::Ingest;

/// The largest message taken in when nothing is said: as for a frame, because embedded documents of tens of megabytes are common.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// How many messages of a source's files are on their way to the journal at a time, and how many kibibytes of them: a few commits, so
/// that the disk is never waited for, memory stays flat however many and large the files are, and the journal has room for other sources.
const MESSAGES_IN_FLIGHT: usize = 1024;
const KIB_IN_FLIGHT: usize = 32 << 10;

impl FileHandler for Ingest {
    async fn standings(&self) -> Result<Vec<Standing>, String> {
        let intakes = self.journal.reader().intakes(&self.source).map_err(|error| error.to_string())?;
        // Those that are out of the way are not to come back only because that could not be stored yet.
        let unreleased = self.unreleased.lock().unwrap_or_else(PoisonError::into_inner);
        let standings = intakes.into_iter().map(standing);
        Ok(standings.filter(|standing| !unreleased.contains(&standing.identity)).collect())
    }

    async fn file(&self, arrival: Arrival) -> Taking {
        let Arrival { identity, name, stored, mut content } = arrival;
        let intake = Arc::new(Intake { source: self.source.clone(), identity, name });
        release_again(self);
        let mut reading = Reading {
            ingest: self,
            intake,
            stored_before: stored,
            next: 0,
            unreadable: 0,
            cut: 0,
            first_unreadable: None,
            last_id: None,
            in_flight: VecDeque::new(),
        };
        let ended = reading.read(&mut content).await;
        reading.taking(ended)
    }

    fn released(&self, identity: &Arc<str>) {
        release(self, identity.clone());
    }

    fn file_event(&self, event: FileEvent) {
        let source = &self.source;
        match event {
            FileEvent::FolderUnreadable(problem) => {
                let is_file = matches!(problem.kind(), ErrorKind::AlreadyExists | ErrorKind::NotADirectory);
                let help = if is_file { "; a file has its name: move that away" } else { "" };
                warn!(%source, "the folder cannot be looked at, trying again: {problem}{help}");
            }
            FileEvent::FolderReadable => info!(%source, "the folder can be looked at again"),
            FileEvent::PutAside { reason } => {
                let folder = self.failed_folder();
                warn!(%source, folder, "a file was put aside: {}", reason.replace('\n', "; "));
            }
            FileEvent::Unreadable(problem) => {
                warn!(%source, "a file cannot be read, trying again: {problem}")
            }
            FileEvent::GoneHalfTaken { stored } => warn!(
                %source,
                stored,
                "a file went out of the folder before all of it was taken in; its first messages are stored, the others are \
                 not: have its sender send them again"
            ),
            FileEvent::Stuck(problem) => warn!(
                %source,
                "a file is stored and cannot be put away, trying again; give the engine's user the right to write in \
                 the folders of this source: {problem}"
            ),
            FileEvent::StoreUnreadable(problem) => {
                error!(%source, "the journal cannot be read, taking no files until it can: {problem}");
            }
        }
    }
}

impl Ingest {
    /// Where this source puts files aside; a file's own name may be a patient's, and is not for the log.
    fn failed_folder(&self) -> &str {
        match &self.listener {
            Listener::Files(files) => &files.failed,
            Listener::Mllp(_) | Listener::Http(_) | Listener::Amqp(_) => "",
        }
    }
}

/// The journal's standing of a file in the words of the listener. The journal does not say whether something was cut, so whatever could not
/// be read may have been: then the file is kept aside.
fn standing(standing: IntakeStanding) -> Standing {
    let IntakeStanding { intake, members, unreadable, complete } = standing;
    let taken = match unreadable {
        0 => Taken::Stored,
        _ => Taken::PutAside(
            "not all in it could be read as messages: see the quarantined messages of this source\nIts other messages are \
             stored: do not drop all of it again."
                .to_owned(),
        ),
    };
    Standing {
        identity: intake.identity,
        name: intake.name,
        stored: members,
        taken: complete.then_some(taken),
    }
}

fn release(ingest: &Ingest, identity: Arc<str>) {
    let (source, unreleased) = (ingest.source.clone(), ingest.unreleased.clone());
    let intake = Intake { source: source.clone(), identity: identity.clone(), name: Arc::from("") };
    ingest.journal.release(Arc::new(intake), move |result| match result {
        // When the engine stops first, the next start finds the file gone.
        Ok(()) | Err(CommitError::Closed) => {}
        Err(problem) => {
            warn!(%source, "that a file is out of the way could not be stored, trying again: {problem}");
            unreleased.lock().unwrap_or_else(PoisonError::into_inner).push(identity);
        }
    });
}

/// Before another file is handed over: with the same identity it would be taken for the one that is gone.
fn release_again(ingest: &Ingest) {
    let unreleased = std::mem::take(&mut *ingest.unreleased.lock().unwrap_or_else(PoisonError::into_inner));
    for identity in unreleased {
        release(ingest, identity);
    }
}

/// Room for messages on their way to the journal.
#[derive(Debug)]
pub(crate) struct Room {
    messages: Arc<Semaphore>,
    kib: Arc<Semaphore>,
}

impl Default for Room {
    fn default() -> Room {
        Room {
            messages: Arc::new(Semaphore::new(MESSAGES_IN_FLIGHT)),
            kib: Arc::new(Semaphore::new(KIB_IN_FLIGHT)),
        }
    }
}

impl Room {
    /// Waits for room; it is given back when what this gives is dropped. A message larger than all of it takes all of it.
    pub(crate) async fn take(&self, bytes: usize) -> Result<[OwnedSemaphorePermit; 2], AcquireError> {
        let kib = u32::try_from((bytes >> 10).clamp(1, KIB_IN_FLIGHT)).unwrap_or(1);
        let message = self.messages.clone().acquire_owned().await?;
        Ok([message, self.kib.clone().acquire_many_owned(kib).await?])
    }
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
    /// So many of those are larger than allowed, and only their beginnings are kept.
    cut: u64,
    /// The first of them: its id, and why.
    first_unreadable: Option<(u64, String)>,
    /// The id of the last message that was handed over.
    last_id: Option<u64>,
    in_flight: VecDeque<Committed>,
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
    Early(Option<Arc<std::io::Error>>),
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
        for found in stream.diagnostics() {
            // A file that was cut short on its way, for example.
            let id = self.last_id.unwrap_or_default();
            warn!(source = %self.ingest.source, id, code = found.code, "the batch of the file that this message came in is odd: {}", found.message);
        }
        let Some(last) = held else { return Ended::Empty };
        match self.hand_over(last, true).await {
            Ok(()) => Ended::Whole,
            Err(problem) => Ended::NotStored(problem),
        }
    }

    fn message_bytes_max(&self) -> usize {
        match &self.ingest.listener {
            Listener::Files(files) => files.message_bytes_max.unwrap_or(MESSAGE_BYTES_MAX),
            Listener::Mllp(_) | Listener::Http(_) | Listener::Amqp(_) => MESSAGE_BYTES_MAX,
        }
    }

    fn broken_off(&self, problem: ContentError) -> Ended {
        match problem {
            ContentError::Changed if self.next > 0 => Ended::Changed,
            // It is still being written, and nothing of it is stored.
            ContentError::Changed | ContentError::Stopping => Ended::Early(None),
            ContentError::Unreadable(problem) => Ended::Early(Some(Arc::new(problem))),
        }
    }

    /// Hands a message to the journal, unless it is stored; waits when too many are on their way.
    async fn hand_over(&mut self, member: Member, last: bool) -> Result<(), NotStored> {
        let number = self.next;
        self.next += 1;
        // Also of one that is stored: the whole of it is nowhere but in the file.
        self.cut += u64::from(member.cut);
        if number < self.stored_before {
            return Ok(());
        }
        let room = self.ingest.room.take(member.bytes.len()).await.map_err(|_| NotStored(None))?;
        self.hear_of_stored()?;
        // A source that is no more is about to be told so.
        let held = self.ingest.hold().await.ok_or(NotStored(None))?;
        let facts = self.ingest.facts();
        let mut processed = if member.cut {
            let why = format!("the message is larger than the {} bytes that are allowed", member.bytes.len());
            self.ingest.not_whole(&held.plan, &facts, &member.bytes, &why)
        } else {
            self.ingest.process(&held.plan, &facts, &member.bytes)
        };
        self.ingest.note(facts.id, &processed);
        if processed.fate == Fate::Quarantined {
            self.unreadable += 1;
            let why = processed.reason.clone().unwrap_or_default();
            self.first_unreadable.get_or_insert((facts.id, why));
        }
        self.last_id = Some(facts.id);
        let origin = Origin { intake: self.intake.clone(), member: number, last };
        let body = Arc::from(member.bytes);
        // Nobody waits for an answer.
        let message = self.ingest.new_message(&held, &facts, &mut processed, body, Vec::new());
        let message = NewMessage { origin: Some(origin), ..message };
        self.in_flight.push_back(self.ingest.commit_holding(message, (room, held)));
        Ok(())
    }

    /// Takes note of what was stored since, so that nothing of it is held any longer.
    fn hear_of_stored(&mut self) -> Result<(), NotStored> {
        while let Some(committed) = self.in_flight.front_mut() {
            match committed.try_recv() {
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Closed) => return Err(NotStored(None)),
                Ok(result) => is_stored(result)?,
            }
            self.in_flight.pop_front();
        }
        Ok(())
    }

    /// What becomes of the file, once the journal has answered for all of its messages.
    fn taking(self, ended: Ended) -> Taking {
        let Reading { ingest, intake, in_flight, .. } = &self;
        let (source, is_failing) = (ingest.source.clone(), ingest.is_failing.clone());
        if planted::is_planted(Fault::FileReleasedBeforeMove) {
            release(ingest, intake.identity.clone());
        }
        let is_empty = in_flight.is_empty();
        let verdict = self.verdict(&ended);
        let in_flight = self.in_flight;
        Box::pin(async move {
            if planted::is_planted(Fault::FileRemovedBeforeCommit) && !is_empty {
                return Outcome::Taken(Taken::Stored);
            }
            let stored = match ended {
                Ended::NotStored(problem) => Err(problem),
                _ => all_stored(in_flight).await,
            };
            match stored {
                Ok(()) => {
                    if is_failing.swap(false, Ordering::Relaxed) {
                        info!(%source, "files are stored again");
                    }
                    verdict
                }
                Err(NotStored(problem)) => {
                    // A full disk is told once, not for each file at each attempt.
                    if let Some(problem) = problem
                        && !is_failing.swap(true, Ordering::Relaxed)
                    {
                        error!(%source, "a file could not be stored, trying again: {problem}");
                    }
                    Outcome::NotStored
                }
            }
        })
    }

    /// The last message of this file that is stored, so that nobody has to count.
    fn last_stored(&self) -> String {
        match self.last_id {
            Some(id) => format!("the one that `orderly show {id}` shows"),
            None => "the last one that was stored of it before (`orderly messages --file NAME`)".to_owned(),
        }
    }

    /// What becomes of the file when all that was handed over is stored.
    fn verdict(&self, ended: &Ended) -> Outcome {
        let aside = |reason: String| Outcome::Taken(Taken::PutAside(reason));
        // What was stored before may hold the first of them.
        let why = match &self.first_unreadable {
            Some((id, reason)) => format!("(orderly show {id}): {reason}"),
            None => "(orderly messages --state quarantined)".to_owned(),
        };
        match ended {
            Ended::Early(problem) => {
                Outcome::Later { stored: self.next.max(self.stored_before), problem: problem.clone() }
            }
            Ended::NotStored(_) => Outcome::NotStored,
            Ended::Empty => aside("it is empty\nDrop it again when there is something in it.".to_owned()),
            Ended::Changed => Outcome::Taken(Taken::Torn(format!(
                "it changed while it was being read, after its first {} messages were stored, up to {}\nDrop again what \
                 follows that message in the file, without what is stored.",
                self.next,
                self.last_stored()
            ))),
            // What was cut is nowhere whole but in the file.
            Ended::Whole if self.cut > 0 => aside(format!(
                "{} of its {} messages are larger than allowed, and only their beginnings are kept {why}\n\
                 Its other messages are stored: do not drop all of it again. Raise the source's `message_size_max`, and drop those \
                 that were too large in a file of their own.",
                self.cut, self.next
            )),
            Ended::Whole if self.stored_before == 0 && self.unreadable == self.next => aside(format!(
                "nothing in it could be read as a message {why}\nWhat it holds is kept in quarantine."
            )),
            Ended::Whole => Outcome::Taken(Taken::Stored),
        }
    }
}

/// Something could not be stored; why, unless the journal is closing.
struct NotStored(Option<CommitError>);

type Committed = oneshot::Receiver<Result<Accepted, CommitError>>;

async fn all_stored(in_flight: VecDeque<Committed>) -> Result<(), NotStored> {
    for committed in in_flight {
        is_stored(committed.await.map_err(|_| NotStored(None))?)?;
    }
    Ok(())
}

fn is_stored(result: Result<Accepted, CommitError>) -> Result<(), NotStored> {
    match result {
        Ok(_) | Err(CommitError::AlreadyStored { .. }) => Ok(()),
        Err(CommitError::Closed) => Err(NotStored(None)),
        Err(problem) => Err(NotStored(Some(problem))),
    }
}
