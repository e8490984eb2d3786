//! Rules that change the working message: what they write, delete, insert and move.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use orderly_hl7v2::{Edit, Message, Position, Presence, Unencodable};
use orderly_record::{Diagnostic, Fault};

use super::tell::counted;
use super::{Ended, Run};
use crate::evaluate::value;
use crate::plan::{Anchor, Assignment, End, Insert, Place, Start, Term};
use crate::refusal::Refusal;
use crate::scope::{Bare, Frame, Here, Scope};
use crate::structure::Structure;
use crate::trace::Read;
use crate::value::{Scalar, Value};
use crate::yaml::Span;

/// What a value becomes in the message.
enum Write<'w> {
    Clear,
    Null,
    Text(Cow<'w, str>),
    /// Raw bytes of a part of the same level.
    Copy(Cow<'w, [u8]>),
    Structure(Arc<Structure>),
}

/// What is left to do when a value was brought into its form.
enum Ready {
    Edit(Edit),
    /// More than one edit, part by part.
    Structure(Arc<Structure>),
}

impl<'w> Write<'w> {
    /// A text that stands in the mapping, for which nothing has to be read.
    fn literal(assignment: &'w Assignment) -> Option<Write<'w>> {
        match &assignment.value {
            Term::Text(text) if !text.is_empty() => Some(Write::Text(Cow::Borrowed(text))),
            _ => None,
        }
    }

    fn into_owned<'o>(self) -> Write<'o> {
        match self {
            Write::Clear => Write::Clear,
            Write::Null => Write::Null,
            Write::Text(text) => Write::Text(Cow::Owned(text.into_owned())),
            Write::Copy(raw) => Write::Copy(Cow::Owned(raw.into_owned())),
            Write::Structure(structure) => Write::Structure(structure),
        }
    }

    fn ready(self, message: &Message<'_>, at: &Position) -> Result<Ready, Unencodable> {
        let edit = match self {
            Write::Clear => message.replacement(at, b""),
            Write::Null => message.replacement(at, b"\"\""),
            Write::Text(text) => message.text_replacement(at, &text),
            Write::Copy(raw) => message.replacement(at, &raw),
            Write::Structure(structure) => return Ok(Ready::Structure(structure)),
        };
        edit.map(Ready::Edit)
    }

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

impl Run<'_, '_> {
    /// All right sides are read before any is written.
    pub(super) fn set(
        &mut self,
        assignments: &[Assignment],
        frame: Option<&Frame<'_, '_>>,
    ) -> Result<(), Ended> {
        if let [only] = assignments {
            let scope = self.scope(frame);
            // The common rule, one value for one place: nothing has to be kept from the reading to the writing.
            if let Bare::At(segment) = scope.bare(scope.working, &only.target)? {
                let at = only.target.part.position(segment);
                let write = match Write::literal(only) {
                    Some(literal) => literal,
                    None => read(only, &at, &scope)?,
                };
                let (length, ready, reads) =
                    (write.len(), write.ready(&self.message, &at), self.case.reads());
                return self.finish(&at, length, ready, &only.place, reads);
            }
        }
        let mut writes = Vec::new();
        for assignment in assignments {
            let scope = self.scope(frame);
            let positions = scope.positions(&assignment.target, true)?;
            if positions.is_empty() {
                self.tell("set", &assignment.place, false, || {
                    "there is no such place in this message".to_owned()
                });
                continue;
            }
            for at in positions {
                let write = match Write::literal(assignment) {
                    Some(literal) => literal,
                    None => read(assignment, &at, &scope)?.into_owned(),
                };
                writes.push((assignment, at, write, self.case.reads()));
            }
        }
        for (assignment, at, write, reads) in writes {
            self.write(&at, write, &assignment.place, reads)?;
        }
        Ok(())
    }

    /// Writes a text that no rule says.
    pub(super) fn write_text(&mut self, at: &Position, text: &str, place: &Span) -> Result<(), Ended> {
        self.write(at, Write::Text(Cow::Borrowed(text)), place, Vec::new())
    }

    fn write(
        &mut self,
        at: &Position,
        write: Write<'_>,
        place: &Span,
        reads: Vec<Read>,
    ) -> Result<(), Ended> {
        let length = write.len();
        let ready = write.ready(&self.message, at);
        self.finish(at, length, ready, place, reads)
    }

    fn finish(
        &mut self,
        at: &Position,
        length: usize,
        ready: Result<Ready, Unencodable>,
        place: &Span,
        reads: Vec<Read>,
    ) -> Result<(), Ended> {
        self.grow(length)?;
        let before = self.trace.is_some().then(|| shown(&self.message, at));
        let written = match ready {
            Ok(Ready::Edit(edit)) => {
                self.message.make(edit);
                Ok(())
            }
            Ok(Ready::Structure(structure)) => structure.write(&mut self.message, at),
            Err(why) => Err(why),
        };
        written.map_err(|why| unwritable(&why, &self.message.path(at), place))?;
        self.tell_written(at, before, place, reads);
        Ok(())
    }

    /// Segments go last, when those of all places are known: what belongs to a deleted segment can't be told any more.
    pub(super) fn delete(
        &mut self,
        places: &[Place],
        rule: &Span,
        frame: Option<&Frame<'_, '_>>,
    ) -> Result<(), Ended> {
        let mut segments = Vec::new();
        for place in places {
            match whole_segments(place, &self.scope(frame))? {
                Some(mut found) => {
                    self.tell("delete", rule, !found.is_empty(), || {
                        format!("{} deleted", counted(found.len(), "segment"))
                    });
                    segments.append(&mut found);
                }
                None => self.delete_fields(place, rule, frame)?,
            }
        }
        segments.sort_unstable();
        segments.dedup();
        Ok(self.remove(segments)?)
    }

    fn delete_fields(
        &mut self,
        place: &Place,
        rule: &Span,
        frame: Option<&Frame<'_, '_>>,
    ) -> Result<(), Ended> {
        let mut positions = self.scope(frame).positions(place, false)?;
        self.tell("delete", rule, !positions.is_empty(), || {
            format!("{} deleted", counted(positions.len(), "place"))
        });
        // From the last to the first, so that the numbers of those to come stay right.
        positions.sort_by_key(|at| (at.segment, at.field, at.repetition));
        for at in positions.iter().rev() {
            self.message.delete(at).map_err(|why| unwritable(&why, &self.message.path(at), rule))?;
        }
        Ok(())
    }

    /// Takes segments out, given in ascending order. Those behind move up, which costs steps.
    pub(super) fn remove(&mut self, indexes: Vec<usize>) -> Result<(), Refusal> {
        for index in indexes.into_iter().rev() {
            self.case.spend(self.ids.len().saturating_sub(index))?;
            if self.message.remove_segment(index).is_some() && index < self.ids.len() {
                self.ids.remove(index);
            }
        }
        self.groups = OnceCell::new();
        Ok(())
    }

    pub(super) fn keep(&mut self, names: &[Box<str>], rule: &Span) -> Result<(), Refusal> {
        let kept = |name: &str| name == "MSH" || names.iter().any(|kept| **kept == *name);
        let segments = self.message.segments().iter().enumerate();
        let others: Vec<usize> =
            segments.filter(|(_, segment)| !kept(segment.name())).map(|(index, _)| index).collect();
        self.tell("keep", rule, !others.is_empty(), || {
            format!("{} deleted", counted(others.len(), "segment"))
        });
        self.remove(others)
    }

    pub(super) fn insert(
        &mut self,
        insert: &Insert,
        rule: &Span,
        frame: Option<&Frame<'_, '_>>,
    ) -> Result<(), Ended> {
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
            let write = match Write::literal(field) {
                Some(literal) => literal,
                None => read(field, &at, &scope)?.into_owned(),
            };
            fields.push((at, write, &field.place, self.case.reads()));
        }
        self.grow(insert.segment.len())?;
        self.case.spend(self.ids.len())?;
        let inserted = self.message.insert_segment(index, insert.segment.as_bytes());
        inserted.map_err(|why| unwritable(&why, &insert.segment, rule))?;
        self.added(index);
        self.tell("insert", rule, true, || format!("{} inserted", insert.segment));
        for (at, write, place, reads) in fields {
            self.write(&at, write, place, reads)?;
        }
        Ok(())
    }

    /// Gives the segment that was put at `index` an identity.
    fn added(&mut self, index: usize) {
        self.ids.insert(index.min(self.ids.len()), self.next);
        self.next = self.next.saturating_add(1);
        self.groups = OnceCell::new();
    }

    pub(super) fn move_segment(
        &mut self,
        segment: &Place,
        anchor: &Anchor,
        rule: &Span,
        frame: Option<&Frame<'_, '_>>,
    ) -> Result<(), Ended> {
        let scope = self.scope(frame);
        let Start::Segment { segment, .. } = &segment.start else { return Ok(()) };
        let target = anchored(anchor, &scope, rule)?;
        let Some(from) = scope.segments(scope.working, segment)?.first().copied() else {
            self.tell("move", rule, false, || format!("there is no {}", segment.name));
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
        self.tell("move", rule, true, || format!("{} moved", segment.name));
        Ok(())
    }
}

/// The value of an assignment for one position.
fn read<'s>(assignment: &'s Assignment, at: &Position, scope: &Scope<'s, 's>) -> Result<Write<'s>, Refusal> {
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
        // A new message has its own delimiters and charset, in which bytes of the received one would mean something else.
        if scope.working.message.encoding() == view.encoding() {
            return Ok(Write::Copy(Cow::Borrowed(view.raw())));
        }
        let carried = Structure::of(view);
        let carried =
            carried.map_err(|why| unwritable(&why, &scope.working.message.path(at), &assignment.place))?;
        return Ok(Write::Structure(Arc::new(carried)));
    }
    Ok(match found {
        Value::Structure(structure) => Write::Structure(structure),
        found => match found.scalar() {
            Scalar::Empty => Write::Clear,
            Scalar::Null => Write::Null,
            Scalar::Text(text) => Write::Text(text),
        },
    })
}

/// The index at which a segment is to be put.
fn anchored<'s>(anchor: &'s Anchor, scope: &Scope<'_, 's>, rule: &Span) -> Result<usize, Refusal> {
    let (index, name) = match anchor {
        Anchor::End => return Ok(scope.working.message.segments().len()),
        Anchor::BesideGroup { group, after } => {
            let found = scope.group_here(group);
            (found.map(|range| if *after { range.end } else { range.start }), group)
        }
        Anchor::Beside { segment, after } => {
            let Start::Segment { segment, .. } = &segment.start else { return Ok(usize::MAX) };
            let found = scope.segments(scope.working, segment)?;
            let index = if *after { found.last() } else { found.first() };
            (index.map(|index| index + usize::from(*after)), &segment.name)
        }
    };
    index.ok_or_else(|| {
        let message = format!("there is no {name} to put a segment next to");
        let diagnostic = Diagnostic::error("mapping-no-anchor", Fault::Sender, message).at(rule.place());
        Refusal::new(End::Fail, diagnostic)
    })
}

fn unwritable(why: &Unencodable, path: &str, place: &Span) -> Refusal {
    let message = format!("{path} can't be written: {why}");
    let diagnostic = Diagnostic::error("mapping-unwritable", Fault::Configuration, message).at(place.place());
    Refusal::new(End::Fail, diagnostic)
}

/// A part as it stands, for the trace.
fn shown(message: &Message<'_>, at: &Position) -> String {
    let view = message.view(at);
    match view.presence() {
        Presence::Empty => String::new(),
        Presence::Null | Presence::Present => message.encoding().charset.decode(view.raw()).into_owned(),
    }
}

/// The segments that a place names as a whole; `None` when it names something inside of them.
fn whole_segments<'s>(place: &'s Place, scope: &Scope<'_, 's>) -> Result<Option<Vec<usize>>, Refusal> {
    match (&place.start, place.part.field) {
        (Start::Segment { segment, .. }, None) if segment.is_bare() => {
            scope.belonging(scope.working, &segment.name).map(Some)
        }
        (Start::Segment { segment, .. }, None) => scope.segments(scope.working, segment).map(Some),
        _ => Ok(scope.whole_segment(place).map(|index| vec![index])),
    }
}
