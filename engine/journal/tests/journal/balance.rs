//! The balance: zero whatever happened, also over segment files and periods; and each thing that can be lost makes it differ.

use std::sync::Arc;

use orderly_journal::*;
use rusqlite::Connection;

use crate::harness::{Running, attempt, delivery};

fn payload() -> Arc<[u8]> {
    Arc::from(b"out".as_slice())
}

fn with_state(destination: &str, state: DeliveryState, reason: Option<&str>) -> NewDelivery {
    NewDelivery { state, reason: reason.map(str::to_owned), ..delivery(destination, Some(&payload())) }
}

fn of_fate(running: &Running, fate: Fate, reason: Option<&str>) -> NewMessage {
    NewMessage { fate, reason: reason.map(str::to_owned), ..running.message("MSH|1", &[]) }
}

/// Name, total, counts in the order of fates or states.
type Told<'l, F> = (&'l str, u64, Vec<(F, u64)>);

fn told<F: Ord + Copy>(ledgers: &[Ledger<F>]) -> Vec<Told<'_, F>> {
    let counts = |ledger: &Ledger<F>| ledger.counts.iter().map(|(what, count)| (*what, *count)).collect();
    ledgers.iter().map(|ledger| (ledger.name.as_str(), ledger.total, counts(ledger))).collect()
}

/// Two routed messages with a delivery each to `ehr`, the first delivered, and a split of two to `lab`.
fn fed(running: &Running) {
    let split =
        [with_state("lab", DeliveryState::Waiting, None), with_state("lab", DeliveryState::Parked, None)];
    let mut first = running.message("MSH|1", &["ehr"]);
    first.deliveries.extend(split);
    running.accept(first).unwrap();
    running.accept(running.message("MSH|2", &["ehr"])).unwrap();
    running.record(attempt(1, 0, DeliveryState::Delivered)).unwrap();
}

#[test]
fn every_fate_and_state_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    fed(&running);
    for (fate, reason) in [
        (Fate::Filtered, Some("no route takes it")),
        (Fate::Filtered, Some("no destination wants it")),
        (Fate::Filtered, Some("no route takes it")),
        (Fate::Duplicate, None),
        (Fate::Failed, Some("every mapping failed")),
        (Fate::Quarantined, Some("no header")),
    ] {
        running.accept(of_fate(&running, fate, reason)).unwrap();
    }
    let mut lab = of_fate(&running, Fate::Filtered, Some("no destination wants it"));
    lab.source = "lab".into();
    lab.deliveries = vec![with_state("ehr", DeliveryState::Filtered, Some("not for us"))];
    running.accept(lab).unwrap();

    let balance = Reader::open(folder.path()).unwrap().balance(None).unwrap();
    assert!(balance.is_balanced(), "{balance:?}");
    let emr = vec![
        (Fate::Routed, 2),
        (Fate::Filtered, 3),
        (Fate::Duplicate, 1),
        (Fate::Failed, 1),
        (Fate::Quarantined, 1),
    ];
    assert_eq!(told(&balance.sources), [("emr", 8, emr), ("lab", 1, vec![(Fate::Filtered, 1)])]);
    let rules: Vec<_> = balance.sources[0].filtered_by.iter().map(|(rule, n)| (rule.as_str(), *n)).collect();
    assert_eq!(rules, [("no destination wants it", 1), ("no route takes it", 2)]);
    let ehr = vec![(DeliveryState::Waiting, 1), (DeliveryState::Delivered, 1), (DeliveryState::Filtered, 1)];
    let lab = vec![(DeliveryState::Waiting, 1), (DeliveryState::Parked, 1)];
    assert_eq!(told(&balance.destinations), [("ehr", 3, ehr), ("lab", 2, lab)]);
    assert_eq!(balance.destinations[0].filtered_by.get("not for us"), Some(&1));
}

#[test]
fn a_period_takes_the_messages_accepted_in_it_with_their_deliveries() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    for at in [99, 100, 150, 200] {
        let message = NewMessage { accepted_at_us: at, ..running.message("MSH|1", &["ehr"]) };
        running.accept(message).unwrap();
    }
    let reader = running.journal().reader();
    let balance = reader.balance(Some(100..200)).unwrap();
    assert_eq!(told(&balance.sources), [("emr", 2, vec![(Fate::Routed, 2)])]);
    assert_eq!(told(&balance.destinations), [("ehr", 2, vec![(DeliveryState::Waiting, 2)])]);
    assert!(balance.is_balanced());
    let mut ids = Vec::new();
    reader.control_ids("emr", Some(100..200), |_, id, fate| ids.push((id.to_owned(), fate))).unwrap();
    assert_eq!(ids, [("C2".to_owned(), Fate::Routed), ("C3".to_owned(), Fate::Routed)]);
    assert_eq!(reader.balance(Some(0..10)).unwrap(), Balance::default());
}

/// A message that was filtered, in a file that is sealed since, is routed by a replay: its delivery stands in the current file.
#[test]
fn a_replay_of_a_sealed_file_has_the_last_word() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options { segment_bytes_max: 1, ..Options::new(folder.path()) };
    options.retention_interval = std::time::Duration::from_millis(5);
    let running = Running::open(options);
    running
        .accept(NewMessage { accepted_at_us: 50, ..of_fate(&running, Fate::Filtered, Some("no route")) })
        .unwrap();
    running.accept(NewMessage { accepted_at_us: 60, ..running.message("MSH|2", &["ehr"]) }).unwrap();
    running.accept(running.message("MSH|3", &["ehr"])).unwrap();
    crate::harness::eventually("the first file is sealed", || is_sealed(folder.path(), 1));
    let replay = Reprocessed {
        message_id: 1,
        at_us: 900,
        plan: "p2".into(),
        fate: Fate::Routed,
        reason: None,
        deliveries: vec![with_state("ehr", DeliveryState::Waiting, None)],
        also_delivered: false,
        also_cancelled: false,
        only: None,
    };
    assert_eq!(running.reprocess(replay), Ok(1));
    let reader = running.journal().reader();
    for (period, messages, deliveries) in [(None, 3, 3), (Some(0..100), 2, 2), (Some(55..100), 1, 1)] {
        let balance = reader.balance(period).unwrap();
        assert!(balance.is_balanced(), "{balance:?}");
        assert_eq!(told(&balance.sources), [("emr", messages, vec![(Fate::Routed, messages)])]);
        let states = vec![(DeliveryState::Waiting, deliveries)];
        assert_eq!(told(&balance.destinations), [("ehr", deliveries, states)]);
    }
}

pub(super) fn is_sealed(folder: &std::path::Path, number: u32) -> bool {
    let catalog = Connection::open(folder.join("catalog.db")).unwrap();
    let sql = "SELECT state FROM segment_file WHERE number = ?1";
    catalog.query_row(sql, [number], |row| row.get::<_, i64>(0)).unwrap() == 1
}

/// What is done to the journal's rows, whose line differs then and by how much, and what is said of it.
const LOSSES: &[(&str, &str, i64, &str)] = &[
    (
        "DELETE FROM message WHERE id = 2; DELETE FROM delivery WHERE message = 2",
        "emr",
        1,
        "counted otherwise",
    ),
    ("DELETE FROM delivery WHERE message = 2", "emr", 1, "have no delivery"),
    ("DELETE FROM delivery WHERE seq = 4", "ehr", 1, "counted otherwise"),
    ("DELETE FROM delivery WHERE seq = 2", "lab", 1, "missing before a later one"),
    ("DELETE FROM message WHERE id = 2", "ehr", 1, "without their message"),
    ("DELETE FROM attempt", "ehr", 1, "without an attempt that succeeded"),
    ("UPDATE delivery SET state = 1 WHERE seq = 4", "ehr", 1, "without an attempt that succeeded"),
    ("UPDATE delivery SET state = 5 WHERE seq = 4", "ehr", 0, "counted otherwise"),
    ("UPDATE message SET fate = 1 WHERE id = 2", "emr", 0, "counted otherwise"),
    ("UPDATE message SET fate = 77 WHERE id = 2", "emr", 1, "does not know"),
    (
        "INSERT INTO attempt SELECT 99, 1, at_us, 1, 0, NULL, NULL, answer FROM attempt",
        "ehr",
        0,
        "without their delivery",
    ),
];

#[test]
fn whatever_is_lost_is_seen() {
    for (loss, name, difference, said) in LOSSES {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::open(Options::new(folder.path()));
        fed(&running);
        drop(running);
        let reader = Reader::open(folder.path()).unwrap();
        assert!(reader.balance(None).unwrap().is_balanced());
        Connection::open(folder.path().join("segments/00000001.db")).unwrap().execute_batch(loss).unwrap();
        let balance = reader.balance(None).unwrap();
        assert!(!balance.is_balanced(), "{loss}");
        let sources = balance.sources.iter().map(|ledger| (&ledger.name, ledger.difference()));
        let destinations = balance.destinations.iter().map(|ledger| (&ledger.name, ledger.difference()));
        let found = sources.chain(destinations).find(|(other, _)| other == name);
        assert_eq!(found.map(|(_, difference)| difference), Some(*difference), "{loss}: {balance:?}");
        assert!(balance.contradictions.iter().any(|one| one.what.contains(said)), "{loss}: {balance:?}");
    }
}
