//! One destination's deliveries, in order: a state machine without IO.
//!
//! [`Line::step`] is told what happened and answers with what to do. An order is made of *lanes*: deliveries that have a lane in common
//! go one after the other, others beside each other. `fifo` is the order with one lane for all. What always holds, whatever the events:
//!
//! - Of each class, a delivery is sent only when every earlier one of its lanes has been delivered or set aside.
//! - One that failed for now stays first in its lanes. One that is set aside holds its lanes, except in `fifo`, where the next goes on.
//! - One delivery of a lane is in flight at a time, also of different classes.
//! - At most [`UNKNOWN_MAX`] are in flight or have results that are not on disk, so after a crash at most that many are sent twice.
//! - A delivery whose result is known is not sent again while that result is being recorded.
//! - A result counts for the attempt that it names, and only once.
//! - A payload that was replaced is not sent after that was told, except by an attempt under way.

mod away;
mod hand;
#[cfg(test)]
mod model;
mod reading;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crate::item::{BLOCKED, Class, Item, Lane, Micros, later};
use crate::planted::{self, Fault};
use crate::rate::Bucket;
use away::Away;
use reading::Reading;
pub use words::{Action, Ending, Event, Order, Policy, Settled};

/// How many deliveries may be in flight or wait for their result's commit: no more than that may come
/// twice.
pub const UNKNOWN_MAX: usize = 64;

/// How many deliveries of a destination may be in flight, at most.
pub const LANES_MAX: usize = UNKNOWN_MAX;

/// The lane of deliveries that have none of their own, and of all in `fifo`.
const SHARED: Lane = 0;

/// The order of one destination.
#[derive(Debug)]
pub struct Line {
    policy: Policy,
    classes: [Reading; Class::ALL.len()],
    in_flight: BTreeMap<u64, Flight>,
    /// The lanes of what is in flight.
    busy: HashSet<Lane>,
    /// Deliveries whose results are not on disk, and their class.
    unrecorded: Unrecorded,
    next_ticket: u64,
    bucket: Bucket,
    away: Away,
    paused: bool,
    /// What keeps everything else from being sent until a person has looked.
    blocked: Vec<Blocker>,
    /// Nothing is sent before what is in flight has ended.
    draining: bool,
    stopping: bool,
    /// Whether what is set aside holds its lanes here; otherwise whoever sends asks before each.
    keeps_lanes: bool,
}

type Unrecorded = BTreeMap<u64, Class>;

/// A delivery as it was refused: it blocks for as long as the journal has just that waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Blocker {
    class: Class,
    seq: u64,
    revision: u32,
    since: Option<Micros>,
}

impl Blocker {
    fn of(item: &Item) -> Blocker {
        Blocker { class: item.class, seq: item.seq, revision: item.revision, since: item.since }
    }
}

/// An attempt under way.
#[derive(Debug)]
struct Flight {
    class: Class,
    item: Item,
    lanes: Vec<Lane>,
    /// It may have been replaced since it was sent: the journal knows.
    overtaken: bool,
}

/// By so much one that was not answered goes behind others of other lanes that are due at the same time.
const BEHIND_OTHERS: Duration = Duration::from_millis(1);

/// The wait after the journal could not be read.
pub(crate) const FETCH_RETRY: Duration = Duration::from_secs(1);

impl Line {
    /// A destination's line, starting at the first waiting delivery of the journal.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Line {
            policy,
            classes: Class::ALL.map(Reading::new),
            in_flight: BTreeMap::new(),
            busy: HashSet::new(),
            unrecorded: BTreeMap::new(),
            next_ticket: 0,
            bucket: Bucket::default(),
            away: Away::default(),
            paused: false,
            blocked: Vec::new(),
            draining: false,
            stopping: false,
            keeps_lanes: true,
        }
    }

    /// The line of a destination whose deliveries come from a broker: lanes are held by [`crate::holds`], which all nodes know.
    #[must_use]
    pub fn from_broker(policy: Policy) -> Self {
        Line { keeps_lanes: false, ..Line::new(policy) }
    }

    /// Takes in what happened at `now` and says what to do, in this order.
    pub fn step(&mut self, event: Event, now: Micros) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Arrived(class) => class.of(&mut self.classes).arrived(),
            Event::Rewound => {
                self.rewind();
                // What a person sends again is not left for a wait that began before.
                self.away.until = None;
            }
            Event::Fetched { class, items, more } => self.fetched(class, items, more),
            Event::FetchFailed(class) => class.of(&mut self.classes).failed(later(now, FETCH_RETRY)),
            Event::Attempted { ticket, ending } => actions.extend(self.attempted(ticket, ending, now)),
            Event::Recorded(seq) => self.recorded(seq),
            Event::Changed(policy) => self.change(policy),
            Event::Pause => self.paused = true,
            Event::Resume => {
                self.blocked.clear();
                (self.paused, self.away.until) = (false, None);
                // A person has looked: nothing waits for the time that its failures gave it.
                self.classes.iter_mut().for_each(Reading::hurry);
            }
            Event::Tick => {}
            Event::Stop => self.stopping = true,
        }
        self.go_on(now, &mut actions);
        actions
    }

    /// How many may be with the destination at a time.
    fn in_flight_max(&self) -> usize {
        match self.policy.order {
            Order::Fifo => 1,
            Order::Lanes { in_flight_max } => in_flight_max.clamp(1, LANES_MAX),
        }
    }

    /// Whether a delivery keeps everything else from being sent until a person has looked.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        !self.blocked.is_empty()
    }

    /// When the first delivery that waits because of a failure is tried again, and which that is; nothing while a person holds the line.
    #[must_use]
    pub fn next_attempt(&self, now: Micros) -> Option<(Micros, u64)> {
        if self.paused || self.is_blocked() {
            return None;
        }
        match self.away.until.filter(|until| *until > now) {
            Some(until) => {
                let first = self.classes.iter().find_map(|reading| reading.hand.first_to_go());
                first.map(|seq| (until, seq))
            }
            None => {
                let timed = self.classes.iter().filter_map(|reading| reading.hand.first_timed());
                timed.min().filter(|(time, _)| *time > now)
            }
        }
    }

    fn rewind(&mut self) {
        for flight in self.in_flight.values_mut() {
            flight.overtaken = true;
        }
        self.classes.iter_mut().for_each(Reading::rewind);
    }

    fn change(&mut self, policy: Policy) {
        let is_other_order = self.policy.order != policy.order;
        self.policy = policy;
        self.away = Away::default();
        self.blocked.clear();
        if is_other_order {
            // What is in flight holds lanes of the old order: it ends first.
            self.draining = true;
            self.rewind();
        }
        self.classes.iter_mut().for_each(Reading::hurry);
    }

    fn fetched(&mut self, class: Class, mut items: Vec<Item>, more: bool) {
        for item in items.iter_mut().filter(|item| item.not_before == Some(BLOCKED)) {
            item.not_before = None;
            if !self.blocked.contains(&Blocker::of(item)) {
                self.blocked.push(Blocker::of(item));
            }
        }
        let (order, unrecorded) = (self.policy.order, &self.unrecorded);
        let waiting: Vec<Blocker> = match self.blocked.is_empty() {
            true => Vec::new(),
            false => items.iter().filter(|item| !item.parked).map(Blocker::of).collect(),
        };
        let reading = class.of(&mut self.classes);
        let read = reading.take_in(items, more, |item| lanes(order, item), unrecorded);
        // What a person took away, replaced or has tried again blocks no more; a replay of others changes nothing about it.
        self.blocked.retain(|blocker| {
            blocker.class != class || !read.contains(&blocker.seq) || waiting.contains(blocker)
        });
    }

    fn recorded(&mut self, seq: u64) {
        if let Some(class) = self.unrecorded.remove(&seq) {
            class.of(&mut self.classes).recorded(seq);
        }
    }

    fn attempted(&mut self, ticket: u64, ending: Ending, now: Micros) -> Option<Action> {
        let ticket = self.meant(ticket);
        let Flight { class, mut item, lanes, overtaken } = self.in_flight.remove(&ticket)?;
        lanes.iter().for_each(|lane| _ = self.busy.remove(lane));
        self.away.hear(ending, ticket, self.next_ticket);
        let result = self.settle(&mut item, ending, now);
        let seq = item.seq;
        if overtaken {
            // Whatever its result, another payload may wait at its place.
            class.of(&mut self.classes).hand.remove(seq);
            self.rewind();
        } else {
            self.place(class, item, &lanes, ending, result);
        }
        let result = result?;
        self.unrecorded.insert(seq, class);
        Some(Action::Record { seq, result })
    }

    /// The attempt that a result is about.
    fn meant(&self, ticket: u64) -> u64 {
        match self.in_flight.keys().next() {
            Some(first) if planted::is_planted(Fault::LateAnswerCredited) => *first,
            _ => ticket,
        }
    }

    /// What becomes of a delivery after an attempt; nothing is to be recorded when nothing was sent.
    fn settle(&mut self, item: &mut Item, ending: Ending, now: Micros) -> Option<Settled> {
        if ending == Ending::Unread {
            item.not_before = Some(later(now, FETCH_RETRY));
        }
        if matches!(ending, Ending::Unread | Ending::Withdrawn) {
            return None;
        }
        item.attempts = item.attempts.saturating_add(1);
        item.not_before = None;
        Some(match ending {
            Ending::Delivered => Settled::Delivered,
            Ending::Retryable { asked, answered } => self.fail(item, asked, answered, now),
            Ending::Blocking => {
                self.blocked.push(Blocker::of(item));
                Settled::Waiting { not_before: None }
            }
            Ending::Parked | Ending::Withdrawn | Ending::Unread => Settled::Parked,
        })
    }

    fn fail(&mut self, item: &mut Item, asked: Option<Duration>, answered: bool, now: Micros) -> Settled {
        let since = *item.failing_since.get_or_insert(now);
        if self.policy.retry.is_over(since, now) {
            return Settled::GivenUp;
        }
        let failures = if answered { item.attempts } else { item.attempts.max(self.away.times) };
        let due = later(now, self.policy.retry.wait_after(item.seq, failures, asked));
        // When the wait is over, another one has its turn first: what is never answered must not be tried alone for ever.
        let goes_behind = !answered && self.policy.order != Order::Fifo;
        item.not_before = Some(if goes_behind { later(due, BEHIND_OTHERS) } else { due });
        self.away.wait_until(due);
        Settled::Waiting { not_before: Some(due) }
    }

    /// Where a delivery goes after an attempt.
    fn place(&mut self, class: Class, item: Item, lanes: &[Lane], ending: Ending, result: Option<Settled>) {
        let holds_its_lanes = self.keeps_lanes
            && self.policy.order != Order::Fifo
            && !planted::is_planted(Fault::ParkedHoldsNoLane);
        let seq = item.seq;
        let hand = &mut class.of(&mut self.classes).hand;
        match result {
            Some(Settled::Waiting { .. }) => hand.put_back(item),
            None if ending == Ending::Unread => hand.put_back(item),
            Some(Settled::Parked | Settled::GivenUp) if holds_its_lanes => {
                hand.close(lanes, seq);
                hand.remove(seq);
            }
            // It was set aside or taken back while it was to go: which of them, is read anew when that is told, and until then nothing
            // goes past it.
            None if holds_its_lanes => {
                hand.close(lanes, seq);
                hand.remove(seq);
            }
            _ => drop(hand.remove(seq)),
        }
    }

    fn go_on(&mut self, now: Micros, actions: &mut Vec<Action>) {
        if self.stopping {
            if self.in_flight.is_empty() && self.unrecorded.is_empty() {
                actions.push(Action::Finished);
            }
            return;
        }
        let mut wake = Wake { now, at: None };
        self.expire(actions, &mut wake);
        let is_free = self.send(actions, &mut wake);
        self.fetch(is_free, actions, &mut wake);
        actions.extend(wake.at.map(Action::WakeAt));
    }

    /// Settles what is too old, wherever in its lane it waits.
    fn expire(&mut self, actions: &mut Vec<Action>, wake: &mut Wake) {
        let Some(expires_after) = self.policy.expires_after else { return };
        for class in Class::ALL {
            while self.has_room()
                && let Some((since, seq)) = class.of(&mut self.classes).hand.oldest(&self.unrecorded)
            {
                let expiry = later(since, expires_after);
                if expiry > wake.now {
                    wake.at(expiry);
                    break;
                }
                let Some(item) = class.of(&mut self.classes).hand.remove(seq) else { break };
                self.unrecorded.insert(seq, class);
                let Item { message, revision, since, .. } = item;
                actions.push(Action::Record { seq, result: Settled::Expired { message, revision, since } });
            }
        }
    }

    fn has_room(&self) -> bool {
        self.in_flight.len() + self.unrecorded.len() < UNKNOWN_MAX
    }

    /// Sends what may go; says whether more could be sent, if there were more in hand.
    fn send(&mut self, actions: &mut Vec<Action>, wake: &mut Wake) -> bool {
        self.draining &= !self.in_flight.is_empty();
        if self.paused || self.is_blocked() || self.draining {
            return false;
        }
        if let Some(until) = self.away.until.filter(|until| *until > wake.now) {
            wake.at(until);
            return false;
        }
        while self.in_flight.len() < self.in_flight_max() && self.has_room() {
            let Some((class, seq)) = self.next(wake) else { return true };
            if let Some(rate) = self.policy.rate
                && let Err(from) = self.bucket.take(rate, wake.now)
            {
                wake.at(from);
                return false;
            }
            let Some((item, lanes)) = class.of(&mut self.classes).hand.send(seq) else { return false };
            let ticket = self.next_ticket;
            self.next_ticket += 1;
            self.busy.extend(&lanes);
            self.in_flight.insert(ticket, Flight { class, item: item.clone(), lanes, overtaken: false });
            actions.push(Action::Send { item, ticket });
        }
        false
    }

    /// The first that may go, of the first class that has one.
    fn next(&mut self, wake: &mut Wake) -> Option<(Class, u64)> {
        for (class, reading) in Class::ALL.into_iter().zip(&mut self.classes) {
            if let Some(seq) = reading.hand.next(wake.now, &self.busy, &self.unrecorded) {
                return Some((class, seq));
            }
            reading.hand.first_timed().into_iter().for_each(|(time, _)| wake.at(time));
        }
        None
    }

    fn fetch(&mut self, is_free: bool, actions: &mut Vec<Action>, wake: &mut Wake) {
        let parked = self.policy.order != Order::Fifo;
        for class in Class::ALL {
            let in_flight = self.in_flight.values().filter(|flight| flight.class == class).count();
            let unrecorded = self.unrecorded.values().any(|other| *other == class);
            let reading = class.of(&mut self.classes);
            let waiting = reading.hand.len().saturating_sub(in_flight);
            let looks_ahead = is_free && parked && reading.hand.len() < hand::HAND_MAX;
            if waiting == 0 || looks_ahead {
                actions.extend(reading.fetch(unrecorded, parked, wake));
            }
        }
    }
}

/// The lanes of a delivery in an order.
#[must_use]
pub fn lanes(order: Order, item: &Item) -> Vec<Lane> {
    match order {
        Order::Lanes { .. } if !item.lanes.is_empty() => {
            let count = if planted::is_planted(Fault::MergeHoldsOneLane) { 1 } else { item.lanes.len() };
            item.lanes.iter().copied().take(count).collect()
        }
        Order::Lanes { .. } | Order::Fifo => vec![SHARED],
    }
}

/// The next time at which something is to be done.
struct Wake {
    now: Micros,
    at: Option<Micros>,
}

impl Wake {
    fn at(&mut self, time: Micros) {
        self.at = Some(self.at.map_or(time, |at| at.min(time)));
    }
}
