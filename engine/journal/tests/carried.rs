//! Deliveries that are with a broker: noted, changed meanwhile, settled, come back.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod harness;

use harness::{Running, answer, attempt};
use orderly_journal::*;

fn query(parked: bool) -> WaitingQuery<'static> {
    WaitingQuery { destination: "ehr", class: Place::USUAL, after: 0, limit: 10, parked }
}

fn envelope(delivery: u64, revision: u32, generation: u64) -> Envelope {
    Envelope { delivery, revision, generation }
}

fn carry(running: &Running, carry: Carry) -> bool {
    answer(|done| running.journal().carry(carry, done)).unwrap()
}

fn to_carry(running: &Running) -> Vec<u64> {
    let (found, _) = running.journal().reader().to_carry(&query(false)).unwrap();
    found.into_iter().map(|(delivery, _)| delivery.seq).collect()
}

fn carried(running: &Running) -> Vec<(u64, u64, bool)> {
    let found = running.journal().reader().carried("ehr").unwrap();
    found.into_iter().map(|one| (one.delivery.seq, one.generation, one.recalled)).collect()
}

#[test]
fn what_is_with_the_broker_is_noted_until_it_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path().to_owned()));
    for text in ["one", "two"] {
        running.accept(running.message(text, &["ehr"])).unwrap();
    }
    assert!(carry(&running, Carry::Sent(envelope(1, 0, 7))));
    assert_eq!((to_carry(&running), carried(&running)), (vec![2], vec![(1, 7, false)]));
    let failed = Box::new(attempt(1, 0, DeliveryState::Waiting));
    assert!(carry(&running, Carry::Result(envelope(1, 0, 7), failed.clone())));
    assert_eq!(carried(&running), [(1, 7, false)], "it is still there");
    // Told twice, it is one attempt.
    assert!(carry(&running, Carry::Result(envelope(1, 0, 7), failed)));
    let delivered = AttemptRecord { at_us: 999, ..attempt(1, 0, DeliveryState::Delivered) };
    assert!(carry(&running, Carry::Result(envelope(1, 0, 7), Box::new(delivered))));
    assert_eq!((to_carry(&running), carried(&running)), (vec![2], vec![]));
    let stored = running.journal().reader().message(1).unwrap().unwrap();
    assert_eq!(stored.deliveries[0].state, DeliveryState::Delivered);
    assert_eq!(stored.deliveries[0].attempts.len(), 2);
}

#[test]
fn what_was_changed_meanwhile_is_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path().to_owned()));
    running.accept(running.message("one", &["ehr"])).unwrap();
    carry(&running, Carry::Sent(envelope(1, 0, 7)));
    assert!(running.amend(1, Change::Cancel).unwrap().changed);
    assert_eq!(carried(&running), [(1, 7, true)]);
    assert!(!carry(&running, Carry::Sent(envelope(1, 0, 8))), "it does not wait any more");
    assert!(!carry(&running, Carry::Back(envelope(1, 0, 6))), "another envelope");
    assert!(carry(&running, Carry::Back(envelope(1, 0, 7))));
    assert_eq!(carried(&running), []);
    assert_eq!(running.journal().reader().carried_count().unwrap(), 0);
}
