//! What is with the broker or on its way there, and in which generation the next envelope of a lane is.
//!
//! What always holds: of a class, all envelopes of a lane that are abroad have one generation. What is parked, or changed by hand, holds its
//! lanes for all envelopes of that generation: they come back, unless they were sent before the hold was known. A later generation begins
//! only when it is known of each which. So nothing overtakes, however late the news of a hold is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Id;
use crate::item::{Class, Item, Lane};

/// How far an envelope has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Published, or to be published again; not confirmed, or not noted.
    UnderWay,
    /// Noted in the journal.
    Noted,
    /// To come back.
    Recalled,
    /// It came back, or is lost with its queue; the journal does not know yet.
    Leaving,
}

/// A delivery that is abroad.
#[derive(Debug, Clone)]
pub(super) struct Envelope {
    pub(super) item: Item,
    pub(super) generation: u64,
    pub(super) stage: Stage,
    lanes: Vec<Lane>,
}

impl Envelope {
    pub(super) fn id(&self) -> Id {
        Id { seq: self.item.seq, revision: self.item.revision, generation: self.generation }
    }
}

/// All deliveries of a destination that are abroad.
#[derive(Debug)]
pub(super) struct Abroad {
    envelopes: BTreeMap<u64, Envelope>,
    by_lane: HashMap<Lane, BTreeSet<u64>>,
    /// How many are of a generation.
    all: BTreeMap<u64, usize>,
    /// How many of a class and a lane are of a generation.
    generations: HashMap<(Class, Lane), BTreeMap<u64, usize>>,
    /// The generation of the next envelope of a lane, where it is later than that of all others.
    next: HashMap<Lane, u64>,
    next_of_others: u64,
}

impl Abroad {
    /// Nothing is abroad, and the first envelopes are of this generation.
    pub(super) fn new(generation: u64) -> Abroad {
        Abroad {
            envelopes: BTreeMap::new(),
            by_lane: HashMap::new(),
            all: BTreeMap::new(),
            generations: HashMap::new(),
            next: HashMap::new(),
            next_of_others: generation,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.envelopes.len()
    }

    /// Whether one is on its way home.
    pub(super) fn is_leaving(&self) -> bool {
        self.envelopes.values().any(|envelope| envelope.stage == Stage::Leaving)
    }

    pub(super) fn get(&self, seq: u64) -> Option<&Envelope> {
        self.envelopes.get(&seq)
    }

    pub(super) fn get_mut(&mut self, seq: u64) -> Option<&mut Envelope> {
        self.envelopes.get_mut(&seq)
    }

    /// This very envelope, when it is abroad.
    pub(super) fn exactly(&mut self, id: Id) -> Option<&mut Envelope> {
        self.envelopes.get_mut(&id.seq).filter(|envelope| envelope.id() == id)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Envelope> {
        self.envelopes.values_mut()
    }

    pub(super) fn put(&mut self, item: Item, lanes: Vec<Lane>, generation: u64, stage: Stage) {
        let seq = item.seq;
        for lane in &lanes {
            self.by_lane.entry(*lane).or_default().insert(seq);
            let counts = self.generations.entry((item.class, *lane)).or_default();
            *counts.entry(generation).or_default() += 1;
            if generation > self.next_of(*lane) {
                self.next.insert(*lane, generation);
            }
        }
        *self.all.entry(generation).or_default() += 1;
        self.envelopes.insert(seq, Envelope { item, generation, stage, lanes });
    }

    /// Takes one home.
    pub(super) fn remove(&mut self, seq: u64) {
        let Some(envelope) = self.envelopes.remove(&seq) else { return };
        count_down(&mut self.all, envelope.generation);
        for lane in envelope.lanes {
            if let Some(places) = self.by_lane.get_mut(&lane) {
                places.remove(&seq);
                if places.is_empty() {
                    self.by_lane.remove(&lane);
                }
            }
            let of = (envelope.item.class, lane);
            if let Some(counts) = self.generations.get_mut(&of) {
                count_down(counts, envelope.generation);
                if counts.is_empty() {
                    self.generations.remove(&of);
                }
            }
        }
    }

    fn next_of(&self, lane: Lane) -> u64 {
        self.next.get(&lane).copied().unwrap_or_default().max(self.next_of_others)
    }

    /// Whether another envelope of these lanes may go: not while there are others of another generation.
    pub(super) fn may_go(&self, class: Class, lanes: &[Lane]) -> bool {
        let next = self.latest(lanes);
        let is_alone = |lane: &Lane| {
            let counts = self.generations.get(&(class, *lane));
            counts.is_none_or(|counts| counts.keys().all(|generation| *generation == next))
        };
        lanes.iter().all(is_alone)
    }

    /// The generation of the next envelope of these lanes, and the latest that one of them has.
    pub(super) fn latest(&self, lanes: &[Lane]) -> u64 {
        lanes.iter().map(|lane| self.next_of(*lane)).max().unwrap_or(self.next_of_others)
    }

    /// Envelopes of these lanes come back, when they are of this generation or an earlier one, and so do those of all lanes that they tie.
    pub(super) fn hold(&mut self, lanes: &[Lane], generation: u64) {
        let mut to_hold = lanes.to_vec();
        while let Some(lane) = to_hold.pop() {
            if self.next_of(lane) > generation {
                continue;
            }
            self.next.insert(lane, generation.saturating_add(1));
            let envelopes =
                self.by_lane.get(&lane).into_iter().flatten().filter_map(|seq| self.envelopes.get(seq));
            let come_back = envelopes.filter(|envelope| envelope.generation <= generation);
            to_hold.extend(come_back.flat_map(|envelope| envelope.lanes.iter().copied()));
        }
    }

    /// The lanes of each that is to come back.
    pub(super) fn recalled(&self) -> Vec<Vec<Lane>> {
        let recalled = self.envelopes.values().filter(|envelope| envelope.stage == Stage::Recalled);
        recalled.map(|envelope| envelope.lanes.clone()).collect()
    }

    /// The earliest generation of which something is abroad, or may come to be.
    pub(super) fn earliest(&self) -> u64 {
        self.all.keys().next().copied().unwrap_or(self.next_of_others)
    }

    /// The latest generation of all lanes.
    pub(super) fn latest_of_all(&self) -> u64 {
        self.next.values().copied().max().unwrap_or_default().max(self.next_of_others)
    }

    /// Begins a later generation in all lanes.
    pub(super) fn hold_everything(&mut self) {
        self.next_of_others = self.latest_of_all().saturating_add(1);
        self.next.clear();
    }

    /// Sorts everything anew into the lanes of another order.
    pub(super) fn reorder(&mut self, lanes: impl Fn(&Item) -> Vec<Lane>) {
        self.hold_everything();
        let envelopes = std::mem::take(&mut self.envelopes);
        (self.by_lane, self.generations, self.all) = Default::default();
        for (_, envelope) in envelopes {
            let lanes = lanes(&envelope.item);
            self.put(envelope.item, lanes, envelope.generation, envelope.stage);
        }
    }
}

fn count_down(counts: &mut BTreeMap<u64, usize>, generation: u64) {
    if let Some(count) = counts.get_mut(&generation) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&generation);
        }
    }
}
