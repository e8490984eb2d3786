//! A message that becomes several: one for each group of a name, with all that stands outside of these groups.
//!
//! Each is a message of its own from then on: the rules after the `split` are applied to it alone, and what they decide (`stop`, `fail`,
//! `park`) is about it alone. The n-th is known by the message's control id with `-n` behind it.

use std::cell::OnceCell;
use std::ops::Range;

use orderly_hl7v2::{Groups, Position};
use orderly_record::{Diagnostic, Fault};

use super::tell::counted;
use super::{Ended, Run, outcome};
use crate::Outcome;
use crate::evaluate::holds;
use crate::plan::{End, Split, Steps};
use crate::refusal::Refusal;

/// How many messages one can become: more orders than any message has, and few enough that one message can't fill a queue.
const OUTPUTS_MAX: usize = 1000;

impl<'m> Run<'_, 'm> {
    /// Applies all rules, and `finish` to each message that there is then.
    pub(super) fn steps(
        mut self,
        steps: &Steps,
        finish: impl Fn(&Run<'_, 'm>) -> Result<(Vec<u8>, String), Refusal>,
    ) -> Result<Vec<Outcome>, Ended> {
        let made = self.all(steps, finish);
        self.tell_refused(made)
    }

    fn all(
        &mut self,
        steps: &Steps,
        finish: impl Fn(&Run<'_, 'm>) -> Result<(Vec<u8>, String), Refusal>,
    ) -> Result<Vec<Outcome>, Ended> {
        self.rules(&steps.rules, None)?;
        let Some(split) = &steps.split else {
            let made = finish(self)?;
            self.tell_leaves();
            return Ok(vec![outcome(Ok(made), self.case)]);
        };
        if !self.splits(split)? {
            self.rules(&split.rules, None)?;
            let made = finish(self)?;
            self.tell_leaves();
            return Ok(vec![outcome(Ok(made), self.case)]);
        }
        if let Some(trace) = self.trace.as_deref_mut() {
            trace.split();
        }
        let groups = Groups::of(&self.message);
        let mut outcomes = Vec::new();
        for (number, (_, left_out)) in (1..).zip(groups.alone(&split.group)) {
            let mut part = self.copy();
            let made = part.made_alone(number, left_out, split).and_then(|()| Ok(finish(&part)?));
            let made = part.tell_refused(made);
            if made.is_ok() {
                part.tell_leaves();
            }
            let written = part.written.saturating_add(made.as_ref().map_or(0, |(bytes, _)| bytes.len()));
            outcomes.push(outcome(made, self.case));
            // All that is written for one message counts together.
            self.written = written;
            self.fits(0)?;
        }
        Ok(outcomes)
    }

    /// Whether the message becomes several, or one of several.
    fn splits(&mut self, split: &Split) -> Result<bool, Ended> {
        if let Some(test) = &split.test
            && !holds(test, &self.scope(None))?
        {
            self.tell("split", &split.place, false, || "the condition does not hold".to_owned());
            return Ok(false);
        }
        let count = self.scope(None).group_occurrences(&split.group).len();
        if count > OUTPUTS_MAX {
            let message =
                format!("the message has {count} {}, and can be split into {OUTPUTS_MAX}", split.group);
            let diagnostic = Diagnostic::error("mapping-split-outputs", Fault::Sender, message);
            let diagnostic = diagnostic.at(split.place.place());
            return Err(Ended::Refused(Refusal::new(End::Fail, diagnostic)));
        }
        // Each output looks at all that it could leave out.
        self.case.spend(count.saturating_mul(self.ids.len()))?;
        self.tell("split", &split.place, count > 0, || counted(count, "output"));
        Ok(count > 0)
    }

    /// Takes out what is not this output's, names it, and applies the rest of the rules.
    fn made_alone(&mut self, number: usize, left_out: Vec<Range<usize>>, split: &Split) -> Result<(), Ended> {
        if let Some(trace) = self.trace.as_deref_mut() {
            trace.begin();
        }
        let mut segments: Vec<usize> = left_out.into_iter().flatten().collect();
        segments.sort_unstable();
        segments.dedup();
        self.remove(segments)?;
        let at = Position::field(0, 10);
        let mut control_id = self.message.view(&at).raw().to_vec();
        control_id.extend_from_slice(format!("-{number}").as_bytes());
        self.message.replace(&at, &control_id).map_err(|why| {
            let message = format!("MSH-10 can't be written: {why}");
            let diagnostic = Diagnostic::error("mapping-unwritable", Fault::Sender, message);
            Refusal::new(End::Fail, diagnostic.at(split.place.place()))
        })?;
        self.rules(&split.rules, None)
    }

    /// The same message once more, to be changed apart.
    fn copy(&mut self) -> Run<'_, 'm> {
        Run {
            case: self.case,
            message: self.message.clone(),
            ids: self.ids.clone(),
            next: self.next,
            groups: OnceCell::new(),
            received_groups: OnceCell::new(),
            names: self.names.clone(),
            written: self.written,
            path: Vec::new(),
            trace: self.trace.as_deref_mut(),
        }
    }
}
