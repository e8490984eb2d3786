//! An outbox, a broker, and two nodes that deliver in turn, all simulated: one seed, one run, a hundred thousand of them a test run.
//!
//! The outbox, the shelf, the holds and the line are the product's. The journal writes late; the broker confirms late, nacks, loses
//! channels, lets any prefix of what was published land, delivers again, and loses its queue; the nodes crash and hand over; the
//! destination refuses and is away; a person replays, skips and cancels. What must hold is checked at the destination.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::{Action, Carried, Event, Id, NOTING_MAX, Outbox, Parcel, WINDOW_MAX};
use crate::holds::Holds;
use crate::item::{Class, Item, Lane, Micros};
use crate::line::{self, Ending, Line, Order, Policy, Settled, lanes};
use crate::planted::{Fault, ONE_AT_A_TIME, is_planted};
use crate::shelf::{Before, Head, Shelf};

const FETCH_MAX: usize = 3;
const AHEAD_MAX: usize = 12;
const PREFETCH: usize = 5;
const TROUBLE: u32 = 160;
const TURNS_MAX: u32 = 6_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Parked,
    Delivered,
    Cancelled,
}

#[derive(Debug)]
struct Row {
    state: State,
    item: Item,
    /// Its envelope, and whether it is to come back.
    carried: Option<(Id, bool)>,
    /// Changed by hand while it was abroad: what comes behind it may have been sent by then.
    by_hand: bool,
}

/// What waits for the journal's next commit.
#[derive(Debug, Clone)]
enum Write {
    Mark(Id),
    Unmark(Id),
    Result { number: u64, result: Told },
}

/// A message in the result queue.
#[derive(Debug, Clone)]
enum Told {
    Final { id: Id, state: State, parked: Option<Vec<Lane>> },
    Failed,
    Back { id: Id, lanes: Vec<Lane>, held: u64 },
}

/// What a node has published about what it delivered, in order, not confirmed.
#[derive(Debug, Clone)]
enum Said {
    Told(u64, Told),
    Hold(Vec<Lane>, u64),
}

/// What is published to the destination's queue.
#[derive(Debug, Clone)]
enum Wired {
    Envelope(Item, u64),
    Release(u64),
}

struct Node {
    line: Line,
    shelf: Shelf<()>,
    said: VecDeque<Said>,
    /// Attempts under way: ticket and place.
    attempts: BTreeMap<u64, u64>,
    /// So much of what all were told has it heard since it delivers.
    heard: usize,
}

/// What lies in the destination's queue.
#[derive(Debug, Clone)]
enum Lies {
    Envelope(Head),
    Release(u64),
}

/// What whoever delivers is told.
#[derive(Debug, Clone)]
enum Kept {
    Hold(Vec<Lane>, u64),
    Done(Id),
}

impl Kept {
    fn generation(&self) -> u64 {
        match self {
            Kept::Hold(_, generation) => *generation,
            Kept::Done(id) => id.generation,
        }
    }
}

struct World {
    random: u64,
    order: Order,
    now: Micros,
    calm: bool,
    outbox: Outbox,
    journal: BTreeMap<u64, Row>,
    writes: VecDeque<Write>,
    /// Published on the open channel and not with the broker.
    wire: VecDeque<Wired>,
    confirms: VecDeque<Id>,
    opening: Option<bool>,
    queue: VecDeque<(u64, Lies)>,
    unacknowledged: BTreeMap<u64, Lies>,
    tags: u64,
    /// The outbox's binding is in place.
    bound: bool,
    results: VecDeque<(u64, Told)>,
    results_taken: BTreeMap<u64, Told>,
    numbers: u64,
    /// Returns that are not acknowledged, by what they are about.
    returned: BTreeMap<Id, Vec<u64>>,
    nodes: Vec<Node>,
    active: usize,
    /// What whoever delivers is told, in the queue that keeps it until it is over.
    control: Vec<Option<Kept>>,
    released: u32,
    received: BTreeMap<u64, u32>,
    failures: u32,
}

impl World {
    fn new(seed: u64) -> World {
        let order = if seed.is_multiple_of(3) { Order::Fifo } else { Order::Lanes { in_flight_max: 4 } };
        let node = || Node {
            line: Line::from_broker(Policy { order, ..Policy::default() }),
            shelf: Shelf::new(order, Holds::default()),
            said: VecDeque::new(),
            attempts: BTreeMap::new(),
            heard: 0,
        };
        World {
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            order,
            now: 1,
            calm: false,
            outbox: Outbox::new(order, AHEAD_MAX, 1),
            journal: BTreeMap::new(),
            writes: VecDeque::new(),
            wire: VecDeque::new(),
            confirms: VecDeque::new(),
            opening: None,
            queue: VecDeque::new(),
            unacknowledged: BTreeMap::new(),
            tags: 0,
            bound: true,
            results: VecDeque::new(),
            results_taken: BTreeMap::new(),
            numbers: 0,
            returned: BTreeMap::new(),
            nodes: vec![node(), node()],
            active: 0,
            control: Vec::new(),
            released: 0,
            received: BTreeMap::new(),
            failures: 0,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 20) as usize % limit.max(1)
    }

    fn tell(&mut self, event: Event) {
        let mut actions = VecDeque::from(self.outbox.step(event, self.now));
        while let Some(action) = actions.pop_front() {
            match action {
                Action::FetchCarried => {
                    let carried = self.journal.values().filter_map(|row| {
                        let (Id { revision, generation, .. }, recalled) = row.carried?;
                        let item = Item { revision, ..row.item.clone() };
                        Some(Carried { item, generation, recalled })
                    });
                    let carried = carried.collect();
                    actions.extend(self.outbox.step(Event::Carried(carried), self.now));
                }
                Action::Fetch { class, after, parked } => {
                    let wanted = |row: &Row| {
                        row.item.class == class
                            && match row.state {
                                State::Waiting => row.carried.is_none(),
                                State::Parked => parked,
                                State::Delivered | State::Cancelled => false,
                            }
                    };
                    let rows = self.journal.range(after + 1..).filter(|(_, row)| wanted(row));
                    let parcel = |row: &Row| Parcel {
                        item: Item { parked: row.state == State::Parked, ..row.item.clone() },
                        bytes: 1,
                    };
                    let mut parcels: Vec<_> = rows.map(|(_, row)| parcel(row)).collect();
                    let more = parcels.len() > FETCH_MAX;
                    parcels.truncate(FETCH_MAX);
                    actions.extend(self.outbox.step(Event::Fetched { class, parcels, more }, self.now));
                }
                Action::Open { anew } => self.opening = Some(anew),
                Action::Publish { item, generation } => {
                    self.wire.push_back(Wired::Envelope(item, generation))
                }
                Action::Release { before } => self.wire.push_back(Wired::Release(before)),
                Action::Mark(id) => self.writes.push_back(Write::Mark(id)),
                Action::Unmark(id) => self.writes.push_back(Write::Unmark(id)),
                Action::Forget(id) => self.acknowledge_return(id),
                Action::Hold { lanes, generation } => self.control.push(Some(Kept::Hold(lanes, generation))),
                Action::Done(id) => self.control.push(Some(Kept::Done(id))),
                Action::WakeAt(_) | Action::Finished => {}
                Action::Choked(_) => panic!("choked"),
            }
        }
        let is_envelope = |wired: &&Wired| matches!(wired, Wired::Envelope(..));
        assert!(self.wire.iter().filter(is_envelope).count() <= WINDOW_MAX);
        assert!(self.outbox.window.len() <= WINDOW_MAX + NOTING_MAX);
    }

    fn acknowledge_return(&mut self, id: Id) {
        for number in self.returned.remove(&id).unwrap_or_default() {
            self.results_taken.remove(&number);
        }
    }

    // What the node that accepted the messages does.

    fn accept(&mut self) {
        const LANES: [&[Lane]; 6] = [&[1], &[1], &[2], &[3], &[1, 2], &[2, 3]];
        let seq = self.journal.len() as u64 + 1;
        let lanes: Arc<[Lane]> = LANES[self.below(LANES.len())].into();
        let class = if self.below(6) == 0 { Class::Stat } else { Class::Normal };
        let item = Item {
            seq,
            message: seq,
            class,
            revision: 0,
            lanes,
            attempts: 0,
            not_before: None,
            since: None,
            failing_since: None,
            parked: false,
        };
        self.journal.insert(seq, Row { state: State::Waiting, item, carried: None, by_hand: false });
        self.tell(Event::Arrived(class));
    }

    fn write(&mut self) {
        match self.writes.pop_front() {
            None => {}
            Some(Write::Mark(id)) => {
                let row = self.journal.get_mut(&id.seq).unwrap();
                let applied = row.state == State::Waiting && row.item.revision == id.revision;
                if applied {
                    row.carried = Some((id, false));
                }
                self.tell(Event::Marked { id, applied });
            }
            Some(Write::Unmark(id)) => {
                self.clear_carried(id);
                self.tell(Event::Unmarked(id));
                self.acknowledge_return(id);
            }
            Some(Write::Result { number, result }) => {
                self.results_taken.remove(&number);
                if let Told::Final { id, state, parked } = result {
                    self.clear_carried(id);
                    let row = self.journal.get_mut(&id.seq).unwrap();
                    let is_current = row.item.revision == id.revision;
                    if is_current && (row.state == State::Waiting || state == State::Delivered) {
                        row.state = state;
                    }
                    self.tell(Event::Resolved { id, delivered: state == State::Delivered, parked });
                }
            }
        }
    }

    fn clear_carried(&mut self, id: Id) {
        let row = self.journal.get_mut(&id.seq).unwrap();
        row.carried = row.carried.filter(|(carried, _)| *carried != id);
    }

    fn take_result(&mut self) {
        let Some((number, result)) = self.results.pop_front() else { return };
        self.results_taken.insert(number, result.clone());
        match result {
            Told::Final { .. } | Told::Failed => self.writes.push_back(Write::Result { number, result }),
            Told::Back { id, lanes, held } => {
                self.returned.entry(id).or_default().push(number);
                self.tell(Event::Returned { id, lanes, held });
            }
        }
    }

    fn crash(&mut self) {
        self.failures += 1;
        self.writes.clear();
        self.returned.clear();
        self.land_some();
        self.results.extend(std::mem::take(&mut self.results_taken));
        self.results.make_contiguous().sort_by_key(|(number, _)| *number);
        self.now += 1_000;
        self.outbox = Outbox::new(self.order, AHEAD_MAX, u64::try_from(self.now).unwrap());
        self.opening = None;
        self.tell(Event::Tick);
    }

    fn by_hand(&mut self) {
        let chosen = self.below(self.journal.len());
        let what = self.below(4);
        let Some(row) = self.journal.values_mut().nth(chosen) else { return };
        let is_abroad = row.carried.is_some();
        match (row.state, what) {
            (State::Parked, 0) | (State::Waiting, 1) => {
                row.state = State::Cancelled;
                row.by_hand = true;
            }
            (State::Waiting, 2) => {
                row.state = State::Parked;
                row.by_hand = true;
            }
            (State::Parked | State::Waiting, _) => {
                // In `fifo` others have gone by what was set aside.
                row.by_hand |= row.state == State::Parked && self.order == Order::Fifo;
                row.state = State::Waiting;
                row.item.revision += 1;
            }
            (State::Delivered | State::Cancelled, _) => return,
        }
        if is_abroad {
            row.carried = row.carried.map(|(id, _)| (id, true));
        }
        self.tell(Event::Rewound);
    }

    // What the broker does.

    fn open(&mut self) {
        if let Some(anew) = self.opening.take() {
            self.bound |= anew;
            self.tell(if self.bound { Event::Opened } else { Event::QueueGone });
        }
    }

    fn land(&mut self) -> bool {
        if self.wire.is_empty() {
            return false;
        }
        if !self.bound {
            self.wire.clear();
            self.confirms.clear();
            self.tell(Event::QueueGone);
            return false;
        }
        if !self.calm && self.below(40) == 0 {
            self.failures += 1;
            self.land_some();
            self.tell(Event::Lost);
            return false;
        }
        let Some(wired) = self.wire.pop_front() else { return false };
        if let Wired::Envelope(item, generation) = &wired {
            self.confirms.push_back(Id { seq: item.seq, revision: item.revision, generation: *generation });
        }
        self.enqueue(wired);
        true
    }

    fn enqueue(&mut self, wired: Wired) {
        self.tags += 1;
        let lies = match wired {
            Wired::Envelope(item, generation) => Lies::Envelope(Head { node: "a".into(), generation, item }),
            Wired::Release(before) => Lies::Release(before),
        };
        self.queue.push_back((self.tags, lies));
    }

    /// The channel is lost: the first so many of what was published are in the queue all the same.
    fn land_some(&mut self) {
        let count = self.below(self.wire.len() + 1);
        for wired in std::mem::take(&mut self.wire).into_iter().take(count) {
            if self.bound {
                self.enqueue(wired);
            }
        }
        self.confirms.clear();
    }

    fn confirm(&mut self) {
        if let Some(id) = self.confirms.pop_front() {
            self.tell(Event::Confirmed(id));
        }
    }

    fn lose_channel(&mut self) {
        self.failures += 1;
        self.land_some();
        self.tell(Event::Lost);
    }

    fn delete_queue(&mut self) {
        self.failures += 1;
        self.queue.clear();
        self.unacknowledged.clear();
        self.bound = false;
        let active = self.active;
        self.lose_shelf(active);
        // The outbox looks, when a queue was made anew.
        if self.wire.is_empty() {
            self.confirms.clear();
            self.tell(Event::QueueGone);
        }
    }

    // What a node that delivers does.

    fn deliver(&mut self) {
        if self.unacknowledged.len() >= PREFETCH {
            return;
        }
        let Some((mut tag, lies)) = self.queue.pop_front() else { return };
        let active = self.active;
        if is_planted(Fault::AcknowledgedBeforeDelivery) {
            tag = u64::MAX;
        } else {
            self.unacknowledged.insert(tag, lies.clone());
        }
        let head = match lies {
            Lies::Envelope(head) => head,
            Lies::Release(before) => {
                self.nodes[active].shelf.arrive_release("a".into(), before, tag);
                return self.release(active);
            }
        };
        let class = head.item.class;
        self.nodes[active].shelf.arrive(head, (), Some(tag));
        self.hear(active, line::Event::Arrived(class));
    }

    fn hear(&mut self, number: usize, event: line::Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.nodes[number].line.step(event, self.now) {
                let node = &mut self.nodes[number];
                match action {
                    line::Action::Fetch { class, after, .. } => {
                        let (items, more) = node.shelf.fetch(class, after, FETCH_MAX);
                        events.push_back(line::Event::Fetched { class, items, more });
                    }
                    line::Action::Send { item, ticket } => match node.shelf.before(item.seq) {
                        Before::Send => {
                            node.attempts.insert(ticket, item.seq);
                            self.check(number, item.seq);
                        }
                        before => {
                            let ending = Ending::Withdrawn;
                            events.push_back(line::Event::Attempted { ticket, ending });
                            self.give_back(number, item.seq, before);
                        }
                    },
                    line::Action::Record { seq, result } => self.settle(number, seq, result),
                    line::Action::WakeAt(_) | line::Action::Choked(_) | line::Action::Finished => {}
                }
            }
        }
    }

    fn give_back(&mut self, number: usize, place: u64, before: Before) {
        let order = self.order;
        let node = &mut self.nodes[number];
        let Some((head, ())) = node.shelf.get(place) else { return };
        let id = head.id();
        let told = match before {
            Before::Send | Before::Gone => return,
            Before::Repeat(_) => Told::Final { id, state: State::Delivered, parked: None },
            Before::Back { held, ties } => {
                let lanes = lanes(order, &head.item);
                if !ties.is_empty() {
                    node.said.push_back(Said::Hold(ties, held));
                }
                Told::Back { id, lanes, held }
            }
        };
        node.said.push_back(Said::Told(place, told));
    }

    fn settle(&mut self, number: usize, place: u64, result: Settled) {
        let now = self.now;
        let node = &mut self.nodes[number];
        let follows = node.shelf.settled(place, result, Some(now));
        let (head, ()) = node.shelf.get(place).expect("it lies there until this is confirmed");
        let id = head.id();
        let state = match result {
            Settled::Delivered => Some(State::Delivered),
            Settled::Parked | Settled::GivenUp => Some(State::Parked),
            Settled::Waiting { .. } | Settled::Expired { .. } => None,
        };
        let parked = follows.parked;
        if let Some(lanes) = parked.clone().filter(|_| follows.is_held) {
            node.said.push_back(Said::Hold(lanes, id.generation));
        }
        let told = state.map_or(Told::Failed, |state| Told::Final { id, state, parked });
        node.said.push_back(Said::Told(place, told));
    }

    /// The broker confirms the first that a node has said.
    fn confirm_said(&mut self, number: usize) {
        match self.nodes[number].said.pop_front() {
            None => {}
            Some(Said::Hold(lanes, generation)) => self.control.push(Some(Kept::Hold(lanes, generation))),
            Some(Said::Told(place, told)) => {
                self.numbers += 1;
                self.results.push_back((self.numbers, told));
                if let Some(tag) = self.nodes[number].shelf.confirmed(place) {
                    self.unacknowledged.remove(&tag);
                }
                self.release(number);
                self.hear(number, line::Event::Recorded(place));
            }
        }
    }

    /// What a node lets go of is taken off the queue that keeps it.
    fn release(&mut self, number: usize) {
        for released in self.nodes[number].shelf.release() {
            self.unacknowledged.remove(&released.tag);
            let is_over = |kept: &mut Option<Kept>| {
                kept.as_ref().is_some_and(|kept| kept.generation() < released.before)
            };
            let heard = self.nodes[number].heard;
            self.control[..heard]
                .iter_mut()
                .filter_map(|kept| is_over(kept).then(|| kept.take()))
                .for_each(drop);
            self.released += 1;
        }
    }

    fn attempt_ends(&mut self, number: usize) {
        let count = self.nodes[number].attempts.len();
        let chosen = self.below(count);
        let Some((ticket, place)) = self.nodes[number].attempts.iter().nth(chosen).map(|(t, p)| (*t, *p))
        else {
            return;
        };
        self.nodes[number].attempts.remove(&ticket);
        let ending = match self.below(if self.calm { 3 } else { 8 }) {
            0..=4 => Ending::Delivered,
            5 => Ending::Parked,
            _ => Ending::Retryable { asked: None, answered: true },
        };
        if ending == Ending::Delivered {
            let seq = self.nodes[number].shelf.get(place).expect("it is under way").0.item.seq;
            *self.received.entry(seq).or_default() += 1;
        }
        if ending == Ending::Parked {
            let head = &self.nodes[number].shelf.get(place).expect("it is under way").0;
            let row = self.journal.get_mut(&head.item.seq).unwrap();
            // In `fifo` others go by what is set aside.
            row.by_hand |= self.order == Order::Fifo || row.item.revision != head.item.revision;
        }
        self.hear(number, line::Event::Attempted { ticket, ending });
    }

    /// What is sent for the first time comes after everything before it in its lanes.
    fn check(&mut self, number: usize, place: u64) {
        let item = &self.nodes[number].shelf.get(place).unwrap().0.item;
        if self.received.contains_key(&item.seq) {
            return;
        }
        let own = lanes(self.order, item);
        for (earlier, row) in self.journal.range(..item.seq) {
            let ties = row.item.class == item.class
                && lanes(self.order, &row.item).iter().any(|lane| own.contains(lane));
            let may_wait = match row.state {
                State::Delivered | State::Cancelled => false,
                State::Parked => self.order != Order::Fifo,
                State::Waiting => true,
            };
            let is_free = !ties || row.by_hand || !may_wait || self.received.contains_key(earlier);
            assert!(is_free, "{} overtook {earlier}", item.seq);
        }
    }

    fn lose_shelf(&mut self, number: usize) {
        self.nodes[number].shelf.lost();
        self.hear(number, line::Event::Rewound);
    }

    fn give_to_other(&mut self, dies: bool) {
        self.failures += 1;
        let number = self.active;
        let back = std::mem::take(&mut self.unacknowledged);
        if is_planted(Fault::CancelledWithUnacknowledged) {
            // They come back when the channel is closed, which is later than the other node begins.
            self.queue.extend(back);
        } else {
            back.into_iter().rev().for_each(|(tag, lies)| self.queue.push_front((tag, lies)));
        }
        self.lose_shelf(number);
        if dies {
            let order = self.order;
            self.nodes[number] = Node {
                line: Line::from_broker(Policy { order, ..Policy::default() }),
                shelf: Shelf::new(order, Holds::default()),
                said: VecDeque::new(),
                attempts: BTreeMap::new(),
                heard: 0,
            };
        }
        self.active = 1 - number;
        // The barrier: it hears everything that was told before and is not over.
        self.nodes[self.active].heard = 0;
        while self.hear_control() {}
    }

    fn hear_control(&mut self) -> bool {
        let node = &mut self.nodes[self.active];
        let Some(kept) = self.control.get(node.heard) else { return false };
        node.heard += 1;
        match kept {
            Some(Kept::Hold(lanes, generation)) => {
                node.shelf.holds().hold(&"a".into(), lanes, *generation);
            }
            Some(Kept::Done(id)) => node.shelf.delivered_elsewhere("a".into(), id.seq, id.revision),
            None => {}
        }
        true
    }

    fn act(&mut self) {
        self.now += 1;
        let active = self.active;
        match self.below(34) {
            0..=2 if !self.calm && self.journal.len() < 24 => self.accept(),
            3..=5 => self.write(),
            6..=8 => drop(self.land()),
            9 | 10 => self.confirm(),
            11 | 12 => self.open(),
            13..=15 => self.deliver(),
            16..=18 => self.attempt_ends(active),
            19 => self.attempt_ends(1 - active),
            20 | 21 => self.confirm_said(active),
            22 => self.confirm_said(1 - active),
            23..=25 => self.take_result(),
            26 | 27 => drop(self.hear_control()),
            28 => {
                self.now += 700_000_000;
                self.tell(Event::Tick);
                self.hear(active, line::Event::Tick);
            }
            29 if !self.calm => self.by_hand(),
            30 if !self.calm && self.below(3) == 0 => self.lose_channel(),
            31 if !self.calm && self.below(4) == 0 => self.crash(),
            32 if !self.calm && self.below(3) == 0 => {
                let dies = self.below(2) == 0;
                self.give_to_other(dies);
            }
            33 if !self.calm && self.below(12) == 0 => self.delete_queue(),
            _ => {}
        }
    }

    fn is_at_rest(&self) -> bool {
        self.journal
            .values()
            .all(|row| matches!(row.state, State::Delivered | State::Cancelled) && row.carried.is_none())
            && self.queue.is_empty()
            && self.unacknowledged.is_empty()
            && self.results.is_empty()
            && self.outbox.abroad() == 0
    }

    fn clear_parked(&mut self) {
        let parked = self.journal.values_mut().find(|row| row.state == State::Parked);
        if let Some(row) = parked {
            row.by_hand |= self.order == Order::Fifo;
            row.state = State::Waiting;
            row.item.revision += 1;
            row.carried = row.carried.map(|(id, _)| (id, true));
            self.tell(Event::Rewound);
        }
    }

    fn run(&mut self) {
        self.tell(Event::Tick);
        self.hear(0, line::Event::Tick);
        for _ in 0..TROUBLE {
            self.act();
        }
        self.calm = true;
        for turn in 0..TURNS_MAX {
            self.act();
            if turn % 64 == 0 {
                if self.is_at_rest() {
                    return self.check_all_came();
                }
                self.clear_parked();
            }
        }
        let left: Vec<_> = self.journal.values().filter(|row| row.state != State::Delivered).collect();
        panic!("not at rest: {left:?}, {:?}", self.outbox);
    }

    fn check_all_came(&self) {
        for (seq, row) in &self.journal {
            let times = self.received.get(seq).copied().unwrap_or_default();
            assert!(times > 0 || row.state == State::Cancelled, "{seq} never came");
            let may_repeat = row.item.revision > 0 || self.failures > 0;
            assert!(times <= 1 || may_repeat, "{seq} came {times} times without a failure");
        }
    }
}

/// So many runs each test run.
const RUNS: u64 = 100_000;
const THREADS: u64 = 2;

#[test]
fn whatever_happens_between_the_journal_and_the_destination_nothing_is_lost_and_nothing_overtakes() {
    let _alone = ONE_AT_A_TIME.lock();
    let runs = |thread: u64| move || (thread..RUNS).step_by(2).for_each(run);
    let failed = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(runs(thread))).collect();
        threads.into_iter().any(|thread| thread.join().is_err())
    });
    assert!(!failed, "the seed stands above");
}

/// The runs come to where holds are over.
#[test]
fn holds_are_released() {
    let _alone = ONE_AT_A_TIME.lock();
    let mut released = 0;
    for seed in 0..300 {
        let mut world = World::new(seed);
        world.run();
        released += world.released;
    }
    assert!(released > 300, "{released}");
}

fn run(seed: u64) {
    let run = std::panic::catch_unwind(|| World::new(seed).run());
    run.unwrap_or_else(|_| panic!("seed {seed}"));
}

/// The runs see what they are made for.
#[cfg(feature = "planted-faults")]
#[test]
fn a_broken_promise_turns_them_red() {
    let _alone = ONE_AT_A_TIME.lock();
    let faults = [
        Fault::ConfirmsIgnored,
        Fault::AcknowledgedBeforeDelivery,
        Fault::CancelledWithUnacknowledged,
        Fault::HoldsIgnored,
    ];
    for fault in faults {
        crate::planted::plant(fault as u8);
        let seen = (0..RUNS / 10).find(|seed| std::panic::catch_unwind(|| run(*seed)).is_err());
        crate::planted::plant(0);
        assert!(seen.is_some(), "{fault:?} is not seen");
    }
}
