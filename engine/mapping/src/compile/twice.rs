//! What one `set` writes twice: a later line that overwrites an earlier one, also where the two are written differently (`PID-8`, `PID-8.1`).
//!
//! To write a whole first and then a part of it is meant so and not told, as long as something of the whole is left.

use orderly_hl7v2::Select;

use crate::plan::{Assignment, Choice, Part, Place, SegmentPath, Start, Term};
use crate::problems::Problems;

/// Warns of every line that is overwritten by a later one.
pub(super) fn check<'a>(assignments: impl Iterator<Item = &'a Assignment>, problems: &Problems) {
    let mut earlier: Vec<&Assignment> = Vec::new();
    for later in assignments {
        if let Some(lost) = earlier.iter().find(|earlier| overwrites(&later.target, earlier)) {
            let (to, line) = (lost.place.text(), lost.place.line);
            let message = format!("this overwrites what line {line} writes to {to}");
            problems
                .warning("mapping-target-twice", &later.place, message)
                .help("keep one of the two; a whole is written first, its parts below it");
        }
        earlier.push(later);
    }
}

fn overwrites(later: &Place, earlier: &Assignment) -> bool {
    if !same_start(&later.start, &earlier.target.start) || later.part.field != earlier.target.part.field {
        return false;
    }
    let Part { repetition, component, subcomponent, .. } = &later.part;
    let (of, is_text) = (&earlier.target.part, is_text(earlier));
    // Of a text that is written to a whole, all lies in the first part of each level.
    let first = is_text.then_some(1);
    let repetitions = match (repetition, component) {
        (None, None) => true,
        (Some(Select::All), _) => !matches!(of.repetition, Some(Select::Append)),
        (later, _) => match &of.repetition {
            None if of.component.is_none() && !is_text => false,
            earlier => same_choice(
                later.as_ref().unwrap_or(&Select::First),
                earlier.as_ref().unwrap_or(&Select::First),
            ),
        },
    };
    let components = component.is_none_or(|later| of.component.or(first) == Some(later));
    repetitions && components && subcomponent.is_none_or(|later| of.subcomponent.or(first) == Some(later))
}

/// Whether a line writes one text, and not structure or nothing.
fn is_text(assignment: &Assignment) -> bool {
    let is_nothing = match &assignment.value {
        Term::Text(text) => text.is_empty(),
        Term::Joined(parts) => parts.is_empty(),
        _ => false,
    };
    !assignment.copies && !is_nothing && !matches!(assignment.value, Term::Structure(_))
}

fn same_start(one: &Start, other: &Start) -> bool {
    match (one, other) {
        (Start::Here, Start::Here) => true,
        (Start::Each(one), Start::Each(other)) => one == other,
        (Start::Segment { segment: one, .. }, Start::Segment { segment: other, .. }) => {
            same_segment(one, other)
        }
        _ => false,
    }
}

fn same_segment(one: &SegmentPath, other: &SegmentPath) -> bool {
    let same_group = match (&one.group, &other.group) {
        (None, None) => true,
        (Some((one, which)), Some((other, of))) => one == other && same_choice(which, of),
        _ => false,
    };
    // A name alone is the current segment, which need not be the first.
    let both_bare = one.is_bare() == other.is_bare();
    one.name == other.name && same_group && both_bare && same_choice(&one.occurrence, &other.occurrence)
}

/// Whether two choices are certain to be the same; filters are not looked into.
fn same_choice(one: &Choice, other: &Choice) -> bool {
    match (one, other) {
        (Select::First | Select::Nth(1), Select::First | Select::Nth(1)) => true,
        (Select::Nth(one), Select::Nth(other)) => one == other,
        (Select::Last, Select::Last) | (Select::All, Select::All) | (Select::Append, Select::Append) => true,
        _ => false,
    }
}
