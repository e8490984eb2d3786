//! A destination's deliveries on their way from the journal of the node that accepted them to the broker: a state machine without IO.
//!
//! [`Outbox::step`] is told what happened and answers with what to do. What always holds, whatever the events:
//!
//! - Of each class, the first envelopes of a lane come into the queue in journal order: what follows the first envelope that is not
//!   confirmed is published again behind it when the channel is lost or the broker did not take something (Go-Back-N).
//! - At most [`WINDOW_MAX`] envelopes are published and not confirmed, so when the way to the broker is lost at most that many are published
//!   twice; and at most [`NOTING_MAX`] more are not noted in the journal as with the broker, which are published twice after a crash when
//!   it is not known by then what became of them.
//! - Each envelope has a *generation*. What is parked, or changed by hand, holds its lanes for all envelopes of its generation and earlier ones:
//!   they come back, and what comes after them in their lanes waits for that. What is published then is of a later generation.
//! - A delivery has one envelope at a time.
//! - Holds are not remembered for ever: after so many of them all lanes begin a later generation, and when nothing of an earlier one is abroad,
//!   whoever delivers is told behind all that was published, so that not even a second copy of an earlier envelope can come after that.
//! - An envelope that is published again is the same, byte for byte.
//!
//! Fetches are answered before anything else is told.

mod abroad;
#[cfg(test)]
mod model;
mod reading;
#[cfg(test)]
mod tests;
mod words;

use std::collections::VecDeque;

use crate::item::{Class, Item, Lane, Micros, later};
use crate::line::{FETCH_RETRY, Order, lanes};
use crate::planted::{self, Fault};
use abroad::{Abroad, Stage};
use reading::{Reading, Verdict};
pub use words::{Action, Carried, Event, Id, Parcel};

/// How many envelopes may be published and not confirmed with all before them.
pub const WINDOW_MAX: usize = 64;

/// How many more may be confirmed and not noted as with the broker: publishing does not wait for the journal's flush.
pub const NOTING_MAX: usize = 64;

/// How many bytes of payloads they may have together; a larger one goes alone.
pub const WINDOW_BYTES_MAX: usize = 32 << 20;

/// So many deliveries may be abroad before another one of the backfill goes.
const BACKFILL_AHEAD_MAX: usize = 128;

/// After so many holds, all lanes begin a later generation.
#[cfg(not(test))]
const HOLDS_MAX: usize = 256;
#[cfg(test)]
const HOLDS_MAX: usize = 3;

/// The outbox of one destination.
#[derive(Debug)]
pub struct Outbox {
    order: Order,
    /// So many deliveries may be abroad.
    ahead_max: usize,
    classes: [Reading; Class::ALL.len()],
    abroad: Abroad,
    /// What is published and not noted, in the order of publishing.
    window: VecDeque<Published>,
    channel: Channel,
    /// The queue is gone, and not made anew.
    queue_gone: bool,
    loading: Loading,
    was_loaded: bool,
    /// Holds since the last release.
    holds: usize,
    /// When nothing of this generation or an earlier one is abroad, its holds are released.
    releasing: Option<u64>,
    /// Told while it was not known what is abroad.
    deferred: Vec<Event>,
    stopping: bool,
}

/// An envelope in the window.
#[derive(Debug)]
struct Published {
    item: Item,
    generation: u64,
    bytes: usize,
    stage: Stay,
}

impl Published {
    fn id(&self) -> Id {
        Id { seq: self.item.seq, revision: self.item.revision, generation: self.generation }
    }
}

/// How far an envelope of the window has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stay {
    Unconfirmed,
    Confirmed,
    /// The journal notes it as with the broker.
    Marking,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Shut,
    Opening,
    Open,
}

/// Whether it is known what the journal has as with the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loading {
    /// It was never read, or things have changed since.
    Due,
    Asked,
    NotBefore(Micros),
    Done,
}

impl Outbox {
    /// An outbox of an engine that has just started. `generation` is larger than that of every envelope before, as far as is known: the
    /// clock's microseconds are.
    #[must_use]
    pub fn new(order: Order, ahead_max: usize, generation: u64) -> Outbox {
        Outbox {
            order,
            ahead_max: ahead_max.max(1),
            classes: Class::ALL.map(Reading::new),
            abroad: Abroad::new(generation),
            window: VecDeque::new(),
            channel: Channel::Shut,
            queue_gone: false,
            loading: Loading::Due,
            was_loaded: false,
            holds: 0,
            // What an engine before held is known to whoever delivers.
            releasing: generation.checked_sub(1),
            deferred: Vec::new(),
            stopping: false,
        }
    }

    /// Whether it is published, or to be published again, and not noted.
    #[must_use]
    pub fn is_on_its_way(&self, id: Id) -> bool {
        self.window.iter().any(|published| published.id() == id)
    }

    /// Whether it is abroad and the journal is to note it.
    #[must_use]
    pub fn is_to_be_noted(&self, id: Id) -> bool {
        self.abroad
            .get(id.seq)
            .is_some_and(|envelope| envelope.id() == id && envelope.stage == Stage::UnderWay)
    }

    /// How many envelopes are published and not confirmed.
    #[must_use]
    pub fn unconfirmed(&self) -> usize {
        self.window.iter().filter(|published| published.stage == Stay::Unconfirmed).count()
    }

    /// How many deliveries are with the broker, or on their way there.
    #[must_use]
    pub fn abroad(&self) -> usize {
        self.abroad.len()
    }

    /// Takes in what happened at `now` and says what to do, in this order.
    pub fn step(&mut self, event: Event, now: Micros) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Returned { .. } | Event::Resolved { .. } | Event::QueueGone if !self.was_loaded => {
                self.deferred.push(event);
            }
            event => self.hear(event, now, &mut actions),
        }
        self.go_on(now, &mut actions);
        actions
    }

    fn hear(&mut self, event: Event, now: Micros, actions: &mut Vec<Action>) {
        match event {
            Event::Arrived(class) => class.of(&mut self.classes).arrived(),
            Event::Rewound => self.rewind(),
            Event::Carried(carried) => self.load(carried, now, actions),
            Event::Fetched { class, parcels, more } => class.of(&mut self.classes).take_in(parcels, more),
            Event::FetchFailed => self.fetch_failed(later(now, FETCH_RETRY)),
            Event::Opened => self.opened(actions),
            Event::Lost => self.lost(),
            Event::QueueGone => self.queue_gone(actions),
            Event::Confirmed(id) => self.confirmed(id, actions),
            Event::Withdrawn(id) => self.withdrawn(id, actions),
            Event::Marked { id, applied } => self.marked(id, applied, actions),
            Event::Unmarked(id) => self.unmarked(id),
            Event::Resolved { id, delivered, parked } => {
                if delivered {
                    self.tell_of_copy(id, actions);
                }
                self.resolved(id, parked, actions);
            }
            Event::Returned { id, lanes, held } => {
                self.returned(id, actions);
                self.holds += 1;
                self.abroad.hold(&lanes, held);
            }
            Event::Changed(order) => self.change(order, actions),
            Event::Tick => {}
            Event::Stop => self.stopping = true,
        }
    }

    fn rewind(&mut self) {
        self.classes.iter_mut().for_each(Reading::rewind);
        self.loading = Loading::Due;
    }

    fn fetch_failed(&mut self, again: Micros) {
        if self.loading == Loading::Asked {
            self.loading = Loading::NotBefore(again);
        }
        self.classes.iter_mut().for_each(|reading| reading.failed(again));
    }

    /// Learns what is abroad, or what of it was changed.
    fn load(&mut self, carried: Vec<Carried>, now: Micros, actions: &mut Vec<Action>) {
        (self.loading, self.was_loaded) = (Loading::Done, true);
        let mut is_new = false;
        for Carried { item, generation, recalled } in carried {
            let lanes = lanes(self.order, &item);
            if self.abroad.get(item.seq).is_none() {
                // Of an engine before: what was held then is not known, so whatever comes after it waits until it is settled.
                self.abroad.put(item.clone(), lanes.clone(), generation, Stage::Noted);
                is_new = true;
            }
            let known = self.abroad.get_mut(item.seq).filter(|known| known.generation == generation);
            // Also one whose note is not heard of yet: the journal may have written the change behind it.
            let may_be_recalled = |stage: Stage| matches!(stage, Stage::Noted | Stage::UnderWay);
            if let Some(known) = known.filter(|known| recalled && may_be_recalled(known.stage)) {
                known.stage = Stage::Recalled;
                self.recall(lanes, actions);
            }
        }
        if is_new {
            self.abroad.hold_everything();
        }
        for event in std::mem::take(&mut self.deferred) {
            self.hear(event, now, actions);
        }
    }

    /// From the first that is not confirmed on, all are published again: also those confirmed behind it, which the queue may have before it.
    fn opened(&mut self, actions: &mut Vec<Action>) {
        (self.channel, self.queue_gone) = (Channel::Open, false);
        let Outbox { window, abroad, .. } = self;
        let is_unconfirmed = |published: &Published| published.stage == Stay::Unconfirmed;
        let first = window.iter().position(is_unconfirmed).unwrap_or(window.len());
        for published in window.iter_mut().skip(first).filter(|one| one.stage != Stay::Marking) {
            let (item, generation) = (published.item.clone(), published.generation);
            let is_there = abroad
                .exactly(published.id())
                .is_none_or(|it| !matches!(it.stage, Stage::UnderWay | Stage::Recalled));
            published.stage = if is_there { Stay::Confirmed } else { Stay::Unconfirmed };
            if !is_there {
                actions.push(Action::Publish { item, generation });
            }
        }
    }

    fn lost(&mut self) {
        self.channel = Channel::Shut;
    }

    /// Everything in the queue is lost: it waits again. What of it was delivered meanwhile is known by its results.
    fn queue_gone(&mut self, actions: &mut Vec<Action>) {
        (self.channel, self.queue_gone) = (Channel::Shut, true);
        self.abroad.hold_everything();
        let unnoted: Vec<u64> = self
            .window
            .iter()
            .filter(|published| published.stage != Stay::Marking)
            .filter(|published| {
                self.abroad.get(published.item.seq).is_some_and(|it| it.id() == published.id())
            })
            .map(|published| published.item.seq)
            .collect();
        self.window.retain(|published| published.stage == Stay::Marking);
        unnoted.into_iter().for_each(|seq| self.abroad.remove(seq));
        for envelope in self.abroad.iter_mut().filter(|envelope| envelope.stage != Stage::Leaving) {
            envelope.stage = Stage::Leaving;
            actions.push(Action::Unmark(envelope.id()));
        }
        self.classes.iter_mut().for_each(Reading::rewind);
    }

    fn confirmed(&mut self, id: Id, actions: &mut Vec<Action>) {
        self.arrived_there(id);
        self.note_confirmed(actions);
    }

    /// What is confirmed with all before it is noted as with the broker.
    fn note_confirmed(&mut self, actions: &mut Vec<Action>) {
        let Outbox { window, abroad, .. } = self;
        let mut is_contiguous = true;
        window.retain_mut(|published| {
            is_contiguous &= published.stage != Stay::Unconfirmed;
            if !is_contiguous || published.stage != Stay::Confirmed {
                return true;
            }
            // Otherwise its result, or its return, came before its confirm.
            let is_under_way = abroad.exactly(published.id()).is_some_and(|it| it.stage == Stage::UnderWay);
            if is_under_way {
                published.stage = Stay::Marking;
                actions.push(Action::Mark(published.id()));
            }
            is_under_way
        });
    }

    /// Nothing was published for it, and it may come again with another payload: what was published behind it comes back.
    fn withdrawn(&mut self, id: Id, actions: &mut Vec<Action>) {
        self.window.retain(|one| one.id() != id);
        if let Some(envelope) = self.abroad.exactly(id) {
            let lanes = lanes(self.order, &envelope.item);
            self.come_back(id.seq);
            self.recall(lanes, actions);
        }
        self.note_confirmed(actions);
    }

    fn marked(&mut self, id: Id, applied: bool, actions: &mut Vec<Action>) {
        self.window.retain(|one| (one.id(), one.stage) != (id, Stay::Marking));
        let Some(envelope) = self.abroad.exactly(id) else { return };
        if envelope.stage != Stage::UnderWay {
            return;
        }
        envelope.stage = if applied { Stage::Noted } else { Stage::Recalled };
        if !applied {
            let lanes = lanes(self.order, &envelope.item);
            self.recall(lanes, actions);
        }
    }

    fn unmarked(&mut self, id: Id) {
        if self.abroad.exactly(id).is_some_and(|envelope| envelope.stage == Stage::Leaving) {
            self.come_back(id.seq);
        }
    }

    /// Published again by an engine that did not know of the first, it may be reached by a node that did not deliver that.
    fn tell_of_copy(&self, delivered: Id, actions: &mut Vec<Action>) {
        let copy = self.abroad.get(delivered.seq).map(|envelope| envelope.id());
        let is_copy = |id: &Id| id.revision == delivered.revision && id.generation != delivered.generation;
        actions.extend(copy.filter(is_copy).map(Action::Done));
    }

    fn resolved(&mut self, id: Id, parked: Option<Vec<Lane>>, actions: &mut Vec<Action>) {
        match self.abroad.exactly(id).map(|envelope| envelope.stage) {
            // It was changed meanwhile, or set aside: what stands there now holds its lanes until it is read.
            Some(Stage::Recalled | Stage::Leaving) => self.come_back(id.seq),
            Some(_) if parked.is_some() => self.come_back(id.seq),
            Some(_) => {
                self.abroad.remove(id.seq);
                self.classes.iter_mut().for_each(Reading::opened);
            }
            None if parked.is_some() => self.classes.iter_mut().for_each(Reading::rewind),
            // It may have been set aside, and is settled all the same.
            None => self.classes.iter_mut().for_each(Reading::opened),
        }
        self.arrived_there(id);
        self.note_confirmed(actions);
        self.holds += usize::from(parked.is_some());
        // It may be published again: then as another envelope.
        parked.into_iter().for_each(|lanes| self.abroad.hold(&lanes, id.generation));
    }

    fn returned(&mut self, id: Id, actions: &mut Vec<Action>) {
        let is_marking = self.window.iter().any(|one| (one.id(), one.stage) == (id, Stay::Marking));
        match self.abroad.exactly(id) {
            Some(envelope) if envelope.stage != Stage::UnderWay || is_marking => {
                envelope.stage = Stage::Leaving;
                actions.push(Action::Unmark(id));
            }
            known => {
                let comes_back = known.is_some();
                comes_back.then(|| self.come_back(id.seq));
                actions.push(Action::Forget(id));
            }
        }
        self.arrived_there(id);
        self.note_confirmed(actions);
    }

    /// It is not abroad any more, and is to be published again.
    fn come_back(&mut self, seq: u64) {
        let Some(envelope) = self.abroad.get(seq) else { return };
        let (class, lanes) = (envelope.item.class, lanes(self.order, &envelope.item));
        self.abroad.remove(seq);
        self.classes.iter_mut().for_each(Reading::opened);
        let reading = class.of(&mut self.classes);
        // What is in hand behind it does not go before it is read again.
        reading.close(&lanes, seq);
        reading.read_again();
    }

    /// The broker has had it, whatever became of its confirm: it need not be published again.
    fn arrived_there(&mut self, id: Id) {
        let published = self.window.iter_mut().find(|one| one.id() == id);
        if let Some(published) = published.filter(|published| published.stage == Stay::Unconfirmed) {
            published.stage = Stay::Confirmed;
        }
    }

    /// Has all envelopes of these lanes come back, so that what is published from now on comes before them or after as it must.
    fn recall(&mut self, lanes: Vec<Lane>, actions: &mut Vec<Action>) {
        let generation = self.abroad.latest(&lanes);
        self.holds += 1;
        self.abroad.hold(&lanes, generation);
        actions.push(Action::Hold { lanes, generation });
    }

    fn change(&mut self, order: Order, actions: &mut Vec<Action>) {
        let is_other = (self.order == Order::Fifo) != (order == Order::Fifo);
        self.order = order;
        if is_other {
            self.abroad.reorder(|item| lanes(order, item));
            self.rewind();
            // What is to come back was told in lanes of the old kind.
            for lanes in self.abroad.recalled() {
                self.recall(lanes, actions);
            }
        }
    }

    fn go_on(&mut self, now: Micros, actions: &mut Vec<Action>) {
        if self.stopping {
            if self.channel != Channel::Open || self.window.is_empty() {
                actions.push(Action::Finished);
            }
            return;
        }
        match self.loading {
            Loading::Done => {}
            Loading::Asked => return,
            Loading::NotBefore(time) if time > now => return actions.push(Action::WakeAt(time)),
            Loading::Due | Loading::NotBefore(_) => {
                self.loading = Loading::Asked;
                return actions.push(Action::FetchCarried);
            }
        }
        match self.channel {
            Channel::Open => {
                self.release(actions);
                self.publish(now, actions);
            }
            Channel::Opening => {}
            // That the queue is gone can be seen until it is made anew: so that is done when the journal knows.
            Channel::Shut if self.queue_gone && self.abroad.is_leaving() => {}
            Channel::Shut => {
                self.channel = Channel::Opening;
                actions.push(Action::Open { anew: self.queue_gone });
            }
        }
    }

    /// Begins a later generation after many holds, and has the earlier ones' forgotten when nothing of these is abroad.
    fn release(&mut self, actions: &mut Vec<Action>) {
        if self.releasing.is_none() && self.holds >= HOLDS_MAX {
            self.holds = 0;
            self.releasing = Some(self.abroad.latest_of_all());
            self.abroad.hold_everything();
        }
        let before = self.abroad.earliest();
        if self.releasing.is_some_and(|generation| generation < before) {
            self.releasing = None;
            actions.push(Action::Release { before });
        }
    }

    fn publish(&mut self, now: Micros, actions: &mut Vec<Action>) {
        while self.has_room() {
            let Some(parcel) = self.next(actions) else {
                let one_lane = self.order == Order::Fifo;
                self.classes.iter_mut().for_each(|reading| reading.fetch(one_lane, now, actions));
                return;
            };
            let Parcel { item, bytes } = parcel;
            let own_lanes = lanes(self.order, &item);
            let generation = self.abroad.latest(&own_lanes);
            self.abroad.put(item.clone(), own_lanes, generation, Stage::UnderWay);
            self.window.push_back(Published {
                item: item.clone(),
                generation,
                bytes,
                stage: Stay::Unconfirmed,
            });
            let id = Id { seq: item.seq, revision: item.revision, generation };
            actions.push(Action::Publish { item, generation });
            if planted::is_planted(Fault::ConfirmsIgnored) {
                self.confirmed(id, actions);
            }
        }
    }

    fn has_room(&self) -> bool {
        let bytes: usize = self.window.iter().map(|published| published.bytes).sum();
        let noting = self.window.iter().filter(|published| published.stage == Stay::Marking).count();
        self.window.len() - noting < WINDOW_MAX
            && noting < NOTING_MAX
            && bytes < WINDOW_BYTES_MAX
            && self.abroad.len() < self.ahead_max
    }

    /// Whether one of a class may go: what waits in the queue is passed by nobody, so of what has time only little is there.
    fn may_be_abroad(&self, class: Class) -> bool {
        class != Class::Backfill || self.abroad.len() < BACKFILL_AHEAD_MAX
    }

    /// The first that may go, of the first class that has one.
    fn next(&mut self, actions: &mut Vec<Action>) -> Option<Parcel> {
        for class in Class::ALL {
            if !self.may_be_abroad(class) {
                continue;
            }
            let mut replaced = None;
            let next = self.next_of(class, &mut replaced);
            let Some(id) = replaced else {
                match next {
                    Some(next) => return Some(next),
                    None => continue,
                }
            };
            if let Some(next) = next {
                class.of(&mut self.classes).put_back(next);
            }
            if let Some(envelope) = self.abroad.exactly(id) {
                envelope.stage = Stage::Recalled;
                let lanes = lanes(self.order, &envelope.item);
                self.recall(lanes, actions);
            }
            return self.next(actions);
        }
        None
    }

    /// The first of a class that may go; and one that was replaced while it was under way, which comes first.
    fn next_of(&mut self, class: Class, replaced: &mut Option<Id>) -> Option<Parcel> {
        let Outbox { order, classes, abroad, .. } = self;
        let verdict = |parcel: &Parcel, lanes: &[Lane]| match abroad.get(parcel.item.seq) {
            None if abroad.may_go(class, lanes) => Verdict::Go,
            None => Verdict::Wait,
            Some(known) if known.stage == Stage::Leaving => Verdict::Wait,
            Some(known) if known.item.revision == parcel.item.revision => Verdict::Skip,
            Some(known) => {
                if known.stage == Stage::UnderWay {
                    replaced.get_or_insert(known.id());
                }
                Verdict::Wait
            }
        };
        class.of(classes).next(|parcel| lanes(*order, &parcel.item), verdict)
    }
}
