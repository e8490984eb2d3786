//! Which lines of a mapping have ever done something, over any number of traces: what no test and no message has touched.
//!
//! A line that can't be reached before another fires is not told beside it: of a `when` that never held, only the `when`.

use std::collections::HashSet;
use std::sync::Arc;

use orderly_record::Place;

use crate::Mapping;
use crate::plan::{Action, Build, Content, Form, Rule, Steps};
use crate::trace::Trace;
use crate::yaml::Span;

/// The lines that have fired.
#[derive(Debug, Clone, Default)]
pub struct Fired {
    /// By file, first byte and action: a `when` and its action may begin at the same place.
    lines: HashSet<(Arc<str>, usize, &'static str)>,
}

impl Fired {
    /// Adds what fired in a trace.
    pub fn add(&mut self, trace: &Trace) {
        for traced in trace.steps.iter().filter(|traced| traced.fired) {
            if let Place::File { file, span, .. } = &traced.place {
                self.lines.insert((file.clone(), span.start, traced.action));
            }
        }
    }

    fn has(&self, action: &'static str, span: &Span) -> bool {
        self.lines.contains(&(span.source.file.clone(), span.range.start, action))
    }
}

/// What of a mapping has not fired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Idle {
    /// How many lines it has that can fire.
    pub lines: usize,
    /// How many of them have not.
    pub never: usize,
    /// The outermost of those, in the order of the file.
    pub places: Vec<Place>,
}

impl Mapping {
    /// What of it has not fired.
    pub fn idle(&self, fired: &Fired) -> Idle {
        let mut look = Look { fired, idle: Idle::default() };
        match &self.form {
            Form::Edit { steps, .. } | Form::Start { steps, .. } => look.steps(steps),
            Form::Build { rules, build, .. } => {
                look.rules(rules, true);
                look.build(build, true);
            }
        }
        look.idle
    }
}

/// A walk through a mapping. `told` says whether what has not fired is to be told, or was by what stands around it.
struct Look<'f> {
    fired: &'f Fired,
    idle: Idle,
}

impl Look<'_> {
    fn steps(&mut self, steps: &Steps) {
        self.rules(&steps.rules, true);
        if let Some(split) = &steps.split {
            self.line("split", &split.place, true);
            self.rules(&split.rules, true);
        }
    }

    fn rules(&mut self, rules: &[Rule], told: bool) {
        for rule in rules {
            self.rule(rule, told);
        }
    }

    fn rule(&mut self, rule: &Rule, told: bool) {
        match &rule.action {
            Action::Set(assignments) => {
                for assignment in assignments {
                    self.line("set", &assignment.place, told);
                }
            }
            Action::Insert(insert) => {
                let told = self.line("insert", &rule.place, told);
                for field in &insert.fields {
                    self.line("set", &field.place, told);
                }
            }
            Action::When { then, otherwise, .. } => {
                let inner = self.line("when", &rule.place, told);
                self.rules(then, inner);
                self.rules(otherwise, told);
            }
            Action::Each { rules, .. } => {
                let inner = self.line("each", &rule.place, told);
                self.rules(rules, inner);
            }
            Action::Delete(_) => _ = self.line("delete", &rule.place, told),
            Action::Keep(_) => _ = self.line("keep", &rule.place, told),
            Action::Move { .. } => _ = self.line("move", &rule.place, told),
            Action::Let(_) => _ = self.line("let", &rule.place, told),
            Action::End { end, .. } => _ = self.line(end.name(), &rule.place, told),
        }
    }

    fn build(&mut self, build: &Build, mut told: bool) {
        if build.walk.is_some() {
            told = self.line("each", &build.place, told);
        }
        if build.test.is_some() {
            told = self.line("when", &build.place, told);
        }
        match &build.content {
            Content::Value(_) => _ = self.line("value", &build.place, told),
            Content::Part(part) => self.build(part, told),
            Content::List(parts) => parts.iter().for_each(|part| self.build(part, told)),
            Content::Members(members) => members.iter().for_each(|(_, member)| self.build(member, told)),
        }
    }

    /// Counts a line; whether what stands inside of it is to be told.
    fn line(&mut self, action: &'static str, place: &Span, told: bool) -> bool {
        self.idle.lines += 1;
        if self.fired.has(action, place) {
            return told;
        }
        self.idle.never += 1;
        if told {
            self.idle.places.push(place.place());
        }
        false
    }
}
