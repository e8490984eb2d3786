//! `split`: where a message becomes several.
//!
//! The rules after it are applied to each of them, so it stands among the first rules of a mapping and not inside another rule, and once.

use super::expression::Reader;
use super::reach::Reach;
use super::{Compiler, Here, known};
use crate::expression::{self, Over};
use crate::plan::{Split, Steps};
use crate::rule;
use crate::yaml::Node;

impl Compiler<'_> {
    /// All rules of a mapping that writes messages.
    pub(super) fn steps(&self, rules: &Node) -> Steps {
        let items = rules.items();
        let is_split = |rule: &Node| rule.get(SPLIT).is_some();
        let Some(at) = items.iter().position(is_split) else {
            return Steps { rules: self.block(items, Here::Nothing, &mut Reach::default()), split: None };
        };
        let (before, rest) = items.split_at_checked(at).unwrap_or((items, &[]));
        let mut reach = Reach::default();
        let rules = self.block(before, Here::Nothing, &mut reach);
        let Some((said, after)) = rest.split_first() else { return Steps { rules, split: None } };
        let split = self.split(said);
        reach.see_split(self, said);
        // Also what follows a wrong one is read, so that all that is wrong is told.
        let after = self.block(after, Here::Nothing, &mut reach);
        Steps { rules, split: split.map(|split| Split { rules: after, ..split }) }
    }

    fn split(&self, said: &Node) -> Option<Split> {
        let rule = rule::read(said, self.problems)?;
        self.check_allowed(said, &rule.action)?;
        let rule::Action::Split(group) = rule.action else { return None };
        if rule.otherwise.is_some() {
            let message = "a `split` has no `else`";
            self.problems
                .error("mapping-split", &said.span, message)
                .help("without its condition the message stays one; the rules after it are for that too");
        }
        let test = rule.when.map(|when| Reader::new(self, when, Here::Nothing).condition());
        let reader = Reader::new(self, group, Here::Nothing);
        let parsed = reader.parsed(expression::each(reader.scalar("the group of a `split`")?))?;
        let (Over::Group(name), None, None) = (parsed.over, parsed.filter, parsed.name) else {
            let message = "a `split` takes the name of a group";
            reader.error("mapping-split", 0..group.text().map_or(0, str::len), message).help(
                "write it like ORDER_OBSERVATION; leave outputs away with `stop` in the rules after it",
            );
            return None;
        };
        known::check_group(&name, &reader.span(0..name.len()), self.problems);
        let test = match test {
            Some(test) => Some(test?),
            None => None,
        };
        Some(Split { place: said.span.clone(), test, group: name.as_str().into(), rules: Vec::new() })
    }

    /// Reports a `split` that stands where no message can become several.
    pub(super) fn misplaced_split<T>(&self, group: &Node) -> Option<T> {
        let message = "a `split` can't stand here";
        self.problems
            .error("mapping-split", &group.span, message)
            .help("a mapping has one at most, among its own rules: not in `do`, `each`, a fragment or after another");
        None
    }
}

/// The key of the rule.
const SPLIT: &str = "split";
