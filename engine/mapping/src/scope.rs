//! Where an expression is evaluated: the message as received, the working message, the record, the names, and the `each`, filter or
//! target that relative paths start from.
//!
//! `case` is what stays the same while a message is mapped, `tree` a message whose segments have identities; this file finds in them what
//! a path names. Every look costs a step of one budget, so that a mapping ends whatever the message.

mod case;
mod tree;

use std::ops::Range;

use orderly_ccda::Element;
use orderly_hl7v2::{Level, Position, Presence, Segment, Select, View};

pub(crate) use self::case::Case;
#[cfg(test)]
pub(crate) use self::case::STEPS_MAX;
pub(crate) use self::tree::{At, Frame, Id, Tree};
use crate::evaluate;
use crate::member::Member;
use crate::plan::{Choice, Part, Place, SegmentPath, Start, Test};
use crate::refusal::Refusal;
use crate::value::Value;

/// Where the common path leads.
pub(crate) enum Bare {
    /// The path is not so plain.
    No,
    /// The segment is not there.
    Missing,
    /// The segment's index.
    At(usize),
}

/// What relative paths start from.
#[derive(Clone, Copy)]
pub(crate) enum Here<'s> {
    Nothing,
    Segment(Tree<'s>, usize),
    Part(View<'s>),
    Member(&'s Member),
    /// An element of the document.
    Element(Element<'s>),
}

/// Everything an expression can see.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'f, 's> {
    pub(crate) case: &'s Case<'s>,
    pub(crate) working: Tree<'s>,
    pub(crate) received: Tree<'s>,
    pub(crate) names: &'s [Value<'static>],
    pub(crate) frame: Option<&'f Frame<'f, 's>>,
    pub(crate) here: Here<'s>,
}

impl<'f, 's> Scope<'f, 's> {
    /// A scope in which the working message is the one received: for conditions and templates of routes.
    pub(crate) fn of(case: &'s Case<'s>) -> Scope<'f, 's> {
        let received = Tree::new(case.received(), None, &case.groups);
        Scope { case, working: received, received, names: &[], frame: None, here: Here::Nothing }
    }

    pub(crate) fn at(self, here: Here<'s>) -> Scope<'f, 's> {
        Scope { here, ..self }
    }

    /// The segment of the common path, a bare name and numbers, without lists of one.
    pub(crate) fn bare(&self, tree: Tree<'s>, place: &'s Place) -> Result<Bare, Refusal> {
        match (&place.start, &place.part) {
            (Start::Segment { segment, .. }, Part { field: Some(_), repetition: None, .. })
                if segment.is_bare() =>
            {
                let found = self.nearest(tree, &segment.name)?;
                Ok(found.map_or(Bare::Missing, Bare::At))
            }
            _ => Ok(Bare::No),
        }
    }

    /// The message that a path starts in.
    pub(crate) fn tree(&self, start: &Start) -> Tree<'s> {
        match start {
            Start::Segment { received: true, .. } => self.received,
            _ => self.working,
        }
    }

    /// The parts of a message that a place names: none, one, or several where it says `[*]`.
    pub(crate) fn views(&self, place: &'s Place) -> Result<Vec<View<'s>>, Refusal> {
        match &place.start {
            Start::Here => match self.here {
                Here::Segment(tree, index) => self.parts(tree, index, &place.part),
                Here::Part(view) => Ok(vec![below(view, &place.part)]),
                Here::Nothing | Here::Member(_) | Here::Element(_) => Ok(Vec::new()),
            },
            Start::Each(slot) => match self.each_at(*slot) {
                Some(At::Segment(id)) => match self.working.index(id) {
                    Some(index) => self.parts(self.working, index, &place.part),
                    None => Ok(Vec::new()),
                },
                Some(At::Repetition(id, field, number)) => {
                    let Some(index) = self.working.index(id) else { return Ok(Vec::new()) };
                    let view = self.working.message.field(index, field).child(number);
                    Ok(vec![below(view, &place.part)])
                }
                Some(At::Group(..) | At::Member(_)) | None => Ok(Vec::new()),
            },
            Start::Segment { segment, .. } => {
                let tree = self.tree(&place.start);
                let mut views = Vec::new();
                for index in self.segments(tree, segment)? {
                    views.append(&mut self.parts(tree, index, &place.part)?);
                }
                Ok(views)
            }
        }
    }

    /// The same as positions in the working message, to be written to or deleted. `creates` allows places that are not there yet:
    /// the repetition after the last.
    pub(crate) fn positions(&self, place: &'s Place, creates: bool) -> Result<Vec<Position>, Refusal> {
        match self.bare(self.working, place)? {
            Bare::At(segment) => return Ok(vec![place.part.position(segment)]),
            Bare::Missing => return Ok(Vec::new()),
            Bare::No => {}
        }
        let (indexes, fixed) = match &place.start {
            Start::Segment { segment, .. } => (self.segments(self.working, segment)?, None),
            Start::Here => match self.frame.map(|frame| frame.at) {
                Some(at) => self.fixed(at),
                None => (Vec::new(), None),
            },
            Start::Each(slot) => match self.each_at(*slot) {
                Some(at) => self.fixed(at),
                None => (Vec::new(), None),
            },
        };
        let mut positions = Vec::new();
        for segment in indexes {
            let part = &place.part;
            let (component, subcomponent) = (part.component, part.subcomponent);
            if let Some((field, repetition)) = fixed {
                positions.push(Position {
                    segment,
                    field,
                    repetition: Some(repetition),
                    component,
                    subcomponent,
                });
                continue;
            }
            let field = part.field.unwrap_or(0);
            let at = Position { segment, field, repetition: None, component, subcomponent };
            match &part.repetition {
                None => positions.push(at),
                Some(select) => {
                    let view = self.working.message.field(segment, field);
                    let numbers = self.numbers(view, select, creates)?;
                    positions.extend(numbers.into_iter().map(|n| Position { repetition: Some(n), ..at }));
                }
            }
        }
        Ok(positions)
    }

    /// The index of the segment an `each` stands at and, for a repetition, its field and number.
    fn fixed(&self, at: At<'_>) -> (Vec<usize>, Option<(usize, usize)>) {
        match at {
            At::Segment(id) => (self.working.index(id).into_iter().collect(), None),
            At::Repetition(id, field, number) => {
                (self.working.index(id).into_iter().collect(), Some((field, number)))
            }
            At::Group(..) | At::Member(_) => (Vec::new(), None),
        }
    }

    /// The segment that a named `each` stands at, when the place is that as a whole.
    pub(crate) fn whole_segment(&self, place: &Place) -> Option<usize> {
        match (&place.start, place.part.field) {
            (Start::Each(slot), None) => match self.each_at(*slot)? {
                At::Segment(id) => self.working.index(id),
                At::Group(..) | At::Repetition(..) | At::Member(_) => None,
            },
            _ => None,
        }
    }

    fn each_at(&self, slot: usize) -> Option<At<'s>> {
        self.each_frame(slot).map(|frame| frame.at)
    }

    fn each_frame(&self, slot: usize) -> Option<&'f Frame<'f, 's>> {
        self.frame?.and_outer().find(|frame| frame.slot == Some(slot))
    }

    /// The member of the record that an `each` stands at.
    pub(crate) fn member_of(&self, slot: usize) -> Option<&'s Member> {
        match self.each_at(slot)? {
            At::Member(member) => Some(member),
            At::Segment(_) | At::Group(..) | At::Repetition(..) => None,
        }
    }

    /// Which of its list an `each` stands at, counted from 1.
    pub(crate) fn number_of(&self, slot: usize) -> usize {
        self.each_frame(slot).map_or(0, |frame| frame.number)
    }

    /// The segments that a path names, as indexes.
    pub(crate) fn segments(&self, tree: Tree<'s>, path: &'s SegmentPath) -> Result<Vec<usize>, Refusal> {
        self.case.spend(1)?;
        if let Some((group, select)) = &path.group {
            return self.segments_in_group(tree, path, group, select);
        }
        match &path.occurrence {
            Select::First => Ok(self.nearest(tree, &path.name)?.into_iter().collect()),
            select => {
                let all = 0..tree.message.segments().len();
                self.select_segments(tree, self.named(tree, &path.name, all)?, select)
            }
        }
    }

    fn segments_in_group(
        &self,
        tree: Tree<'s>,
        path: &'s SegmentPath,
        group: &str,
        select: &'s Choice,
    ) -> Result<Vec<usize>, Refusal> {
        let ranges: Vec<Range<usize>> = tree.groups().occurrences(group).collect();
        let current =
            self.current(tree).and_then(|index| ranges.iter().position(|range| range.contains(&index)));
        let chosen = match select {
            Select::First => vec![current.unwrap_or(0)],
            Select::Nth(n) => vec![n.wrapping_sub(1)],
            Select::Last => vec![ranges.len().wrapping_sub(1)],
            Select::All => (0..ranges.len()).collect(),
            Select::Append => Vec::new(),
            Select::Where(test) => self.groups_where(tree, &ranges, test, 1)?,
            Select::AllWhere(test) => self.groups_where(tree, &ranges, test, usize::MAX)?,
        };
        let mut found = Vec::new();
        for range in chosen.into_iter().filter_map(|index| ranges.get(index)) {
            let named = self.named(tree, &path.name, range.clone())?;
            found.append(&mut self.select_segments(tree, named, &path.occurrence)?);
        }
        Ok(found)
    }

    fn groups_where(
        &self,
        tree: Tree<'s>,
        ranges: &[Range<usize>],
        test: &'s Test,
        most: usize,
    ) -> Result<Vec<usize>, Refusal> {
        let mut found = Vec::new();
        for (index, range) in ranges.iter().enumerate() {
            let at = At::Group(tree.id(range.start), tree.id(range.end.saturating_sub(1)), &[]);
            let frame = Frame { outer: self.frame, at, slot: None, number: 0 };
            if evaluate::holds(test, &Scope { frame: Some(&frame), here: Here::Nothing, ..*self })? {
                found.push(index);
            }
            if found.len() == most {
                break;
            }
        }
        Ok(found)
    }

    fn select_segments(
        &self,
        tree: Tree<'s>,
        found: Vec<usize>,
        select: &'s Choice,
    ) -> Result<Vec<usize>, Refusal> {
        let one = |index: Option<&usize>| index.copied().into_iter().collect();
        match select {
            Select::First => Ok(one(found.first())),
            Select::Nth(n) => Ok(one(found.get(n.wrapping_sub(1)))),
            Select::Last => Ok(one(found.last())),
            Select::All => Ok(found),
            Select::Append => Ok(Vec::new()),
            Select::Where(test) => self.segments_where(tree, found, test, 1),
            Select::AllWhere(test) => self.segments_where(tree, found, test, usize::MAX),
        }
    }

    /// Those of `found` that the test holds for. Inside it, the segment's name and `.5` mean the one that is tried.
    pub(crate) fn segments_where(
        &self,
        tree: Tree<'s>,
        found: Vec<usize>,
        test: &'s Test,
        most: usize,
    ) -> Result<Vec<usize>, Refusal> {
        let mut kept = Vec::new();
        for index in found {
            self.case.spend(1)?;
            let frame = Frame { outer: self.frame, at: At::Segment(tree.id(index)), slot: None, number: 0 };
            let here = Here::Segment(tree, index);
            if evaluate::holds(test, &Scope { frame: Some(&frame), here, ..*self })? {
                kept.push(index);
            }
            if kept.len() == most {
                break;
            }
        }
        Ok(kept)
    }

    /// All segments of that name in a range.
    fn named(&self, tree: Tree<'s>, name: &str, range: Range<usize>) -> Result<Vec<usize>, Refusal> {
        self.case.spend(range.len())?;
        Ok(range.filter(|index| tree.is(*index, name)).collect())
    }

    /// What a bare segment name means: the current occurrence, one in the same group, one in the enclosing groups, the first in the
    /// message.
    pub(crate) fn nearest(&self, tree: Tree<'s>, name: &str) -> Result<Option<usize>, Refusal> {
        let frames = self.frame.into_iter().flat_map(Frame::and_outer);
        for frame in frames {
            let Some((index, range)) = tree.span_of(frame.at) else {
                // What was deleted is not replaced by another of its name.
                if self.was(frame.at, name) {
                    return Ok(None);
                }
                continue;
            };
            if range.len() == 1 && tree.is(index, name) {
                return Ok(Some(index));
            }
            for range in std::iter::once(range).chain(tree.groups().enclosing(index)) {
                self.case.spend(range.len())?;
                if let Some(found) = range.clone().find(|index| tree.is(*index, name)) {
                    return Ok(Some(found));
                }
            }
        }
        self.case.spend(1)?;
        Ok(tree.message.indexes(name).next())
    }

    /// All segments of that name that belong to the current occurrence; all of the message outside an `each`. This is what an `each`
    /// walks over and a `delete` of a bare name removes. Nothing belongs to what was deleted.
    pub(crate) fn belonging(&self, tree: Tree<'s>, name: &str) -> Result<Vec<usize>, Refusal> {
        let mut frames = self.frame.into_iter().flat_map(Frame::and_outer);
        let Some(frame) = frames.find(|frame| !matches!(frame.at, At::Member(_))) else {
            return self.named(tree, name, 0..tree.message.segments().len());
        };
        let Some((index, range)) = tree.span_of(frame.at) else { return Ok(Vec::new()) };
        if range.len() > 1 {
            return self.named(tree, name, range);
        }
        if tree.is(index, name) {
            return Ok(vec![index]);
        }
        let current = tree.message.segments().get(index).map(Segment::name).unwrap_or_default();
        for range in tree.groups().enclosing(index) {
            // What encloses another such segment belongs to both, and notes belong to the segment they follow.
            let own = self.named(tree, current, range.clone())?.len() == 1;
            let found = if own { self.named(tree, name, range)? } else { return Ok(Vec::new()) };
            if !found.is_empty() || name == "NTE" {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// Whether what a frame stands at had this name in the message as received.
    fn was(&self, at: At<'_>, name: &str) -> bool {
        match at {
            At::Segment(id) | At::Repetition(id, ..) => {
                self.received.index(id).is_some_and(|index| self.received.is(index, name))
            }
            At::Group(..) | At::Member(_) => false,
        }
    }

    fn current(&self, tree: Tree<'s>) -> Option<usize> {
        self.frame.and_then(|frame| tree.span_of(frame.at)).map(|(index, _)| index)
    }

    /// The occurrences of a group, inside the group of the current occurrence when there is one.
    pub(crate) fn group_occurrences(&self, group: &str) -> Vec<Range<usize>> {
        let tree = self.working;
        let within = self.frame.and_then(|frame| tree.span_of(frame.at)).map(|(_, range)| range);
        let inside = |range: &Range<usize>| {
            within.as_ref().is_none_or(|within| range.start >= within.start && range.end <= within.end)
        };
        tree.groups().occurrences(group).filter(inside).collect()
    }

    /// Where in the working message a group stands: the occurrence that holds the current one, else the first.
    pub(crate) fn group_here(&self, group: &str) -> Option<Range<usize>> {
        let current = self.current(self.working);
        let mut ranges = self.working.groups().occurrences(group).peekable();
        let first = ranges.peek().cloned();
        ranges.find(|range| current.is_some_and(|index| range.contains(&index))).or(first)
    }

    fn parts(&self, tree: Tree<'s>, index: usize, part: &'s Part) -> Result<Vec<View<'s>>, Refusal> {
        let view = tree.message.field(index, part.field.unwrap_or(0));
        let Some(select) = &part.repetition else {
            return Ok(vec![below(view, part)]);
        };
        let numbers = self.numbers(view, select, false)?;
        Ok(numbers.into_iter().map(|number| below(view.child(number), part)).collect())
    }

    /// The repetitions that a selection names, counted from 1.
    fn numbers(&self, field: View<'s>, select: &'s Choice, creates: bool) -> Result<Vec<usize>, Refusal> {
        let count = if field.raw().is_empty() { 0 } else { field.count() };
        let last = count + usize::from(creates);
        Ok(match select {
            Select::First => vec![1],
            Select::Nth(n) => Vec::from_iter((*n <= last).then_some(*n)),
            Select::Last => Vec::from_iter((count > 0).then_some(count)),
            Select::All => (1..=count).collect(),
            Select::Append => Vec::from_iter(creates.then_some(count + 1)),
            Select::Where(test) => self.repetitions_where(field, count, test, 1)?,
            Select::AllWhere(test) => self.repetitions_where(field, count, test, usize::MAX)?,
        })
    }

    fn repetitions_where(
        &self,
        field: View<'s>,
        count: usize,
        test: &'s Test,
        most: usize,
    ) -> Result<Vec<usize>, Refusal> {
        let mut found = Vec::new();
        for (number, repetition) in (1..=count).zip(field.children()) {
            self.case.spend(1)?;
            if evaluate::holds(test, &self.at(Here::Part(repetition)))? {
                found.push(number);
            }
            if found.len() == most {
                break;
            }
        }
        Ok(found)
    }

    /// The repetitions of a field that an `each` walks over.
    pub(crate) fn repetitions(&self, place: &'s Place) -> Result<Vec<At<'static>>, Refusal> {
        let mut found = Vec::new();
        for position in self.positions(place, false)? {
            let id = self.working.id(position.segment);
            let numbers = match position.repetition {
                Some(number) => number..=number,
                None => {
                    let field = self.working.message.field(position.segment, position.field);
                    1..=if field.presence() == Presence::Empty { 0 } else { field.count() }
                }
            };
            found.extend(numbers.map(|number| At::Repetition(id, position.field, number)));
        }
        Ok(found)
    }
}

/// A component or subcomponent of a field or a repetition.
pub(crate) fn below<'s>(view: View<'s>, part: &Part) -> View<'s> {
    let Some(component) = part.component else { return view };
    let repetition = if view.level() == Level::Field { view.child(1) } else { view };
    let component = repetition.child(component);
    part.subcomponent.map_or(component, |subcomponent| component.child(subcomponent))
}
