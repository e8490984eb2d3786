//! The one writer: takes what waits, commits it in one transaction per file with one flush, then answers.
//!
//! A transaction that fails answers all of its requests negatively; the file is closed and opened anew before it is written again,
//! because after a failed flush nobody knows what the disk has: its log is written again first, so that nothing is built on what only
//! memory has. Nothing the disk does ends the writer.

mod apply;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::amend::{Amended, Amendment, Resend};
use crate::catalog::{Catalog, FileEntry, FileState};
use crate::error::{CommitError, JournalError};
use crate::inbox::{Request, Turn};
use crate::journal::{Commit, Fresh, Shared, add_file, now_us};
use crate::layout;
use crate::lock::Lock;
use crate::message::Accepted;
use crate::repeats::Names;
use crate::segment::{Numbers, SegmentFile};
use crate::sqlite::renew_log;
use crate::waiting::Place;
use apply::{apply, note};

/// Open connections to files that are not current: enough for the few that still have something to deliver.
const OLDER_FILES_MAX: usize = 4;

/// How often the writer looks whether the current file is old enough to be followed, and how long it waits after failing to make
/// the next one.
const ROTATION_PAUSE: Duration = Duration::from_secs(10);

/// Deliveries that stand in an earlier file than their number says, because a replay appended them to their message's file.
pub(crate) type Strays = HashMap<u64, u32>;

/// Writes everything; run by [`Writer::run`] on a thread of its own.
pub struct Writer {
    shared: Arc<Shared>,
    _lock: Arc<Lock>,
    catalog: Catalog,
    current: u32,
    /// Files open for writing; a failed one is missing until it is needed again.
    open: Vec<SegmentFile>,
    next: Numbers,
    strays: Strays,
    /// No content of a file that was closed has this number or a larger one.
    next_content: i64,
    rotate_at: Instant,
    /// What files before the current one have seen.
    names: Names,
}

/// What a request came to, once its transaction is committed.
enum Answer {
    Accepted(Accepted),
    Recorded,
    /// How many deliveries wait because of it.
    Reprocessed(usize),
    Amended(Amended),
    /// The new delivery's number.
    Resent(u64),
    Carried(bool),
    Refused(CommitError),
}

/// What a transaction did, told after its commit.
#[derive(Default)]
struct Written {
    answers: Vec<Answer>,
    waiting: Vec<Fresh>,
    strays: Vec<u64>,
    orphans: Vec<i64>,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        lock: Arc<Lock>,
        catalog: Catalog,
        current: SegmentFile,
        next: Numbers,
        strays: Strays,
    ) -> Writer {
        Writer {
            shared,
            _lock: lock,
            catalog,
            current: current.number,
            open: vec![current],
            next,
            strays,
            next_content: 0,
            rotate_at: Instant::now(),
            names: Names::default(),
        }
    }

    /// Commits until the journal is closed and nothing waits any more.
    pub fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            match shared.inbox.next(&shared.options, Instant::now() + ROTATION_PAUSE) {
                Turn::Commit(group) => {
                    self.rotate_when_due();
                    self.commit(group);
                }
                Turn::Idle => self.rotate_when_due(),
                Turn::Closed => return,
            }
        }
    }

    fn commit(&mut self, group: Vec<Request>) {
        let mut older: Vec<(u32, Vec<Request>)> = Vec::new();
        let mut current = Vec::with_capacity(group.len());
        for request in group {
            match self.file_of(&request) {
                Ok(number) if number == self.current => current.push(request),
                Ok(number) => match older.iter_mut().find(|(other, _)| *other == number) {
                    Some((_, requests)) => requests.push(request),
                    None => older.push((number, vec![request])),
                },
                Err(error) => request.refuse(error),
            }
        }
        if !current.is_empty() {
            self.commit_in(self.current, current);
        }
        for (number, requests) in older {
            self.commit_in_older(number, requests);
        }
    }

    /// The file that a request is about.
    fn file_of(&self, request: &Request) -> Result<u32, CommitError> {
        match request {
            Request::Accept(..) => Ok(self.current),
            Request::Record(attempt, _) => self.file_of_delivery(attempt.delivery),
            Request::Reprocess(replay, _) => self.file_of_replay(replay.message_id),
            Request::Amend(amendment, _) => self.file_of_delivery(amendment.delivery),
            Request::Resend(resend, _) => self.file_of_replay(resend.message_id),
            Request::Release(..) => Ok(self.current),
            Request::Carry(carry, _) => self.file_of_delivery(carry.delivery()),
        }
    }

    fn file_of_delivery(&self, seq: u64) -> Result<u32, CommitError> {
        if let Some(number) = self.strays.get(&seq) {
            return Ok(*number);
        }
        let files = self.shared.files.list().map_err(|error| CommitError::from(&error))?;
        files
            .iter()
            .rev()
            .find(|file| file.first_delivery <= seq)
            .map(|file| file.number)
            .ok_or(CommitError::NoSuchDelivery { delivery: seq })
    }

    /// A replay goes where its message stands, or, when that is sealed, where its latest deliveries stand, or to the current file.
    fn file_of_replay(&self, id: u64) -> Result<u32, CommitError> {
        let reader = self.shared.reader();
        let places = reader.files_of(id).map_err(|error| CommitError::from(&error))?;
        let home = places.first().ok_or(CommitError::NoSuchMessage { id })?;
        let open = |number: &u32| self.is_open(*number);
        Ok(std::iter::once(home).chain(places.iter().rev()).copied().find(open).unwrap_or(self.current))
    }

    fn is_open(&self, number: u32) -> bool {
        self.shared.files.list().is_ok_and(|files| {
            files.iter().any(|file| file.number == number && file.state == FileState::Open)
        })
    }

    /// As [`Writer::commit_in`], unless the file was sealed meanwhile.
    fn commit_in_older(&mut self, number: u32, requests: Vec<Request>) {
        let shared = Arc::clone(&self.shared);
        let _judged = shared.older.lock().unwrap_or_else(PoisonError::into_inner);
        let is_attempt =
            |request: &Request| matches!(request, Request::Record(attempt, _) if attempt.outcome.is_some());
        // An attempt that was under way when a person took its delivery back, the last of its file: what became of it is kept.
        let is_late = !self.is_open(number) && requests.iter().any(is_attempt);
        if self.is_open(number) || (is_late && self.reopen(number)) {
            return self.commit_in(number, requests);
        }
        self.close_file(number);
        let mut again = Vec::new();
        for request in requests {
            match request {
                Request::Record(attempt, done) => {
                    done.call(Err(CommitError::NoSuchDelivery { delivery: attempt.delivery }));
                }
                Request::Amend(amendment, done) => {
                    done.call(Err(CommitError::NoSuchDelivery { delivery: amendment.delivery }));
                }
                Request::Carry(_, done) => done.call(Ok(false)),
                other => again.push(other),
            }
        }
        if !again.is_empty() {
            self.commit_in(self.current, again);
        }
    }

    /// Takes the seal off a file, until it is found settled again; whether that could be done. Files are not judged meanwhile.
    fn reopen(&self, number: u32) -> bool {
        let sealed = self.shared.files.list().ok().and_then(|files| {
            files.iter().find(|file| file.number == number && file.state == FileState::Sealed).cloned()
        });
        let Some(sealed) = sealed else { return false };
        let open = FileEntry { state: FileState::Open, sealed_at_us: None, ..sealed };
        if self.catalog.put(&open).is_err() {
            return false;
        }
        self.shared.files.change(|files| {
            files.iter_mut().filter(|file| file.number == number).for_each(|file| *file = open.clone());
        });
        true
    }

    fn commit_in(&mut self, number: u32, requests: Vec<Request>) {
        match self.write(number, &requests) {
            Ok(written) => {
                let commit = Commit { waiting: written.waiting };
                // Whoever replayed is not told before the workers are, who would still send what was replaced.
                let replaced = commit.waiting.iter().any(|fresh| fresh.rewound);
                if replaced {
                    self.shared.publish(&commit);
                }
                // Acceptances stand first in a group: senders wait for them, workers do not wait for results.
                for (request, answer) in requests.into_iter().zip(written.answers) {
                    request.answer(answer);
                }
                if number != self.current {
                    self.strays.extend(written.strays.into_iter().map(|seq| (seq, number)));
                }
                self.remove_orphans(number, &written.orphans);
                if !replaced {
                    self.shared.publish(&commit);
                }
            }
            Err(error) => {
                self.close_file(number);
                let error = CommitError::from(&error);
                // It may be on disk all the same: whoever would deliver it has to look.
                let waiting = may_wait(&requests);
                for request in requests {
                    request.refuse(error.clone());
                }
                self.shared.publish(&Commit { waiting });
            }
        }
    }

    /// One transaction. Numbers used by one that fails are not used again.
    fn write(&mut self, number: u32, requests: &[Request]) -> Result<Written, JournalError> {
        let shared = Arc::clone(&self.shared);
        let index = self.opened(number)?;
        let Writer { open, next, names, .. } = self;
        let Some(file) = open.get_mut(index) else {
            return Err(JournalError::Missing { path: layout::segment(&shared.options.folder, number) });
        };
        let accepted = requests.iter().filter_map(|request| match request {
            Request::Accept(message, _) => Some(message),
            _ => None,
        });
        names.prepare(&shared, file.number, accepted)?;
        file.begin()?;
        let mut written = Written::default();
        for request in requests {
            let answer = apply(&shared, names, file, next, request, &mut written)?;
            written.answers.push(answer);
        }
        file.commit()?;
        Ok(written)
    }

    /// Where the file stands among the open ones; opens it when needed and closes the one longest not used.
    fn opened(&mut self, number: u32) -> Result<usize, JournalError> {
        if let Some(index) = self.open.iter().position(|file| file.number == number) {
            return Ok(index);
        }
        let options = &self.shared.options;
        renew_log(options, &layout::segment(&options.folder, number))?;
        let mut file = SegmentFile::open(options, number)?;
        file.skip_contents_to(self.next_content);
        if self.open.len() > OLDER_FILES_MAX
            && let Some(oldest) =
                self.open.iter().map(|file| file.number).find(|number| *number != self.current)
        {
            self.close_file(oldest);
        }
        self.open.push(file);
        Ok(self.open.len() - 1)
    }

    fn close_file(&mut self, number: u32) {
        for file in self.open.extract_if(.., |file| file.number == number) {
            self.next_content = self.next_content.max(file.next_content());
        }
    }

    /// Contents that no row names any more; when they cannot be removed they only cost space until the file goes.
    fn remove_orphans(&self, number: u32, orphans: &[i64]) {
        for content in orphans {
            let path = layout::body(&self.shared.options.folder, number, *content);
            let _ = self.shared.options.file_store.remove(&path);
        }
    }

    /// Follows the current file by a new one when it is large or old enough. When the new one cannot be made, the current one goes on.
    fn rotate_when_due(&mut self) {
        let Some(file) = self.open.iter().find(|file| file.number == self.current) else { return };
        let options = &self.shared.options;
        let age_max = i64::try_from(options.segment_age_max.as_micros()).unwrap_or(i64::MAX);
        let old = now_us().saturating_sub(file.created_at_us) >= age_max && self.has_messages(file);
        let large = file.bytes().is_ok_and(|bytes| bytes >= options.segment_bytes_max);
        if !(old || large) || Instant::now() < self.rotate_at {
            return;
        }
        let first = Numbers { id: self.shared.ids_from(), ..self.next };
        let made = file
            .intakes()
            .and_then(|intakes| add_file(options, &self.catalog, self.current + 1, first, &intakes));
        match made {
            Ok((file, entry)) => {
                self.current = entry.number;
                self.open.push(file);
                self.shared.files.change(|files| files.push(entry));
                if let Ok(files) = self.shared.files.list() {
                    self.names.follow(&files, now_us());
                }
            }
            Err(_) => self.rotate_at = Instant::now() + ROTATION_PAUSE,
        }
    }

    fn has_messages(&self, file: &SegmentFile) -> bool {
        file.first_seq != self.next.seq
    }
}

impl Request {
    fn answer(self, answer: Answer) {
        match (self, answer) {
            (request, Answer::Refused(error)) => request.refuse(error),
            (Request::Accept(_, done), Answer::Accepted(accepted)) => done.call(Ok(accepted)),
            (Request::Record(_, done), Answer::Recorded) => done.call(Ok(())),
            (Request::Reprocess(_, done), Answer::Reprocessed(waiting)) => done.call(Ok(waiting)),
            (Request::Amend(_, done), Answer::Amended(amended)) => done.call(Ok(amended)),
            (Request::Resend(_, done), Answer::Resent(seq)) => done.call(Ok(seq)),
            (Request::Carry(_, done), Answer::Carried(applied)) => done.call(Ok(applied)),
            (Request::Release(_, done), Answer::Recorded) => done.call(Ok(())),
            // Each request is answered by its own kind or `Refused`; dropping it would answer negatively.
            (_, _) => {}
        }
    }
}

/// The destinations that a failed group could have something for, from the start.
fn may_wait(requests: &[Request]) -> Vec<Fresh> {
    let mut waiting = Vec::new();
    for request in requests {
        let deliveries = match request {
            Request::Accept(message, _) => &message.deliveries,
            Request::Reprocess(replay, _) => &replay.deliveries,
            Request::Amend(Amendment { destination, .. }, _)
            | Request::Resend(Resend { destination, .. }, _) => {
                note(&mut waiting, destination, Place::USUAL, true);
                continue;
            }
            Request::Record(..) | Request::Carry(..) | Request::Release(..) => continue,
        };
        for delivery in deliveries {
            note(&mut waiting, &delivery.destination, delivery.place.class, true);
        }
    }
    waiting
}
