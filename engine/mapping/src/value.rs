//! A value while a mapping runs: nothing, null, text, a part of a message, or several of them.
//!
//! Exactly one of empty, null and present holds for each value. Text is borrowed from the message, the record or the mapping wherever
//! nothing was changed in it.

use std::borrow::Cow;
use std::sync::Arc;

use orderly_hl7v2::{Presence, View};

use crate::member::Member;
use crate::refusal::Refusal;
use crate::structure::Structure;

/// What an expression gives.
#[derive(Debug, Clone)]
pub(crate) enum Value<'s> {
    /// Absent or of zero length.
    Empty,
    /// `""`: delete what you have.
    Null,
    Text(Cow<'s, str>),
    /// A part of a message, with all that is below it.
    View(View<'s>),
    /// What `hl7('A^B')` writes.
    Structure(Arc<Structure>),
    /// A segment, or an element without text; only its presence can be asked for.
    Segment,
    /// A part of the record that is no text: an object, a number, a truth value.
    Member(Member),
    List(Vec<Value<'s>>),
}

/// What became of a value, or why the mapping ends at it.
pub(crate) type Changed<'s> = Result<Value<'s>, Refusal>;

/// A value as one text, which the functions work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scalar<'s> {
    Empty,
    Null,
    Text(Cow<'s, str>),
}

impl<'s> Value<'s> {
    /// Text, or empty when there is none.
    pub(crate) fn text(text: impl Into<Cow<'s, str>>) -> Value<'s> {
        let text = text.into();
        if text.is_empty() { Value::Empty } else { Value::Text(text) }
    }

    /// The value as one text: of a part of a message its first leaf, of a list its first member.
    pub(crate) fn scalar(self) -> Scalar<'s> {
        match self {
            Value::Empty | Value::Segment => Scalar::Empty,
            Value::Member(Member::Literal(literal)) => Scalar::Text(Cow::Owned(literal.into())),
            Value::Member(_) => Scalar::Empty,
            Value::Null => Scalar::Null,
            Value::Text(text) if text.is_empty() => Scalar::Empty,
            Value::Text(text) => Scalar::Text(text),
            Value::View(view) => match view.plain_leaf() {
                Some("") => Scalar::Empty,
                Some("\"\"") => Scalar::Null,
                Some(text) => Scalar::Text(Cow::Borrowed(text)),
                None => {
                    let leaf = view.leaf();
                    match leaf.presence() {
                        Presence::Empty => Scalar::Empty,
                        Presence::Null => Scalar::Null,
                        Presence::Present => Scalar::Text(leaf.whole_text()),
                    }
                }
            },
            Value::Structure(structure) => Scalar::Text(Cow::Owned(structure.first_leaf().into_owned())),
            Value::List(values) => values.into_iter().next().map_or(Scalar::Empty, Value::scalar),
        }
    }

    /// Which of the three holds, for a part of a message as a whole: a field whose first component is empty is present when
    /// another is not.
    pub(crate) fn presence(&self) -> Presence {
        match self {
            Value::Empty => Presence::Empty,
            Value::Null => Presence::Null,
            Value::Text(text) if text.is_empty() => Presence::Empty,
            Value::Text(_) | Value::Structure(_) | Value::Segment | Value::Member(_) => Presence::Present,
            Value::View(view) => view.presence(),
            Value::List(values) => {
                values.iter().map(Value::presence).fold(Presence::Empty, |all, one| match (all, one) {
                    (Presence::Present, _) | (_, Presence::Present) => Presence::Present,
                    (Presence::Null, _) | (_, Presence::Null) => Presence::Null,
                    (Presence::Empty, Presence::Empty) => Presence::Empty,
                })
            }
        }
    }

    /// The members of a list; any other value is a list of itself, an empty one of none.
    pub(crate) fn members(self) -> Vec<Value<'s>> {
        match self {
            Value::List(values) => values,
            Value::Empty => Vec::new(),
            value => vec![value],
        }
    }

    /// Bytes of its text, or of the texts of all its members.
    pub(crate) fn len(&self) -> usize {
        match self {
            Value::Empty | Value::Null | Value::Segment | Value::Member(_) => 0,
            Value::Text(text) => text.len(),
            Value::View(view) => view.raw().len(),
            Value::Structure(structure) => structure.len(),
            Value::List(values) => values.iter().map(Value::len).sum(),
        }
    }

    /// The value without what it borrows, to be kept under a name.
    pub(crate) fn into_owned(self) -> Value<'static> {
        match self {
            Value::Structure(structure) => Value::Structure(structure),
            Value::Member(member) => Value::Member(member),
            Value::List(values) => Value::List(values.into_iter().map(Value::into_owned).collect()),
            value => match value.scalar() {
                Scalar::Empty => Value::Empty,
                Scalar::Null => Value::Null,
                Scalar::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            },
        }
    }

    /// The same value with its texts borrowed: a copy costs no more than counting its members.
    pub(crate) fn borrowed(&self) -> Value<'_> {
        match self {
            Value::Text(text) => Value::Text(Cow::Borrowed(text)),
            Value::List(values) => Value::List(values.iter().map(Value::borrowed).collect()),
            other => other.clone(),
        }
    }

    /// How many values it is: itself, and all that a list holds.
    pub(crate) fn count(&self) -> usize {
        match self {
            Value::List(values) => values.iter().map(Value::count).sum::<usize>().saturating_add(1),
            _ => 1,
        }
    }

    /// Makes something else of a text; empty and null pass through, of a list each member is changed.
    pub(crate) fn each_text(self, change: &dyn Fn(Cow<'s, str>) -> Changed<'s>) -> Changed<'s> {
        match self {
            Value::List(values) => {
                let each = values.into_iter().map(|value| value.each_text(change));
                Ok(Value::List(each.collect::<Result<_, _>>()?))
            }
            value => match value.scalar() {
                Scalar::Text(text) => change(text),
                passed => Ok(passed.into()),
            },
        }
    }

    /// Applies a change of text; empty and null pass through, a list is changed member by member.
    pub(crate) fn map_text(self, change: &dyn Fn(Cow<'s, str>) -> Cow<'s, str>) -> Value<'s> {
        match self {
            Value::List(values) => {
                Value::List(values.into_iter().map(|value| value.map_text(change)).collect())
            }
            value => match value.scalar() {
                Scalar::Empty => Value::Empty,
                Scalar::Null => Value::Null,
                Scalar::Text(text) => Value::text(change(text)),
            },
        }
    }
}

impl<'s> From<Scalar<'s>> for Value<'s> {
    fn from(scalar: Scalar<'s>) -> Value<'s> {
        match scalar {
            Scalar::Empty => Value::Empty,
            Scalar::Null => Value::Null,
            Scalar::Text(text) => Value::Text(text),
        }
    }
}

impl<'s> Scalar<'s> {
    /// The text of a present value.
    pub(crate) fn present(self) -> Option<Cow<'s, str>> {
        match self {
            Scalar::Text(text) => Some(text),
            Scalar::Empty | Scalar::Null => None,
        }
    }
}
