//! What the YAML of a rule says: its one action, its condition, its parts, nothing resolved yet.

use crate::plan::End;
use crate::problems::Problems;
use crate::yaml::{Fields, Node, Span};

/// A rule as written.
pub(crate) struct Rule<'n> {
    /// The place of its first key.
    pub(crate) span: &'n Span,
    pub(crate) when: Option<&'n Node>,
    pub(crate) action: Action<'n>,
    pub(crate) otherwise: Option<&'n Node>,
}

/// The action of a rule, as written.
pub(crate) enum Action<'n> {
    Set(&'n Node),
    Delete(&'n Node),
    Keep(&'n Node),
    Insert { segment: &'n Node, anchor: Anchor<'n>, fields: Option<&'n Node> },
    Move { segment: &'n Node, anchor: Anchor<'n> },
    Each { over: &'n Node, rules: &'n Node },
    Let(&'n Node),
    End { end: End, reason: &'n Node },
    Do(&'n Node),
}

impl Action<'_> {
    /// The key of an action that changes a message; `None` for one that only names or decides.
    pub(crate) fn changing(&self) -> Option<&'static str> {
        match self {
            Action::Set(_) => Some("set"),
            Action::Delete(_) => Some("delete"),
            Action::Keep(_) => Some("keep"),
            Action::Insert { .. } => Some("insert"),
            Action::Move { .. } => Some("move"),
            Action::Each { .. } => Some("each"),
            Action::Let(_) | Action::End { .. } | Action::Do(_) => None,
        }
    }
}

/// Where a segment is put, as written.
pub(crate) enum Anchor<'n> {
    Beside { segment: &'n Node, after: bool },
    End,
}

/// The keys of which a rule has exactly one, in the order in which help names them.
pub(crate) const ACTIONS: [&str; 10] =
    ["set", "delete", "keep", "insert", "move", "each", "let", "stop", "fail", "park"];

/// Actions of the language that this version does not know yet.
const LATER: [&str; 2] = ["split", "use"];

/// Reads a rule; `None`, and reported, when it is not one.
pub(crate) fn read<'n>(node: &'n Node, problems: &Problems) -> Option<Rule<'n>> {
    if let Some(later) =
        node.entries().and_then(|entries| entries.iter().find(|e| LATER.contains(&e.key.as_str())))
    {
        let message = format!("`{}` is not available in this version", later.key);
        problems.error("mapping-not-available", &later.key_span, message);
        return None;
    }
    let fields = Fields::of(node, "a rule", problems)?;
    let (when, otherwise) = (fields.optional("when"), fields.optional("else"));
    let action = action(node, &fields, problems);
    if let (None, Some(span)) = (when, fields.key_span("else")) {
        problems.error("mapping-else", span, "`else` needs a `when` in the same rule");
    }
    fields.finish();
    Some(Rule { span: &node.span, when, action: action?, otherwise })
}

fn action<'n>(node: &'n Node, fields: &Fields<'n, '_>, problems: &Problems) -> Option<Action<'n>> {
    let present: Vec<&'static str> = ACTIONS.into_iter().filter(|name| fields.has(name)).collect();
    // Every key is asked for, so that a mistyped one gets the closest as its help.
    let values = ACTIONS.map(|name| fields.optional(name));
    let rules = fields.optional("do");
    let [set, delete, keep, insert, moved, each, named, stop, fail, park] = values;
    match present.as_slice() {
        ["set"] => set.map(Action::Set),
        ["delete"] => delete.map(Action::Delete),
        ["keep"] => keep.map(Action::Keep),
        ["let"] => named.map(Action::Let),
        ["stop"] => stop.map(|reason| Action::End { end: End::Stop, reason }),
        ["fail"] => fail.map(|reason| Action::End { end: End::Fail, reason }),
        ["park"] => park.map(|reason| Action::End { end: End::Park, reason }),
        ["insert"] => {
            let (anchor, fields) = (anchor(fields, node, problems), fields.optional("fields"));
            Some(Action::Insert { segment: insert?, anchor: anchor?, fields })
        }
        ["move"] => Some(Action::Move { segment: moved?, anchor: anchor(fields, node, problems)? }),
        ["each"] => {
            let rules = match rules {
                Some(rules) => rules,
                None => {
                    if !fields.has("do") {
                        problems.error("mapping-each", &node.span, "`each` needs `do` with its rules");
                    }
                    return None;
                }
            };
            Some(Action::Each { over: each?, rules })
        }
        [] if fields.has("do") => {
            if !fields.has("when") {
                problems.error("mapping-do", &node.span, "`do` needs a `when` or an `each` in the same rule");
            }
            rules.map(Action::Do)
        }
        [] => {
            let message = "this rule does nothing";
            problems
                .error("mapping-no-action", &node.span, message)
                .help(format!("give it one of {}", ACTIONS.join(", ")));
            None
        }
        [first, second, ..] => {
            let message = format!("a rule has one action, and this one has `{first}` and `{second}`");
            let help = "write two rules, or put them under `do`";
            problems.error("mapping-two-actions", &node.span, message).help(help);
            None
        }
        _ => None,
    }
}

fn anchor<'n>(fields: &Fields<'n, '_>, node: &Node, problems: &Problems) -> Option<Anchor<'n>> {
    let (after, before) = (fields.optional("after"), fields.optional("before"));
    let end = fields.text("at");
    let said =
        ["after", "before", "at"].into_iter().filter_map(|key| fields.key_span(key)).collect::<Vec<_>>();
    match (after, before, end, said.as_slice()) {
        (Some(segment), None, None, [_]) => Some(Anchor::Beside { segment, after: true }),
        (None, Some(segment), None, [_]) => Some(Anchor::Beside { segment, after: false }),
        (None, None, Some(end), [_]) if end.text == "end" => Some(Anchor::End),
        (None, None, Some(end), [_]) => {
            problems
                .error("mapping-anchor", &end.node.span, "`at` takes `end`")
                .help("for another place write `after:` or `before:` a segment");
            None
        }
        (.., []) => {
            let message = "this rule does not say where to put the segment";
            problems
                .error("mapping-no-anchor", &node.span, message)
                .help("add `after:` or `before:` a segment, or `at: end`");
            None
        }
        (.., [_, second, ..]) => {
            problems.error(
                "mapping-two-anchors",
                second,
                "only one of `after`, `before` and `at` can say where",
            );
            None
        }
        _ => None,
    }
}
