//! A line against a model of the journal and of the peer: what holds for it whatever happens.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::tests::{BUSY, FAILED, SECOND, lanes_policy, of_lanes};
use super::*;

/// What a delivery's state is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnDisk {
    Waiting,
    Parked,
    /// Delivered, cancelled, expired.
    Settled,
}

#[derive(Debug, Clone)]
struct Stored {
    state: OnDisk,
    item: Item,
}

/// Drives a [`Line`] against a model of the journal and the peer, and checks each send.
struct World {
    line: Line,
    journal: BTreeMap<u64, Stored>,
    /// Results that are not on disk yet.
    known: BTreeMap<u64, Settled>,
    records: VecDeque<(u64, Settled)>,
    fetches: BTreeMap<Class, (Vec<Item>, bool)>,
    in_flight: BTreeMap<u64, u64>,
    sent_before: BTreeSet<u64>,
    paused: bool,
    now: Micros,
}

const FETCH_MAX: usize = 3;

impl World {
    fn new(policy: Policy) -> Self {
        World {
            line: Line::new(policy),
            journal: BTreeMap::new(),
            known: BTreeMap::new(),
            records: VecDeque::new(),
            fetches: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            sent_before: BTreeSet::new(),
            paused: false,
            now: 0,
        }
    }

    fn in_lanes(&self) -> bool {
        self.line.policy.order != Order::Fifo
    }

    fn tell(&mut self, event: Event) {
        for action in self.line.step(event, self.now) {
            match action {
                Action::Fetch { class, after, parked } => self.read(class, after, parked),
                Action::Send { item, ticket } => self.check_send(&item, ticket),
                Action::Record { seq, result } => {
                    self.known.insert(seq, result);
                    self.records.push_back((seq, result));
                }
                Action::WakeAt(at) => assert!(at > self.now, "asked to wake at once, for ever"),
                Action::Choked(_) | Action::Finished => {}
            }
        }
        assert!(self.records.len() + self.in_flight.len() <= UNKNOWN_MAX);
    }

    fn read(&mut self, class: Class, after: u64, parked: bool) {
        let wanted = |stored: &Stored| match stored.state {
            OnDisk::Waiting => stored.item.class == class,
            OnDisk::Parked => stored.item.class == class && parked,
            OnDisk::Settled => false,
        };
        let found = self.journal.range(after + 1..).filter(|(_, stored)| wanted(stored));
        let of = |stored: &Stored| Item { parked: stored.state == OnDisk::Parked, ..stored.item.clone() };
        let mut items: Vec<_> = found.map(|(_, stored)| of(stored)).collect();
        let more = items.len() > FETCH_MAX;
        items.truncate(FETCH_MAX);
        assert!(self.fetches.insert(class, (items, more)).is_none(), "one fetch at a time");
    }

    fn ties(&self, one: &Item, other: &Item) -> bool {
        let own = |item: &Item| lanes(self.line.policy.order, item);
        own(one).iter().any(|lane| own(other).contains(lane))
    }

    fn check_send(&mut self, item: &Item, ticket: u64) {
        let seq = item.seq;
        assert!(!self.paused, "{seq} sent while paused");
        assert!(!self.known.contains_key(&seq), "{seq} sent again although its result is known");
        for other in self.in_flight.values() {
            assert!(!self.ties(&self.journal[other].item, item), "{seq} is in flight beside {other}");
        }
        if self.sent_before.insert(seq) {
            for (earlier, stored) in self.journal.range(..seq) {
                let waits = match (self.known.get(earlier), stored.state) {
                    (Some(Settled::Delivered | Settled::Expired { .. }), _) => false,
                    (Some(Settled::Waiting { .. }), _) => true,
                    (Some(Settled::Parked | Settled::GivenUp), _) => self.in_lanes(),
                    (None, OnDisk::Waiting) => true,
                    (None, OnDisk::Parked) => self.in_lanes(),
                    (None, OnDisk::Settled) => false,
                };
                let ties = stored.item.class == item.class && self.ties(&stored.item, item);
                assert!(!waits || !ties, "{seq} overtook {earlier}");
            }
        }
        self.in_flight.insert(ticket, seq);
        assert!(self.in_flight.len() <= self.line.in_flight_max());
    }

    fn record_one(&mut self) {
        let Some((seq, result)) = self.records.pop_front() else { return };
        let stored = self.journal.get_mut(&seq).unwrap();
        stored.state = match result {
            Settled::Delivered | Settled::Expired { .. } => OnDisk::Settled,
            Settled::Parked | Settled::GivenUp => OnDisk::Parked,
            Settled::Waiting { not_before } => {
                stored.item.not_before = not_before;
                stored.item.attempts += 1;
                OnDisk::Waiting
            }
        };
        self.known.remove(&seq);
        self.tell(Event::Recorded(seq));
    }

    fn end(&mut self, choice: u8, ending: Ending) {
        let ticket = self.in_flight.keys().nth(usize::from(choice) % self.in_flight.len().max(1)).copied();
        if let Some(ticket) = ticket {
            self.in_flight.remove(&ticket);
            self.tell(Event::Attempted { ticket, ending });
        }
        // Once more, as a peer does that repeats itself; and one that nobody asked for.
        for ticket in ticket.into_iter().chain([u64::MAX]) {
            self.tell(Event::Attempted { ticket, ending: Ending::Delivered });
        }
    }

    fn arrive(&mut self, choice: u8) {
        const LANES: [&[Lane]; 6] = [&[], &[1], &[2], &[3], &[1, 2], &[2, 3]];
        let seq = self.journal.len() as u64 + 1;
        let class = match choice % 5 {
            0 => Class::Stat,
            1 => Class::Backfill,
            _ => Class::Normal,
        };
        let lanes = LANES[usize::from(choice / 5) % LANES.len()];
        let state = if choice > 240 { OnDisk::Parked } else { OnDisk::Waiting };
        self.journal.insert(seq, Stored { state, item: Item { class, ..of_lanes(seq, lanes) } });
        self.tell(Event::Arrived(class));
    }

    /// A person processes what is parked again, or takes it back.
    fn clear_parked(&mut self, state: OnDisk) {
        let parked = self.journal.iter_mut().find(|(_, stored)| stored.state == OnDisk::Parked);
        if let Some((_, stored)) = parked {
            stored.state = state;
            (stored.item.not_before, stored.item.failing_since) = (None, None);
            self.tell(Event::Rewound);
        }
    }

    fn act(&mut self, (kind, choice): (u8, u8)) {
        match kind % 16 {
            0..=3 => self.arrive(choice),
            4 | 5 => self.end(choice, Ending::Delivered),
            6 => self.end(choice, FAILED),
            7 => self.end(choice, BUSY),
            8 => self.end(choice, if choice > 200 { Ending::Blocking } else { Ending::Parked }),
            9 | 10 => self.record_one(),
            11 => {
                let class = Class::ALL[usize::from(choice) % 3];
                if let Some((items, more)) = self.fetches.remove(&class) {
                    self.tell(Event::Fetched { class, items, more });
                }
            }
            12 => {
                self.now += 600 * SECOND;
                self.tell(Event::Tick);
            }
            13 => self.clear_parked(if choice.is_multiple_of(2) { OnDisk::Waiting } else { OnDisk::Settled }),
            14 => self.tell(Event::Changed(self.line.policy.clone())),
            _ => {
                self.paused = choice.is_multiple_of(2);
                self.tell(if self.paused { Event::Pause } else { Event::Resume });
            }
        }
    }

    /// Lets everything come to rest with a peer that accepts all, and a person who clears what is parked.
    fn drain(&mut self) {
        self.paused = false;
        for _ in 0..20_000 {
            self.now += 600 * SECOND;
            if let Some((class, (items, more))) = self.fetches.pop_first() {
                self.tell(Event::Fetched { class, items, more });
            } else if !self.in_flight.is_empty() {
                self.end(0, Ending::Delivered);
            } else if !self.records.is_empty() {
                self.record_one();
            } else {
                self.tell(Event::Resume);
                if self.in_flight.is_empty() && self.fetches.is_empty() {
                    if !self.journal.values().any(|stored| stored.state == OnDisk::Parked) {
                        return;
                    }
                    self.clear_parked(OnDisk::Waiting);
                }
            }
        }
        panic!("did not come to rest");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_nothing_overtakes_and_nothing_is_left(
        in_flight_max in prop::option::of(1..9_usize),
        acts in prop::collection::vec(any::<(u8, u8)>(), 0..300),
    ) {
        let mut world = World::new(in_flight_max.map_or_else(Policy::default, lanes_policy));
        for act in acts {
            world.act(act);
        }
        world.drain();
        let left: Vec<_> = world.journal.iter().filter(|(_, stored)| stored.state == OnDisk::Waiting).collect();
        prop_assert!(left.is_empty(), "left waiting: {left:?}");
    }
}
