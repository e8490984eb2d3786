//! A journal as the engine uses it: opened, written from outside, read beside, closed and opened again.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use orderly_journal::*;

/// An open journal with its two threads.
struct Running {
    journal: Option<Journal>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    fn open(options: Options) -> Running {
        let (journal, writer, indexer) = open(options).unwrap();
        let threads = vec![std::thread::spawn(|| writer.run()), std::thread::spawn(|| indexer.run())];
        Running { journal: Some(journal), threads }
    }

    fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    fn accept(&self, message: NewMessage) -> Result<Accepted, CommitError> {
        answer(|done| self.journal().accept(message, done))
    }

    fn record(&self, attempt: AttemptRecord) -> Result<(), CommitError> {
        answer(|done| self.journal().record(attempt, done))
    }

    fn reprocess(&self, replay: Reprocessed) -> Result<usize, CommitError> {
        answer(|done| self.journal().reprocess(replay, done))
    }

    fn message(&self, text: &str, destinations: &[&str]) -> NewMessage {
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

type Done<T> = Box<dyn FnOnce(Result<T, CommitError>) + Send>;

fn answer<T: Send + 'static>(ask: impl FnOnce(Done<T>)) -> Result<T, CommitError> {
    let (send, receive) = mpsc::channel();
    ask(Box::new(move |result| send.send(result).unwrap()));
    receive.recv_timeout(Duration::from_secs(20)).unwrap()
}

fn message(id: u64, text: &str, destinations: &[&str]) -> NewMessage {
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
        keys: vec![Key { kind: KeyKind::ControlId, value: format!("C{id}") }],
        deliveries: destinations.iter().map(|destination| delivery(destination, Some(&body))).collect(),
        body,
    }
}

fn delivery(destination: &str, payload: Option<&Arc<[u8]>>) -> NewDelivery {
    NewDelivery {
        route: "r".into(),
        destination: destination.into(),
        state: DeliveryState::Waiting,
        reason: None,
        payload: payload.cloned(),
        control_id: Some("out".into()),
        target: None,
    }
}

fn attempt(delivery: u64, revision: u32, state: DeliveryState) -> AttemptRecord {
    AttemptRecord {
        delivery,
        revision,
        at_us: 5,
        duration_us: 7,
        outcome: if state == DeliveryState::Delivered {
            AttemptOutcome::Delivered
        } else {
            AttemptOutcome::Retryable
        },
        code: Some("AA".into()),
        text: None,
        answer: b"MSA|AA|out".to_vec(),
        state,
        reason: None,
        next_attempt_at_us: None,
    }
}

fn waiting(reader: &Reader, destination: &str) -> Vec<u64> {
    reader
        .waiting(destination, 0, 1000, usize::MAX)
        .unwrap()
        .deliveries
        .iter()
        .map(|waiting| waiting.seq)
        .collect()
}

#[test]
fn what_was_accepted_is_there_after_reopening_and_numbers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let first = {
        let running = Running::open(Options::new(folder.path()));
        let accepted = running.accept(running.message("MSH|1", &["lab", "ehr"])).unwrap();
        running.record(attempt(accepted.deliveries.start, 0, DeliveryState::Delivered)).unwrap();
        accepted
    };
    let running = Running::open(Options::new(folder.path()));
    let reader = running.journal().reader();
    let stored = reader.message(1).unwrap().unwrap();
    assert_eq!(stored.body, b"MSH|1");
    assert_eq!(stored.deliveries.len(), 2);
    assert_eq!(stored.deliveries[0].state, DeliveryState::Delivered);
    assert_eq!(stored.deliveries[0].attempts[0].answer, b"MSA|AA|out");
    assert_eq!(waiting(&reader, "lab"), []);
    assert_eq!(waiting(&reader, "ehr"), [first.deliveries.start + 1]);
    let second = running.accept(running.message("MSH|2", &["ehr"])).unwrap();
    assert_eq!(second, Accepted { seq: 2, deliveries: 3..4 });
    assert!(reader.message(2).unwrap().is_some());
    assert!(reader.message(3).unwrap().is_none());
}
