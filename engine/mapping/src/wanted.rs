//! Which parts of the record the paths of a mapping take, as a tree of names; and how they are taken.
//!
//! Parts that begin with the same name are taken together, when the first of them is asked for: the record is gone through once for all of
//! them. What always holds: a part is taken once, and what nobody asked for is not taken at all unless its neighbour was.

use std::cell::OnceCell;
use std::sync::Arc;

use serde::Serialize;

use crate::member::Member;

/// The parts of the record that a plan takes; cheap to copy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    top: Arc<Branch>,
    count: usize,
}

/// A name that paths lead to or past.
#[derive(Debug, Default)]
pub(crate) struct Branch {
    /// Where the part is kept, if it is one.
    slot: Option<usize>,
    below: Vec<(Box<str>, Branch)>,
}

/// Where parts are kept, by their slots.
pub(crate) type Slots = [OnceCell<Member>];

impl Wanted {
    /// The parts at these paths; the place of each is its slot.
    pub(crate) fn of(paths: &[Arc<[Box<str>]>]) -> Wanted {
        let mut top = Branch::default();
        for (slot, path) in paths.iter().enumerate() {
            top.grow(path, slot);
        }
        Wanted { top: Arc::new(top), count: paths.len() }
    }

    /// Room for all parts.
    pub(crate) fn slots(&self) -> Vec<OnceCell<Member>> {
        (0..self.count).map(|_| OnceCell::new()).collect()
    }

    /// Fills the slots of all parts that begin with `first`; with [`Member::Nothing`] where there is nothing.
    pub(crate) fn take(&self, record: &impl Serialize, first: &str, slots: &Slots) {
        if let Some(entry) = self.top.below.iter().find(|(name, _)| **name == *first) {
            Member::take(record, std::slice::from_ref(entry), slots);
            entry.1.close(slots);
        }
    }
}

impl Branch {
    fn grow(&mut self, path: &[Box<str>], slot: usize) {
        let Some((first, rest)) = path.split_first() else {
            self.slot = Some(slot);
            return;
        };
        match self.below.iter_mut().find(|(name, _)| name == first) {
            Some((_, branch)) => branch.grow(rest, slot),
            None => {
                let mut branch = Branch::default();
                branch.grow(rest, slot);
                self.below.push((first.clone(), branch));
            }
        }
    }

    /// Whether the part that stands here is wanted as a whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.slot.is_some()
    }

    /// What is wanted below it, by name.
    pub(crate) fn below(&self) -> &[(Box<str>, Branch)] {
        &self.below
    }

    /// Keeps a part that was taken, and the parts of it that are wanted too.
    pub(crate) fn keep(&self, member: &Member, slots: &Slots) {
        if let Some(slot) = self.slot.and_then(|slot| slots.get(slot)) {
            slot.get_or_init(|| member.clone());
        }
        for (name, branch) in &self.below {
            if let Some(part) = member.get(name) {
                branch.keep(part, slots);
            }
        }
    }

    /// What was not found is nothing.
    fn close(&self, slots: &Slots) {
        if let Some(slot) = self.slot.and_then(|slot| slots.get(slot)) {
            slot.get_or_init(|| Member::Nothing);
        }
        self.below.iter().for_each(|(_, branch)| branch.close(slots));
    }
}
