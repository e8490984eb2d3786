//! What a run tells its trace. Without one, nothing here is computed.

use orderly_hl7v2::{Level, Message, Places, Position, Presence, View};

use super::{Ended, Run};
use crate::evaluate::shown as value_shown;
use crate::plan::Let;
use crate::recorder::{plain, shown};
use crate::trace::{Leaf, Made, Read, Target, Traced};
use crate::value::Value;
use crate::yaml::Span;

impl Run<'_, '_> {
    pub(super) fn tell(
        &mut self,
        action: &'static str,
        place: &Span,
        fired: bool,
        why: impl FnOnce() -> String,
    ) {
        if let Some(trace) = self.trace.as_deref_mut() {
            let (place, reads) = (place.place(), self.case.reads());
            let why = why();
            trace.steps.push(Traced {
                place,
                action,
                fired,
                why,
                before: None,
                after: None,
                reads,
                target: None,
            });
        }
    }

    /// Tells of a write, after it; `before` is what stood there.
    pub(super) fn tell_written(
        &mut self,
        at: &Position,
        before: Option<String>,
        place: &Span,
        reads: Vec<Read>,
    ) {
        if let Some(trace) = self.trace.as_deref_mut() {
            let id = self.ids.get(at.segment).copied().unwrap_or_default();
            trace.steps.push(Traced {
                place: place.place(),
                action: "set",
                fired: true,
                why: self.message.path(at),
                before,
                after: Some(shown(&self.message.view(at))),
                reads,
                target: Some(Target::Message(id, *at)),
            });
        }
    }

    pub(super) fn tell_named(&mut self, said: &Let, place: &Span, named: &Value<'_>) {
        if let Some(trace) = self.trace.as_deref_mut() {
            self.case.record(|recorder| recorder.call(said.slot, &said.name));
            trace.steps.push(Traced {
                place: place.place(),
                action: "let",
                fired: true,
                why: format!("${}", said.name),
                before: None,
                after: Some(value_shown(named)),
                reads: self.case.reads(),
                target: Some(Target::Name(said.slot)),
            });
        }
    }

    /// Tells of a value of the output, as it is written; of nothing when it is missing.
    pub(super) fn tell_built(&mut self, place: &Span, written: &[u8]) {
        if let Some(trace) = self.trace.as_deref_mut() {
            let path = self.path.concat();
            let path = path.strip_prefix('.').unwrap_or(&path).to_owned();
            let fired = !written.is_empty();
            trace.steps.push(Traced {
                place: place.place(),
                action: "value",
                fired,
                why: if fired { path.clone() } else { format!("{path}: there is nothing to write") },
                before: None,
                after: fired.then(|| String::from_utf8_lossy(written).into_owned()),
                reads: self.case.reads(),
                target: fired.then_some(Target::Built(path)),
            });
        }
    }

    /// Tells of a message that is failed or parked here, by a rule or by a value, with what was looked at on the way.
    pub(super) fn tell_refused<T>(&mut self, made: Result<T, Ended>) -> Result<T, Ended> {
        if let (Err(Ended::Refused(refusal)), Some(trace)) = (&made, self.trace.as_deref_mut()) {
            trace.steps.push(Traced {
                place: refusal.diagnostic.place.clone(),
                action: refusal.end.name(),
                fired: true,
                why: refusal.diagnostic.message.clone(),
                before: None,
                after: None,
                reads: self.case.reads(),
                target: None,
            });
        }
        made
    }

    /// Does something one step further down in a built output: at a member or, in brackets, one of a list.
    pub(super) fn below<T>(&mut self, step: impl FnOnce() -> String, work: impl FnOnce(&mut Self) -> T) -> T {
        if self.trace.is_none() {
            return work(self);
        }
        let step = step();
        self.path.push(if step.starts_with('[') { step } else { format!(".{step}") });
        let done = work(self);
        self.path.pop();
        done
    }

    /// Tells what stands in the message that was made.
    pub(super) fn tell_leaves(&mut self) {
        if self.trace.is_none() {
            return;
        }
        let (leaves, received) = (leaves(&self.message), self.case.received());
        let places = Places::of(&self.message);
        let found = leaves.iter().map(|(at, view)| Leaf {
            id: self.ids.get(at.segment).copied().unwrap_or_default(),
            at: *at,
            path: places.path(&plain(&self.message, at)),
            text: shown(view),
            received: self.case.recorder().and_then(|recorder| recorder.received(received, view)),
        });
        let found = found.collect();
        if let Some(trace) = self.trace.as_deref_mut() {
            trace.made.push(Made { steps: trace.begun..trace.steps.len(), leaves: found });
        }
    }
}

/// So many of something, as a sentence says it.
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The leaves of a message that hold something, each with its place in full; the delimiters it declares are none.
pub(crate) fn leaves<'v>(message: &'v Message<'_>) -> Vec<(Position, View<'v>)> {
    let mut leaves = Vec::new();
    for (index, segment) in message.segments().iter().enumerate() {
        let first = if segment.is("MSH") { 3 } else { 1 };
        for field in first..=segment.last_field() {
            let at = Position::field(index, field);
            for_each_leaf(&at, message.view(&at), &mut |at, view| leaves.push((at, view)));
        }
    }
    leaves
}

/// Visits the leaves of a part that hold something, each with its place in full.
fn for_each_leaf<'v>(at: &Position, view: View<'v>, visit: &mut dyn FnMut(Position, View<'v>)) {
    if view.presence() == Presence::Empty {
        return;
    }
    let is_leaf =
        view.level() == Level::Subcomponent || view.level() == Level::Component && view.count() <= 1;
    if is_leaf {
        return visit(*at, view);
    }
    for (number, child) in (1..).zip(view.children()) {
        let below = match (at.repetition, at.component) {
            (None, _) => Position { repetition: Some(number), ..*at },
            (_, None) => Position { component: Some(number), ..*at },
            _ => Position { subcomponent: Some(number), ..*at },
        };
        for_each_leaf(&below, child, visit);
    }
}
