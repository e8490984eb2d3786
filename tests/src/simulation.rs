//! A destination's line against a simulated peer, in simulated time: one seed, one run, thousands of them a second.
//!
//! The line, the decoder of frames and the judge of answers are the product's; the journal, the clock, the connections and the peer are
//! simulated. The peer delays, repeats, swaps and drops its answers, cuts them at any byte, names another message in them, or refuses.
//! Results are told twice and late; the engine crashes; a person replays what is parked. What must hold is checked against what the peer
//! really did.

mod peer;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orderly_queue::item::{Class, Item, Micros};
use orderly_queue::line::{Action, Ending, Event, Line, Order, Policy, Settled, UNKNOWN_MAX};

use peer::{Peer, Told};

/// After so many turns a run that is not at rest hangs.
const TURNS_MAX: usize = 20_000;
/// When the peer begins to behave, so that every run ends.
const TROUBLE_ENDS: Micros = 60_000_000;
/// How many deliveries are read at a time: few, so that reading goes on all the time.
const FETCH_MAX: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Parked,
    Delivered,
}

#[derive(Debug)]
struct Stored {
    state: State,
    item: Item,
}

/// What happens at a time.
#[derive(Debug)]
enum What {
    Arrive(Box<Item>),
    Read(Class, Vec<Item>, bool),
    Written(u64, Settled),
    Peer(peer::Happening),
    Again(u64, Ending),
    Person,
    Crash,
    Wake,
}

/// Runs one seed; says what did not hold.
///
/// # Errors
/// What did not hold.
pub fn run(seed: u64, order: Order) -> Result<(), String> {
    let mut world = World::new(seed, order);
    world.plan();
    world.tell(Event::Tick)?;
    for _ in 0..TURNS_MAX {
        let Some(((time, _), what)) = world.agenda.pop_first() else { return world.at_rest() };
        world.now = time;
        world.happen(what)?;
    }
    Err("it does not come to rest".to_owned())
}

struct World {
    random: fastrand::Rng,
    order: Order,
    line: Line,
    now: Micros,
    /// Everything to come, by time.
    agenda: BTreeMap<(Micros, u64), What>,
    entries: u64,
    /// The next time at which the line is woken.
    waking: Option<Micros>,
    journal: BTreeMap<u64, Stored>,
    /// Results that are not on disk.
    known: BTreeMap<u64, Settled>,
    reading: BTreeSet<Class>,
    peer: Peer,
    in_flight: BTreeMap<u64, u64>,
    sent_before: BTreeSet<u64>,
}

impl World {
    fn new(seed: u64, order: Order) -> World {
        let mut random = fastrand::Rng::with_seed(seed);
        // Reading a whole message takes the most of a run's time.
        let peer = Peer::new(random.fork(), seed.is_multiple_of(16));
        World {
            line: Line::new(Policy { order, ..Policy::default() }),
            random,
            order,
            now: 0,
            agenda: BTreeMap::new(),
            entries: 0,
            waking: None,
            journal: BTreeMap::new(),
            known: BTreeMap::new(),
            reading: BTreeSet::new(),
            peer,
            in_flight: BTreeMap::new(),
            sent_before: BTreeSet::new(),
        }
    }

    /// A few messages about three patients, some of them merges; a person now and then; sometimes a crash.
    fn plan(&mut self) {
        let lanes: [&[u64]; 6] = [&[], &[1], &[2], &[3], &[1, 2], &[2, 3]];
        for seq in 1..=self.random.u64(2..7) {
            let lanes = lanes[self.random.usize(..lanes.len())].into();
            let class = if self.random.u8(..8) == 0 { Class::Stat } else { Class::Normal };
            let (not_before, since, failing_since) = (None, None, None);
            let item = Item {
                seq,
                message: seq,
                class,
                revision: 0,
                lanes,
                attempts: 0,
                not_before,
                since,
                failing_since,
                parked: false,
            };
            self.later(seq as Micros * 10_000, What::Arrive(Box::new(item)));
        }
        for at in [self.random.i64(..TROUBLE_ENDS), TROUBLE_ENDS, TROUBLE_ENDS + 1] {
            self.later(at, What::Person);
        }
        if self.random.u8(..4) == 0 {
            let at = self.random.i64(..2_000_000);
            self.later(at, What::Crash);
        }
    }

    fn later(&mut self, at: Micros, what: What) {
        self.entries += 1;
        self.agenda.insert((at.max(self.now), self.entries), what);
    }

    fn soon(&mut self, what: What) {
        let at = self.now + self.random.i64(..5_000);
        self.later(at, what);
    }

    fn happen(&mut self, what: What) -> Result<(), String> {
        match what {
            What::Arrive(item) => {
                let class = item.class;
                self.journal.insert(item.seq, Stored { state: State::Waiting, item: *item });
                self.tell(Event::Arrived(class))
            }
            What::Read(class, items, more) => {
                self.reading.remove(&class);
                self.tell(Event::Fetched { class, items, more })
            }
            What::Written(seq, result) => self.written(seq, result),
            What::Peer(happening) => self.peer_did(happening),
            What::Again(ticket, ending) => self.tell(Event::Attempted { ticket, ending }),
            What::Person => self.replay(),
            What::Crash => self.crash(),
            What::Wake => {
                self.waking = None;
                self.tell(Event::Tick)
            }
        }
    }

    fn tell(&mut self, event: Event) -> Result<(), String> {
        for action in self.line.step(event, self.now) {
            match action {
                Action::Fetch { class, after, parked } => self.read(class, after, parked)?,
                Action::Send { item, ticket } => self.send(&item, ticket)?,
                Action::Record { seq, result } => self.settled(seq, result)?,
                Action::WakeAt(at) if self.waking.is_none_or(|waking| at < waking) => {
                    self.waking = Some(at);
                    self.later(at, What::Wake);
                }
                Action::WakeAt(_) => {}
                Action::Choked(_) | Action::Finished => {}
            }
        }
        let unknown = self.known.len() + self.in_flight.len();
        (unknown <= UNKNOWN_MAX).then_some(()).ok_or_else(|| format!("{unknown} are unknown"))
    }

    fn read(&mut self, class: Class, after: u64, parked: bool) -> Result<(), String> {
        if !self.reading.insert(class) {
            return Err("two readings of a class at a time".to_owned());
        }
        let wanted = |stored: &&Stored| {
            stored.item.class == class
                && (stored.state == State::Waiting || parked && stored.state == State::Parked)
        };
        let found = self.journal.range(after + 1..).map(|(_, stored)| stored).filter(wanted);
        let of = |stored: &Stored| Item { parked: stored.state == State::Parked, ..stored.item.clone() };
        let mut items: Vec<Item> = found.map(of).collect();
        let more = items.len() > FETCH_MAX;
        items.truncate(FETCH_MAX);
        self.soon(What::Read(class, items, more));
        Ok(())
    }

    /// Whether one must not overtake the other: said once more here, because the line may be wrong about it.
    fn ties(&self, one: &Item, other: &Item) -> bool {
        let none = one.lanes.is_empty() && other.lanes.is_empty();
        self.order == Order::Fifo || none || one.lanes.iter().any(|lane| other.lanes.contains(lane))
    }

    fn send(&mut self, item: &Item, ticket: u64) -> Result<(), String> {
        let seq = item.seq;
        if self.known.contains_key(&seq) {
            return Err(format!("{seq} is sent although its result is known"));
        }
        for other in self.in_flight.values() {
            if self.ties(&self.journal[other].item, item) {
                return Err(format!("{seq} is in flight beside {other}"));
            }
        }
        if self.sent_before.insert(seq) {
            let earlier = self.journal.range(..seq).filter(|(_, stored)| stored.item.class == item.class);
            for (other, stored) in earlier {
                if self.ties(&stored.item, item) && self.holds(*other, stored.state) {
                    return Err(format!("{seq} overtook {other}"));
                }
            }
        }
        self.in_flight.insert(ticket, seq);
        let behaves = self.now >= TROUBLE_ENDS;
        for (after, happening) in self.peer.receive(ticket, seq, behaves) {
            self.later(self.now + after, What::Peer(happening));
        }
        Ok(())
    }

    /// Whether what comes after it must wait.
    fn holds(&self, seq: u64, on_disk: State) -> bool {
        let in_lanes = self.order != Order::Fifo;
        match (self.known.get(&seq), on_disk) {
            (Some(Settled::Delivered), _) | (None, State::Delivered) => false,
            (Some(Settled::Parked), _) | (None, State::Parked) => in_lanes,
            _ => true,
        }
    }

    fn peer_did(&mut self, happening: peer::Happening) -> Result<(), String> {
        let Some(Told { ticket, ending }) = self.peer.happened(happening) else { return Ok(()) };
        self.in_flight.remove(&ticket);
        if self.random.u8(..4) == 0 {
            let at = self.now + self.random.i64(..3_000_000);
            self.later(at, What::Again(ticket, ending));
        }
        self.tell(Event::Attempted { ticket, ending })
    }

    fn settled(&mut self, seq: u64, result: Settled) -> Result<(), String> {
        match result {
            Settled::Delivered if !self.peer.took(seq) => {
                return Err(format!("{seq} counts as delivered, and the peer did not take it"));
            }
            Settled::Parked if !self.peer.refused(seq) => {
                return Err(format!("{seq} is parked, and the peer did not refuse it"));
            }
            _ => {}
        }
        self.known.insert(seq, result);
        self.soon(What::Written(seq, result));
        Ok(())
    }

    fn written(&mut self, seq: u64, result: Settled) -> Result<(), String> {
        if self.known.remove(&seq).is_none() {
            // The engine crashed before.
            return Ok(());
        }
        if let Some(stored) = self.journal.get_mut(&seq) {
            stored.state = match result {
                Settled::Delivered | Settled::Expired { .. } => State::Delivered,
                Settled::Parked | Settled::GivenUp => State::Parked,
                Settled::Waiting { not_before } => {
                    stored.item.not_before = not_before;
                    stored.item.attempts += 1;
                    State::Waiting
                }
            };
        }
        self.tell(Event::Recorded(seq))
    }

    /// A person replays what is parked.
    fn replay(&mut self) -> Result<(), String> {
        let parked = self.journal.values_mut().filter(|stored| stored.state == State::Parked);
        for stored in parked {
            (stored.state, stored.item.not_before) = (State::Waiting, None);
        }
        self.tell(Event::Rewound)?;
        if self.now >= TROUBLE_ENDS && self.journal.values().any(|stored| stored.state != State::Delivered) {
            // Whatever is parked still, or is on its way to be.
            self.later(self.now + 600_000_000, What::Person);
        }
        Ok(())
    }

    /// Everything in memory is gone; the journal and the peer stay.
    fn crash(&mut self) -> Result<(), String> {
        self.line = Line::new(Policy { order: self.order, ..Policy::default() });
        self.known.clear();
        self.reading.clear();
        self.in_flight.clear();
        self.waking = None;
        self.peer.all_connections_break();
        self.agenda.retain(|_, what| matches!(what, What::Arrive(_) | What::Person));
        self.tell(Event::Tick)
    }

    fn at_rest(&self) -> Result<(), String> {
        let left: Vec<_> = self
            .journal
            .iter()
            .filter(|(_, stored)| stored.state != State::Delivered)
            .map(|(seq, _)| *seq)
            .collect();
        if left.is_empty() { Ok(()) } else { Err(format!("left for ever: {left:?}")) }
    }
}

/// How long an answer is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
