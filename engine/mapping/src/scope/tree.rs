//! A message whose segments have identities that stay while others come and go, and the places in it that an `each` or a filter stands at.

use std::cell::OnceCell;
use std::ops::Range;

use orderly_hl7v2::{Groups, Message};

use crate::member::Member;

/// The identity of a segment while others are inserted and removed: its index in the message as received, or a later number.
pub(crate) type Id = u32;

/// What an `each` or a filter stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At<'s> {
    Segment(Id),
    /// A group from its first to its last segment; with all of them it is found when those at its ends are gone.
    Group(Id, Id, &'s [Id]),
    /// One repetition of a field.
    Repetition(Id, usize, usize),
    /// A member of a list of the record.
    Member(&'s Member),
}

/// One `each` or filter inside another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'f, 's> {
    pub(crate) outer: Option<&'f Frame<'f, 's>>,
    pub(crate) at: At<'s>,
    /// The slot of the `each`; filters have none.
    pub(crate) slot: Option<usize>,
    /// Which of the `each`'s list this is, counted from 1.
    pub(crate) number: usize,
}

impl<'f, 's> Frame<'f, 's> {
    pub(super) fn and_outer(&'f self) -> impl Iterator<Item = &'f Frame<'f, 's>> {
        std::iter::successors(Some(self), |frame| frame.outer)
    }
}

/// A message and the identities of its segments.
#[derive(Clone, Copy)]
pub(crate) struct Tree<'s> {
    pub(crate) message: &'s Message<'s>,
    /// `None` when each segment's identity is its index.
    pub(crate) ids: Option<&'s [Id]>,
    groups: &'s OnceCell<Groups>,
}

impl<'s> Tree<'s> {
    pub(crate) fn new(
        message: &'s Message<'s>,
        ids: Option<&'s [Id]>,
        groups: &'s OnceCell<Groups>,
    ) -> Tree<'s> {
        Tree { message, ids, groups }
    }

    pub(crate) fn id(&self, index: usize) -> Id {
        match self.ids {
            Some(ids) => ids.get(index).copied().unwrap_or(Id::MAX),
            None => Id::try_from(index).unwrap_or(Id::MAX),
        }
    }

    pub(crate) fn index(&self, id: Id) -> Option<usize> {
        let likely = usize::try_from(id).ok()?;
        match self.ids {
            None => (likely < self.message.segments().len()).then_some(likely),
            Some(ids) if ids.get(likely) == Some(&id) => Some(likely),
            Some(ids) => ids.iter().position(|other| *other == id),
        }
    }

    /// The first segment of what a frame stands at, and all of it; of a group what is left of it.
    pub(crate) fn span_of(&self, at: At<'_>) -> Option<(usize, Range<usize>)> {
        match at {
            At::Segment(id) | At::Repetition(id, ..) => self.index(id).map(|index| (index, index..index + 1)),
            At::Group(first, last, all) => {
                let index = |id: &Id| self.index(*id);
                let first = index(&first).or_else(|| all.iter().find_map(index))?;
                let last = index(&last).or_else(|| all.iter().rev().find_map(index))?;
                Some((first, first..last + 1))
            }
            At::Member(_) => None,
        }
    }

    pub(super) fn groups(&self) -> &'s Groups {
        self.groups.get_or_init(|| Groups::of(self.message))
    }

    pub(super) fn is(&self, index: usize, name: &str) -> bool {
        self.message.segments().get(index).is_some_and(|segment| segment.is(name))
    }
}
