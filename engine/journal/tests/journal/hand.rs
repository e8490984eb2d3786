//! The operator's hand: pauses that last, deliveries taken back, set aside, tried at once and sent again.

use std::sync::{Arc, Mutex};

use orderly_journal::*;

use crate::harness::{Running, attempt, delivery, eventually, waiting};

fn act(what: &str, at_us: i64) -> Act {
    let (what, whom) = (what.to_owned(), "ehr".to_owned());
    Act { at_us, who: "alma".to_owned(), what, whom, count: 1, reason: Some("upgrade".to_owned()) }
}

#[test]
fn a_pause_lasts_until_it_is_taken_back_and_each_change_is_noted_once() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    let reader = Reader::open(folder.path()).unwrap();
    assert_eq!((reader.pauses().unwrap(), reader.acts(0, 10).unwrap()), (vec![], vec![]));
    assert!(running.journal().pause("ehr", &act("pause", 10)).unwrap());
    assert!(!running.journal().pause("ehr", &act("pause", 20)).unwrap());
    drop(running);

    let running = Running::open(Options::new(folder.path()));
    let pause = Pause {
        destination: "ehr".to_owned(),
        since_us: 10,
        who: "alma".to_owned(),
        reason: Some("upgrade".to_owned()),
    };
    assert_eq!(reader.pauses().unwrap(), std::slice::from_ref(&pause));
    assert_eq!(running.journal().reader().pause_of("ehr").unwrap(), Some(pause));
    assert_eq!(reader.pause_of("lab").unwrap(), None);
    assert!(running.journal().resume("ehr", &act("resume", 30)).unwrap());
    assert!(!running.journal().resume("ehr", &act("resume", 40)).unwrap());
    running.journal().note_act(&act("cancel", 50)).unwrap();
    assert_eq!(reader.pauses().unwrap(), []);
    let acts = [act("pause", 10), act("resume", 30), act("cancel", 50)];
    assert_eq!(reader.acts(0, 10).unwrap(), acts);
    assert_eq!(reader.acts(11, 1).unwrap(), acts[2..]);
    let [pause, resume, cancel] = acts;
    running.journal().note_act(&Act { whom: "lab".to_owned(), ..pause }).unwrap();
    assert_eq!(reader.last_word_on("ehr").unwrap(), Some(resume));
    assert_eq!(reader.last_word_on(&cancel.what).unwrap(), None);
}

/// A file that an earlier program made knows no pauses until the first is set.
#[test]
fn plans_of_an_earlier_program_stay() {
    let folder = tempfile::tempdir().unwrap();
    let plan = PlanInForce { version: "p1".to_owned(), since_us: 5 };
    Running::open(Options::new(folder.path())).journal().note_plan(&plan, [("orderly.yaml", "x")]).unwrap();
    let book = rusqlite::Connection::open(folder.path().join("plans.db")).unwrap();
    book.execute_batch(
        "DROP TABLE node; DROP TABLE pause; DROP TABLE act; DROP TABLE repair; PRAGMA user_version = 1",
    )
    .unwrap();
    drop(book);
    let running = Running::open(Options::new(folder.path()));
    assert_eq!(running.journal().reader().pauses().unwrap(), []);
    assert!(running.journal().pause("ehr", &act("pause", 10)).unwrap());
    assert_eq!(running.journal().reader().pauses().unwrap().len(), 1);
    assert_eq!(running.journal().reader().plans().unwrap(), [plan]);
}

#[test]
fn a_repair_counts_once_its_message_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    running.accept(NewMessage { fate: Fate::Quarantined, ..running.message("PID|1", &[]) }).unwrap();
    let repaired = running.message("MSH|1", &["ehr"]);
    let repair = Repair { quarantined: 1, repaired: repaired.id };
    let reader = Reader::open(folder.path()).unwrap();
    assert_eq!(reader.repairs().unwrap(), []);
    running.journal().note_repair(repair).unwrap();
    assert_eq!(reader.repairs().unwrap(), []);
    running.accept(repaired).unwrap();
    assert_eq!(reader.repairs().unwrap(), [repair]);
    assert!(reader.balance(None).unwrap().is_balanced());
}

const STATES: [DeliveryState; 7] = DeliveryState::ALL;

#[test]
fn each_change_is_for_some_states_only() {
    use DeliveryState::{Cancelled, Failed, Parked, Waiting};
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    for (change, becomes, from) in [
        (Change::Cancel, Cancelled, &[Waiting, Parked, Failed][..]),
        (Change::Park, Parked, &[Waiting]),
        (Change::Retry, Waiting, &[Waiting, Parked, Failed]),
    ] {
        for before in STATES {
            let payload: Arc<[u8]> = Arc::from(b"out".as_slice());
            let new = NewDelivery { state: before, ..delivery("ehr", Some(&payload)) };
            let message = NewMessage { deliveries: vec![new], ..running.message("MSH|1", &[]) };
            let (id, seq) = (message.id, running.accept(message).unwrap().deliveries.start);
            let changed = from.contains(&before);
            assert_eq!(running.amend(seq, change), Ok(Amended { before, changed }), "{change:?}");
            let stored = running.journal().reader().message(id).unwrap().unwrap();
            let expected = if changed { (becomes, Some("by hand")) } else { (before, None) };
            let delivery = &stored.deliveries[0];
            assert_eq!((delivery.state, delivery.reason.as_deref()), expected, "{change:?} of {before:?}");
            assert_eq!(delivery.payload.as_deref(), Some(&b"out"[..]));
        }
    }
    let nothing = NewDelivery { state: Failed, ..delivery("ehr", None) };
    let message = NewMessage { deliveries: vec![nothing], ..running.message("MSH|1", &[]) };
    let seq = running.accept(message).unwrap().deliveries.start;
    assert_eq!(running.amend(seq, Change::Retry), Ok(Amended { before: Failed, changed: false }));
    assert_eq!(running.amend(999, Change::Cancel), Err(CommitError::NoSuchDelivery { delivery: 999 }));
    assert!(
        running
            .journal()
            .reader()
            .balance(None)
            .unwrap()
            .contradictions
            .iter()
            .all(|one| { one.what.contains("without an attempt") })
    );
}

#[test]
fn workers_are_told_and_an_attempt_under_way_has_the_last_word_only_when_it_delivers() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&heard);
    running.journal().subscribe(move |commit| hear.lock().unwrap().extend(commit.waiting.clone()));
    for text in ["MSH|1", "MSH|2", "MSH|3"] {
        running.accept(running.message(text, &["ehr"])).unwrap();
    }
    for seq in [1, 2] {
        running.amend(seq, Change::Cancel).unwrap();
    }
    let rewound = Fresh { class: Place::USUAL, destination: "ehr".into(), rewound: true };
    let mut heard = heard.lock().unwrap().clone();
    // That something was accepted may be told after it was answered.
    heard.retain(|fresh| fresh.rewound);
    assert_eq!(heard, [rewound.clone(), rewound]);
    assert_eq!(waiting(&running.journal().reader(), "ehr"), [3]);
    running.record(attempt(1, 0, DeliveryState::Delivered)).unwrap();
    running.record(attempt(2, 0, DeliveryState::Waiting)).unwrap();
    let state = |id| running.journal().reader().message(id).unwrap().unwrap().deliveries[0].state;
    assert_eq!((state(1), state(2)), (DeliveryState::Delivered, DeliveryState::Cancelled));
    assert!(running.journal().reader().balance(None).unwrap().is_balanced());
}

#[test]
fn what_was_delivered_after_it_was_taken_back_is_kept_also_in_a_sealed_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options { segment_bytes_max: 1, ..Options::new(folder.path()) };
    options.retention_interval = std::time::Duration::from_millis(5);
    let running = Running::open(options.clone());
    for text in ["MSH|1", "MSH|2", "MSH|3"] {
        running.accept(running.message(text, &["ehr"])).unwrap();
    }
    let file_of = |id: u64| u32::try_from(id).unwrap() + 1;
    for seq in [1, 2] {
        running.amend(seq, Change::Cancel).unwrap();
        eventually("its file is sealed", || super::balance::is_sealed(folder.path(), file_of(seq)));
    }
    running.record(attempt(1, 0, DeliveryState::Delivered)).unwrap();
    running.record(attempt(2, 0, DeliveryState::Waiting)).unwrap();
    let stored = |id| running.journal().reader().message(id).unwrap().unwrap().deliveries.remove(0);
    assert_eq!((stored(1).state, stored(1).attempts.len()), (DeliveryState::Delivered, 1));
    assert_eq!((stored(2).state, stored(2).attempts.len()), (DeliveryState::Cancelled, 1));
    assert!(running.journal().reader().balance(None).unwrap().is_balanced());
    for seq in [1, 2] {
        eventually("its file is sealed again", || super::balance::is_sealed(folder.path(), file_of(seq)));
    }
    drop(running);
    let running = Running::open(options);
    assert_eq!(waiting(&running.journal().reader(), "ehr"), [3]);
}

#[test]
fn what_is_tried_anew_does_not_end_by_an_attempt_from_before() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    let reader = running.journal().reader();
    for text in ["MSH|1", "MSH|2", "MSH|3", "MSH|4"] {
        running.accept(running.message(text, &["ehr"])).unwrap();
    }
    let begun = |seq| reader.outgoing(seq).unwrap().unwrap().since_us;
    let before = [1, 2, 3, 4].map(begun);
    assert_eq!(before, [1, 2, 3, 4].map(|id| Some(1_000_000 + id)));
    for seq in [1, 2, 3] {
        running.amend(seq, Change::Retry).unwrap();
    }
    assert_eq!(begun(1), Some(800));
    let ended = |seq: u64, state, since_us| AttemptRecord { since_us, ..attempt(seq, 0, state) };
    running.record(ended(1, DeliveryState::Expired, before[0])).unwrap();
    running.record(ended(2, DeliveryState::Parked, before[1])).unwrap();
    running.record(ended(3, DeliveryState::Delivered, before[2])).unwrap();
    running.record(ended(4, DeliveryState::Expired, before[3])).unwrap();
    let stored = |id| reader.message(id).unwrap().unwrap().deliveries.remove(0);
    use DeliveryState::*;
    assert_eq!([1, 2, 3, 4].map(|id| stored(id).state), [Waiting, Waiting, Delivered, Expired]);
    assert_eq!(stored(2).attempts.len(), 1, "the attempt is kept");
    running.record(ended(2, DeliveryState::Parked, Some(800))).unwrap();
    assert_eq!(stored(2).state, Parked);
    assert!(reader.balance(None).unwrap().is_balanced());
}

#[test]
fn what_is_sent_again_is_a_new_delivery_with_the_same_payload() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    running.accept(running.message("MSH|1", &["lab", "ehr"])).unwrap();
    running.record(attempt(2, 0, DeliveryState::Delivered)).unwrap();
    assert_eq!(running.resend(1, 2), Ok(3));
    assert_eq!(running.resend(1, 99), Err(CommitError::NoSuchDelivery { delivery: 99 }));
    let stored = running.journal().reader().message(1).unwrap().unwrap();
    let told: Vec<_> =
        stored.deliveries.iter().map(|one| (one.seq, one.state, one.payload.as_deref())).collect();
    let payload = Some(&b"MSH|1"[..]);
    assert_eq!(
        told,
        [
            (1, DeliveryState::Waiting, payload),
            (2, DeliveryState::Delivered, payload),
            (3, DeliveryState::Waiting, payload)
        ]
    );
    assert_eq!(running.accept(running.message("MSH|2", &["ehr"])).unwrap().deliveries, 4..5);
    assert!(running.journal().reader().balance(None).unwrap().is_balanced());
}

#[test]
fn a_message_of_a_sealed_file_is_sent_again_from_the_current_one_which_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options { segment_bytes_max: 1, ..Options::new(folder.path()) };
    options.retention_interval = std::time::Duration::from_millis(5);
    let running = Running::open(options);
    running.accept(running.message("MSH|1", &["ehr"])).unwrap();
    running.record(attempt(1, 0, DeliveryState::Delivered)).unwrap();
    running.accept(running.message("MSH|2", &["ehr"])).unwrap();
    eventually("the first file is sealed", || super::balance::is_sealed(folder.path(), 1));
    assert_eq!(running.resend(1, 1), Ok(3));
    assert_eq!(running.resend(1, 3), Ok(4), "also what was sent again");
    let reader = running.journal().reader();
    let stored = reader.message(1).unwrap().unwrap();
    assert_eq!((stored.fate, stored.plan.as_str()), (Fate::Routed, "p1"));
    let seqs: Vec<_> = stored.deliveries.iter().map(|one| one.seq).collect();
    assert_eq!(seqs, [1, 3, 4]);
    assert_eq!(stored.deliveries[1].payload.as_deref(), Some(&b"MSH|1"[..]));
    assert!(reader.balance(None).unwrap().is_balanced());
    running.record(attempt(3, 0, DeliveryState::Delivered)).unwrap();
    running.record(attempt(4, 0, DeliveryState::Delivered)).unwrap();
    assert_eq!(waiting(&reader, "ehr"), [2]);
}

#[test]
fn figures_of_destinations() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options { segment_bytes_max: 1, ..Options::new(folder.path()) });
    for state in
        [DeliveryState::Waiting, DeliveryState::Parked, DeliveryState::Failed, DeliveryState::Waiting]
    {
        let deliveries = vec![NewDelivery { state, ..delivery("ehr", None) }, delivery("lab", None)];
        running.accept(NewMessage { deliveries, ..running.message("MSH|1", &[]) }).unwrap();
    }
    running.record(attempt(2, 0, DeliveryState::Delivered)).unwrap();
    let reader = Reader::open(folder.path()).unwrap();
    let figures = reader.destinations().unwrap();
    let ehr = DestinationFigures {
        waiting: 2,
        parked: 1,
        failed: 1,
        oldest_waiting_us: Some(1_000_001),
        last_delivered_us: None,
    };
    assert_eq!(figures.get("ehr"), Some(&ehr));
    let lab = &figures["lab"];
    assert_eq!((lab.waiting, lab.oldest_waiting_us, lab.last_delivered_us), (3, Some(1_000_002), Some(12)));
    let held = reader.held("ehr", &[DeliveryState::Waiting, DeliveryState::Parked]).unwrap();
    let told: Vec<_> = held.iter().map(|held| (held.delivery, held.message_id, held.since_us)).collect();
    assert_eq!(told, [(1, 1, 1_000_001), (3, 2, 1_000_002), (7, 4, 1_000_004)]);
    assert_eq!((reader.waiting_up_to("lab", 6).unwrap(), reader.waiting_up_to("lab", 99).unwrap()), (2, 3));
}
