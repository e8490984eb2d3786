//! What the simulation does not see, or sees seldom.

use std::sync::Arc;

use super::{Action, BACKFILL_AHEAD_MAX, Carried, Event, Outbox, Parcel};
use crate::item::{Class, Item};
use crate::line::Order;

fn item(seq: u64, class: Class) -> Item {
    Item {
        seq,
        message: seq,
        class,
        revision: 0,
        lanes: Arc::from([seq]),
        attempts: 0,
        not_before: None,
        since: None,
        failing_since: None,
        parked: false,
    }
}

/// An outbox whose way is open, with so much of a class to publish; and what it says.
fn publishing(class: Class, count: u64) -> (Outbox, Vec<Action>) {
    let mut outbox = Outbox::new(Order::Lanes { in_flight_max: 4 }, 10_000, 100);
    outbox.step(Event::Tick, 0);
    outbox.step(Event::Carried(Vec::new()), 0);
    outbox.step(Event::Opened, 0);
    let mut actions = Vec::new();
    for of in Class::ALL {
        let parcel = |seq| Parcel { item: item(seq, class), bytes: 1 };
        let parcels = if of == class { (1..=count).map(parcel).collect() } else { Vec::new() };
        actions.extend(outbox.step(Event::Fetched { class: of, parcels, more: false }, 0));
    }
    (outbox, actions)
}

fn published(actions: &[Action]) -> Vec<(Item, u64)> {
    let publish = |action: &Action| match action {
        Action::Publish { item, generation } => Some((item.clone(), *generation)),
        _ => None,
    };
    actions.iter().filter_map(publish).collect()
}

#[test]
fn what_is_recalled_in_the_commit_that_notes_it_is_held() {
    let _alone = crate::planted::ONE_AT_A_TIME.lock();
    let (mut outbox, actions) = publishing(Class::Normal, 1);
    let (item, generation) = published(&actions).remove(0);
    let id = super::Id { seq: item.seq, revision: item.revision, generation };
    outbox.step(Event::Confirmed(id), 0);
    // The journal writes the note, then the change, and tells of the change first.
    outbox.step(Event::Rewound, 0);
    let told = outbox.step(Event::Carried(vec![Carried { item, generation, recalled: true }]), 0);
    let hold = Action::Hold { lanes: vec![1], generation };
    assert!(told.contains(&hold), "{told:?}");
    assert!(!outbox.step(Event::Marked { id, applied: true }, 0).contains(&hold), "once");
}

#[test]
fn little_of_the_backfill_goes_ahead() {
    let _alone = crate::planted::ONE_AT_A_TIME.lock();
    let (mut outbox, mut actions) = publishing(Class::Backfill, 400);
    let mut count = 0;
    while let [_, ..] = published(&actions).as_slice() {
        let going = published(&actions);
        count += going.len();
        actions.clear();
        for (item, generation) in going {
            let id = super::Id { seq: item.seq, revision: item.revision, generation };
            actions.extend(outbox.step(Event::Confirmed(id), 0));
            actions.extend(outbox.step(Event::Marked { id, applied: true }, 0));
        }
    }
    assert_eq!(count, BACKFILL_AHEAD_MAX);
}

#[test]
fn what_is_to_come_back_is_held_in_the_lanes_of_the_order_that_is() {
    let _alone = crate::planted::ONE_AT_A_TIME.lock();
    let mut outbox = Outbox::new(Order::Fifo, 10_000, 100);
    outbox.step(Event::Tick, 0);
    let carried = Carried { item: item(7, Class::Normal), generation: 50, recalled: true };
    outbox.step(Event::Carried(vec![carried]), 0);
    let told = outbox.step(Event::Changed(Order::Lanes { in_flight_max: 4 }), 0);
    let is_held = |action: &Action| matches!(action, Action::Hold { lanes, generation } if *lanes == [7] && *generation >= 50);
    assert!(told.iter().any(is_held), "{told:?}");
}

#[test]
fn that_a_first_copy_was_delivered_is_told_of_the_second() {
    let _alone = crate::planted::ONE_AT_A_TIME.lock();
    let (mut outbox, actions) = publishing(Class::Normal, 1);
    let (item, generation) = published(&actions).remove(0);
    let second = super::Id { seq: item.seq, revision: item.revision, generation };
    // Published by the engine before, which was killed before it could note that.
    let first = super::Id { generation: 7, ..second };
    let resolved = |id, delivered| Event::Resolved { id, delivered, parked: None };
    assert!(outbox.step(resolved(first, true), 0).contains(&Action::Done(second)));
    assert!(!outbox.step(resolved(first, false), 0).contains(&Action::Done(second)), "it may yet be");
    let other = super::Id { revision: 3, ..first };
    assert!(!outbox.step(resolved(other, true), 0).contains(&Action::Done(second)), "another payload");
    assert!(!outbox.step(resolved(second, true), 0).contains(&Action::Done(second)), "it is itself");
}
