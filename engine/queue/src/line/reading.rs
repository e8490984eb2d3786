//! What a line reads of one class from the journal: how far it has read, and what came of it.

use std::collections::BTreeSet;
use std::ops::Range;

use super::hand::Hand;
use super::{Action, Unrecorded, Wake};
use crate::item::{Class, Item, Lane, Micros};

/// The reading of one class.
#[derive(Debug)]
pub(super) struct Reading {
    class: Class,
    /// What was read and is not settled.
    pub(super) hand: Hand,
    /// The last place fetched.
    fetched: u64,
    fetch: Fetch,
    /// The journal may hold more after `fetched`.
    more: bool,
    /// It was told that no more can be remembered.
    choked: bool,
}

/// Whether a fetch is under way, and what has happened to its picture of the journal since it began.
#[derive(Debug)]
enum Fetch {
    Idle,
    /// Results recorded meanwhile: the reader may still have seen them as waiting.
    UnderWay {
        settled: BTreeSet<u64>,
        stale: bool,
    },
    /// The journal could not be read; wait for the time.
    NotBefore(Micros),
}

impl Reading {
    /// Of a class of which nothing was read yet.
    pub(super) fn new(class: Class) -> Reading {
        Reading { class, hand: Hand::default(), fetched: 0, fetch: Fetch::Idle, more: true, choked: false }
    }

    pub(super) fn arrived(&mut self) {
        self.more = true;
    }

    /// The journal is read anew from the start.
    pub(super) fn rewind(&mut self) {
        self.hand.clear();
        (self.fetched, self.more, self.choked) = (0, true, false);
        if let Fetch::UnderWay { stale, .. } = &mut self.fetch {
            *stale = true;
        }
    }

    pub(super) fn hurry(&mut self) {
        self.hand.hurry();
    }

    pub(super) fn failed(&mut self, again: Micros) {
        self.fetch = Fetch::NotBefore(again);
        self.more = true;
    }

    pub(super) fn recorded(&mut self, seq: u64) {
        if let Fetch::UnderWay { settled, .. } = &mut self.fetch {
            settled.insert(seq);
        }
    }

    /// Takes in what was fetched; `unrecorded` have results that are not on disk. Gives the places of which all that waits is known now.
    pub(super) fn take_in(
        &mut self,
        items: Vec<Item>,
        more: bool,
        lanes: impl Fn(&Item) -> Vec<Lane>,
        unrecorded: &Unrecorded,
    ) -> Range<u64> {
        let Fetch::UnderWay { settled, stale } = std::mem::replace(&mut self.fetch, Fetch::Idle) else {
            return 0..0;
        };
        if stale {
            return 0..0;
        }
        let from = self.fetched + 1;
        let last = items.last().map_or(self.fetched, |item| item.seq);
        // It was cleared when the fetch began; an arrival since then has set it again.
        self.more |= more;
        for item in items {
            let seq = item.seq;
            self.fetched = self.fetched.max(seq);
            if self.hand.contains(seq) || settled.contains(&seq) || unrecorded.contains_key(&seq) {
                continue;
            }
            let lanes = lanes(&item);
            match item.parked {
                true => self.hand.close(&lanes, seq),
                false => self.hand.take(item, lanes),
            }
        }
        from..if more { last + 1 } else { u64::MAX }
    }

    /// Asks for more, unless that is under way or must wait.
    pub(super) fn fetch(&mut self, unrecorded: bool, parked: bool, wake: &mut Wake) -> Option<Action> {
        if !self.more {
            return None;
        }
        if self.hand.is_choked() {
            let is_told = std::mem::replace(&mut self.choked, true);
            return (!is_told).then_some(Action::Choked(self.class));
        }
        match self.fetch {
            Fetch::UnderWay { .. } => None,
            Fetch::NotBefore(time) if time > wake.now => {
                wake.at(time);
                None
            }
            // A fetch from the start would see deliveries whose results are not on disk yet as waiting, and the
            // order would rest on remembering them all: so it waits until they are.
            _ if self.fetched == 0 && unrecorded => None,
            _ => {
                self.more = false;
                self.fetch = Fetch::UnderWay { settled: BTreeSet::new(), stale: false };
                Some(Action::Fetch { class: self.class, after: self.fetched, parked })
            }
        }
    }
}
