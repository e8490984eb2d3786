//! The walk along a structure: where each segment belongs, of those places that are open.
//!
//! A segment is sought from the innermost open group outwards, in rounds that ask for less and less order: where it, or a group that it
//! leads, comes next; where a group that it may begin, since what stands before it is optional, comes next; where it has been passed; in
//! any group that is still to come. The first place found is taken, and groups inside of that end. So a segment that is missing, that
//! repeats or that is out of order costs the others nothing.

use std::ops::Range;

use super::Group;
use crate::dictionary::{Child, Structure, Version};

/// A walk at some point of it.
pub(super) struct Walk<'n> {
    names: &'n [&'n str],
    structure: &'static Structure,
    version: Version,
    /// The message, and the groups that are open, outermost first.
    open: Vec<Open>,
    groups: Vec<Group>,
}

struct Open {
    /// The group's node in the structure; 0 is the message.
    node: usize,
    /// Index of the group in the result; `None` for the message.
    group: Option<usize>,
    /// The place in it that was last taken, if any was.
    last: Option<u8>,
    /// The places that were taken, one bit each.
    taken: u64,
}

/// How a segment may begin a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// As its very first.
    Leading,
    /// After what may be missing.
    Allowed,
    /// Anywhere in it.
    Anywhere,
}

/// Where a segment goes.
pub(super) struct Found {
    /// How many of the open groups stay open.
    pub(super) depth: usize,
    /// The children on the way from there: groups that begin, and the segment at last.
    pub(super) way: Vec<&'static Child>,
}

impl<'n> Walk<'n> {
    pub(super) fn new(names: &'n [&'n str], structure: &'static Structure, version: Version) -> Self {
        let message = Open { node: 0, group: None, last: None, taken: 0 };
        Self { names, structure, version, open: vec![message], groups: Vec::new() }
    }

    /// Takes the next segment; where it goes, if it has a place.
    pub(super) fn take(&mut self, index: usize) -> Option<Found> {
        let name = self.names.get(index).copied().unwrap_or_default();
        let found = self.find(name, index);
        if let Some(found) = &found {
            self.open.truncate(found.depth);
            for child in &found.way {
                self.enter(child, index);
            }
        }
        for open in &self.open {
            if let Some(group) = open.group.and_then(|group| self.groups.get_mut(group)) {
                group.range.end = index + 1;
            }
        }
        found
    }

    /// The index of the innermost group that is open.
    pub(super) fn innermost(&self) -> Option<usize> {
        self.open.last().and_then(|open| open.group)
    }

    pub(super) fn finish(self) -> Vec<Group> {
        self.groups
    }

    fn enter(&mut self, child: &'static Child, index: usize) {
        let parent = self.open.last().and_then(|open| open.group);
        if let Some(open) = self.open.last_mut() {
            open.last = Some(child.place);
            open.taken |= bit(child.place);
        }
        if let Some(node) = child.group {
            let range: Range<usize> = index..index + 1;
            self.open.push(Open { node, group: Some(self.groups.len()), last: None, taken: 0 });
            self.groups.push(Group { name: self.structure.node(node).name, range, parent });
        }
    }

    /// Where a segment belongs; `None` leaves it in the group that is open.
    fn find(&self, name: &str, index: usize) -> Option<Found> {
        // A note stays with what it follows: it leaves no group and begins none.
        if name == "NTE" {
            return None;
        }
        let depths = || (1..=self.open.len()).rev();
        let ordered = |begins: Begins| {
            depths().find_map(|depth| {
                self.forward(depth, name, begins).or_else(|| self.again(depth, name, index, begins))
            })
        };
        ordered(Begins::Leading)
            .or_else(|| ordered(Begins::Allowed))
            .or_else(|| depths().find_map(|depth| self.passed(depth, name)))
            .or_else(|| ordered(Begins::Anywhere))
    }

    /// In an open group, where it comes next.
    fn forward(&self, depth: usize, name: &str, begins: Begins) -> Option<Found> {
        let open = self.open.get(depth - 1)?;
        let is_next = |child: &&Child| {
            self.is_known(child)
                && open.last.is_none_or(|last| child.place > last || (child.place == last && child.repeats))
        };
        let next = self.structure.node(open.node).children.iter().filter(is_next);
        let way = next.into_iter().find_map(|child| self.way(child, name, begins))?;
        Some(Found { depth, way })
    }

    /// In another of a group that is open.
    fn again(&self, depth: usize, name: &str, index: usize, begins: Begins) -> Option<Found> {
        let open = self.open.get(depth - 1)?;
        let around = self.open.get(depth.checked_sub(2)?)?;
        let is_own = |child: &&Child| child.group == Some(open.node);
        let child = self.structure.node(around.node).children.iter().find(is_own)?;
        let way = self.way(child, name, begins).filter(|_| child.repeats)?;
        let own = way.get(1).filter(|_| way.len() == 2);
        match own
            .filter(|own| open.taken & bit(own.place) == 0 && !self.is_followed_up(open.node, own, index))
        {
            Some(own) => Some(Found { depth, way: vec![own] }),
            None => Some(Found { depth: depth - 1, way }),
        }
    }

    /// Whether a group that this segment begins would get what it is about: its required segment, before what comes after that. Some send
    /// ORC after OBR, about the same order.
    fn is_followed_up(&self, node: usize, own: &Child, index: usize) -> bool {
        let children = &self.structure.node(node).children;
        let Some(anchor) = children.iter().find(|child| child.expected && child.place >= own.place) else {
            return true;
        };
        if anchor.place == own.place {
            return true;
        }
        for name in self.names.iter().skip(index + 1) {
            if anchor.segment == *name || own.segment == *name {
                return anchor.segment == *name;
            }
            let later = |child: &'static Child| {
                child.place > anchor.place && self.way(child, name, Begins::Leading).is_some()
            };
            if children.iter().any(later) {
                return false;
            }
        }
        false
    }

    /// In an open group, where it would have come earlier.
    fn passed(&self, depth: usize, name: &str) -> Option<Found> {
        let open = self.open.get(depth - 1)?;
        let children = self.structure.node(open.node).children.iter().filter(|child| self.is_known(child));
        let way = children.into_iter().find_map(|child| self.way(child, name, Begins::Leading))?;
        Some(Found { depth, way })
    }

    /// The way from a child to the segment.
    fn way(&self, child: &'static Child, name: &str, begins: Begins) -> Option<Vec<&'static Child>> {
        let Some(group) = child.group else { return (child.segment == name).then(|| vec![child]) };
        for inner in self.structure.node(group).children.iter().filter(|inner| self.is_known(inner)) {
            if begins == Begins::Leading && inner.place > 0 {
                break;
            }
            if let Some(mut way) = self.way(inner, name, begins) {
                way.insert(0, child);
                return Some(way);
            }
            if begins == Begins::Allowed && inner.required {
                break;
            }
        }
        None
    }

    /// Whether the message's version knows it, or an earlier one.
    fn is_known(&self, child: &Child) -> bool {
        child.is_known(self.version)
    }
}

/// A place, among those taken.
pub(super) fn bit(place: u8) -> u64 {
    1_u64.checked_shl(u32::from(place)).unwrap_or_default()
}
