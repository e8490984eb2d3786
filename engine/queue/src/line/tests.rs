//! What a line does, step by step.

use std::time::Duration;

use super::*;
use crate::rate::Rate;
use crate::retry::RetrySchedule;

pub(super) const FAILED: Ending = Ending::Retryable { asked: None, answered: false };
pub(super) const BUSY: Ending = Ending::Retryable { asked: None, answered: true };
fn expired(since: Micros) -> Settled {
    Settled::Expired { message: 0, revision: 0, since: Some(since) }
}
pub(super) const SECOND: Micros = 1_000_000;

fn item(seq: u64) -> Item {
    let lanes = [].into();
    let (not_before, failing_since) = (None, None);
    let class = Class::Normal;
    Item {
        seq,
        message: 0,
        class,
        lanes,
        revision: 0,
        attempts: 0,
        not_before,
        since: None,
        failing_since,
        parked: false,
    }
}

pub(super) fn of_lanes(seq: u64, lanes: &[Lane]) -> Item {
    Item { lanes: lanes.into(), ..item(seq) }
}

fn parked(item: Item) -> Item {
    Item { parked: true, ..item }
}

pub(super) fn lanes_policy(in_flight_max: usize) -> Policy {
    Policy { order: Order::Lanes { in_flight_max }, ..Policy::default() }
}

fn started_with(policy: Policy, items: Vec<Item>) -> (Line, Vec<Action>) {
    let parked = policy.order != Order::Fifo;
    let mut line = Line::new(policy);
    let fetch = |class| Action::Fetch { class, after: 0, parked };
    assert_eq!(line.step(Event::Tick, 0), Class::ALL.map(fetch));
    for class in [Class::Stat, Class::Backfill] {
        line.step(Event::Fetched { class, items: Vec::new(), more: false }, 0);
    }
    let actions = line.step(Event::Fetched { class: Class::Normal, items, more: false }, 0);
    (line, actions)
}

fn started(items: Vec<Item>) -> (Line, Vec<Action>) {
    started_with(Policy::default(), items)
}

fn attempted(line: &mut Line, ticket: u64, ending: Ending, now: Micros) -> Vec<Action> {
    line.step(Event::Attempted { ticket, ending }, now)
}

/// The places that are sent.
fn sent(actions: &[Action]) -> Vec<u64> {
    let place = |action: &Action| match action {
        Action::Send { item, .. } => Some(item.seq),
        _ => None,
    };
    actions.iter().filter_map(place).collect()
}

fn record(seq: u64, result: Settled) -> Action {
    Action::Record { seq, result }
}

fn waits(seq: u64, not_before: Micros) -> Action {
    record(seq, Settled::Waiting { not_before: Some(not_before) })
}

fn fetch(after: u64) -> Action {
    Action::Fetch { class: Class::Normal, after, parked: false }
}

#[test]
fn the_second_waits_until_the_first_is_answered() {
    let (mut line, actions) = started(vec![item(1), item(2)]);
    assert_eq!(actions, [Action::Send { item: item(1), ticket: 0 }]);
    assert_eq!(line.step(Event::Arrived(Class::Normal), 0), []);
    let actions = attempted(&mut line, 0, Ending::Delivered, 0);
    let sent = Action::Send { item: item(2), ticket: 1 };
    assert_eq!(actions, [record(1, Settled::Delivered), sent, fetch(2)]);
}

#[test]
fn a_failure_holds_the_line_until_its_time() {
    let (mut line, _) = started(vec![item(1), item(2)]);
    assert_eq!(attempted(&mut line, 0, FAILED, 0), [waits(1, SECOND), Action::WakeAt(SECOND)]);
    assert_eq!(line.step(Event::Recorded(1), 1), [Action::WakeAt(SECOND)]);
    assert_eq!(line.step(Event::Tick, SECOND - 1), [Action::WakeAt(SECOND)]);
    assert_eq!(sent(&line.step(Event::Tick, SECOND)), [1]);
    assert_eq!(attempted(&mut line, 1, FAILED, SECOND), [waits(1, 6 * SECOND), Action::WakeAt(6 * SECOND)]);
}

#[test]
fn a_result_of_another_attempt_counts_for_nothing() {
    let (mut line, _) = started(vec![item(1), item(2)]);
    attempted(&mut line, 0, FAILED, 0);
    line.step(Event::Recorded(1), 1);
    assert_eq!(sent(&line.step(Event::Tick, SECOND)), [1]);
    for ticket in [0, 7] {
        assert_eq!(attempted(&mut line, ticket, Ending::Delivered, SECOND), []);
    }
    let actions = attempted(&mut line, 1, Ending::Parked, SECOND);
    assert_eq!((actions.first(), sent(&actions)), (Some(&record(1, Settled::Parked)), vec![2]));
    assert_eq!(attempted(&mut line, 1, Ending::Delivered, SECOND), [], "doubled");
}

#[test]
fn what_is_replaced_while_it_is_sent_is_read_anew() {
    for ending in [FAILED, Ending::Delivered] {
        let (mut line, _) = started(vec![item(1), item(2)]);
        let actions = line.step(Event::Rewound, 0);
        assert_eq!(actions.iter().filter(|action| **action == fetch(0)).count(), 1);
        let items = vec![item(1), item(2)];
        assert_eq!(line.step(Event::Fetched { class: Class::Normal, items, more: false }, 0), []);
        let actions = attempted(&mut line, 0, ending, 0);
        assert!(matches!(actions.first(), Some(Action::Record { seq: 1, .. })), "{actions:?}");
        assert_eq!(sent(&actions), [0; 0]);
        let actions = line.step(Event::Recorded(1), 2 * SECOND);
        assert!(actions.contains(&fetch(0)), "{actions:?}");
    }
}

#[test]
fn a_destination_that_changed_is_tried_at_once_and_by_its_new_schedule() {
    let (mut line, _) = started(vec![item(1), item(2)]);
    attempted(&mut line, 0, FAILED, 0);
    assert_eq!(line.step(Event::Recorded(1), 1), [Action::WakeAt(SECOND)]);
    let retry =
        RetrySchedule { schedule: Vec::new(), then: Duration::from_secs(7), ..RetrySchedule::default() };
    let actions = line.step(Event::Changed(Policy { retry, ..Policy::default() }), 2);
    assert_eq!(sent(&actions), [1]);
    assert_eq!(attempted(&mut line, 1, FAILED, 10), [waits(1, 7_000_010), Action::WakeAt(7_000_010)]);
}

#[test]
fn in_fifo_the_next_goes_on_when_one_is_set_aside() {
    let (mut line, _) = started(vec![item(1), item(2)]);
    assert_eq!(sent(&attempted(&mut line, 0, Ending::Parked, 0)), [2]);
}

#[test]
fn unknown_results_are_bounded() {
    let (mut line, mut actions) = started((1..=100).map(item).collect());
    let mut count = 0;
    while !sent(&actions).is_empty() {
        actions = attempted(&mut line, count, Ending::Delivered, 0);
        count += 1;
    }
    assert_eq!(usize::try_from(count).unwrap(), UNKNOWN_MAX);
    assert_eq!(sent(&line.step(Event::Recorded(1), 0)), [65]);
}

#[test]
fn stop_lets_what_is_in_flight_end() {
    let items = vec![of_lanes(1, &[1]), of_lanes(2, &[2])];
    let (mut line, actions) = started_with(lanes_policy(8), items);
    assert_eq!(sent(&actions), [1, 2]);
    assert_eq!(line.step(Event::Stop, 0), []);
    assert_eq!(attempted(&mut line, 0, Ending::Delivered, 0), [record(1, Settled::Delivered)]);
    assert_eq!(line.step(Event::Recorded(1), 0), []);
    assert_eq!(attempted(&mut line, 1, Ending::Delivered, 0), [record(2, Settled::Delivered)]);
    assert_eq!(line.step(Event::Recorded(2), 0), [Action::Finished]);
}

#[test]
fn while_it_is_paused_nothing_is_sent_and_no_time_is_waited_for() {
    let (mut line, _) = started(vec![item(1), item(2)]);
    assert_eq!(line.step(Event::Pause, 0), []);
    attempted(&mut line, 0, FAILED, 0);
    assert_eq!(line.step(Event::Recorded(1), 1), []);
    assert_eq!(line.step(Event::Tick, 2 * SECOND), []);
    assert_eq!(sent(&line.step(Event::Resume, 2 * SECOND)), [1]);
}

#[test]
fn whoever_has_mended_the_cause_needs_not_wait_for_the_next_attempt() {
    let (mut line, _) = started(vec![item(1), item(2)]);
    attempted(&mut line, 0, FAILED, 0);
    assert!(sent(&line.step(Event::Recorded(1), 1)).is_empty());
    assert!(sent(&line.step(Event::Tick, 2)).is_empty());
    assert_eq!(sent(&line.step(Event::Resume, 3)), [1]);
}

#[test]
fn a_blocking_refusal_keeps_its_place_until_a_person_has_looked() {
    let (mut line, _) = started(vec![item(1), item(2)]);
    let kept = record(1, Settled::Waiting { not_before: None });
    assert_eq!(attempted(&mut line, 0, Ending::Blocking, 0), [kept]);
    assert!(line.is_blocked());
    assert_eq!(line.step(Event::Recorded(1), 1), []);
    assert_eq!(line.step(Event::Tick, 1_000 * SECOND), []);
    assert_eq!(sent(&line.step(Event::Resume, 1_000 * SECOND)), [1]);
    assert!(!line.is_blocked());
}

/// A line that the first of two deliveries blocks, after which something else was replayed, or a commit may have failed; and what is sent
/// when the journal has these.
fn blocked_and_rewound(items: Vec<Item>, more: bool) -> (bool, Vec<u64>) {
    let (mut line, _) = started(vec![item(1), item(2)]);
    attempted(&mut line, 0, Ending::Blocking, 0);
    assert!(!line.step(Event::Rewound, 1).contains(&fetch(0)), "its result is not on disk");
    let actions = line.step(Event::Recorded(1), 2);
    assert!(actions.contains(&fetch(0)), "{actions:?}");
    let actions = line.step(Event::Fetched { class: Class::Normal, items, more }, 3);
    (line.is_blocked(), sent(&actions))
}

#[test]
fn what_blocks_does_so_until_it_is_looked_at_itself() {
    assert_eq!(blocked_and_rewound(vec![item(1), item(2)], false), (true, vec![]), "others were replayed");
    assert_eq!(blocked_and_rewound(vec![item(1)], true), (true, vec![]));
    let replaced = Item { revision: 1, ..item(1) };
    assert_eq!(blocked_and_rewound(vec![replaced, item(2)], false), (false, vec![1]));
    let sent_again = Item { since: Some(7), ..item(1) };
    assert_eq!(blocked_and_rewound(vec![sent_again, item(2)], false), (false, vec![1]));
    assert_eq!(blocked_and_rewound(vec![item(2)], false), (false, vec![2]), "it was taken away");
    assert_eq!(blocked_and_rewound(vec![item(2)], true), (false, vec![2]));
    assert_eq!(blocked_and_rewound(vec![], false), (false, vec![]));
}

#[test]
fn what_was_replaced_while_it_was_refused_blocks_nothing() {
    let (mut line, _) = started(vec![item(1), item(2)]);
    line.step(Event::Rewound, 0);
    let replaced = Item { revision: 1, ..item(1) };
    // What was being read when it was replaced is old.
    line.step(Event::Fetched { class: Class::Normal, items: vec![item(1), item(2)], more: false }, 0);
    attempted(&mut line, 0, Ending::Blocking, 0);
    assert!(line.is_blocked());
    line.step(Event::Recorded(1), 1);
    let items = vec![replaced, item(2)];
    assert_eq!(sent(&line.step(Event::Fetched { class: Class::Normal, items, more: false }, 2)), [1]);
}

#[test]
fn what_was_tried_for_long_enough_is_set_aside() {
    let lasts = Some(Duration::from_secs(6));
    let retry = RetrySchedule { lasts, ..RetrySchedule::default() };
    let (mut line, _) = started_with(Policy { retry, ..Policy::default() }, vec![item(1), item(2)]);
    for (ticket, now) in [(0, 0), (1, SECOND)] {
        attempted(&mut line, ticket, FAILED, now);
        line.step(Event::Recorded(1), now);
        line.step(Event::Tick, 6 * SECOND);
    }
    let actions = attempted(&mut line, 2, FAILED, 6 * SECOND);
    assert_eq!((actions.first(), sent(&actions)), (Some(&record(1, Settled::GivenUp)), vec![2]));
}

#[test]
fn what_is_too_old_expires_before_an_attempt_and_while_it_waits() {
    let policy = Policy { expires_after: Some(Duration::from_secs(10)), ..Policy::default() };
    let aged = |seq, since| Item { since: Some(since), ..item(seq) };
    let items = vec![aged(1, -10 * SECOND), aged(2, 0), aged(3, SECOND), item(4)];
    let (mut line, actions) = started_with(policy, items);
    assert_eq!((actions.first(), sent(&actions)), (Some(&record(1, expired(-10 * SECOND))), vec![2]));
    line.step(Event::Recorded(1), 0);
    // It is with the destination, and may end there.
    assert_eq!(line.step(Event::Tick, 10 * SECOND), [Action::WakeAt(11 * SECOND)]);
    attempted(&mut line, 0, FAILED, 10 * SECOND);
    let actions = line.step(Event::Recorded(2), 10 * SECOND);
    assert_eq!(actions, [record(2, expired(0)), Action::WakeAt(11 * SECOND)]);
    line.step(Event::Recorded(2), 10 * SECOND);
    let actions = line.step(Event::Tick, 11 * SECOND);
    assert_eq!((actions.first(), sent(&actions)), (Some(&record(3, expired(SECOND))), vec![4]));
}

#[test]
fn lanes_go_beside_each_other_up_to_the_limit() {
    let items = vec![of_lanes(1, &[1]), of_lanes(2, &[1]), of_lanes(3, &[3]), item(4), item(5)];
    let (mut line, actions) = started_with(lanes_policy(2), items);
    assert_eq!(sent(&actions), [1, 3]);
    assert_eq!(sent(&attempted(&mut line, 1, Ending::Delivered, 0)), [4]);
    assert_eq!(sent(&attempted(&mut line, 0, Ending::Delivered, 0)), [2]);
    assert_eq!(sent(&attempted(&mut line, 2, Ending::Delivered, 0)), [5]);
}

#[test]
fn a_merge_waits_for_each_of_its_lanes_and_holds_them_all() {
    let items = vec![
        of_lanes(1, &[1]),
        of_lanes(2, &[2]),
        of_lanes(3, &[1, 2]),
        of_lanes(4, &[2]),
        of_lanes(5, &[1]),
    ];
    let (mut line, actions) = started_with(lanes_policy(8), items);
    assert_eq!(sent(&actions), [1, 2]);
    assert_eq!(sent(&attempted(&mut line, 0, Ending::Delivered, 0)), [0; 0]);
    assert_eq!(sent(&attempted(&mut line, 1, Ending::Delivered, 0)), [3]);
    assert_eq!(sent(&attempted(&mut line, 2, Ending::Delivered, 0)), [4, 5]);
}

#[test]
fn what_is_parked_holds_its_lanes_and_what_it_ties() {
    let items = vec![
        of_lanes(1, &[1]),
        of_lanes(2, &[1, 2]),
        of_lanes(3, &[2]),
        of_lanes(4, &[3]),
        parked(of_lanes(5, &[3])),
        of_lanes(6, &[3]),
        of_lanes(7, &[4]),
    ];
    let (mut line, actions) = started_with(lanes_policy(8), items);
    assert_eq!(sent(&actions), [1, 4, 7]);
    assert_eq!(sent(&attempted(&mut line, 0, Ending::Parked, 0)), [0; 0]);
    assert_eq!(sent(&attempted(&mut line, 1, Ending::Delivered, 0)), [0; 0]);
    line.step(Event::Recorded(1), 0);
    line.step(Event::Recorded(4), 0);
    attempted(&mut line, 2, Ending::Delivered, 0);
    line.step(Event::Recorded(7), 0);
    // A person took both back.
    let actions = line.step(Event::Rewound, 0);
    assert!(actions.contains(&Action::Fetch { class: Class::Normal, after: 0, parked: true }), "{actions:?}");
    let items = vec![of_lanes(2, &[1, 2]), of_lanes(3, &[2]), of_lanes(6, &[3])];
    let actions = line.step(Event::Fetched { class: Class::Normal, items, more: false }, 0);
    assert_eq!(sent(&actions), [2, 6]);
}

#[test]
fn one_that_must_be_tried_again_holds_its_lane_and_no_other() {
    let items = vec![of_lanes(1, &[1]), of_lanes(2, &[2]), of_lanes(3, &[1]), of_lanes(4, &[2])];
    let (mut line, _) = started_with(lanes_policy(2), items);
    assert_eq!(sent(&attempted(&mut line, 0, BUSY, 0)), [0; 0]);
    assert_eq!(sent(&attempted(&mut line, 1, Ending::Delivered, 0)), [4]);
}

#[test]
fn a_destination_that_is_away_is_left_alone_by_all_lanes() {
    let items = (1..=6).map(|seq| of_lanes(seq, &[seq])).collect();
    let (mut line, actions) = started_with(lanes_policy(2), items);
    assert_eq!(sent(&actions), [1, 2]);
    assert_eq!(sent(&attempted(&mut line, 0, FAILED, 0)), [0; 0]);
    assert_eq!(sent(&attempted(&mut line, 1, FAILED, 0)), [0; 0]);
    line.step(Event::Recorded(1), 0);
    assert_eq!(line.step(Event::Recorded(2), 0), [Action::WakeAt(SECOND)]);
    // Others have their turn first.
    assert_eq!(sent(&line.step(Event::Tick, SECOND)), [3, 4]);
    // The second round: it is left alone for longer.
    attempted(&mut line, 2, FAILED, SECOND);
    attempted(&mut line, 3, FAILED, SECOND);
    assert_eq!(line.step(Event::Tick, SECOND), [Action::WakeAt(6 * SECOND)]);
}

#[test]
fn one_message_that_is_never_answered_does_not_hold_up_the_others() {
    let items = (1..=4).map(|seq| of_lanes(seq, &[seq])).collect();
    let (mut line, _) = started_with(lanes_policy(2), items);
    assert_eq!(sent(&attempted(&mut line, 1, Ending::Delivered, SECOND)), [3]);
    // It has answered others since this one was sent.
    assert_eq!(sent(&attempted(&mut line, 0, FAILED, 30 * SECOND)), [4]);
}

#[test]
fn classes_go_one_before_the_other() {
    let mut line = Line::new(Policy::default());
    line.step(Event::Pause, 0);
    for (class, seq) in [(Class::Backfill, 1), (Class::Normal, 2), (Class::Stat, 3)] {
        let items = vec![Item { class, ..item(seq) }];
        line.step(Event::Fetched { class, items, more: false }, 0);
    }
    assert_eq!(sent(&line.step(Event::Resume, 0)), [3]);
    assert_eq!(sent(&attempted(&mut line, 0, Ending::Delivered, 0)), [2]);
    assert_eq!(sent(&attempted(&mut line, 1, Ending::Delivered, 0)), [1]);
    assert_eq!(sent(&attempted(&mut line, 2, Ending::Delivered, 0)), [0; 0]);
}

#[test]
fn one_lane_has_one_in_flight_also_of_different_classes() {
    let (mut line, actions) = started_with(lanes_policy(8), vec![of_lanes(1, &[1]), of_lanes(2, &[2])]);
    assert_eq!(sent(&actions), [1, 2]);
    line.step(Event::Arrived(Class::Stat), 0);
    let items = vec![Item { class: Class::Stat, ..of_lanes(3, &[2]) }];
    let actions = line.step(Event::Fetched { class: Class::Stat, items, more: false }, 0);
    assert_eq!(sent(&actions), [0; 0]);
    assert_eq!(sent(&attempted(&mut line, 1, Ending::Delivered, 0)), [3]);
}

#[test]
fn no_more_are_sent_than_the_rate_allows() {
    let rate = Some(Rate { count: 2, per: Duration::from_secs(1) });
    let policy = Policy { rate, ..lanes_policy(8) };
    let items = (1..=3).map(|seq| of_lanes(seq, &[seq])).collect();
    let (mut line, actions) = started_with(policy, items);
    assert_eq!(sent(&actions), [1]);
    assert_eq!(actions.last(), Some(&Action::WakeAt(SECOND / 2)));
    assert_eq!(sent(&line.step(Event::Tick, SECOND / 2)), [2]);
    assert_eq!(sent(&line.step(Event::Tick, SECOND)), [3]);
}

#[test]
fn another_order_begins_when_what_is_in_flight_has_ended() {
    let (mut line, _) = started(vec![of_lanes(1, &[1]), of_lanes(2, &[1]), of_lanes(3, &[3])]);
    let actions = line.step(Event::Changed(lanes_policy(8)), 0);
    assert!(actions.contains(&Action::Fetch { class: Class::Normal, after: 0, parked: true }), "{actions:?}");
    let items = vec![of_lanes(1, &[1]), of_lanes(2, &[1]), of_lanes(3, &[3])];
    let actions = line.step(Event::Fetched { class: Class::Normal, items, more: false }, 0);
    assert_eq!(sent(&actions), [0; 0]);
    attempted(&mut line, 0, Ending::Delivered, 0);
    line.step(Event::Recorded(1), 0);
    let items = vec![of_lanes(2, &[1]), of_lanes(3, &[3])];
    let actions = line.step(Event::Fetched { class: Class::Normal, items, more: false }, 0);
    assert_eq!(sent(&actions), [2, 3]);
}

#[test]
fn what_the_journal_does_not_have_waiting_is_let_go_and_what_cannot_be_read_stays() {
    let (mut line, _) = started(vec![item(1), item(2)]);
    assert_eq!(attempted(&mut line, 0, Ending::Unread, 0), [Action::WakeAt(SECOND)]);
    assert_eq!(sent(&line.step(Event::Tick, SECOND)), [1]);
    assert_eq!(sent(&attempted(&mut line, 1, Ending::Withdrawn, SECOND)), [2]);
}

#[test]
fn what_is_never_answered_does_not_starve_others_of_one_connection() {
    let (mut line, actions) = started_with(lanes_policy(1), vec![of_lanes(1, &[10]), of_lanes(2, &[20])]);
    assert_eq!(sent(&actions), [1]);
    attempted(&mut line, 0, FAILED, 0);
    line.step(Event::Recorded(1), 0);
    assert_eq!(sent(&line.step(Event::Tick, SECOND)), [2], "the other has its turn when the wait is over");
}

#[test]
fn what_was_set_aside_while_it_was_to_go_holds_its_lanes() {
    let all = vec![of_lanes(1, &[10]), of_lanes(2, &[10]), of_lanes(3, &[20])];
    let (mut line, actions) = started_with(lanes_policy(1), all);
    assert_eq!(sent(&actions), [1]);
    assert_eq!(
        sent(&attempted(&mut line, 0, Ending::Withdrawn, 0)),
        [3],
        "the next of its lane waits for the news"
    );
}

#[test]
fn what_a_person_sends_again_is_not_left_for_a_wait_that_began_before() {
    for news in [Event::Rewound, Event::Resume] {
        let (mut line, _) = started_with(lanes_policy(2), vec![of_lanes(1, &[10])]);
        attempted(&mut line, 0, FAILED, 0);
        line.step(Event::Recorded(1), 0);
        line.step(news, 1);
        line.step(Event::Arrived(Class::Normal), 1);
        let items = vec![Item { not_before: Some(SECOND), ..of_lanes(1, &[10]) }, of_lanes(4, &[40])];
        let actions = line.step(Event::Fetched { class: Class::Normal, items, more: false }, 2);
        assert_eq!(sent(&actions), [4]);
    }
}

#[test]
fn the_next_attempt_is_told_while_something_waits_because_it_failed() {
    let (mut line, actions) = started(vec![item(1), item(2)]);
    assert!(matches!(actions[..], [Action::Send { ticket: 0, .. }, ..]), "{actions:?}");
    assert_eq!(line.next_attempt(0), None, "it is with the destination");
    line.step(Event::Attempted { ticket: 0, ending: FAILED }, 0);
    line.step(Event::Recorded(1), 0);
    let (at, seq) = line.next_attempt(0).unwrap();
    assert!(at > 0 && seq == 1, "{at}");
    line.step(Event::Pause, 0);
    assert_eq!(line.next_attempt(0), None, "a person holds it");
    let actions = line.step(Event::Resume, 0);
    assert!(matches!(actions[..], [Action::Send { .. }, ..]), "{actions:?}");
    assert_eq!(line.next_attempt(0), None, "it is tried at once");
}

#[test]
fn the_next_attempt_of_one_lane_is_told_while_the_others_go_on() {
    let items = vec![of_lanes(1, &[7]), of_lanes(2, &[8])];
    let (mut line, _) = started_with(lanes_policy(2), items);
    line.step(Event::Attempted { ticket: 0, ending: BUSY }, 0);
    assert_eq!(line.next_attempt(0).map(|(_, seq)| seq), Some(1));
    line.step(Event::Attempted { ticket: 1, ending: Ending::Blocking }, 0);
    assert_eq!(line.next_attempt(0), None, "nothing is sent until somebody has looked");
}
