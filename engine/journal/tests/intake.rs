//! Messages that come in files: each is stored once and in its turn, over restarts, rotations and retention.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod harness;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use harness::{Running, answer, attempt, eventually};
use orderly_journal::*;
use proptest::prelude::*;

fn file(identity: &str) -> Arc<Intake> {
    Arc::new(Intake {
        source: "lab".into(),
        identity: identity.into(),
        name: format!("{identity}.hl7").into(),
    })
}

fn member(running: &Running, intake: &Arc<Intake>, member: u64, last: bool) -> NewMessage {
    let mut message = running.message(&format!("MSH|{member}"), &["ehr"]);
    message.source = "lab".into();
    message.origin = Some(Origin { intake: intake.clone(), member, last });
    message
}

fn release(running: &Running, intake: &Arc<Intake>) {
    answer(|done| running.journal().release(intake.clone(), done)).unwrap();
}

fn standing(running: &Running) -> Vec<(String, u64, u64, bool)> {
    let standings = running.journal().reader().intakes("lab").unwrap();
    standings
        .into_iter()
        .map(|file| (file.intake.identity.to_string(), file.members, file.unreadable, file.complete))
        .collect()
}

#[test]
fn a_files_messages_are_stored_once_and_in_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let a = file("a");
    {
        let running = Running::open(Options::new(folder.path()));
        assert_eq!(
            running.accept(member(&running, &a, 1, false)),
            Err(CommitError::OutOfTurn { member: 1 }),
            "the first is missing"
        );
        running.accept(member(&running, &a, 0, false)).unwrap();
        assert_eq!(
            running.accept(member(&running, &a, 0, false)),
            Err(CommitError::AlreadyStored { member: 0 })
        );
        assert_eq!(running.accept(member(&running, &a, 2, true)), Err(CommitError::OutOfTurn { member: 2 }));
    }
    let running = Running::open(Options::new(folder.path()));
    assert_eq!(standing(&running), [("a".to_owned(), 1, 0, false)]);
    let mut unreadable = member(&running, &a, 1, true);
    unreadable.fate = Fate::Quarantined;
    let id = unreadable.id;
    running.accept(unreadable).unwrap();
    assert_eq!(standing(&running), [("a".to_owned(), 2, 1, true)]);
    let origin = running.journal().reader().message(id).unwrap().unwrap().origin;
    assert_eq!(origin, Some(StoredOrigin { name: "a.hl7".into(), member: 1 }));
    let counts = running.journal().reader().counts().unwrap();
    assert_eq!(
        counts.messages.iter().map(|line| line.count).sum::<u64>(),
        2,
        "what was refused is not there"
    );
}

#[test]
fn a_file_out_of_the_way_makes_room_for_another_that_looks_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    let a = file("a");
    running.accept(member(&running, &a, 0, true)).unwrap();
    release(&running, &a);
    assert_eq!(standing(&running), []);
    running.accept(member(&running, &a, 0, true)).unwrap();
    assert_eq!(standing(&running), [("a".to_owned(), 1, 0, true)]);
    let elsewhere = Intake { source: "clinic".into(), ..(*a).clone() };
    release(&running, &Arc::new(elsewhere));
    assert_eq!(standing(&running).len(), 1, "another source's file of that identity is another file");
}

#[test]
fn a_release_comes_before_what_is_accepted_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    let a = file("a");
    for round in 0..50 {
        running.accept(member(&running, &a, 0, true)).unwrap();
        let (send, receive) = std::sync::mpsc::channel();
        running.journal().release(a.clone(), |_| {});
        running.journal().accept(member(&running, &a, 0, true), move |result| send.send(result).unwrap());
        assert!(
            receive.recv().unwrap().is_ok(),
            "round {round}: the file that is gone was taken for the new one"
        );
        release(&running, &a);
    }
}

#[test]
fn files_not_out_of_the_way_outlive_the_segment_files_they_were_begun_in() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options {
        segment_bytes_max: 1,
        retention_interval: Duration::from_millis(5),
        keep: Some(Duration::ZERO),
        ..Options::new(folder.path())
    });
    let (half, left) = (file("half"), file("left"));
    for message in [member(&running, &half, 0, false), member(&running, &left, 0, true)] {
        let delivery = running.accept(message).unwrap().deliveries.start;
        running.record(attempt(delivery, 0, DeliveryState::Delivered)).unwrap();
    }
    // Each acceptance finds the file full and makes a new one.
    for _ in 0..3 {
        running.accept(running.message("MSH|other", &[])).unwrap();
    }
    let first = folder.path().join("segments/00000001.db");
    eventually("the first segment file to be removed", || !first.exists());
    let expected = [("half".to_owned(), 1, 0, false), ("left".to_owned(), 1, 0, true)];
    assert_eq!(standing(&running), expected);
    assert_eq!(
        running.accept(member(&running, &half, 0, false)),
        Err(CommitError::AlreadyStored { member: 0 })
    );
    running.accept(member(&running, &half, 1, true)).unwrap();
    release(&running, &half);
    assert_eq!(standing(&running), [("left".to_owned(), 1, 0, true)]);
}

#[test]
fn a_journal_from_before_files_were_known_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    {
        let running = Running::open(Options::new(folder.path()));
        running.accept(running.message("MSH|old", &["ehr"])).unwrap();
    }
    make_version_one(&folder.path().join("segments/00000001.db"));
    let old = Reader::open(folder.path()).unwrap().message(1).unwrap().unwrap();
    assert_eq!((old.body.as_slice(), old.origin), (&b"MSH|old"[..], None), "a look needs no upgrade");
    let running = Running::open(Options::new(folder.path()));
    running.accept(member(&running, &file("a"), 0, true)).unwrap();
    assert_eq!(standing(&running), [("a".to_owned(), 1, 0, true)]);
    assert_eq!(running.journal().reader().message(1).unwrap().unwrap().origin, None);
}

/// Takes away what later versions added.
fn make_version_one(segment: &Path) {
    let connection = rusqlite::Connection::open(segment).unwrap();
    connection
        .execute_batch(
            "ALTER TABLE message DROP COLUMN sender; DROP TABLE seen; ALTER TABLE message DROP COLUMN earlier;
             DROP INDEX delivery_carried; ALTER TABLE delivery DROP COLUMN carried; ALTER TABLE delivery DROP COLUMN carried_revision;
             DROP INDEX delivery_waiting; CREATE INDEX delivery_waiting ON delivery (destination, seq) WHERE state = 0;
             ALTER TABLE delivery DROP COLUMN class; ALTER TABLE delivery DROP COLUMN lanes;
             ALTER TABLE delivery DROP COLUMN since_us; ALTER TABLE delivery DROP COLUMN failing_since_us;
             DROP TABLE unmapped; DROP INDEX message_by_member; DROP TABLE intake; ALTER TABLE message DROP COLUMN intake;
             ALTER TABLE message DROP COLUMN member; PRAGMA user_version = 1;",
        )
        .unwrap();
}

#[derive(Debug, Clone, Copy)]
enum Event {
    /// One of the files' messages comes, in its turn or not.
    Come {
        file: usize,
        member: u64,
    },
    Release {
        file: usize,
    },
    Reopen,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        8 => (0usize..3, 0u64..MEMBERS).prop_map(|(file, member)| Event::Come { file, member }),
        1 => (0usize..3).prop_map(|file| Event::Release { file }),
        1 => Just(Event::Reopen),
    ];
    prop::collection::vec(event, 0..60)
}

/// How many messages each file has.
const MEMBERS: u64 = 4;

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// However messages come and come again, what is stored of a file is its first so many, once each.
    #[test]
    fn whatever_comes_a_file_is_stored_from_its_beginning_without_gap_or_repeat(events in events()) {
        let folder = tempfile::tempdir().unwrap();
        let options = || Options { segment_bytes_max: 1, ..Options::new(folder.path()) };
        let files = [file("a"), file("b"), file("c")];
        let mut stored = [0; 3];
        let mut accepted = 0;
        let mut running = Running::open(options());
        for event in events {
            match event {
                Event::Come { file, member: n } => {
                    let result = running.accept(member(&running, &files[file], n, n + 1 == MEMBERS));
                    let expected = match n.cmp(&stored[file]) {
                        std::cmp::Ordering::Less => Some(CommitError::AlreadyStored { member: n }),
                        std::cmp::Ordering::Greater => Some(CommitError::OutOfTurn { member: n }),
                        std::cmp::Ordering::Equal => None,
                    };
                    prop_assert_eq!(result.err(), expected.clone());
                    stored[file] += u64::from(expected.is_none());
                    accepted += u64::from(expected.is_none());
                }
                Event::Release { file } => {
                    release(&running, &files[file]);
                    stored[file] = 0;
                }
                Event::Reopen => {
                    drop(running);
                    running = Running::open(options());
                }
            }
        }
        let counts = running.journal().reader().counts().unwrap();
        prop_assert_eq!(counts.messages.iter().map(|line| line.count).sum::<u64>(), accepted);
    }
}
