//! Rules that are never reached: behind one that always ends the mapping, or under a condition that has ended it before.

use super::Compiler;
use crate::plan::{Action, Rule};
use crate::yaml::Node;

/// Watches the rules of one block as they come; those before and behind a `split` are one block.
#[derive(Default)]
pub(super) struct Reach {
    /// The line of a rule that always ends.
    ended: Option<usize>,
    /// Conditions under which an earlier rule has ended, as written, and their lines.
    conditions: Vec<(String, usize)>,
    told: bool,
}

impl Reach {
    /// Warns where a rule can't be reached; `rule` is what became of it, if nothing is wrong with it.
    pub(super) fn see(&mut self, compiler: &Compiler<'_>, node: &Node, rule: Option<&Rule>) {
        self.see_ended(compiler, node);
        let Some(rule) = rule else { return };
        let when = node.get("when").and_then(|when| Some((when, in_one_line(when.text()?))));
        if let Some((when, text)) = &when
            && let Some((_, line)) = self.conditions.iter().find(|(other, _)| other == text)
        {
            let message =
                format!("this never holds here: the same condition in line {line} ends the mapping");
            compiler
                .problems
                .warning("mapping-unreachable", &when.span, message)
                .help("remove this rule, or put it before that one");
        }
        self.take_in(rule, when.map(|(_, text)| text));
    }

    /// The same for a `split`: what comes behind it sees another message.
    pub(super) fn see_split(&mut self, compiler: &Compiler<'_>, node: &Node) {
        self.see_ended(compiler, node);
        self.conditions.clear();
    }

    /// Warns of the first rule behind one that always ends.
    fn see_ended(&mut self, compiler: &Compiler<'_>, node: &Node) {
        if let (Some(line), false) = (self.ended, self.told) {
            self.told = true;
            let message = format!("this is never reached: the rule in line {line} always ends the mapping");
            compiler
                .problems
                .warning("mapping-unreachable", &node.span, message)
                .help("give that rule a `when`, or remove what follows it");
        }
    }

    fn take_in(&mut self, rule: &Rule, when: Option<String>) {
        if ends(rule) {
            self.ended.get_or_insert(rule.place.line);
        }
        match &rule.action {
            Action::When { then, otherwise, .. } if then.iter().any(ends) => {
                if otherwise.iter().any(changes) {
                    self.conditions.clear();
                }
                self.conditions.extend(when.map(|text| (text, rule.place.line)));
            }
            // A name may be given anew.
            Action::Let(_) => self.conditions.retain(|(text, _)| !text.contains('$')),
            _ if changes(rule) => self.conditions.clear(),
            _ => {}
        }
    }
}

/// Whether nothing comes after a rule, whatever the message.
fn ends(rule: &Rule) -> bool {
    match &rule.action {
        Action::End { .. } => true,
        Action::When { then, otherwise, .. } => then.iter().any(ends) && otherwise.iter().any(ends),
        _ => false,
    }
}

/// Whether a rule may change the message, and with it what a condition says.
fn changes(rule: &Rule) -> bool {
    match &rule.action {
        Action::Let(_) | Action::End { .. } => false,
        Action::When { then, otherwise, .. } => then.iter().chain(otherwise).any(changes),
        Action::Each { rules, .. } => rules.iter().any(changes),
        _ => true,
    }
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
