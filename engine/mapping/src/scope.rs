//! Where an expression is evaluated: the message as received, the working message, the record, the names, and the `each`, filter or
//! target that relative paths start from.
//!
//! Every look costs a step of one budget, so that a mapping ends whatever the message.

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::Range;

use orderly_ccda::Element;
use orderly_hl7v2::{Groups, Header, Level, Message, Position, Presence, Segment, Select, View};
use orderly_record::{Diagnostic, Fault};

use crate::Input;
use crate::evaluate;
use crate::member::Member;
use crate::plan::{Choice, Part, Place, SegmentPath, Start, Test};
use crate::recorder::Recorder;
use crate::refusal::Refusal;
use crate::trace::Read;
use crate::value::Value;
use crate::wanted::Wanted;

/// Steps that one mapping may take for one message: segments looked at, filters tried, rules applied. A rule set of a hundred rules on
/// a message of ten thousand segments stays far below; rules that multiply with the message are stopped within seconds.
pub(crate) const STEPS_MAX: u64 = 1_000_000_000;

/// What does not change while one message is mapped.
pub(crate) struct Case<'m> {
    pub(crate) input: &'m Input<'m>,
    /// What stands in the place of a message when the input is a document.
    nothing: Message<'m>,
    header: OnceCell<Header>,
    groups: OnceCell<Groups>,
    /// The parts of the record that the plan takes, and those that were taken.
    wanted: Wanted,
    parts: Vec<OnceCell<Member>>,
    steps: Cell<u64>,
    notes: RefCell<Vec<Diagnostic>>,
    /// Writes down what is looked at, while a trace is made.
    recorder: Option<Box<Recorder>>,
}

impl<'m> Case<'m> {
    /// A message, to be mapped by a plan that takes these parts of its record.
    pub(crate) fn new(input: &'m Input<'m>, wanted: &Wanted) -> Case<'m> {
        Case {
            input,
            nothing: Message::default(),
            header: OnceCell::new(),
            groups: OnceCell::new(),
            wanted: wanted.clone(),
            parts: wanted.slots(),
            steps: Cell::new(0),
            notes: RefCell::new(Vec::new()),
            recorder: None,
        }
    }

    /// The same, with everything written down that is looked at.
    pub(crate) fn watched(input: &'m Input<'m>, wanted: &Wanted) -> Case<'m> {
        Case { recorder: Some(Box::default()), ..Case::new(input, wanted) }
    }

    /// Tells the recorder, when there is one.
    pub(crate) fn record(&self, tell: impl FnOnce(&Recorder)) {
        if let Some(recorder) = &self.recorder {
            tell(recorder);
        }
    }

    /// What writes down, while a trace is made.
    pub(crate) fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_deref()
    }

    /// What was looked at since it was last asked; nothing without a trace.
    pub(crate) fn reads(&self) -> Vec<Read> {
        self.recorder.as_ref().map(|recorder| recorder.take()).unwrap_or_default()
    }

    /// The message as received; of a document one without segments, so that every path into it is empty.
    pub(crate) fn received(&self) -> &Message<'m> {
        self.input.message().unwrap_or(&self.nothing)
    }

    /// The header of a message; a document has none.
    pub(crate) fn header(&self) -> Option<&Header> {
        let message = self.input.message()?;
        Some(self.header.get_or_init(|| message.header()))
    }

    /// The part of the record at this path, which is kept in this slot.
    pub(crate) fn part(&self, slot: usize, root: &[Box<str>]) -> &Member {
        let Some(part) = self.parts.get(slot) else { return &Member::Nothing };
        if let (None, Some(first)) = (part.get(), root.first()) {
            self.wanted.take(self.input.record(), first, &self.parts);
        }
        part.get().unwrap_or(&Member::Nothing)
    }

    /// Counts steps.
    pub(crate) fn spend(&self, steps: usize) -> Result<(), Refusal> {
        let spent = self.steps.get().saturating_add(steps as u64);
        self.steps.set(spent);
        if spent <= STEPS_MAX {
            return Ok(());
        }
        let message = format!("the mapping took more than {STEPS_MAX} steps on this message");
        Err(Refusal::failed("mapping-steps", Fault::Configuration, message))
    }

    /// Keeps something to tell that does not stop the mapping; the same is told once.
    pub(crate) fn note(&self, note: Diagnostic) {
        let mut notes = self.notes.borrow_mut();
        if !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// What was noted since it was asked last.
    pub(crate) fn take_notes(&self) -> Vec<Diagnostic> {
        self.notes.take()
    }
}

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
    fn and_outer(&'f self) -> impl Iterator<Item = &'f Frame<'f, 's>> {
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

    fn groups(&self) -> &'s Groups {
        self.groups.get_or_init(|| Groups::of(self.message))
    }

    fn is(&self, index: usize, name: &str) -> bool {
        self.message.segments().get(index).is_some_and(|segment| segment.is(name))
    }
}

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
