//! What the simulation does not see, or sees seldom.

use std::sync::Arc;

use super::{Before, Head, Shelf, Tried};
use crate::holds::Holds;
use crate::item::{BLOCKED, Class, Item};
use crate::line::{Order, Settled};

const LANES: Order = Order::Lanes { in_flight_max: 4 };

fn head(seq: u64, generation: u64) -> Head {
    let item = Item {
        seq,
        message: seq,
        class: Class::Normal,
        revision: 0,
        lanes: Arc::from([1]),
        attempts: 0,
        not_before: None,
        since: None,
        failing_since: None,
        parked: false,
    };
    Head { node: "north@1".into(), generation, item }
}

fn shelf(order: Order, heads: &[Head]) -> Shelf<()> {
    let mut shelf = Shelf::new(order, Holds::default());
    heads.iter().zip(1..).for_each(|(head, tag)| shelf.arrive(head.clone(), (), Some(tag)));
    shelf
}

#[test]
fn what_blocks_blocks_also_after_the_channel_was_lost() {
    let _alone = crate::planted::ONE_AT_A_TIME.lock();
    let mut shelf = shelf(Order::Fifo, &[head(1, 5)]);
    assert_eq!(shelf.before(1), Before::Send);
    shelf.settled(1, Settled::Waiting { not_before: None }, Some(7));
    shelf.confirmed(1);
    shelf.lost();
    shelf.arrive(head(1, 5), (), Some(1));
    let blocked =
        |shelf: &Shelf<()>| shelf.fetch(Class::Normal, 0, 9).0.last().and_then(|item| item.not_before);
    assert_eq!(blocked(&shelf), Some(BLOCKED));
    shelf.looked();
    assert_eq!(blocked(&shelf), None, "a person has looked");
}

#[test]
fn what_was_set_aside_is_not_sent_by_its_copy() {
    let _alone = crate::planted::ONE_AT_A_TIME.lock();
    let mut shelf = shelf(Order::Fifo, &[head(1, 5), head(2, 5), head(1, 5), head(1, 6)]);
    assert_eq!(shelf.before(1), Before::Send);
    assert!(!shelf.settled(1, Settled::Parked, Some(7)).is_held);
    assert_eq!(shelf.before(2), Before::Send);
    assert_eq!(shelf.before(3), Before::Back { held: 5, ties: Vec::new() });
    assert_eq!(shelf.before(4), Before::Send, "a person has it sent again");
}

#[test]
fn what_a_person_sends_again_begins_anew() {
    let _alone = crate::planted::ONE_AT_A_TIME.lock();
    let mut shelf = shelf(Order::Fifo, &[head(1, 5)]);
    assert_eq!(shelf.before(1), Before::Send);
    shelf.settled(1, Settled::Waiting { not_before: Some(99) }, Some(7));
    let tried = |shelf: &Shelf<()>, place: u64| {
        shelf.get(place).map(|(head, ())| (head.item.attempts, head.item.failing_since))
    };
    assert_eq!(tried(&shelf, 1), Some((1, Some(7))));
    shelf.arrive(head(1, 5), (), Some(2));
    assert_eq!(tried(&shelf, 2), Some((1, Some(7))), "the same envelope");
    shelf.arrive(head(1, 6), (), Some(3));
    assert_eq!(tried(&shelf, 3), Some((0, None)), "another one of it");
}

#[test]
fn what_lies_here_and_is_held_goes_back_without_being_asked_for() {
    let _alone = crate::planted::ONE_AT_A_TIME.lock();
    let mut shelf = shelf(LANES, &[head(1, 5), head(2, 5)]);
    assert_eq!(shelf.before(1), Before::Send);
    shelf.holds().hold(&"north@1".into(), &[1], 5);
    assert_eq!(shelf.waiting(), [2], "the first is with the destination");
    assert_eq!(shelf.return_held(2), Before::Back { held: 5, ties: Vec::new() });
    assert_eq!((shelf.waiting(), shelf.return_held(2)), (Vec::new(), Before::Gone));
}

#[test]
fn what_another_node_tried_counts() {
    let _alone = crate::planted::ONE_AT_A_TIME.lock();
    let mut shelf = shelf(Order::Fifo, &[head(1, 5)]);
    let tried = Tried { attempts: 4, not_before: Some(9), failing_since: Some(2) };
    shelf.tried_elsewhere("north@1".into(), head(1, 5).id(), tried);
    let (items, _) = shelf.fetch(Class::Normal, 0, 9);
    let first = items.first().expect("it lies here");
    assert_eq!((first.attempts, first.not_before, first.failing_since), (4, Some(9), Some(2)));
}
