//! What the node that delivers to a destination has taken from the broker's queue and not acknowledged.
//!
//! A [`crate::line::Line`] says in which order it goes, by its place on the shelf, which is its place in the queue. What always holds:
//!
//! - An envelope is acknowledged only after what became of it, and every hold that follows from that, is confirmed by the broker.
//! - What was delivered from here, or is said to have been elsewhere, is not delivered from here again, however often its envelope comes.
//! - What is held goes back unsent, and holds its own lanes too.
//! - When the channel is lost, everything goes but what is under way; the broker gives it again, to this node or another.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use crate::holds::Holds;
use crate::item::{BLOCKED, Class, Item, Lane, Micros};
use crate::line::{Order, Settled, lanes};
use crate::outbox::Id;

/// So many deliveries are remembered: more than are ever in a window and on a shelf, of a hundred nodes.
const REMEMBERED_MAX: usize = 20_000;

/// What an envelope says of its delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The node that accepted the message.
    pub node: Arc<str>,
    /// The envelope's generation.
    pub generation: u64,
    /// The delivery, by its number in that node's journal.
    pub item: Item,
}

impl Head {
    /// Its envelope.
    #[must_use]
    pub fn id(&self) -> Id {
        Id { seq: self.item.seq, revision: self.item.revision, generation: self.generation }
    }
}

/// What to do with one that is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// Send it.
    Send,
    /// It was delivered: say so once more. When its attempt began, for whoever was not told before.
    Repeat(Option<Micros>),
    /// It is to go back, because envelopes up to this generation are held. Lanes that this holds too must be known to all nodes first.
    Back {
        /// The generation.
        held: u64,
        /// The lanes; none when all of them were held already.
        ties: Vec<Lane>,
    },
    /// It is not here any more.
    Gone,
}

/// What follows from a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follows {
    /// The lanes of what is set aside: a later generation begins in them.
    pub parked: Option<Vec<Lane>>,
    /// Whether they are held for envelopes of this generation and earlier ones, which must be known to all nodes.
    pub is_held: bool,
}

#[derive(Debug)]
struct Shelved<T> {
    head: Head,
    content: T,
    /// By which it is acknowledged; nothing once its channel is lost.
    tag: Option<u64>,
    /// It is with the destination.
    in_flight: bool,
    /// So many results of it are not confirmed.
    unconfirmed: u32,
    /// Its last result says what became of it.
    is_settled: bool,
}

/// No envelope of a node from before a generation comes behind a place.
#[derive(Debug)]
struct Release {
    place: u64,
    node: Arc<str>,
    before: u64,
    tag: u64,
}

/// Holds that are over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// Of which node,
    pub node: Arc<str>,
    /// of generations before this one.
    pub before: u64,
    /// By which the message that said so is acknowledged.
    pub tag: u64,
}

type Key = (Arc<str>, u64, u32);

/// An envelope, however often it comes.
type CopyOf = (Arc<str>, Id);

/// The shelf of a destination.
#[derive(Debug)]
pub struct Shelf<T> {
    order: Order,
    next: u64,
    shelved: BTreeMap<u64, Shelved<T>>,
    holds: Holds,
    releases: VecDeque<Release>,
    /// When the attempt began that delivered it.
    delivered: Remembered<Key, Option<Micros>>,
    /// Envelopes of what was set aside.
    parked: Remembered<CopyOf, ()>,
    tried: Remembered<CopyOf, Tried>,
}

/// What was tried of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// How often.
    pub attempts: u32,
    /// When the next attempt is due.
    pub not_before: Option<Micros>,
    /// Since when it fails.
    pub failing_since: Option<Micros>,
}

impl Tried {
    fn apply(&self, item: &mut Item) {
        item.attempts = self.attempts.max(item.attempts);
        item.not_before = self.not_before.max(item.not_before);
        item.failing_since = self.failing_since.or(item.failing_since);
    }
}

impl<T> Shelf<T> {
    /// An empty shelf; it knows these holds.
    #[must_use]
    pub fn new(order: Order, holds: Holds) -> Shelf<T> {
        Shelf {
            order,
            next: 1,
            shelved: BTreeMap::new(),
            holds,
            releases: VecDeque::new(),
            delivered: Remembered::default(),
            parked: Remembered::default(),
            tried: Remembered::default(),
        }
    }

    /// Takes in what the broker gave. `tag` acknowledges it.
    pub fn arrive(&mut self, mut head: Head, content: T, tag: Option<u64>) {
        if let Some(tried) = self.tried.get(&copy(&head)) {
            tried.apply(&mut head.item);
        }
        let shelved = Shelved { head, content, tag, in_flight: false, unconfirmed: 0, is_settled: false };
        self.shelved.insert(self.next, shelved);
        self.next += 1;
    }

    /// Notes that behind this no envelope of a node comes that is of a generation before this one.
    pub fn arrive_release(&mut self, node: Arc<str>, before: u64, tag: u64) {
        self.releases.push_back(Release { place: self.next, node, before, tag });
        self.next += 1;
    }

    /// Forgets the holds that are over now, because nothing that they may be about lies here any more.
    pub fn release(&mut self) -> Vec<Released> {
        let mut released = Vec::new();
        while let Some(Release { place, node, before, tag }) = self.releases.pop_front() {
            let is_about =
                |shelved: &Shelved<T>| shelved.head.node == node && shelved.head.generation < before;
            if self.shelved.range(..place).any(|(_, shelved)| is_about(shelved)) {
                self.releases.push_front(Release { place, node, before, tag });
                break;
            }
            self.holds.forget(&node, before);
            released.push(Released { node, before, tag });
        }
        released
    }

    /// What was tried here of one that lies here, for whoever delivers next.
    pub fn tried(&self) -> impl Iterator<Item = &Head> {
        let is_tried = |head: &&Head| head.item.attempts > 0;
        self.shelved
            .values()
            .filter(|shelved| !shelved.is_settled)
            .map(|shelved| &shelved.head)
            .filter(is_tried)
    }

    /// Notes what another node has tried of a delivery, if that is more than is known here.
    pub fn tried_elsewhere(&mut self, node: Arc<str>, id: Id, tried: Tried) {
        let key = (node, id);
        if self.tried.get(&key).is_some_and(|known| known.attempts >= tried.attempts) {
            return;
        }
        let shelved = self.shelved.values_mut().filter(|shelved| copy(&shelved.head) == key);
        shelved.for_each(|shelved| tried.apply(&mut shelved.head.item));
        self.tried.put(key, tried);
    }

    /// Notes that a delivery was delivered by another node, from an earlier envelope.
    pub fn delivered_elsewhere(&mut self, node: Arc<str>, delivery: u64, revision: u32) {
        let key = (node, delivery, revision);
        if self.delivered.get(&key).is_none() {
            self.delivered.put(key, None);
        }
    }

    /// How many are with the destination.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shelved.values().filter(|shelved| shelved.in_flight).count()
    }

    /// The line's next deliveries of a class, behind a place: each with its place on the shelf as its number.
    #[must_use]
    pub fn fetch(&self, class: Class, after: u64, limit: usize) -> (Vec<Item>, bool) {
        let waits = |shelved: &Shelved<T>| {
            shelved.head.item.class == class
                && !shelved.is_settled
                && !shelved.in_flight
                && shelved.tag.is_some()
        };
        let behind = self.shelved.range(after.saturating_add(1)..);
        let items = behind.filter(|(_, shelved)| waits(shelved)).take(limit);
        let items: Vec<Item> = items
            .map(|(place, shelved)| Item {
                seq: *place,
                lanes: self.own_lanes(&shelved.head),
                ..shelved.head.item.clone()
            })
            .collect();
        let more = items.len() == limit;
        (items, more)
    }

    /// The lanes of different nodes have nothing to do with each other.
    fn own_lanes(&self, head: &Head) -> Arc<[Lane]> {
        let salt = head.node.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let lanes = if head.item.lanes.is_empty() { &[0][..] } else { &head.item.lanes };
        lanes.iter().map(|lane| lane ^ salt).collect()
    }

    /// What to do with one that the line wants sent.
    pub fn before(&mut self, place: u64) -> Before {
        let Some(shelved) = self.shelved.get_mut(&place) else { return Before::Gone };
        if shelved.is_settled || shelved.tag.is_none() {
            return Before::Gone;
        }
        if let Some(began) = self.delivered.get(&key(&shelved.head)) {
            (shelved.is_settled, shelved.unconfirmed) = (true, shelved.unconfirmed + 1);
            return Before::Repeat(*began);
        }
        let back = self.return_held(place);
        if back == Before::Gone
            && let Some(shelved) = self.shelved.get_mut(&place)
        {
            shelved.in_flight = true;
            return Before::Send;
        }
        back
    }

    /// What lies here and waits.
    #[must_use]
    pub fn waiting(&self) -> Vec<u64> {
        let waits = |shelved: &Shelved<T>| !shelved.is_settled && !shelved.in_flight && shelved.tag.is_some();
        self.shelved.iter().filter(|(_, shelved)| waits(shelved)).map(|(place, _)| *place).collect()
    }

    /// What to do with one that waits when its lanes are held, or when it is a copy of what was set aside: it goes back. Otherwise nothing.
    pub fn return_held(&mut self, place: u64) -> Before {
        let waits =
            |shelved: &&mut Shelved<T>| !shelved.is_settled && !shelved.in_flight && shelved.tag.is_some();
        let Some(shelved) = self.shelved.get_mut(&place).filter(waits) else { return Before::Gone };
        let Head { node, generation, item } = &shelved.head;
        let lanes = lanes(self.order, item);
        let is_copy = self.parked.get(&copy(&shelved.head)).is_some();
        let held = match self.holds.held(node, &lanes, *generation) {
            Some(held) => held,
            None if is_copy => {
                (shelved.is_settled, shelved.unconfirmed) = (true, shelved.unconfirmed + 1);
                return Before::Back { held: *generation, ties: Vec::new() };
            }
            None => return Before::Gone,
        };
        (shelved.is_settled, shelved.unconfirmed) = (true, shelved.unconfirmed + 1);
        let is_new = self.holds.hold(node, &lanes, held);
        Before::Back { held, ties: if is_new { lanes } else { Vec::new() } }
    }

    /// A person has looked: what blocked is tried again.
    pub fn looked(&mut self) {
        let is_blocked = |not_before: Option<Micros>| not_before == Some(BLOCKED);
        for tried in self.tried.values.values_mut().filter(|tried| is_blocked(tried.not_before)) {
            tried.not_before = None;
        }
        let items = self.shelved.values_mut().map(|shelved| &mut shelved.head.item);
        items.filter(|item| is_blocked(item.not_before)).for_each(|item| item.not_before = None);
    }

    /// Notes how an attempt ended, or what became of it without one.
    pub fn settled(&mut self, place: u64, result: Settled, attempted: Option<Micros>) -> Follows {
        let nothing = Follows { parked: None, is_held: false };
        let Some(shelved) = self.shelved.get_mut(&place) else { return nothing };
        shelved.in_flight = false;
        shelved.unconfirmed += 1;
        let head = &mut shelved.head;
        match result {
            Settled::Waiting { not_before } => {
                let item = &mut head.item;
                item.attempts = item.attempts.saturating_add(u32::from(attempted.is_some()));
                item.not_before = not_before.or(Some(BLOCKED));
                item.failing_since = item.failing_since.or(attempted);
                let Item { attempts, not_before, failing_since, .. } = *item;
                self.tried.put(copy(head), Tried { attempts, not_before, failing_since });
                nothing
            }
            Settled::Delivered => {
                shelved.is_settled = true;
                self.delivered.put(key(head), attempted);
                nothing
            }
            Settled::Expired { .. } => {
                shelved.is_settled = true;
                nothing
            }
            Settled::Parked | Settled::GivenUp => {
                shelved.is_settled = true;
                self.parked.put(copy(head), ());
                let lanes = lanes(self.order, &head.item);
                let is_held = self.order != Order::Fifo;
                if is_held {
                    self.holds.hold(&head.node, &lanes, head.generation);
                }
                Follows { parked: Some(lanes), is_held }
            }
        }
    }

    /// A result of this one is confirmed. Gives the tag to acknowledge, when nothing more is to be told of it.
    pub fn confirmed(&mut self, place: u64) -> Option<u64> {
        let shelved = self.shelved.get_mut(&place)?;
        shelved.unconfirmed = shelved.unconfirmed.saturating_sub(1);
        if shelved.unconfirmed > 0 || shelved.in_flight {
            return None;
        }
        let is_done = shelved.is_settled || shelved.tag.is_none();
        is_done.then(|| self.shelved.remove(&place)).flatten().and_then(|shelved| shelved.tag)
    }

    /// Nothing was sent of this one, and nothing is to be told.
    pub fn put_back(&mut self, place: u64) {
        if let Some(shelved) = self.shelved.get_mut(&place) {
            shelved.in_flight = false;
        }
    }

    /// The channel is lost. The line must read anew.
    pub fn lost(&mut self) {
        self.releases.clear();
        self.shelved.retain(|_, shelved| {
            shelved.tag = None;
            shelved.in_flight || shelved.unconfirmed > 0
        });
    }

    /// Another order from now on.
    pub fn change(&mut self, order: Order) {
        self.order = order;
    }

    /// What lies at a place.
    #[must_use]
    pub fn get(&self, place: u64) -> Option<(&Head, &T)> {
        self.shelved.get(&place).map(|shelved| (&shelved.head, &shelved.content))
    }

    /// How many lie here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shelved.len()
    }

    /// Whether nothing lies here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shelved.is_empty()
    }

    /// Its holds.
    pub fn holds(&mut self) -> &mut Holds {
        &mut self.holds
    }
}

fn key(head: &Head) -> Key {
    (head.node.clone(), head.item.seq, head.item.revision)
}

fn copy(head: &Head) -> CopyOf {
    (head.node.clone(), head.id())
}

/// The latest of what was put in.
#[derive(Debug)]
struct Remembered<K, V> {
    values: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Remembered { values: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Clone + Eq + Hash, V> Remembered<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key)
    }

    fn put(&mut self, key: K, value: V) {
        if self.values.insert(key.clone(), value).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
