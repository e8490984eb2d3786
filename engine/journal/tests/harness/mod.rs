//! An open journal with its threads, and small messages, for the tests of this folder.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use orderly_journal::*;

/// An open journal with its two threads.
pub(crate) struct Running {
    journal: Option<Journal>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn open(options: Options) -> Running {
        let (journal, writer, indexer) = open(options).unwrap();
        let threads = vec![std::thread::spawn(|| writer.run()), std::thread::spawn(|| indexer.run())];
        Running { journal: Some(journal), threads }
    }

    pub(crate) fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    pub(crate) fn accept(&self, message: NewMessage) -> Result<Accepted, CommitError> {
        answer(|done| self.journal().accept(message, done))
    }

    pub(crate) fn record(&self, attempt: AttemptRecord) -> Result<(), CommitError> {
        answer(|done| self.journal().record(attempt, done))
    }

    pub(crate) fn reprocess(&self, replay: Reprocessed) -> Result<usize, CommitError> {
        answer(|done| self.journal().reprocess(replay, done))
    }

    pub(crate) fn amend(&self, delivery: u64, change: Change) -> Result<Amended, CommitError> {
        let reason = Some("by hand".to_owned());
        let amendment = Amendment { delivery, destination: "ehr".into(), change, at_us: 800, reason };
        answer(|done| self.journal().amend(amendment, done))
    }

    pub(crate) fn resend(&self, message_id: u64, delivery: u64) -> Result<u64, CommitError> {
        let resend = Resend { message_id, delivery, destination: "ehr".into(), at_us: 900 };
        answer(|done| self.journal().resend(resend, done))
    }

    pub(crate) fn message(&self, text: &str, destinations: &[&str]) -> NewMessage {
        message(self.journal().next_id(), text, destinations)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.journal = None;
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

pub(crate) type Done<T> = Box<dyn FnOnce(Result<T, CommitError>) + Send>;

pub(crate) fn answer<T: Send + 'static>(ask: impl FnOnce(Done<T>)) -> Result<T, CommitError> {
    let (send, receive) = mpsc::channel();
    ask(Box::new(move |result| send.send(result).unwrap()));
    receive.recv_timeout(Duration::from_secs(20)).unwrap()
}

pub(crate) fn message(id: u64, text: &str, destinations: &[&str]) -> NewMessage {
    let body: Arc<[u8]> = text.as_bytes().into();
    NewMessage {
        id,
        source: "emr".into(),
        accepted_at_us: 1_000_000 + id as i64,
        format: "hl7v2".into(),
        message_type: "ADT".into(),
        event: "A01".into(),
        control_id: format!("C{id}"),
        fate: Fate::Routed,
        reason: None,
        plan: "p1".into(),
        origin: None,
        identity: None,
        keys: vec![Key { kind: KeyKind::ControlId, value: format!("C{id}") }],
        deliveries: destinations.iter().map(|destination| delivery(destination, Some(&body))).collect(),
        body,
    }
}

pub(crate) fn delivery(destination: &str, payload: Option<&Arc<[u8]>>) -> NewDelivery {
    NewDelivery {
        route: "r".into(),
        destination: destination.into(),
        state: DeliveryState::Waiting,
        reason: None,
        unmapped: None,
        payload: payload.cloned(),
        control_id: Some("out".into()),
        target: None,
        place: Place::default(),
    }
}

pub(crate) fn attempt(delivery: u64, revision: u32, state: DeliveryState) -> AttemptRecord {
    AttemptRecord {
        delivery,
        revision,
        since_us: None,
        at_us: 5,
        duration_us: 7,
        outcome: Some(match state {
            DeliveryState::Delivered => AttemptOutcome::Delivered,
            _ => AttemptOutcome::Retryable,
        }),
        code: Some("AA".into()),
        text: None,
        answer: b"MSA|AA|out".to_vec(),
        state,
        reason: None,
        next_attempt_at_us: None,
    }
}

/// All that waits for a destination.
pub(crate) fn all(destination: &str) -> WaitingQuery<'_> {
    WaitingQuery { destination, class: Place::USUAL, after: 0, limit: 1000, parked: false }
}

pub(crate) fn waiting(reader: &Reader, destination: &str) -> Vec<u64> {
    reader.waiting(&all(destination)).unwrap().deliveries.iter().map(|waiting| waiting.seq).collect()
}

pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "never came: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
