//! Conditions that can never hold: what is asked of one value together, such as `PID-8 = 'M' and PID-8 = 'F'`.
//!
//! A value is known here by how it is written: within one condition equal texts are equal values. Only what is certain is said; what
//! depends on the message is left alone.

use std::collections::HashMap;

use super::expression::Reader;
use crate::expression::{Expression, Kind, Operator, Presence};

/// Warns of every part of a condition that can never hold.
pub(super) fn check(reader: &Reader<'_, '_>, condition: &Expression) {
    possible(reader, condition, &Known::default());
}

/// What is known of values where a part of a condition stands, by how they are written.
#[derive(Clone, Default)]
struct Known<'e>(HashMap<&'e str, About<'e>>);

/// What a value can still be.
#[derive(Clone)]
struct About<'e> {
    /// One of these texts, where that is known.
    among: Option<Vec<&'e str>>,
    /// None of these texts.
    excluded: Vec<&'e str>,
    empty: bool,
    null: bool,
    present: bool,
}

/// What a part of a condition asks of a value.
enum Claim<'e> {
    Among(Vec<&'e str>),
    Excluded(Vec<&'e str>),
    Is {
        presence: Presence,
        negated: bool,
    },
    /// Whatever it is compared to: empty and null compare to nothing.
    Something,
}

/// Whether a condition can hold where this is known; where it can't, that was reported.
fn possible<'e>(reader: &Reader<'e, '_>, condition: &'e Expression, known: &Known<'e>) -> bool {
    match &condition.kind {
        Kind::And(parts) => {
            // What is asked for plainly comes first: alternatives are judged by all of it.
            let (several, plain): (Vec<_>, Vec<_>) =
                parts.iter().partition(|part| matches!(part.kind, Kind::Or(_) | Kind::And(_)));
            let mut known = known.clone();
            plain.into_iter().all(|part| holds_too(reader, part, &mut known))
                && several.into_iter().all(|part| possible(reader, part, &known))
        }
        Kind::Or(parts) => {
            // Every alternative is judged, so that all that never hold are told.
            let possible: Vec<bool> = parts.iter().map(|part| possible(reader, part, known)).collect();
            possible.contains(&true)
        }
        _ => holds_too(reader, condition, &mut known.clone()),
    }
}

/// Whether a part can hold together with what is known, which it adds to.
fn holds_too<'e>(reader: &Reader<'e, '_>, part: &'e Expression, known: &mut Known<'e>) -> bool {
    let Some((value, claim)) = claim(part) else { return true };
    let name = reader.written(value);
    let before = known.0.get(name).cloned();
    let about = known.0.entry(name).or_insert_with(About::anything);
    about.learn(&claim);
    if about.is_possible() {
        return true;
    }
    let (message, help) = match before {
        None => alone(&claim, name),
        Some(before) => together(&before, &claim, name),
    };
    let span = reader.span(part.range.clone());
    reader.compiler.problems.warning("mapping-never", &span, message).help(help);
    false
}

fn alone(claim: &Claim<'_>, name: &str) -> (String, String) {
    let message = match claim {
        Claim::Among(texts) if texts.is_empty() => "this can never hold: nothing is in an empty list",
        _ => "this can never hold: nothing equals an empty text",
    };
    (message.to_owned(), format!("to ask for nothing write {name} is empty"))
}

fn together(before: &About<'_>, claim: &Claim<'_>, name: &str) -> (String, String) {
    let message = format!("this can never hold together with what else is asked of {name}");
    let help = match (&before.among, claim) {
        (Some(one), Claim::Among(other)) => {
            let texts: Vec<String> = one.iter().chain(other).map(|text| format!("'{text}'")).collect();
            format!("for any of them write {name} in [{}]", texts.join(", "))
        }
        _ => "join the two with `or`, or remove one of them".to_owned(),
    };
    (message, help)
}

/// What a part asks, and of which value; nothing where that is not plain.
fn claim(part: &Expression) -> Option<(&Expression, Claim<'_>)> {
    match &part.kind {
        Kind::Compare { operator, left, right } => {
            let (value, text) = match (literal(left), literal(right)) {
                (None, Some(text)) => (left, Some(text)),
                (Some(text), None) => (right, Some(text)),
                (Some(_), Some(_)) => return None,
                (None, None) => (left, None),
            };
            Some(match (operator, text) {
                (Operator::Equal, Some(text)) => (value, Claim::Among(vec![text])),
                (Operator::NotEqual, Some(text)) => (value, Claim::Excluded(vec![text])),
                (Operator::NotEqual, None) => return None,
                _ => (value, Claim::Something),
            })
        }
        Kind::In { value, list, negated } => {
            let Kind::List(members) = &list.kind else { return None };
            let texts: Vec<&str> = members.iter().map(literal).collect::<Option<_>>()?;
            let is_plain = literal(value).is_none();
            is_plain.then_some((value, if *negated { Claim::Excluded(texts) } else { Claim::Among(texts) }))
        }
        Kind::Is { value, presence, negated } => {
            Some((value, Claim::Is { presence: *presence, negated: *negated }))
        }
        Kind::Matches { value, .. } => Some((value, Claim::Something)),
        _ => None,
    }
}

fn literal(expression: &Expression) -> Option<&str> {
    match &expression.kind {
        Kind::Text(text) | Kind::Number(text) => Some(text),
        _ => None,
    }
}

impl<'e> About<'e> {
    fn anything() -> About<'e> {
        About { among: None, excluded: Vec::new(), empty: true, null: true, present: true }
    }

    fn learn(&mut self, claim: &Claim<'e>) {
        match claim {
            Claim::Among(texts) => {
                (self.empty, self.null) = (false, false);
                match &mut self.among {
                    Some(among) => among.retain(|text| texts.contains(text)),
                    // What is of no length is empty, and equals nothing.
                    None => {
                        self.among = Some(texts.iter().copied().filter(|text| !text.is_empty()).collect())
                    }
                }
            }
            Claim::Excluded(texts) => self.excluded.extend(texts),
            Claim::Something => (self.empty, self.null) = (false, false),
            Claim::Is { presence, negated } => {
                let is = |asked: Presence| (*presence == asked) != *negated;
                self.empty &= is(Presence::Empty);
                self.null &= is(Presence::Null);
                self.present &= is(Presence::Present);
            }
        }
    }

    fn is_possible(&self) -> bool {
        let has_text = match &self.among {
            Some(among) => among.iter().any(|text| !self.excluded.contains(text)),
            None => true,
        };
        self.empty || self.null || (self.present && has_text)
    }
}
