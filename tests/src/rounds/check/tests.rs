//! Histories written by hand: one that keeps every promise, and for each promise one that breaks it.

use super::*;

/// Two patients' messages, in the order in which north has stored them.
const STORED: [&str; 4] = ["P1A1", "P2A2", "P1A3", "P2A4"];

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Everything was answered, stored and delivered; `order` is how it came, a second each; `!` refuses, `?` says nothing.
fn history(per_patient: bool, order: &[&str]) -> Seen {
    let mut seen = Seen::default();
    let stored = |id: &&str| Stored {
        id: (*id).to_owned(),
        deliveries: vec![("ehr".to_owned(), DeliveryState::Delivered)],
    };
    let arrival = |(second, text): (usize, &&str)| {
        let id = text.trim_end_matches(['!', '?']).to_owned();
        let said = match text.chars().last() {
            Some('!') => Said::No,
            Some('?') => Said::Nothing,
            _ => Said::Yes,
        };
        Arrival { at: at(second as u64 + 1), id, said }
    };
    seen.answered = STORED.map(|id| ("north".to_owned(), id.to_owned())).to_vec();
    seen.journals.insert("north".to_owned(), Journal { messages: STORED.iter().map(stored).collect() });
    let arrivals = order.iter().enumerate().map(arrival).collect();
    seen.arrivals.insert("ehr".to_owned(), Arrivals { per_patient, arrivals });
    seen
}

fn set(seen: &mut Seen, id: &str, state: DeliveryState) {
    let journal = seen.journals.get_mut("north").unwrap();
    journal.messages.iter_mut().find(|stored| stored.id == id).unwrap().deliveries[0].1 = state;
}

fn deed(id: &str, second: u64, kind: DeedKind) -> Deed {
    Deed { at: at(second), destination: "ehr".to_owned(), id: id.to_owned(), kind }
}

fn failure(from: u64, until: u64) -> Failure {
    Failure { name: "node_killed", what: "north was killed".to_owned(), from: at(from), until: at(until) }
}

fn count(seen: &Seen) -> usize {
    check(seen).unwrap().count()
}

#[track_caller]
fn red(seen: &Seen, signs: &[&str]) {
    let broken = check(seen).unwrap_err();
    assert_eq!(broken.len(), signs.len(), "{broken:?}");
    for (broken, sign) in broken.iter().zip(signs) {
        assert!(broken.contains(sign), "{broken:?} is not {sign:?}");
    }
}

#[test]
fn a_patient_stands_at_the_beginning_of_a_control_id() {
    assert_eq!([patient("P12N3T0"), patient("P1"), patient("X")], ["P12", "P1", "X"]);
}

#[test]
fn what_comes_in_order_is_fine() {
    assert_eq!(count(&history(false, &STORED)), 0);
    assert_eq!(count(&history(true, &["P2A2", "P1A1", "P1A3", "P2A4"])), 0);
    assert_eq!(
        count(&history(false, &["P1A1?", "P1A1", "P2A2", "P1A3", "P2A4"])),
        0,
        "no answer is no repeat"
    );
}

#[test]
fn what_was_answered_is_stored_and_goes_everywhere() {
    let mut seen = history(false, &STORED);
    seen.answered.push(("north".to_owned(), "P1A5".to_owned()));
    seen.answered.push(("south".to_owned(), "P1A1".to_owned()));
    red(
        &seen,
        &[
            "P1A5 was answered positively and is not",
            "P1A1 was answered positively and is not in the journal of south",
        ],
    );
    let mut seen = history(false, &STORED[..3]);
    seen.journals.get_mut("north").unwrap().messages[3].deliveries.clear();
    red(&seen, &["does not go to [\"ehr\"]"]);
}

#[test]
fn what_did_not_come_is_not_delivered() {
    red(
        &history(false, &STORED[..3]),
        &["P2A4 to ehr is delivered by the journal of north, and nobody can show it"],
    );
    let never_answered = ["P1A1", "P2A2", "P1A3", "P2A4?"];
    red(&history(false, &never_answered), &["ehr said [Nothing]"]);
    for state in
        [DeliveryState::Waiting, DeliveryState::Failed, DeliveryState::Parked, DeliveryState::Cancelled]
    {
        let mut seen = history(false, &STORED);
        set(&mut seen, "P1A3", state);
        red(&seen, &[&format!("P1A3 to ehr is {}", state.name())]);
    }
}

#[test]
fn what_was_refused_or_changed_by_a_person_has_that_to_show() {
    let mut seen = history(false, &["P1A1", "P2A2!", "P2A4"]);
    set(&mut seen, "P2A2", DeliveryState::Parked);
    set(&mut seen, "P1A3", DeliveryState::Cancelled);
    seen.deeds.push(deed("P1A3", 2, DeedKind::Cancelled));
    assert_eq!(count(&seen), 0);
    set(&mut seen, "P1A3", DeliveryState::Parked);
    seen.deeds[0].kind = DeedKind::Skipped;
    assert_eq!(count(&seen), 0);
}

#[test]
fn what_nobody_sent_is_seen() {
    red(&history(false, &["P1A1", "P2A2", "P1A3", "P2A4", "P9"]), &["no journal holds: {\"P9\"}"]);
}

#[test]
fn what_overtakes_is_seen() {
    let order = ["P1A1", "P1A3", "P2A2", "P2A4"];
    red(&history(false, &order), &["P1A3 came to ehr at 2.000s, and P2A2, which is before it"]);
    assert_eq!(count(&history(true, &order)), 0);
    red(&history(true, &["P1A3", "P1A1", "P2A2", "P2A4"]), &["P1A1, which is before it"]);
    let overtaken_on_retry = ["P1A1?", "P2A2", "P1A1", "P1A3", "P2A4"];
    red(&history(false, &overtaken_on_retry), &["P2A2 came to ehr"]);
}

#[test]
fn two_nodes_have_nothing_to_do_with_each_other() {
    let mut seen = history(false, &["P1B1", "P1A1", "P2A2", "P1B2", "P1A3", "P2A4"]);
    let stored = |id: &str| Stored {
        id: id.to_owned(),
        deliveries: vec![("ehr".to_owned(), DeliveryState::Delivered)],
    };
    seen.journals.insert("south".to_owned(), Journal { messages: vec![stored("P1B1"), stored("P1B2")] });
    assert_eq!(count(&seen), 0);
}

/// In per_patient order what is refused holds its patient until a person has looked.
#[test]
fn what_is_set_aside_holds_its_patient() {
    let order = ["P1A1!", "P2A2", "P2A4", "P1A1", "P1A3"];
    let mut seen = history(true, &order);
    seen.deeds.push(deed("P1A1", 4, DeedKind::Resent));
    assert_eq!(count(&seen), 0);
    // The person came after P1A3 did.
    let mut seen = history(true, &["P1A1!", "P2A2", "P2A4", "P1A3", "P1A1"]);
    seen.deeds.push(deed("P1A1", 5, DeedKind::Resent));
    red(&seen, &["P1A3 came to ehr at 4.000s, and P1A1, of the same patient, was refused and set aside"]);
    let mut seen = history(true, &["P1A1!", "P2A2", "P2A4", "P1A3", "P1A1"]);
    seen.deeds.push(deed("P1A1", 3, DeedKind::Resent));
    red(&seen, &["P1A3 came to ehr at 4.000s, and P1A1, which is before it, was not answered yet"]);
}

/// Nobody noted that it was refused, so it came again.
#[test]
fn what_was_refused_and_is_taken_after_a_failure_holds_nobody() {
    let mut seen = history(true, &["P1A1!", "P1A1", "P2A2", "P1A3", "P2A4"]);
    seen.failures.push(failure(1, 2));
    assert_eq!(count(&seen), 1);
}

/// In fifo order it holds nothing.
#[test]
fn what_is_set_aside_holds_nobody_else() {
    let mut seen = history(false, &["P1A1!", "P2A2", "P1A3", "P2A4"]);
    set(&mut seen, "P1A1", DeliveryState::Parked);
    assert_eq!(count(&seen), 0);
}

#[test]
fn what_comes_again_without_a_failure_is_seen() {
    let order = ["P1A1", "P2A2", "P1A1", "P1A3", "P2A4"];
    let mut seen = history(false, &order);
    red(&seen, &["P1A1 came to ehr again at 3.000s, was answered at 1.000s, and nothing failed in between"]);
    seen.failures.push(failure(4, 5));
    red(&seen, &["nothing failed"]);
    seen.failures[0].from = at(2);
    assert_eq!(check(&seen).unwrap().after, BTreeMap::from([(0, 1)]));
    let mut seen = history(false, &["P1A1!", "P2A2", "P1A1", "P1A3", "P2A4"]);
    seen.deeds.push(deed("P1A1", 2, DeedKind::Resent));
    assert_eq!(count(&seen), 0, "a person sent it again");
}

#[test]
fn a_failure_long_ago_explains_nothing() {
    let mut seen = history(false, &["P1A1", "P1A1", "P2A2", "P1A3", "P2A4"]);
    for (arrival, second) in seen.arrivals.get_mut("ehr").unwrap().arrivals.iter_mut().zip(30..) {
        arrival.at = at(second);
    }
    seen.failures.push(failure(1, 2));
    red(&seen, &["nothing failed"]);
    seen.failures[0].until = at(16);
    assert_eq!(count(&seen), 1);
}

#[test]
fn more_than_may_be_unrecorded_is_too_much() {
    let mut seen = history(false, &STORED);
    let again = Arrival { at: at(5), id: "P1A1".to_owned(), said: Said::Yes };
    let arrivals = &mut seen.arrivals.get_mut("ehr").unwrap().arrivals;
    arrivals.extend(std::iter::repeat_n(again.clone(), UNRECORDED_MAX));
    seen.failures.push(failure(1, 2));
    assert_eq!(count(&seen), UNRECORDED_MAX);
    seen.arrivals.get_mut("ehr").unwrap().arrivals.push(again);
    red(&seen, &["65 deliveries came again after north was killed"]);
}
