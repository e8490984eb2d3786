//! The deliveries of one class that a line has in hand, and which of them may go.
//!
//! What always holds: a delivery may go only when it is the first of each of its lanes, in hand and in the journal; one that is set
//! aside closes its lanes for all that came after it, and so does what waits for it: a merge ties its lanes also when it cannot go.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::Unrecorded;
use crate::item::{Item, Lane, Micros};
use crate::planted::{self, Fault};

/// How many deliveries of a class are in hand, at most: so far it is looked ahead for lanes that are free. They are here without
/// payloads, so this costs a few megabytes at the worst.
pub(super) const HAND_MAX: usize = 10_000;

/// How many lanes may be closed by what is set aside, at most: no sooner does a class stand still than when so many patients each
/// have something parked.
pub(super) const CLOSED_MAX: usize = 250_000;

/// Deliveries of one class in hand.
#[derive(Debug, Default)]
pub(super) struct Hand {
    items: BTreeMap<u64, Held>,
    /// The deliveries in hand of each lane, in order.
    lanes: HashMap<Lane, BTreeSet<u64>>,
    /// First in all their lanes, and not with the destination: to go now,
    due: BTreeSet<u64>,
    /// or at a time.
    timed: BTreeSet<(Micros, u64)>,
    /// All that have a time from which they grow old, by that time.
    ages: BTreeSet<(Micros, u64)>,
    /// Behind these places, lanes hold something that is set aside or waits for that.
    closed: HashMap<Lane, u64>,
}

#[derive(Debug)]
struct Held {
    item: Item,
    lanes: Vec<Lane>,
    is_sent: bool,
}

impl Hand {
    /// How many are in hand.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether so many lanes are closed that no more can be remembered.
    pub(super) fn is_choked(&self) -> bool {
        self.closed.len() >= CLOSED_MAX
    }

    pub(super) fn contains(&self, seq: u64) -> bool {
        self.items.contains_key(&seq)
    }

    /// Takes one in hand, behind a closed lane of which it is not taken: the journal gives it again when that lane is opened.
    pub(super) fn take(&mut self, item: Item, lanes: Vec<Lane>) {
        let seq = item.seq;
        let holds = |lane: &Lane| self.closed.get(lane).is_some_and(|from| *from < seq);
        if lanes.iter().any(holds) {
            return self.close(&lanes, seq);
        }
        for lane in &lanes {
            self.lanes.entry(*lane).or_default().insert(seq);
        }
        self.ages.extend(item.since.map(|since| (since, seq)));
        let held = Held { item, lanes: lanes.clone(), is_sent: false };
        self.items.insert(seq, held);
        // Whoever it came before is not first any more.
        for lane in &lanes {
            let second = self.lanes.get(lane).and_then(|lane| lane.range(seq + 1..).next().copied());
            second.into_iter().for_each(|second| self.unlist(second));
        }
        self.list(seq);
    }

    /// Closes lanes behind a place, and hands back what is in hand there: also what it ties to other lanes.
    pub(super) fn close(&mut self, lanes: &[Lane], from: u64) {
        let mut to_close = vec![(lanes.to_vec(), from)];
        while let Some((lanes, from)) = to_close.pop() {
            for lane in lanes {
                let first = self.closed.entry(lane).or_insert(from);
                *first = from.min(*first);
                let behind: Vec<u64> = self
                    .lanes
                    .get(&lane)
                    .map(|lane| lane.range(from + 1..).copied().collect())
                    .unwrap_or_default();
                for seq in behind {
                    if self.items.get(&seq).is_some_and(|held| held.is_sent) {
                        continue;
                    }
                    to_close.extend(self.take_out(seq).map(|held| (held.lanes, seq)));
                }
            }
        }
    }

    /// The first that may go at `now`, passing over lanes that are busy, and deliveries whose failure is being recorded: results reach
    /// the journal in the order of the attempts.
    pub(super) fn next(&mut self, now: Micros, busy: &HashSet<Lane>, unrecorded: &Unrecorded) -> Option<u64> {
        while let Some((time, seq)) = self.timed.first().copied()
            && time <= now
        {
            self.timed.remove(&(time, seq));
            self.due.insert(seq);
        }
        let is_free = |seq: &u64| {
            let lanes = self.items.get(seq).map(|held| held.lanes.as_slice()).unwrap_or_default();
            lanes.iter().all(|lane| !busy.contains(lane))
        };
        self.due.iter().copied().find(|seq| is_free(seq) && !unrecorded.contains_key(seq))
    }

    /// The oldest that is not with the destination, passing over those that have a result; and since when it waits.
    pub(super) fn oldest(&self, unrecorded: &Unrecorded) -> Option<(Micros, u64)> {
        let is_sent = |seq: &u64| self.items.get(seq).is_some_and(|held| held.is_sent);
        self.ages.iter().copied().find(|(_, seq)| !is_sent(seq) && !unrecorded.contains_key(seq))
    }

    /// The next one that waits for its time, and that time.
    pub(super) fn first_timed(&self) -> Option<(Micros, u64)> {
        self.timed.first().copied()
    }

    /// The one that goes first when all may go.
    pub(super) fn first_to_go(&self) -> Option<u64> {
        self.due.first().copied().or_else(|| self.first_timed().map(|(_, seq)| seq))
    }

    /// It is with the destination from now on. Gives it, and the lanes that it holds meanwhile.
    pub(super) fn send(&mut self, seq: u64) -> Option<(Item, Vec<Lane>)> {
        self.unlist(seq);
        let held = self.items.get_mut(&seq)?;
        held.is_sent = true;
        Some((held.item.clone(), held.lanes.clone()))
    }

    /// It is not with the destination any more, and waits as `item` says.
    pub(super) fn put_back(&mut self, item: Item) {
        let seq = item.seq;
        if let Some(held) = self.items.get_mut(&seq) {
            held.item = item;
            held.is_sent = false;
        }
        if planted::is_planted(Fault::OrderSwappedOnRetry) {
            return self.swap_with_next(seq);
        }
        self.list(seq);
    }

    /// The planted fault: what must be tried again goes behind the next one.
    fn swap_with_next(&mut self, seq: u64) {
        let lane = self.items.get(&seq).and_then(|held| held.lanes.first().copied());
        let next = lane.and_then(|lane| self.lanes.get(&lane)?.range(seq + 1..).next().copied());
        match next {
            Some(next) => drop(self.due.insert(next)),
            None => self.list(seq),
        }
    }

    /// Takes one out of hand; what waited for it may be first now.
    pub(super) fn remove(&mut self, seq: u64) -> Option<Item> {
        self.take_out(seq).map(|held| held.item)
    }

    fn take_out(&mut self, seq: u64) -> Option<Held> {
        self.unlist(seq);
        let held = self.items.remove(&seq)?;
        held.item.since.into_iter().for_each(|since| _ = self.ages.remove(&(since, seq)));
        for lane in &held.lanes {
            let Some(places) = self.lanes.get_mut(lane) else { continue };
            places.remove(&seq);
            match places.first().copied() {
                Some(first) => self.list(first),
                None => drop(self.lanes.remove(lane)),
            }
        }
        Some(held)
    }

    /// Hands back all that is not with the destination, and opens all lanes: the journal is read anew.
    pub(super) fn clear(&mut self) {
        self.closed.clear();
        let waiting: Vec<u64> =
            self.items.iter().filter(|(_, held)| !held.is_sent).map(|(seq, _)| *seq).collect();
        for seq in waiting {
            self.remove(seq);
        }
    }

    /// Nothing waits for its time any more.
    pub(super) fn hurry(&mut self) {
        for held in self.items.values_mut() {
            held.item.not_before = None;
        }
        let timed = std::mem::take(&mut self.timed);
        self.due.extend(timed.into_iter().map(|(_, seq)| seq));
    }

    /// Puts it where it may be found to go, when it is first in all its lanes.
    fn list(&mut self, seq: u64) {
        let Some(held) = self.items.get(&seq) else { return };
        let first_in = |lane: &Lane| self.lanes.get(lane).and_then(BTreeSet::first) == Some(&seq);
        if held.is_sent || !held.lanes.iter().all(first_in) {
            return;
        }
        match held.item.not_before {
            Some(time) => drop(self.timed.insert((time, seq))),
            None => drop(self.due.insert(seq)),
        }
    }

    fn unlist(&mut self, seq: u64) {
        self.due.remove(&seq);
        if let Some(time) = self.items.get(&seq).and_then(|held| held.item.not_before) {
            self.timed.remove(&(time, seq));
        }
    }
}
