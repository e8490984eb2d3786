//! What an outbox reads of one class from the journal, and what of it is to be published next.
//!
//! What always holds: what must wait closes its lanes behind its place, until the class is read anew from the start.

use std::collections::{HashMap, VecDeque};

use super::{Action, Parcel};
use crate::item::{Class, Lane, Micros};

/// How many lanes may be closed at a time.
const CLOSED_MAX: usize = 250_000;

/// The reading of one class.
#[derive(Debug)]
pub(super) struct Reading {
    class: Class,
    /// Read, and not published.
    hand: VecDeque<Parcel>,
    /// The last place read.
    after: u64,
    more: bool,
    under_way: bool,
    not_before: Option<Micros>,
    /// Lanes that hold something which must wait, and from where.
    closed: HashMap<Lane, u64>,
    /// What waited for something abroad may go.
    opened: bool,
    told_choked: bool,
}

impl Reading {
    pub(super) fn new(class: Class) -> Reading {
        Reading {
            class,
            hand: VecDeque::new(),
            after: 0,
            more: true,
            under_way: false,
            not_before: None,
            closed: HashMap::new(),
            opened: false,
            told_choked: false,
        }
    }

    pub(super) fn arrived(&mut self) {
        self.more = true;
    }

    /// Something abroad has come to an end: what was closed is looked at again, when nothing else is in hand.
    pub(super) fn opened(&mut self) {
        self.opened |= !self.closed.is_empty();
    }

    /// Something that was passed is to be published again.
    pub(super) fn read_again(&mut self) {
        self.opened = true;
    }

    /// Lets nothing go that is behind this place in these lanes, until the class is read anew.
    pub(super) fn close(&mut self, lanes: &[Lane], from: u64) {
        for lane in lanes {
            let first = self.closed.entry(*lane).or_insert(from);
            *first = from.min(*first);
        }
    }

    /// Reads anew from the start. What is being read meanwhile is passed over.
    pub(super) fn rewind(&mut self) {
        *self = Reading { under_way: false, not_before: self.not_before, ..Reading::new(self.class) };
    }

    pub(super) fn failed(&mut self, again: Micros) {
        (self.under_way, self.more, self.not_before) = (false, true, Some(again));
    }

    /// Takes in what was read.
    pub(super) fn take_in(&mut self, parcels: Vec<Parcel>, more: bool) {
        // Whoever was told to read anew since then has asked again.
        if !std::mem::replace(&mut self.under_way, false) {
            return;
        }
        self.more |= more;
        self.after = parcels.last().map_or(self.after, |last| last.item.seq);
        self.hand.extend(parcels);
    }

    /// The first that may go, given what keeps one from going for now, besides the lanes closed before it.
    pub(super) fn next(
        &mut self,
        lanes: impl Fn(&Parcel) -> Vec<Lane>,
        mut verdict: impl FnMut(&Parcel, &[Lane]) -> Verdict,
    ) -> Option<Parcel> {
        while let Some(parcel) = self.hand.pop_front() {
            let (seq, lanes) = (parcel.item.seq, lanes(&parcel));
            let is_behind = lanes.iter().any(|lane| self.closed.get(lane).is_some_and(|from| *from < seq));
            let verdict = match parcel.item.parked || is_behind {
                true => Verdict::Wait,
                false => verdict(&parcel, &lanes),
            };
            match verdict {
                Verdict::Go => return Some(parcel),
                Verdict::Skip => {}
                Verdict::Wait => self.close(&lanes, seq),
            }
        }
        None
    }

    /// What was given out by [`Reading::next`] is in hand again.
    pub(super) fn put_back(&mut self, parcel: Parcel) {
        self.hand.push_front(parcel);
    }

    /// Asks for more, unless that is under way or of no use.
    pub(super) fn fetch(&mut self, one_lane: bool, now: Micros, actions: &mut Vec<Action>) {
        if !self.hand.is_empty() || self.under_way {
            return;
        }
        if let Some(time) = self.not_before {
            if time > now {
                return actions.push(Action::WakeAt(time));
            }
            self.not_before = None;
        }
        if self.opened {
            self.rewind();
        }
        if !self.more || (one_lane && !self.closed.is_empty()) {
            return;
        }
        if self.closed.len() >= CLOSED_MAX {
            if !std::mem::replace(&mut self.told_choked, true) {
                actions.push(Action::Choked(self.class));
            }
            return;
        }
        (self.more, self.under_way) = (false, true);
        actions.push(Action::Fetch { class: self.class, after: self.after, parked: !one_lane });
    }
}

/// Whether one may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    /// It must wait, and what is behind it in its lanes too.
    Wait,
    /// It is under way already.
    Skip,
}
