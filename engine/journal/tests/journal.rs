//! A journal as the engine uses it: opened, written from outside, read beside, closed and opened again.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "journal/balance.rs"]
mod balance;
#[path = "journal/hand.rs"]
mod hand;
mod harness;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness::{Running, all, attempt, delivery, eventually, message, waiting};
use orderly_journal::*;

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
    assert_eq!(second, Accepted { seq: 2, deliveries: 3..4, earlier: None, unseen: Vec::new() });
    assert!(reader.message(2).unwrap().is_some());
    assert!(reader.message(3).unwrap().is_none());
}

#[test]
fn a_second_opener_is_refused_and_told_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let _running = Running::open(Options::new(folder.path()));
    let refusal = open(Options::new(folder.path())).err().unwrap().to_string();
    assert!(refusal.contains(&format!("process {}", std::process::id())), "{refusal}");
}

#[test]
fn large_contents_lie_beside_the_file_and_equal_ones_are_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options { inline_bytes_max: 10_000, ..Options::new(folder.path()) });
    // Random enough not to become small when packed.
    let mut state = 1u64;
    let noise: Vec<u8> = (0..50_000)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect();
    let body: Arc<[u8]> = noise.into();
    let mut large = running.message("", &["lab", "ehr"]);
    large.body = Arc::clone(&body);
    for delivery in &mut large.deliveries {
        delivery.payload = Some(body.to_vec().into());
    }
    running.accept(large).unwrap();
    let bodies = folder.path().join("segments/00000001.bodies");
    assert_eq!(fs::read_dir(bodies).unwrap().count(), 1);
    let stored = running.journal().reader().message(1).unwrap().unwrap();
    assert_eq!(stored.body, *body);
    assert!(stored.deliveries.iter().all(|delivery| delivery.payload.as_deref() == Some(&*body)));
}

#[test]
fn a_packed_content_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    let text = "OBX|1|ED|PDF\r".repeat(10_000);
    running.accept(running.message(&text, &["lab"])).unwrap();
    let stored = running.journal().reader().message(1).unwrap().unwrap();
    assert_eq!(stored.body, text.as_bytes());
}

/// A file store that fails while told to.
struct Failing(Mutex<bool>);

impl FileStore for Failing {
    fn write(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        if *self.0.lock().unwrap() && path.to_string_lossy().contains("bodies") {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
        }
        RealFiles.write(path, bytes)
    }

    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        RealFiles.read(path)
    }

    fn renew(&self, path: &Path) -> std::io::Result<()> {
        RealFiles.renew(path)
    }

    fn remove(&self, path: &Path) -> std::io::Result<()> {
        RealFiles.remove(path)
    }
}

#[test]
fn a_failed_commit_answers_its_group_negatively_and_the_next_one_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Failing(Mutex::new(false)));
    let file_store: Arc<dyn FileStore> = store.clone();
    let running = Running::open(Options { inline_bytes_max: 10, file_store, ..Options::new(folder.path()) });
    running.accept(running.message("before", &["lab"])).unwrap();
    *store.0.lock().unwrap() = true;
    let failed = running.accept(running.message("too long for the row", &["lab"]));
    assert!(matches!(failed, Err(CommitError::DiskFull { .. })), "{failed:?}");
    *store.0.lock().unwrap() = false;
    running.accept(running.message("after it, long as well", &["lab"])).unwrap();
    let reader = running.journal().reader();
    assert!(reader.message(2).unwrap().is_none());
    assert_eq!(reader.message(3).unwrap().unwrap().body, b"after it, long as well");
    assert_eq!(reader.counts().unwrap().messages[0].count, 2);
}

#[test]
fn what_is_asked_after_closing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    running.journal().close();
    assert_eq!(running.accept(running.message("late", &["lab"])), Err(CommitError::Closed));
}

#[test]
fn a_result_for_an_unknown_delivery_is_refused_alone() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    assert_eq!(
        running.record(attempt(77, 0, DeliveryState::Delivered)),
        Err(CommitError::NoSuchDelivery { delivery: 77 })
    );
    running.accept(running.message("next", &["lab"])).unwrap();
}

#[test]
fn a_batch_of_waiting_deliveries_is_limited() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    for _ in 0..5 {
        running.accept(running.message("1234567890", &["lab"])).unwrap();
    }
    let reader = running.journal().reader();
    let batch = |after, limit| {
        let batch = reader.waiting(&WaitingQuery { after, limit, ..all("lab") }).unwrap();
        (batch.deliveries.iter().map(|delivery| delivery.seq).collect::<Vec<_>>(), batch.more)
    };
    assert_eq!(batch(0, 100), (vec![1, 2, 3, 4, 5], false));
    assert_eq!(batch(1, 2), (vec![2, 3], true));
    assert_eq!(batch(5, 100), (vec![], false));
    assert!(reader.waiting(&all("nobody")).unwrap().deliveries.is_empty());
}

#[test]
fn what_is_sent_is_what_waits_now() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options { segment_bytes_max: 1, ..Options::new(folder.path()) });
    for _ in 0..2 {
        running.accept(running.message("first", &["lab"])).unwrap();
    }
    let reader = running.journal().reader();
    let outgoing = |seq| {
        let found = reader.outgoing(seq).unwrap();
        found.map(|outgoing| (outgoing.message_id, outgoing.payload, outgoing.revision))
    };
    assert_eq!(outgoing(1), Some((1, b"first".to_vec(), 0)));
    running.reprocess(replay(1, &["lab", "ehr"], false)).unwrap();
    assert_eq!(outgoing(1), Some((1, b"again".to_vec(), 1)));
    // Appended to the first file, behind what stands in the second.
    assert_eq!(outgoing(3), Some((1, b"again".to_vec(), 0)));
    running.record(attempt(1, 1, DeliveryState::Delivered)).unwrap();
    assert_eq!((outgoing(1), outgoing(4)), (None, None));
    assert_eq!(outgoing(2), Some((2, b"first".to_vec(), 0)));
}

#[test]
fn what_waits_is_read_by_class_and_what_is_parked_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options { segment_bytes_max: 1, ..Options::new(folder.path()) });
    let body: Arc<[u8]> = b"out".as_slice().into();
    for (class, lanes, state) in [
        (1, &[7][..], DeliveryState::Parked),
        (0, &[7, u64::MAX], DeliveryState::Waiting),
        (1, &[], DeliveryState::Waiting),
        (1, &[9], DeliveryState::Failed),
    ] {
        let place = Place { class, lanes: lanes.into() };
        let deliveries = vec![NewDelivery { state, place, ..delivery("lab", Some(&body)) }];
        running.accept(NewMessage { deliveries, ..running.message("MSH|1", &[]) }).unwrap();
    }
    let reader = running.journal().reader();
    let read = |class, after, parked| {
        let batch = reader.waiting(&WaitingQuery { class, after, parked, ..all("lab") }).unwrap();
        let found = batch.deliveries.into_iter();
        found.map(|one| (one.seq, one.place.lanes.to_vec(), one.parked)).collect::<Vec<_>>()
    };
    assert_eq!(read(0, 0, true), [(2, vec![7, u64::MAX], false)]);
    assert_eq!(read(1, 0, true), [(1, vec![7], true), (3, vec![], false)]);
    assert_eq!(read(1, 0, false), [(3, vec![], false)]);
    assert_eq!(read(1, 3, true), []);
}

#[test]
fn a_delivery_fails_since_its_first_failure_and_a_replay_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    running.accept(running.message("one", &["lab"])).unwrap();
    let reader = running.journal().reader();
    let since = || {
        let batch = reader.waiting(&all("lab")).unwrap();
        batch.deliveries.first().map(|one| (one.since_us.unwrap(), one.failing_since_us, one.attempts))
    };
    let accepted = reader.message(1).unwrap().unwrap().accepted_at_us;
    assert_eq!(since(), Some((accepted, None, 0)));
    for at_us in [50, 60] {
        running.record(AttemptRecord { at_us, ..attempt(1, 0, DeliveryState::Waiting) }).unwrap();
    }
    assert_eq!(since(), Some((accepted, Some(50), 2)));
    running.reprocess(replay(1, &["lab"], false)).unwrap();
    assert_eq!(since(), Some((9, None, 2)));
}

#[test]
fn what_expires_was_not_attempted() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    running.accept(running.message("one", &["lab"])).unwrap();
    running.record(AttemptRecord { outcome: None, ..attempt(1, 0, DeliveryState::Expired) }).unwrap();
    let message = running.journal().reader().message(1).unwrap().unwrap();
    let [expired] = message.deliveries.as_slice() else { panic!("{message:?}") };
    assert_eq!((expired.state, expired.attempts.len()), (DeliveryState::Expired, 0));
    assert!(waiting(&running.journal().reader(), "lab").is_empty());
}

#[test]
fn subscribers_hear_which_destinations_have_something_new() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hearing = Arc::clone(&heard);
    running.journal().subscribe(move |commit| hearing.lock().unwrap().push(commit.clone()));
    running.accept(running.message("one", &["lab", "ehr"])).unwrap();
    running.reprocess(replay(1, &["lab"], false)).unwrap();
    drop(running);
    let fresh =
        |destination: &str, rewound| Fresh { destination: destination.into(), class: Place::USUAL, rewound };
    let heard = heard.lock().unwrap();
    assert_eq!(heard[0].waiting, [fresh("lab", false), fresh("ehr", false)]);
    // Also a destination whose delivery was taken away: its worker may hold it.
    assert_eq!(heard[1].waiting, [fresh("lab", true), fresh("ehr", true)]);
}

fn replay(message_id: u64, destinations: &[&str], also_delivered: bool) -> Reprocessed {
    let payload: Arc<[u8]> = b"again".as_slice().into();
    Reprocessed {
        message_id,
        at_us: 9,
        plan: "p2".into(),
        fate: Fate::Routed,
        reason: None,
        deliveries: destinations.iter().map(|destination| delivery(destination, Some(&payload))).collect(),
        also_delivered,
        also_cancelled: false,
        only: None,
    }
}

#[test]
fn a_replay_of_one_state_leaves_the_others_alone() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    running.accept(running.message("one", &["ehr", "lab", "gone"])).unwrap();
    running.record(attempt(2, 0, DeliveryState::Parked)).unwrap();
    let parked_only = Reprocessed {
        only: Some(Only::Of { state: Some(DeliveryState::Parked), destination: None }),
        ..replay(1, &["ehr", "lab"], false)
    };
    assert_eq!(running.reprocess(parked_only), Ok(1));
    let stored = running.journal().reader().message(1).unwrap().unwrap();
    let states: Vec<_> =
        stored.deliveries.iter().map(|delivery| (delivery.state, delivery.revision)).collect();
    let waiting = DeliveryState::Waiting;
    assert_eq!(states, [(waiting, 0), (waiting, 1), (waiting, 0)]);
}

#[test]
fn a_replay_for_one_destination_leaves_the_others_alone() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    running.accept(running.message("one", &["ehr", "lab", "gone"])).unwrap();
    let for_lab = Reprocessed {
        only: Some(Only::Of { state: None, destination: Some("lab".into()) }),
        ..replay(1, &["ehr", "lab", "new"], false)
    };
    assert_eq!(running.reprocess(for_lab), Ok(1));
    let stored = running.journal().reader().message(1).unwrap().unwrap();
    let told: Vec<_> = stored.deliveries.iter().map(|one| (one.destination.as_str(), one.revision)).collect();
    assert_eq!(told, [("ehr", 0), ("lab", 1), ("gone", 0)]);
    assert!(stored.deliveries.iter().all(|delivery| delivery.state == DeliveryState::Waiting));
}

#[test]
fn a_replay_replaces_in_place_what_was_not_delivered_and_leaves_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    running.accept(running.message("one", &["lab", "ehr", "gone"])).unwrap();
    running.accept(running.message("two", &["lab"])).unwrap();
    running.record(attempt(1, 0, DeliveryState::Failed)).unwrap();
    running.record(attempt(2, 0, DeliveryState::Delivered)).unwrap();
    assert_eq!(running.reprocess(replay(1, &["lab", "ehr"], false)), Ok(1));
    let reader = running.journal().reader();
    assert_eq!(waiting(&reader, "lab"), [1, 4], "at its old place");
    let stored = reader.message(1).unwrap().unwrap();
    let states: Vec<_> = stored.deliveries.iter().map(|delivery| delivery.state).collect();
    assert_eq!(states, [DeliveryState::Waiting, DeliveryState::Delivered, DeliveryState::Cancelled]);
    assert_eq!(stored.deliveries[0].payload.as_deref(), Some(b"again".as_slice()));
    assert_eq!(stored.plan, "p2");
    assert_eq!(running.reprocess(replay(1, &["ehr"], true)), Ok(1));
    assert_eq!(waiting(&reader, "ehr"), [5], "a delivered one is sent again at the end");
    assert_eq!(running.reprocess(replay(99, &[], false)), Err(CommitError::NoSuchMessage { id: 99 }));
}

#[test]
fn a_result_of_what_a_replay_has_replaced_does_not_settle_the_replacement() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    running.accept(running.message("one", &["lab"])).unwrap();
    running.reprocess(replay(1, &["lab"], false)).unwrap();
    running.record(attempt(1, 0, DeliveryState::Delivered)).unwrap();
    let reader = running.journal().reader();
    assert_eq!(waiting(&reader, "lab"), [1]);
    assert_eq!(reader.message(1).unwrap().unwrap().deliveries[0].attempts.len(), 1);
    running.record(attempt(1, 1, DeliveryState::Delivered)).unwrap();
    assert_eq!(waiting(&reader, "lab"), []);
}

/// Rotates at every commit, and looks at files all the time.
fn restless(folder: &Path) -> Options {
    Options {
        segment_bytes_max: 1,
        index_interval: Duration::from_millis(1),
        retention_interval: Duration::ZERO,
        ..Options::new(folder)
    }
}

fn segment_files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder.join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".db") && !name.contains("keys"))
        .collect();
    names.sort();
    names
}

#[test]
fn retention_removes_settled_files_whole_and_only_those() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { keep: Some(Duration::ZERO), ..restless(folder.path()) };
    let running = Running::open(options.clone());
    for _ in 0..4 {
        running.accept(running.message("MSH", &["lab"])).unwrap();
    }
    running.record(attempt(1, 0, DeliveryState::Delivered)).unwrap();
    running.record(attempt(3, 0, DeliveryState::Parked)).unwrap();
    let reader = running.journal().reader();
    eventually("the file of the delivered message goes", || reader.message(1).unwrap().is_none());
    eventually("its file is gone", || !segment_files(folder.path()).contains(&"00000002.db".to_owned()));
    assert!(reader.message(2).unwrap().is_some() && reader.message(3).unwrap().is_some());
    assert_eq!(waiting(&reader, "lab"), [2, 4]);
    drop(running);
    let running = Running::open(options);
    assert_eq!(running.accept(running.message("MSH", &["lab"])).unwrap().seq, 5);
}

#[test]
fn a_replay_of_a_sealed_message_is_processed_in_the_current_file_and_holds_the_sealed_one() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(restless(folder.path()));
    running.accept(running.message("sealed", &["lab"])).unwrap();
    running.accept(running.message("other", &["lab"])).unwrap();
    running.record(attempt(1, 0, DeliveryState::Delivered)).unwrap();
    let sealed = || {
        let catalog = rusqlite::Connection::open(folder.path().join("catalog.db")).unwrap();
        let count = "SELECT count(*) FROM segment_file WHERE state = 1";
        catalog.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap() > 0
    };
    eventually("the first message's file is sealed", sealed);
    assert_eq!(running.reprocess(replay(1, &["lab"], false)), Ok(0), "it is delivered");
    assert_eq!(running.reprocess(replay(1, &["lab"], true)), Ok(1));
    let reader = running.journal().reader();
    let stored = reader.message(1).unwrap().unwrap();
    assert_eq!((stored.deliveries.len(), stored.plan.as_str()), (2, "p2"));
    let again = stored.deliveries[1].seq;
    assert_eq!(waiting(&reader, "lab"), [2, again]);
    let waiting_messages: Vec<u64> = reader
        .search(&Query { state: Some(DeliveryState::Waiting), limit: 10, ..Query::default() })
        .unwrap()
        .iter()
        .map(|summary| summary.id)
        .collect();
    assert_eq!(waiting_messages, [2, 1]);
    drop(running);
    // Everything settled goes at once, but the replay still waits and holds the file of its message.
    let running = Running::open(Options { keep: Some(Duration::ZERO), ..restless(folder.path()) });
    running.record(attempt(2, 0, DeliveryState::Delivered)).unwrap();
    let reader = running.journal().reader();
    eventually("the other message goes", || reader.message(2).unwrap().is_none());
    assert!(reader.message(1).unwrap().is_some());
    running.record(attempt(again, 0, DeliveryState::Delivered)).unwrap();
    running.accept(running.message("rotate", &["lab"])).unwrap();
    running.accept(running.message("rotate", &["lab"])).unwrap();
    eventually("then the first one goes too", || reader.message(1).unwrap().is_none());
}

#[test]
fn a_missing_segment_file_is_reported_and_an_unused_one_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    drop(Running::open(Options::new(folder.path())));
    fs::write(folder.path().join("segments/00000002.db"), b"").unwrap();
    drop(Running::open(Options::new(folder.path())));
    assert_eq!(segment_files(folder.path()), ["00000001.db"]);
    fs::remove_file(folder.path().join("segments/00000001.db")).unwrap();
    let error = open(Options::new(folder.path())).err().unwrap();
    assert!(matches!(error, JournalError::Missing { .. }), "{error}");
}

fn found(reader: &Reader, kind: KeyKind, value: &str, match_: Match) -> Vec<u64> {
    let keys = vec![KeyMatch { kind, value: value.into(), match_ }];
    reader
        .search(&Query { keys, limit: 100, ..Query::default() })
        .unwrap()
        .iter()
        .map(|summary| summary.id)
        .collect()
}

fn finds_all(reader: &Reader) {
    assert_eq!(found(reader, KeyKind::ControlId, "c7", Match::Exact), [7]);
    assert_eq!(
        found(reader, KeyKind::ControlId, "C1", Match::Prefix),
        [19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 1]
    );
    assert_eq!(found(reader, KeyKind::PatientName, "müller^a", Match::Prefix), [20, 15, 10, 5]);
    assert_eq!(found(reader, KeyKind::PatientId, "C7", Match::Exact), []);
}

#[test]
fn a_search_is_complete_before_and_after_indexing_and_when_the_index_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let never = Options { index_interval: Duration::from_secs(3600), ..Options::new(folder.path()) };
    let running = Running::open(never.clone());
    for n in 1..=20 {
        let mut message = message(running.journal().next_id(), "MSH", &["lab"]);
        if n % 5 == 0 {
            message.keys.push(Key { kind: KeyKind::PatientName, value: "MÜLLER^ANNA".into() });
        }
        running.accept(message).unwrap();
    }
    finds_all(&running.journal().reader());
    drop(running);
    let index = folder.path().join("segments/00000001.keys.db");
    let indexed = || {
        let count = "SELECT max(seq) FROM cursor";
        rusqlite::Connection::open(&index)
            .unwrap()
            .query_row(count, [], |row| row.get::<_, i64>(0))
            .unwrap_or(0)
    };
    let soon = Options { index_interval: Duration::from_millis(1), ..Options::new(folder.path()) };
    let running = Running::open(soon.clone());
    eventually("all is indexed", || index.exists() && indexed() == 20);
    finds_all(&running.journal().reader());
    drop(running);
    finds_all(&Reader::open(folder.path()).unwrap());
    fs::write(&index, b"this is no database, and long enough that it is looked at as one".repeat(100))
        .unwrap();
    let running = Running::open(never);
    finds_all(&running.journal().reader());
    drop(running);
    let running = Running::open(soon);
    eventually("the index is built anew", || indexed() == 20);
    finds_all(&running.journal().reader());
}

#[test]
fn a_search_meets_every_condition_and_pages() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options { segment_bytes_max: 1, ..Options::new(folder.path()) });
    for n in 1..=6 {
        let mut message = running.message("MSH", &[if n % 2 == 0 { "lab" } else { "ehr" }]);
        message.message_type = if n <= 3 { "ADT".into() } else { "ORU".into() };
        running.accept(message).unwrap();
    }
    running.record(attempt(4, 0, DeliveryState::Failed)).unwrap();
    let reader = running.journal().reader();
    let ids = |query: Query| reader.search(&query).unwrap().iter().map(|found| found.id).collect::<Vec<_>>();
    let all = Query { limit: 10, ..Query::default() };
    assert_eq!(ids(all.clone()), [6, 5, 4, 3, 2, 1]);
    assert_eq!(ids(Query { before_seq: Some(4), limit: 2, ..all.clone() }), [3, 2]);
    assert_eq!(ids(Query { message_type: Some("ADT".into()), ..all.clone() }), [3, 2, 1]);
    assert_eq!(ids(Query { destination: Some("lab".into()), ..all.clone() }), [6, 4, 2]);
    assert_eq!(ids(Query { state: Some(DeliveryState::Failed), ..all.clone() }), [4]);
    let failed_at_ehr =
        Query { state: Some(DeliveryState::Failed), destination: Some("ehr".into()), ..all.clone() };
    assert_eq!(ids(failed_at_ehr), []);
    assert_eq!(ids(Query { since_us: Some(1_000_002), until_us: Some(1_000_004), ..all.clone() }), [3, 2]);
    assert_eq!(ids(Query { source: Some("nobody".into()), ..all.clone() }), []);
    assert_eq!(ids(Query { event: Some("A01".into()), fate: Some(Fate::Routed), limit: 1, ..all }), [6]);
}
