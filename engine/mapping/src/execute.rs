//! A mapping applied to a message: rules from top to bottom on a working copy, no IO, and always an end.
//!
//! What no rule touches keeps its bytes. Segments have an identity that stays while others come and go, so that an `each` walks the list
//! that was there when it started. A trace is written only when it is asked for.

use std::cell::OnceCell;

use orderly_hl7v2::{Groups, Message, Position, Presence, Unencodable};
use orderly_record::{Diagnostic, Fault};

use crate::evaluate::{holds, value};
use crate::plan::{
    Action, Anchor, Assignment, Each, End, Insert, Over, Place, Rule, SegmentPath, Start, Term,
};
use crate::scope::{At, Case, Frame, Here, Id, Refusal, Scope, Tree};
use crate::trace::{Trace, Traced};
use crate::value::{Scalar, Value};
use crate::yaml::Span;
use crate::{Input, Mapping, Outcome, Output};

/// Bytes that all writes of one mapping may add up to: a few copies of the largest message that is taken in by default, so that rules
/// that feed on their own output are stopped before memory is.
pub(crate) const WRITTEN_BYTES_MAX: usize = 256 << 20;

/// Applies the mapping. `trace` is told of every rule.
pub(crate) fn execute(mapping: &Mapping, input: &Input<'_>, trace: Option<&mut Trace>) -> Outcome {
    let case = Case::new(input, mapping.parts);
    let received = Id::try_from(input.message.segments().len()).unwrap_or(Id::MAX);
    let mut run = Run {
        case: &case,
        message: input.message.clone(),
        ids: (0..received).collect(),
        next: received,
        groups: OnceCell::new(),
        received_groups: OnceCell::new(),
        names: vec![Value::Empty; mapping.slots],
        written: 0,
        trace,
    };
    let ended = run.rules(&mapping.rules, None);
    let message = run.message;
    match ended {
        Ok(()) => {
            let charset = message.encoding().charset;
            // As it stands, because that is what an answer repeats.
            let control_id = charset.decode(message.field(0, 10).raw()).into_owned();
            let bytes = message.encode();
            Outcome::Output(Output { bytes, control_id, diagnostics: case.into_notes() })
        }
        Err(Ended::Stopped { rule, reason }) => Outcome::Filtered { rule, reason },
        Err(Ended::Refused(refusal)) => match refusal.end {
            End::Park => Outcome::Parked(refusal.diagnostic),
            End::Stop | End::Fail => Outcome::Failed(refusal.diagnostic),
        },
    }
}

/// Why the rules ended before the last.
enum Ended {
    Stopped { rule: String, reason: String },
    Refused(Refusal),
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Ended {
        Ended::Refused(refusal)
    }
}

/// What a value becomes in the message.
enum Write {
    Clear,
    Null,
    Text(String),
    /// Raw bytes of a part of the same level.
    Copy(Vec<u8>),
    Structure(std::sync::Arc<crate::structure::Structure>),
}

impl Write {
    fn len(&self) -> usize {
        match self {
            Write::Clear => 0,
            Write::Null => 2,
            Write::Text(text) => text.len(),
            Write::Copy(raw) => raw.len(),
            Write::Structure(structure) => structure.len(),
        }
    }
}

/// One mapping at work on one message.
struct Run<'r, 'm> {
    case: &'r Case<'r>,
    message: Message<'m>,
    ids: Vec<Id>,
    /// The identity of the next segment that is inserted.
    next: Id,
    /// The working message's groups, until a segment comes or goes.
    groups: OnceCell<Groups>,
    received_groups: OnceCell<Groups>,
    names: Vec<Value<'static>>,
    written: usize,
    trace: Option<&'r mut Trace>,
}

impl<'r, 'm> Run<'r, 'm> {
    fn rules(&mut self, rules: &[Rule], frame: Option<&Frame<'_>>) -> Result<(), Ended> {
        for rule in rules {
            self.case.spend(1)?;
            self.rule(rule, frame)?;
        }
        Ok(())
    }

    fn rule(&mut self, rule: &Rule, frame: Option<&Frame<'_>>) -> Result<(), Ended> {
        match &rule.action {
            Action::Set(assignments) => self.set(assignments, frame)?,
            Action::Delete(places) => {
                for place in places {
                    self.delete(place, &rule.place, frame)?;
                }
            }
            Action::Keep(names) => self.keep(names, &rule.place)?,
            Action::Insert(insert) => self.insert(insert, &rule.place, frame)?,
            Action::Move { segment, anchor } => self.move_segment(segment, anchor, &rule.place, frame)?,
            Action::When { test, then, otherwise } => {
                let fired = holds(test, &self.scope(frame))?;
                self.tell(&rule.place, fired, || {
                    if fired { "the condition holds" } else { "the condition does not hold" }.to_owned()
                });
                self.rules(if fired { then } else { otherwise }, frame)?;
            }
            Action::Each(each) => self.each(each, &rule.place, frame)?,
            Action::Let(values) => {
                for (slot, term) in values {
                    self.name(*slot, term, frame)?;
                }
            }
            Action::End { end, reason } => return self.end(*end, reason, &rule.place),
        }
        Ok(())
    }

    fn scope<'s>(&'s self, frame: Option<&'s Frame<'s>>) -> Scope<'s, 's> {
        let working = Tree::new(&self.message, Some(&self.ids), &self.groups);
        let received = Tree::new(self.case.input.message, None, &self.received_groups);
        let here = match frame.map(|frame| frame.at) {
            Some(At::Segment(id)) => {
                working.index(id).map_or(Here::Nothing, |index| Here::Segment(working, index))
            }
            Some(At::Repetition(id, field, number)) => match working.index(id) {
                Some(index) => Here::Part(self.message.field(index, field).child(number)),
                None => Here::Nothing,
            },
            Some(At::Group(..)) | None => Here::Nothing,
        };
        Scope { case: self.case, working, received, names: &self.names, frame, here }
    }

    /// All right sides are read before any is written.
    fn set(&mut self, assignments: &[Assignment], frame: Option<&Frame<'_>>) -> Result<(), Ended> {
        let mut writes = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            let scope = self.scope(frame);
            let before = writes.len();
            match scope.bare(&assignment.target)? {
                Some(Some(at)) => writes.push((assignment, at, read(assignment, &at, &scope)?)),
                Some(None) => {}
                None => {
                    for at in scope.positions(&assignment.target, true)? {
                        writes.push((assignment, at, read(assignment, &at, &scope)?));
                    }
                }
            }
            if writes.len() == before {
                self.tell(&assignment.place, false, || "there is no such place in this message".to_owned());
            }
        }
        for (assignment, position, write) in writes {
            self.write(&position, &write, &assignment.place)?;
        }
        Ok(())
    }

    fn write(&mut self, at: &Position, write: &Write, place: &Span) -> Result<(), Ended> {
        self.grow(write.len())?;
        let before = self.trace.is_some().then(|| shown(&self.message, at));
        let written = match write {
            Write::Clear => self.message.replace(at, b""),
            Write::Null => self.message.replace(at, b"\"\""),
            Write::Text(text) => self.message.set_text(at, text),
            Write::Copy(raw) => self.message.replace(at, raw),
            Write::Structure(structure) => structure.write(&mut self.message, at),
        };
        written.map_err(|why| unwritable(&why, &self.message.path(at), place))?;
        if let (Some(trace), Some(before)) = (self.trace.as_deref_mut(), before) {
            let after = Some(shown(&self.message, at));
            let why = self.message.path(at);
            trace.push(Traced { place: place.place(), fired: true, why, before: Some(before), after });
        }
        Ok(())
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.written = self.written.saturating_add(bytes);
        if self.written <= WRITTEN_BYTES_MAX {
            return Ok(());
        }
        let message = format!("the mapping wrote more than {WRITTEN_BYTES_MAX} bytes");
        Err(Refusal::failed("mapping-written-size", Fault::Configuration, message))
    }

    fn delete(&mut self, place: &Place, rule: &Span, frame: Option<&Frame<'_>>) -> Result<(), Ended> {
        let scope = self.scope(frame);
        if let (Start::Segment { segment, .. }, None) = (&place.start, place.part.field) {
            let bare = segment.group.is_none() && matches!(segment.occurrence, orderly_hl7v2::Select::First);
            let found = match bare {
                true => scope.belonging(scope.working, &segment.name)?,
                false => scope.segments(scope.working, segment)?,
            };
            self.tell(rule, !found.is_empty(), || format!("{} segments deleted", found.len()));
            return Ok(self.remove(found)?);
        }
        if let Some(index) = scope.whole_segment(place) {
            self.tell(rule, true, || "1 segment deleted".to_owned());
            return Ok(self.remove(vec![index])?);
        }
        let mut positions = scope.positions(place, false)?;
        self.tell(rule, !positions.is_empty(), || format!("{} places deleted", positions.len()));
        // From the last to the first, so that the numbers of those to come stay right.
        positions.sort_by_key(|at| (at.segment, at.field, at.repetition));
        for at in positions.iter().rev() {
            self.message.delete(at).map_err(|why| unwritable(&why, &self.message.path(at), rule))?;
        }
        Ok(())
    }

    /// Takes segments out, given in ascending order. Those behind move up, which costs steps.
    fn remove(&mut self, indexes: Vec<usize>) -> Result<(), Refusal> {
        for index in indexes.into_iter().rev() {
            self.case.spend(self.ids.len().saturating_sub(index))?;
            if self.message.remove_segment(index).is_some() && index < self.ids.len() {
                self.ids.remove(index);
            }
        }
        self.groups = OnceCell::new();
        Ok(())
    }

    fn keep(&mut self, names: &[Box<str>], rule: &Span) -> Result<(), Refusal> {
        let kept = |name: &str| name == "MSH" || names.iter().any(|kept| **kept == *name);
        let segments = self.message.segments().iter().enumerate();
        let others: Vec<usize> =
            segments.filter(|(_, segment)| !kept(segment.name())).map(|(index, _)| index).collect();
        self.tell(rule, !others.is_empty(), || format!("{} segments deleted", others.len()));
        self.remove(others)
    }

    fn insert(&mut self, insert: &Insert, rule: &Span, frame: Option<&Frame<'_>>) -> Result<(), Ended> {
        let scope = self.scope(frame);
        let index = anchored(&insert.anchor, &scope, rule)?;
        let mut fields = Vec::with_capacity(insert.fields.len());
        for field in &insert.fields {
            let part = &field.target.part;
            let repetition = match part.repetition {
                Some(orderly_hl7v2::Select::Nth(n)) => Some(n),
                _ => None,
            };
            let (component, subcomponent) = (part.component, part.subcomponent);
            let at = Position {
                segment: index,
                field: part.field.unwrap_or(0),
                repetition,
                component,
                subcomponent,
            };
            fields.push((at, read(field, &at, &scope)?, &field.place));
        }
        self.grow(insert.segment.len())?;
        self.case.spend(self.ids.len())?;
        let inserted = self.message.insert_segment(index, insert.segment.as_bytes());
        inserted.map_err(|why| unwritable(&why, &insert.segment, rule))?;
        self.added(index);
        self.tell(rule, true, || format!("{} inserted", insert.segment));
        for (at, write, place) in fields {
            self.write(&at, &write, place)?;
        }
        Ok(())
    }

    /// Gives the segment that was put at `index` an identity.
    fn added(&mut self, index: usize) {
        self.ids.insert(index.min(self.ids.len()), self.next);
        self.next = self.next.saturating_add(1);
        self.groups = OnceCell::new();
    }

    fn move_segment(
        &mut self,
        segment: &Place,
        anchor: &Anchor,
        rule: &Span,
        frame: Option<&Frame<'_>>,
    ) -> Result<(), Ended> {
        let scope = self.scope(frame);
        let Start::Segment { segment, .. } = &segment.start else { return Ok(()) };
        let target = anchored(anchor, &scope, rule)?;
        let Some(from) = scope.segments(scope.working, segment)?.first().copied() else {
            self.tell(rule, false, || format!("there is no {}", segment.name));
            return Ok(());
        };
        self.case.spend(self.ids.len())?;
        let target = if from < target { target - 1 } else { target };
        let Some(moved) = self.message.remove_segment(from) else { return Ok(()) };
        let mut raw = Vec::new();
        moved.encode_into(self.message.encoding().delimiters.field, &mut raw);
        let put = self.message.insert_segment(target, &raw);
        put.map_err(|why| unwritable(&why, &segment.name, rule))?;
        let id = self.ids.remove(from);
        self.ids.insert(target.min(self.ids.len()), id);
        self.groups = OnceCell::new();
        self.tell(rule, true, || format!("{} moved", segment.name));
        Ok(())
    }

    fn each(&mut self, each: &Each, rule: &Span, frame: Option<&Frame<'_>>) -> Result<(), Ended> {
        let list = self.walked(each, frame)?;
        self.tell(rule, !list.is_empty(), || format!("{} times", list.len()));
        let mut removed = 0;
        for at in list {
            let at = match at {
                At::Repetition(id, field, number) => At::Repetition(id, field, number - removed),
                at => at,
            };
            let before = self.repetitions(at);
            let frame = Frame { outer: frame, at, slot: Some(each.slot) };
            if self.is_there(at) {
                self.rules(&each.rules, Some(&frame))?;
            }
            // Repetitions have no identity: those taken out of the field move the others up.
            removed += before.saturating_sub(self.repetitions(at));
        }
        Ok(())
    }

    /// What an `each` walks over, fixed when it starts.
    fn walked(&self, each: &Each, frame: Option<&Frame<'_>>) -> Result<Vec<At>, Refusal> {
        let scope = self.scope(frame);
        let list = match &each.over {
            Over::Segments(path) => {
                let found = if is_bare(path) {
                    scope.belonging(scope.working, &path.name)?
                } else {
                    scope.segments(scope.working, path)?
                };
                found.into_iter().map(|index| At::Segment(scope.working.id(index))).collect()
            }
            Over::Group(name) => scope.group_occurrences(name),
            Over::Repetitions(place) => scope.repetitions(place)?,
        };
        let Some(filter) = &each.filter else { return Ok(list) };
        let mut kept = Vec::new();
        for at in list {
            self.case.spend(1)?;
            let tried = Frame { outer: frame, at, slot: Some(each.slot) };
            if holds(filter, &self.scope(Some(&tried)))? {
                kept.push(at);
            }
        }
        Ok(kept)
    }

    fn repetitions(&self, at: At) -> usize {
        match at {
            At::Repetition(id, field, _) => {
                self.scope(None).working.index(id).map_or(0, |index| self.message.field(index, field).count())
            }
            At::Segment(_) | At::Group(..) => 0,
        }
    }

    fn is_there(&self, at: At) -> bool {
        let index = |id: Id| self.scope(None).working.index(id);
        match at {
            At::Segment(id) | At::Repetition(id, ..) => index(id).is_some(),
            At::Group(first, last) => index(first).is_some() && index(last).is_some(),
        }
    }

    fn name(&mut self, slot: usize, term: &Term, frame: Option<&Frame<'_>>) -> Result<(), Refusal> {
        let named = value(term, &self.scope(frame))?.into_owned();
        self.grow(named.len())?;
        if let Some(place) = self.names.get_mut(slot) {
            *place = named;
        }
        Ok(())
    }

    fn end(&mut self, end: End, reason: &str, rule: &Span) -> Result<(), Ended> {
        self.tell(rule, true, || format!("{end}: {reason}"));
        if end == End::Stop {
            let rule = format!("{}:{}", rule.source.file, rule.line);
            return Err(Ended::Stopped { rule, reason: reason.to_owned() });
        }
        let code = if end == End::Park { "mapping-park" } else { "mapping-fail" };
        let diagnostic = Diagnostic::error(code, Fault::Sender, reason).at(rule.place());
        Err(Ended::Refused(Refusal { end, diagnostic }))
    }

    fn tell(&mut self, place: &Span, fired: bool, why: impl FnOnce() -> String) {
        if let Some(trace) = self.trace.as_deref_mut() {
            trace.push(Traced { place: place.place(), fired, why: why(), before: None, after: None });
        }
    }
}

fn is_bare(path: &SegmentPath) -> bool {
    path.group.is_none() && matches!(path.occurrence, orderly_hl7v2::Select::First)
}

/// The value of an assignment for one position.
fn read<'s>(assignment: &'s Assignment, at: &Position, scope: &Scope<'s, 's>) -> Result<Write, Refusal> {
    let scope = match assignment.here_is_target {
        false => *scope,
        true => scope.at(match at.repetition {
            Some(number) => Here::Part(scope.working.message.field(at.segment, at.field).child(number)),
            None => Here::Segment(scope.working, at.segment),
        }),
    };
    let found = value(&assignment.value, &scope)?;
    if assignment.copies
        && let Value::View(view) = &found
    {
        return Ok(Write::Copy(view.raw().to_vec()));
    }
    Ok(match found {
        Value::Structure(structure) => Write::Structure(structure),
        found => match found.scalar() {
            Scalar::Empty => Write::Clear,
            Scalar::Null => Write::Null,
            Scalar::Text(text) => Write::Text(text.into_owned()),
        },
    })
}

/// The index at which a segment is to be put.
fn anchored<'s>(anchor: &'s Anchor, scope: &Scope<'_, 's>, rule: &Span) -> Result<usize, Refusal> {
    let Start::Segment { segment, .. } = &anchor.segment.start else { return Ok(usize::MAX) };
    let found = scope.segments(scope.working, segment)?;
    let index = if anchor.after { found.last() } else { found.first() };
    match index {
        Some(index) => Ok(index + usize::from(anchor.after)),
        None => {
            let message = format!("there is no {} to put a segment next to", segment.name);
            let diagnostic = Diagnostic::error("mapping-no-anchor", Fault::Sender, message).at(rule.place());
            Err(Refusal { end: End::Fail, diagnostic })
        }
    }
}

fn unwritable(why: &Unencodable, path: &str, place: &Span) -> Refusal {
    let message = format!("{path} can't be written: {why}");
    let diagnostic = Diagnostic::error("mapping-unwritable", Fault::Configuration, message).at(place.place());
    Refusal { end: End::Fail, diagnostic }
}

/// A part as it stands, for the trace.
fn shown(message: &Message<'_>, at: &Position) -> String {
    let view = message.view(at);
    match view.presence() {
        Presence::Empty => String::new(),
        Presence::Null | Presence::Present => message.encoding().charset.decode(view.raw()).into_owned(),
    }
}
