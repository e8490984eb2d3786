//! Messages that come once more: of those that are the same, one is the first, over batches, segment files and restarts.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod harness;

use std::sync::mpsc;

use harness::{Running, eventually};
use orderly_journal::*;
use proptest::prelude::*;

/// A message with a name and a content by numbers, which is known for 100 microseconds.
fn named(running: &Running, name: u64, content: u8, at_us: i64) -> NewMessage {
    let message = running.message(&format!("MSH|{name}|{content}"), &["ehr"]);
    let told = format!("told {}", message.id).into_bytes();
    // As far apart as hashes are.
    let name = name.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let identity = Some(Identity { name, content: [content; 16], within_us: 100, told });
    NewMessage { accepted_at_us: at_us, identity, ..message }
}

fn same(id: u64) -> Option<Earlier> {
    Some(Earlier::Same { id, told: Some(format!("told {id}").into_bytes()) })
}

fn earlier(running: &Running, message: NewMessage) -> Option<Earlier> {
    running.accept(message).unwrap().earlier
}

#[test]
fn a_repeat_is_stored_without_deliveries_and_names_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    assert_eq!(earlier(&running, named(&running, 1, 1, 1000)), None);
    assert_eq!(earlier(&running, named(&running, 1, 1, 1100)), same(1), "to the last moment");
    assert_eq!(earlier(&running, named(&running, 1, 1, 1100)), same(1), "a repeat is not repeated");
    assert_eq!(earlier(&running, named(&running, 2, 1, 1100)), None, "of another name");
    assert_eq!(earlier(&running, running.message("MSH|1|1", &["ehr"])), None, "nobody asks for repeats");
    let reader = running.journal().reader();
    let stored = reader.message(2).unwrap().unwrap();
    assert_eq!((stored.fate, stored.earlier), (Fate::Duplicate, Some(1)));
    assert_eq!(stored.reason.as_deref(), Some("repeats message 1"));
    assert_eq!((stored.body.as_slice(), stored.deliveries.len()), (&b"MSH|1|1"[..], 0));
    let first = reader.message(1).unwrap().unwrap();
    assert_eq!((first.fate, first.earlier, first.deliveries.len()), (Fate::Routed, None, 1));
    let fates: Vec<_> =
        reader.counts().unwrap().messages.iter().map(|line| (line.fate, line.count)).collect();
    assert_eq!(fates, [(Fate::Routed, 3), (Fate::Duplicate, 2)]);
}

#[test]
fn after_the_window_and_with_other_bytes_it_is_a_message_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    assert_eq!(earlier(&running, named(&running, 1, 1, 1000)), None);
    assert_eq!(earlier(&running, named(&running, 1, 2, 1050)), Some(Earlier::Namesake { id: 1 }));
    assert_eq!(running.journal().reader().message(2).unwrap().unwrap().earlier, Some(1));
    assert_eq!(running.journal().reader().message(2).unwrap().unwrap().fate, Fate::Routed);
    assert_eq!(earlier(&running, named(&running, 1, 1, 1060)), same(1), "whatever came between them");
    assert_eq!(earlier(&running, named(&running, 1, 1, 1101)), Some(Earlier::Namesake { id: 2 }));
    assert_eq!(earlier(&running, named(&running, 1, 1, 1202)), None, "the other is forgotten too");
    assert_eq!(earlier(&running, named(&running, 1, 1, 1203)), same(5), "by the latest of them");
}

#[test]
fn what_a_changed_plan_may_read_is_no_repeat_and_what_was_mended_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    let of = |fate, plan: &str, content| NewMessage {
        fate,
        plan: plan.into(),
        deliveries: Vec::new(),
        ..named(&running, 1, content, 1000)
    };
    assert_eq!(earlier(&running, of(Fate::Quarantined, "p1", 1)), None);
    assert_eq!(earlier(&running, of(Fate::Quarantined, "p1", 1)), same(1));
    assert_eq!(earlier(&running, of(Fate::Routed, "p2", 1)), None, "another plan reads it");
    assert_eq!(earlier(&running, of(Fate::Routed, "p3", 1)), same(3));
    assert!(matches!(earlier(&running, of(Fate::Failed, "p1", 2)), Some(Earlier::Namesake { id: 3 })));
    assert_eq!(earlier(&running, of(Fate::Failed, "p2", 2)), same(5));
    let replay = Reprocessed {
        message_id: 5,
        at_us: 1010,
        plan: "p2".into(),
        fate: Fate::Routed,
        reason: None,
        deliveries: Vec::new(),
        also_delivered: false,
        also_cancelled: false,
        only: None,
    };
    running.reprocess(replay).unwrap();
    let mended = Some(Earlier::Same { id: 5, told: None });
    assert_eq!(earlier(&running, of(Fate::Failed, "p1", 2)), mended, "what was told does not hold any more");
}

#[test]
fn of_many_that_come_at_the_same_moment_one_is_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (send, running) = (send.clone(), &running);
            scope.spawn(move || {
                for content in 0..50 {
                    let (message, send) = (named(running, 7, content, 1000), send.clone());
                    let id = message.id;
                    running.journal().accept(message, move |result| {
                        send.send((content, id, result.unwrap().earlier)).unwrap();
                    });
                }
            });
        }
    });
    drop(send);
    let answers: Vec<_> = receive.iter().collect();
    assert_eq!(answers.len(), 400);
    for content in 0..50 {
        let of_this: Vec<_> = answers.iter().filter(|(other, ..)| *other == content).collect();
        let firsts: Vec<u64> = of_this
            .iter()
            .filter(|(.., earlier)| !matches!(earlier, Some(Earlier::Same { .. })))
            .map(|(_, id, _)| *id)
            .collect();
        let [first] = firsts.as_slice() else { panic!("{firsts:?}") };
        let repeats = of_this.iter().filter(|(.., earlier)| *earlier == same(*first)).count();
        assert_eq!(repeats, 7, "all others name it");
    }
}

#[test]
fn repeats_are_found_in_sealed_files_and_files_of_an_earlier_program_have_none() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options {
        segment_bytes_max: 1,
        retention_interval: std::time::Duration::from_millis(5),
        ..Options::new(folder.path())
    };
    {
        let running = Running::open(options());
        for content in 0..3 {
            let message = NewMessage { deliveries: Vec::new(), ..named(&running, 1, content, 1000) };
            running.accept(message).unwrap();
        }
        let log = folder.path().join("segments/00000002.db-wal");
        eventually("the first message's file to be sealed", || {
            std::fs::metadata(&log).map_or(true, |log| log.len() == 0)
        });
        assert_eq!(earlier(&running, named(&running, 1, 0, 1000)), same(1));
    }
    let old = rusqlite::Connection::open(folder.path().join("segments/00000002.db")).unwrap();
    old.execute_batch("ALTER TABLE message DROP COLUMN sender; DROP TABLE seen; ALTER TABLE message DROP COLUMN earlier; PRAGMA user_version = 4;")
        .unwrap();
    drop(old);
    let running = Running::open(options());
    assert_eq!(earlier(&running, named(&running, 1, 1, 1000)), same(2));
    assert_eq!(earlier(&running, named(&running, 1, 0, 1000)), Some(Earlier::Namesake { id: 3 }));
    assert_eq!(running.journal().reader().message(1).unwrap().unwrap().earlier, None);
}

/// Three messages without deliveries in files 2, 3 and 4, of which the first are sealed.
fn in_sealed_files(options: impl Fn() -> Options, of: impl Fn(NewMessage) -> NewMessage) {
    let folder = options().folder;
    let running = Running::open(options());
    for content in 0..3 {
        let message = NewMessage { deliveries: Vec::new(), ..named(&running, 1, content, 1000) };
        running.accept(of(message)).unwrap();
    }
    for number in [2, 3] {
        let log = folder.join(format!("segments/0000000{number}.db-wal"));
        eventually("a file to be sealed", || std::fs::metadata(&log).map_or(true, |log| log.len() == 0));
    }
}

#[test]
fn a_file_that_cannot_be_read_holds_up_nobody_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options {
        segment_bytes_max: 1,
        retention_interval: std::time::Duration::from_millis(5),
        ..Options::new(folder.path())
    };
    in_sealed_files(options, |message| message);
    let file = folder.path().join("segments/00000002.db");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, b"no database any more, but long enough to be looked at as one".repeat(100))
        .unwrap();
    {
        let running = Running::open(options());
        let message = named(&running, 2, 7, 1000);
        let id = message.id;
        let taken = running.accept(message).unwrap();
        let [unseen] = taken.unseen.as_slice() else { panic!("{taken:?}") };
        assert_eq!((unseen.number, unseen.problem.contains("00000002.db")), (2, true), "{unseen:?}");
        let again = running.accept(named(&running, 2, 7, 1000)).unwrap();
        assert_eq!((again.earlier, again.unseen.len()), (same(id), 0), "it was found");
        // What another file or the current one has is still known.
        assert_eq!(earlier(&running, named(&running, 1, 1, 1000)), same(2));
        let taken = running.accept(named(&running, 1, 0, 1000)).unwrap();
        assert_eq!(
            (taken.earlier, taken.unseen.len()),
            (Some(Earlier::Namesake { id: 3 }), 1),
            "it may be the first"
        );
    }
    std::fs::write(&file, whole).unwrap();
    let running = Running::open(options());
    let taken = running.accept(named(&running, 3, 0, 1000)).unwrap();
    assert_eq!((taken.earlier, taken.unseen), (None, Vec::new()), "restored from a backup");
}

#[test]
fn what_became_of_the_first_is_known_without_reading_it() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options {
        segment_bytes_max: 1,
        inline_bytes_max: 4,
        retention_interval: std::time::Duration::from_millis(5),
        ..Options::new(folder.path())
    };
    in_sealed_files(options, |message| NewMessage { fate: Fate::Failed, ..message });
    let mut bodies = 0;
    for entry in std::fs::read_dir(folder.path().join("segments")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
            bodies += 1;
        }
    }
    assert!(bodies > 0, "bodies lie beside their files");
    let running = Running::open(options());
    assert_eq!(earlier(&running, named(&running, 1, 0, 1000)), same(1));
}

#[derive(Debug, Clone)]
enum Event {
    /// These come at once, each so much later than the one before: name, content, microseconds.
    Come(Vec<(u64, u8, i64)>),
    Reopen,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = (0u64..2, 0u8..3, prop_oneof![4 => 0i64..3, 1 => 0i64..90]);
    let event = prop_oneof![
        6 => prop::collection::vec(one, 1..6).prop_map(Event::Come),
        1 => Just(Event::Reopen),
    ];
    prop::collection::vec(event, 0..25)
}

/// What the writer must find, of the messages before that were stored as the first of their kind.
fn expected(firsts: &[(u64, u64, u8, i64)], (name, content, at_us): (u64, u8, i64)) -> Option<Earlier> {
    let known = || firsts.iter().rev().filter(|(_, other, _, since)| *other == name && since + 100 >= at_us);
    let repeated = known().find(|(_, _, other, _)| *other == content).map(|(id, ..)| *id);
    let namesake = || known().next().map(|(id, ..)| Earlier::Namesake { id: *id });
    repeated.map_or_else(namesake, same)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// However they come, in one group or over segment files and restarts: the writer finds what a list of all of them gives.
    #[test]
    fn the_earlier_one_is_found_wherever_it_stands(events in events(), is_small in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let segment_bytes_max = if is_small { 1 } else { 1 << 30 };
        let options = || Options { segment_bytes_max, ..Options::new(folder.path()) };
        let mut running = Running::open(options());
        let (mut firsts, mut at_us) = (Vec::new(), 1000);
        for event in events {
            let Event::Come(group) = event else {
                drop(running);
                running = Running::open(options());
                continue;
            };
            let (send, receive) = mpsc::channel();
            let mut come = Vec::new();
            for (name, content, later) in group {
                at_us += later;
                let (message, send) = (named(&running, name, content, at_us), send.clone());
                come.push((message.id, name, content, at_us));
                running.journal().accept(message, move |result| send.send(result.unwrap()).unwrap());
            }
            for (id, name, content, at_us) in come {
                let found = receive.recv().unwrap();
                prop_assert_eq!(&found.earlier, &expected(&firsts, (name, content, at_us)));
                if !matches!(found.earlier, Some(Earlier::Same { .. })) {
                    firsts.push((id, name, content, at_us));
                }
            }
        }
    }
}
