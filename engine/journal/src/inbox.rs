//! What waits for the writer: acceptances, replays, changes by hand and releases of files in order of arrival, results of attempts beside them.
//!
//! Every request gets exactly one answer, also when it is dropped. Results are lazy: they ride with the next acceptance, or go when
//! enough of them wait, or when the oldest has waited long enough.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::amend::{Amended, Amendment, Resend};
use crate::carried::Carry;
use crate::error::CommitError;
use crate::intake::Intake;
use crate::message::{Accepted, AttemptRecord, NewMessage, Reprocessed};
use crate::options::Options;

/// The way back to whoever asked; called once, with [`CommitError::Closed`] when dropped.
pub(crate) struct Done<T>(Option<Answer<T>>);

type Answer<T> = Box<dyn FnOnce(Result<T, CommitError>) + Send>;

impl<T> Done<T> {
    pub(crate) fn new(answer: impl FnOnce(Result<T, CommitError>) + Send + 'static) -> Done<T> {
        Done(Some(Box::new(answer)))
    }

    pub(crate) fn call(mut self, result: Result<T, CommitError>) {
        if let Some(answer) = self.0.take() {
            answer(result);
        }
    }
}

impl<T> Drop for Done<T> {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer(Err(CommitError::Closed));
        }
    }
}

/// Something to be committed.
pub(crate) enum Request {
    Accept(NewMessage, Done<Accepted>),
    Record(AttemptRecord, Done<()>),
    Reprocess(Reprocessed, Done<usize>),
    Amend(Amendment, Done<Amended>),
    Resend(Resend, Done<u64>),
    Release(Arc<Intake>, Done<()>),
    Carry(Carry, Done<bool>),
}

impl Request {
    fn bytes(&self) -> usize {
        let payloads = |deliveries: &[crate::message::NewDelivery]| -> usize {
            deliveries.iter().filter_map(|delivery| delivery.payload.as_ref()).map(|bytes| bytes.len()).sum()
        };
        match self {
            Request::Accept(message, _) => message.body.len() + payloads(&message.deliveries),
            Request::Reprocess(message, _) => payloads(&message.deliveries),
            Request::Record(attempt, _) => attempt.answer.len(),
            Request::Carry(Carry::Result(_, attempt), _) => attempt.answer.len(),
            // A payload that is sent again is read when it is stored.
            Request::Amend(..) | Request::Resend(..) | Request::Release(..) | Request::Carry(..) => 0,
        }
    }

    pub(crate) fn refuse(self, error: CommitError) {
        match self {
            Request::Accept(_, done) => done.call(Err(error)),
            Request::Record(_, done) => done.call(Err(error)),
            Request::Reprocess(_, done) => done.call(Err(error)),
            Request::Amend(_, done) => done.call(Err(error)),
            Request::Resend(_, done) => done.call(Err(error)),
            Request::Release(_, done) => done.call(Err(error)),
            // Nobody is to say it again of a delivery that is gone.
            Request::Carry(_, done) => done.call(match error {
                CommitError::NoSuchDelivery { .. } => Ok(false),
                error => Err(error),
            }),
        }
    }
}

/// Between the engine's tasks and the writer.
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    requests_bytes: usize,
    results: VecDeque<Request>,
    results_since: Option<Instant>,
    closed: bool,
}

/// What the writer is to do next.
pub(crate) enum Turn {
    Commit(Vec<Request>),
    /// Nothing came until the given moment.
    Idle,
    Closed,
}

impl Inbox {
    pub(crate) fn new() -> Inbox {
        Inbox { waiting: Mutex::default(), wake: Condvar::new() }
    }

    /// Hands in a request; never waits for the disk.
    pub(crate) fn put(&self, options: &Options, request: Request) {
        let mut waiting = self.lock();
        let refusal =
            if waiting.closed { Some(CommitError::Closed) } else { waiting.refusal(options, &request) };
        if let Some(error) = refusal {
            drop(waiting);
            return request.refuse(error);
        }
        match request {
            Request::Record(..) | Request::Carry(..) => {
                waiting.results.push_back(request);
                let first = waiting.results_since.is_none();
                waiting.results_since.get_or_insert_with(Instant::now);
                let wake = first || waiting.results.len() >= options.results_max;
                drop(waiting);
                if wake {
                    self.wake.notify_one();
                }
            }
            // A release is in its place among the acceptances: what comes after it with the same identity is another file.
            Request::Accept(..)
            | Request::Reprocess(..)
            | Request::Amend(..)
            | Request::Resend(..)
            | Request::Release(..) => {
                waiting.requests_bytes += request.bytes();
                waiting.requests.push_back(request);
                let first = waiting.requests.len() == 1;
                drop(waiting);
                if first {
                    self.wake.notify_one();
                }
            }
        }
    }

    /// Takes the next group, waiting for it at most until `idle_at`.
    pub(crate) fn next(&self, options: &Options, idle_at: Instant) -> Turn {
        let mut waiting = self.lock();
        loop {
            let now = Instant::now();
            if waiting.is_due(options, now) {
                return Turn::Commit(waiting.take_group(options, now));
            }
            if waiting.closed {
                return Turn::Closed;
            }
            if now >= idle_at {
                return Turn::Idle;
            }
            let until = match waiting.results_since {
                Some(since) => idle_at.min(since + options.results_linger),
                None => idle_at,
            };
            waiting = self
                .wake
                .wait_timeout(waiting, until.saturating_duration_since(now))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Refuses whatever comes from now on; what waits is still committed.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Results are never refused: they are bounded by what the workers send, and releases by what was taken in.
    fn refusal(&self, options: &Options, request: &Request) -> Option<CommitError> {
        if matches!(request, Request::Record(..) | Request::Carry(..) | Request::Release(..)) {
            return None;
        }
        let too_many = self.requests.len() >= options.waiting_messages_max;
        let too_large = !self.requests.is_empty()
            && self.requests_bytes.saturating_add(request.bytes()) > options.waiting_bytes_max;
        (too_many || too_large).then_some(CommitError::Overloaded { waiting: self.requests.len() })
    }

    fn is_due(&self, options: &Options, now: Instant) -> bool {
        !self.requests.is_empty() || self.results_are_due(options, now)
    }

    fn results_are_due(&self, options: &Options, now: Instant) -> bool {
        self.results.len() >= options.results_max
            || self
                .results_since
                .is_some_and(|since| self.closed || now.duration_since(since) >= options.results_linger)
    }

    /// A lone sender's acceptance is not held up by results that can wait: they ride with a group that is large anyway, or when they
    /// are due themselves.
    fn take_group(&mut self, options: &Options, now: Instant) -> Vec<Request> {
        let mut group =
            Vec::with_capacity(self.results.len() + self.requests.len().min(options.group_messages_max));
        let (mut messages, mut bytes) = (0, 0);
        while let Some(request) = self.requests.pop_front() {
            let size = request.bytes();
            if messages > 0
                && (messages >= options.group_messages_max || bytes + size > options.group_bytes_max)
            {
                self.requests.push_front(request);
                break;
            }
            messages += 1;
            bytes += size;
            self.requests_bytes -= size;
            group.push(request);
        }
        let by_hand = |request: &Request| {
            matches!(request, Request::Reprocess(..) | Request::Amend(..) | Request::Resend(..))
        };
        let replays = group.iter().any(by_hand);
        if replays {
            // What is known to be delivered is not changed as if it were not.
            group.splice(0..0, self.results.drain(..));
            self.results_since = None;
        } else if group.len() >= options.ride_messages_min || self.results_are_due(options, now) {
            group.extend(self.results.drain(..));
            self.results_since = None;
        }
        group
    }
}
