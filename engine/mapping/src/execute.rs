//! A mapping applied to a message or a document: rules from top to bottom, no IO, and always an end.
//!
//! Rules edit a working copy of the input or a new message (`edit`, `start`), or decide before an output is built (`build`). What no rule
//! touches keeps its bytes. Segments have an identity that stays while others come and go, so that an `each` walks the list
//! that was there when it started. A trace is written only when it is asked for.

mod build;
mod edit;
mod split;
mod start;
pub(crate) mod tell;
mod xml;

use std::cell::OnceCell;
use std::ops::Range;

use orderly_hl7v2::{Groups, Message};
use orderly_record::{Diagnostic, Fault, Place};

use crate::evaluate::{fact_text, holds, members, value};
use crate::member::Member;
use crate::plan::{Action, End, Fact, Form, Let, Over, Rule, Walk, Written};
use crate::refusal::{Refusal, Refused};
use crate::scope::{At, Case, Frame, Here, Id, Scope, Tree};
use crate::trace::Trace;
use crate::value::Value;
use crate::yaml::Span;
use crate::{Input, Mapping, Outcome, Output};

/// Bytes that all writes of one mapping may add up to: a few copies of the largest message that is taken in by default, so that rules
/// that feed on their own output are stopped before memory is.
pub(crate) const WRITTEN_BYTES_MAX: usize = 256 << 20;

/// So many segments do most mappings insert at most.
const SEGMENTS_INSERTED: usize = 4;

/// Applies the mapping. `trace` is told of every rule. What it gives is never nothing.
pub(crate) fn execute(mapping: &Mapping, input: &Input<'_>, trace: Option<&mut Trace>) -> Vec<Outcome> {
    let case = match trace {
        None => Case::new(input, &mapping.wanted),
        Some(_) => Case::watched(input, &mapping.wanted),
    };
    outcomes(mapping, &case, trace).unwrap_or_else(|ended| vec![outcome(Err(ended), &case)])
}

fn outcomes(mapping: &Mapping, case: &Case<'_>, trace: Option<&mut Trace>) -> Result<Vec<Outcome>, Ended> {
    mapping.accepts.check(case.input, &mapping.input)?;
    let slots = mapping.slots;
    match &mapping.form {
        Form::Edit { version, charset, steps } => {
            let message = start::copy(case.received(), charset.as_ref())?;
            let mut run = Run::new(case, message, slots, trace);
            let begun = run.begin(*version, charset.as_ref(), &mapping.output);
            run.tell_refused(begun)?;
            run.steps(steps, |run| run.message_and_id(charset.as_ref()))
        }
        Form::Start { version, charset, steps } => {
            let mut run = Run::new(case, start::message(version, case.input)?, slots, trace);
            let begun = run.begin(None, charset.as_ref(), &mapping.output);
            run.tell_refused(begun)?;
            run.steps(steps, |run| {
                start::check(&run.message).and_then(|()| run.message_and_id(charset.as_ref()))
            })
        }
        Form::Build { rules, build, writing } => {
            let mut run = Run::new(case, case.received().working_copy(), slots, trace);
            let ruled = run.rules(rules, None);
            let built = ruled.and_then(|()| run.built(build, writing));
            let bytes = run.tell_refused(built)?;
            let control_id = fact_text(Fact::ControlId, &run.scope(None)).into_owned();
            Ok(vec![outcome(Ok((bytes, control_id)), case)])
        }
    }
}

/// What became of one output: its bytes and the control id by which they are known, or why there are none.
fn outcome(made: Result<(Vec<u8>, String), Ended>, case: &Case<'_>) -> Outcome {
    match made {
        Ok((bytes, control_id)) => {
            Outcome::Output(Output { bytes, control_id, diagnostics: case.take_notes() })
        }
        Err(Ended::Stopped { rule, reason }) => Outcome::Filtered { rule, reason },
        Err(Ended::Refused(refusal)) => {
            let Refused { end, diagnostic, unmapped } = refusal.into_inner();
            match end {
                End::Park => Outcome::Parked { diagnostic, unmapped },
                End::Stop | End::Fail => Outcome::Failed(diagnostic),
            }
        }
    }
}

/// Why the rules ended before the last.
enum Ended {
    Stopped { rule: String, reason: String },
    Refused(Refusal),
}

impl Ended {
    /// The same; what ended without knowing its place ended here.
    fn at(mut self, place: &Span) -> Ended {
        if let Ended::Refused(refusal) = &mut self
            && refusal.diagnostic.place == Place::None
        {
            refusal.diagnostic.place = place.place();
        }
        self
    }
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Ended {
        Ended::Refused(refusal)
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
    /// Where in a built output the run stands, while a trace is made.
    path: Vec<String>,
}

/// One of what an `each` walks over.
enum Item {
    /// A part of the working message.
    Place(At<'static>),
    /// The segments of a group.
    Group(Vec<Id>),
    /// A member of a list of the record.
    Member(Member),
}

impl Item {
    fn at(&self) -> At<'_> {
        match self {
            Item::Place(at) => *at,
            Item::Group(all) => {
                let [first, last] = [all.first(), all.last()].map(|id| id.copied().unwrap_or(Id::MAX));
                At::Group(first, last, all)
            }
            Item::Member(member) => At::Member(member),
        }
    }
}

impl<'r, 'm> Run<'r, 'm> {
    fn new(
        case: &'r Case<'r>,
        message: Message<'m>,
        slots: usize,
        trace: Option<&'r mut Trace>,
    ) -> Run<'r, 'm> {
        let next = Id::try_from(message.segments().len()).unwrap_or(Id::MAX);
        let mut ids = Vec::with_capacity(message.segments().len() + SEGMENTS_INSERTED);
        ids.extend(0..next);
        Run {
            case,
            message,
            ids,
            next,
            groups: OnceCell::new(),
            received_groups: OnceCell::new(),
            names: vec![Value::Empty; slots],
            written: 0,
            trace,
            path: Vec::new(),
        }
    }

    /// The working message, and its control id as it stands, because that is what an answer repeats.
    fn message_and_id(&self, written: Option<&Written>) -> Result<(Vec<u8>, String), Refusal> {
        let charset = self.message.encoding().charset;
        let control_id = charset.decode(self.message.field(0, 10).raw()).into_owned();
        let bytes = match written {
            None => self.message.encode(),
            Some(written) => start::encode(&self.message, written)?,
        };
        Ok((bytes, control_id))
    }

    fn rules(&mut self, rules: &[Rule], frame: Option<&Frame<'_, '_>>) -> Result<(), Ended> {
        for rule in rules {
            self.case.spend(1)?;
            self.rule(rule, frame).map_err(|ended| ended.at(&rule.place))?;
        }
        Ok(())
    }

    fn rule(&mut self, rule: &Rule, frame: Option<&Frame<'_, '_>>) -> Result<(), Ended> {
        match &rule.action {
            Action::Set(assignments) => self.set(assignments, frame)?,
            Action::Delete(places) => self.delete(places, &rule.place, frame)?,
            Action::Keep(names) => self.keep(names, &rule.place)?,
            Action::Insert(insert) => self.insert(insert, &rule.place, frame)?,
            Action::Move { segment, anchor } => self.move_segment(segment, anchor, &rule.place, frame)?,
            Action::When { test, then, otherwise } => {
                let fired = holds(test, &self.scope(frame))?;
                self.tell("when", &rule.place, fired, || {
                    if fired { "the condition holds" } else { "the condition does not hold" }.to_owned()
                });
                self.rules(if fired { then } else { otherwise }, frame)?;
            }
            Action::Each { walk, rules } => self.each(walk, rules, &rule.place, frame)?,
            Action::Let(values) => {
                for named in values {
                    self.name(named, &rule.place, frame)?;
                }
            }
            Action::End { end, reason } => return self.end(*end, reason, &rule.place),
        }
        Ok(())
    }

    fn scope<'s>(&'s self, frame: Option<&'s Frame<'s, 's>>) -> Scope<'s, 's> {
        let working = self.working();
        let received = Tree::new(self.case.received(), None, &self.received_groups);
        let here = match frame.map(|frame| frame.at) {
            Some(At::Segment(id)) => {
                working.index(id).map_or(Here::Nothing, |index| Here::Segment(working, index))
            }
            Some(At::Repetition(id, field, number)) => match working.index(id) {
                Some(index) => Here::Part(self.message.field(index, field).child(number)),
                None => Here::Nothing,
            },
            Some(At::Member(member)) => Here::Member(member),
            Some(At::Group(..)) | None => Here::Nothing,
        };
        Scope { case: self.case, working, received, names: &self.names, frame, here }
    }

    fn each(
        &mut self,
        walk: &Walk,
        rules: &[Rule],
        rule: &Span,
        frame: Option<&Frame<'_, '_>>,
    ) -> Result<(), Ended> {
        let list = self.walked(walk, frame)?;
        self.tell("each", rule, !list.is_empty(), || tell::counted(list.len(), "time"));
        let mut removed = 0;
        for (number, item) in (1..).zip(&list) {
            let at = match item.at() {
                At::Repetition(id, field, number) => At::Repetition(id, field, number - removed),
                at => at,
            };
            let before = self.repetitions(at);
            let frame = Frame { outer: frame, at, slot: Some(walk.slot), number };
            if self.is_there(at) {
                self.rules(rules, Some(&frame))?;
            }
            // Repetitions have no identity: those taken out of the field move the others up.
            removed += before.saturating_sub(self.repetitions(at));
        }
        Ok(())
    }

    /// What an `each` walks over, fixed when it starts.
    fn walked(&self, walk: &Walk, frame: Option<&Frame<'_, '_>>) -> Result<Vec<Item>, Refusal> {
        let scope = self.scope(frame);
        let places = |list: Vec<At<'static>>| list.into_iter().map(Item::Place).collect();
        let list: Vec<Item> = match &walk.over {
            Over::Segments(path) => {
                let found = if path.is_bare() {
                    scope.belonging(scope.working, &path.name)?
                } else {
                    scope.segments(scope.working, path)?
                };
                found.into_iter().map(|index| Item::Place(At::Segment(scope.working.id(index)))).collect()
            }
            Over::Group(name) => {
                let ids = |range: Range<usize>| range.map(|index| scope.working.id(index)).collect();
                scope.group_occurrences(name).into_iter().map(|range| Item::Group(ids(range))).collect()
            }
            Over::Repetitions(place) => places(scope.repetitions(place)?),
            Over::Members(path) => members(path, &scope)?.into_iter().cloned().map(Item::Member).collect(),
        };
        self.case.spend(list.len())?;
        let Some(filter) = &walk.filter else { return Ok(list) };
        let mut kept = Vec::new();
        for item in list {
            self.case.spend(1)?;
            let tried = Frame { outer: frame, at: item.at(), slot: Some(walk.slot), number: 0 };
            if holds(filter, &self.scope(Some(&tried)))? {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    fn repetitions(&self, at: At<'_>) -> usize {
        match at {
            At::Repetition(id, field, _) => {
                self.working().index(id).map_or(0, |index| self.message.field(index, field).count())
            }
            At::Segment(_) | At::Group(..) | At::Member(_) => 0,
        }
    }

    fn is_there(&self, at: At<'_>) -> bool {
        matches!(at, At::Member(_)) || self.working().span_of(at).is_some()
    }

    fn working(&self) -> Tree<'_> {
        Tree::new(&self.message, Some(&self.ids), &self.groups)
    }

    fn name(&mut self, said: &Let, rule: &Span, frame: Option<&Frame<'_, '_>>) -> Result<(), Refusal> {
        let named = value(&said.value, &self.scope(frame))?.into_owned();
        self.grow(named.len())?;
        self.tell_named(said, rule, &named);
        if let Some(place) = self.names.get_mut(said.slot) {
            *place = named;
        }
        Ok(())
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.written = self.written.saturating_add(bytes);
        self.fits(0)
    }

    /// Whether an output of that many bytes stays within the limit, beside all that was written for it.
    fn fits(&self, bytes: usize) -> Result<(), Refusal> {
        if self.written.saturating_add(bytes) <= WRITTEN_BYTES_MAX {
            return Ok(());
        }
        let message = format!("the mapping wrote more than {WRITTEN_BYTES_MAX} bytes");
        Err(Refusal::failed("mapping-written-size", Fault::Configuration, message))
    }

    fn end(&mut self, end: End, reason: &str, rule: &Span) -> Result<(), Ended> {
        if end == End::Stop {
            self.tell(end.name(), rule, true, || reason.to_owned());
            let rule = format!("{}:{}", rule.source.file, rule.line);
            return Err(Ended::Stopped { rule, reason: reason.to_owned() });
        }
        let code = if end == End::Park { "mapping-park" } else { "mapping-fail" };
        let diagnostic = Diagnostic::error(code, Fault::Sender, reason).at(rule.place());
        Err(Ended::Refused(Refusal::new(end, diagnostic)))
    }
}
