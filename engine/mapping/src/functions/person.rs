//! Names and addresses in one text: `name('family, given middle')`, `address('street, city, state postal_code')`.
//!
//! The words of the form are parts; what stands before a part goes with it, so that a missing part leaves nothing behind.

use std::borrow::Cow;

use orderly_hl7v2::{Level, Presence, View};

use super::{Arguments, Function, Gives, Pipe, Takes};
use crate::evaluate::limited;
use crate::member::Member;
use crate::problems::did_you_mean;
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::value::{Scalar, Value};

pub(super) const NAME: Function = Function {
    name: "name",
    usage: "name('family, given')",
    takes: Takes::Whole("family"),
    gives: Gives::Same,
    arguments: (1, 1),
    build: |arguments| {
        let parts = form(arguments, &NAME_PARTS)?;
        // In the types of persons with an id, the id comes first.
        let first = match arguments.data_type {
            Some("XCN" | "CN" | "CNN" | "PPN") => 2,
            _ => 1,
        };
        Some(Box::new(Form { parts, first }))
    },
};

pub(super) const ADDRESS: Function = Function {
    name: "address",
    usage: "address('street, city, state postal_code')",
    takes: Takes::Whole("city"),
    gives: Gives::Same,
    arguments: (1, 1),
    build: |arguments| Some(Box::new(Form { parts: form(arguments, &ADDRESS_PARTS)?, first: 1 })),
};

/// A part of a name or an address.
#[derive(Debug)]
struct Part {
    /// As a form has it.
    word: &'static str,
    /// As the record has it.
    member: &'static str,
    /// Where it stands in HL7's data type, counted from its first part.
    offset: usize,
}

const fn part(word: &'static str, member: &'static str, offset: usize) -> Part {
    Part { word, member, offset }
}

/// XPN (HL7 2.5.1, section 2.A.88); in XCN the same follow the id.
static NAME_PARTS: [Part; 6] = [
    part("family", "family", 0),
    part("given", "given", 1),
    part("middle", "middle", 2),
    part("suffix", "suffix", 3),
    part("prefix", "prefix", 4),
    part("degree", "degree", 5),
];

/// XAD (HL7 2.5.1, section 2.A.86); a street may have a second line.
static ADDRESS_PARTS: [Part; 6] = [
    part("street", "lines", 0),
    part("city", "city", 2),
    part("state", "state", 3),
    part("postal_code", "postal_code", 4),
    part("country", "country", 5),
    part("county", "county", 8),
];

/// The parts of a form, each with what stands before it, and what stands behind the last.
fn form(arguments: &Arguments<'_>, known: &'static [Part]) -> Option<Pieces> {
    let mut pieces = Pieces { parts: Vec::new(), end: String::new() };
    let mut rest = arguments.text(0)?;
    while let Some(start) = rest.find(|letter: char| letter.is_alphanumeric()) {
        let (before, from) = rest.split_at_checked(start)?;
        let length =
            from.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(from.len());
        let (word, after) = from.split_at_checked(length)?;
        let Some(part) = known.iter().find(|part| part.word == word) else {
            let words: Vec<&str> = known.iter().map(|part| part.word).collect();
            let help = did_you_mean(word, words.iter().copied());
            let help = help.unwrap_or_else(|| format!("the parts are {}", words.join(", ")));
            let message = format!("`{word}` is no part that `{}` knows", arguments.function.name);
            arguments.problems.error("mapping-form", &arguments.span(0), message).help(help);
            return None;
        };
        pieces.parts.push((before.to_owned(), part));
        rest = after;
    }
    if pieces.parts.is_empty() {
        arguments.wrong(0, "a form with the names of parts in it");
        return None;
    }
    pieces.end = rest.to_owned();
    Some(pieces)
}

#[derive(Debug)]
struct Pieces {
    parts: Vec<(String, &'static Part)>,
    end: String,
}

#[derive(Debug)]
struct Form {
    parts: Pieces,
    /// The number of the component with the first part.
    first: usize,
}

impl Pipe for Form {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        self.made(value)
    }
}

impl Form {
    fn made<'s>(&self, value: Value<'s>) -> Result<Value<'s>, Refusal> {
        Ok(match value {
            Value::List(values) => {
                Value::List(values.into_iter().map(|value| self.made(value)).collect::<Result<_, _>>()?)
            }
            Value::View(view) if view.presence() == Presence::Null => Value::Null,
            Value::View(view) => {
                let view = if view.level() == Level::Field { view.child(1) } else { view };
                self.written(|part| self.of_view(&view, part))?
            }
            Value::Member(member) => self.written(|part| of_member(&member, part))?,
            // What has no parts is the first of them.
            value => match value.scalar() {
                Scalar::Text(text) => Value::Text(text),
                passed => passed.into(),
            },
        })
    }

    fn written<'s>(&self, part: impl Fn(&Part) -> String) -> Result<Value<'s>, Refusal> {
        let mut text = String::new();
        let mut is_last_there = false;
        for (before, named) in &self.parts.parts {
            let found = part(named);
            is_last_there = !found.is_empty();
            if !is_last_there {
                continue;
            }
            // Between parts stands what separates them; before the first only what belongs to it.
            let is_separator = text.is_empty() && before.starts_with([' ', ',', ';']);
            text.push_str(if is_separator { before.trim_start_matches([' ', ',', ';']) } else { before });
            text.push_str(&found);
        }
        if is_last_there {
            text.push_str(&self.parts.end);
        }
        Ok(Value::text(limited(text)?))
    }

    fn of_view(&self, view: &View<'_>, part: &Part) -> String {
        let component = |offset: usize| leaf(&view.child(self.first + offset));
        match part.member {
            "lines" => joined([component(0), component(1)], ", "),
            // FN: where the surname as a whole was not sent, its own prefix and what follows it.
            "family" => {
                let family = view.child(self.first);
                match leaf(&family) {
                    text if text.is_empty() => joined([leaf(&family.child(2)), leaf(&family.child(3))], " "),
                    text => text,
                }
            }
            _ => component(part.offset),
        }
    }
}

fn leaf(view: &View<'_>) -> String {
    match Value::View(*view).scalar() {
        Scalar::Text(text) => text.trim().to_owned(),
        Scalar::Empty | Scalar::Null => String::new(),
    }
}

fn of_member(member: &Member, part: &Part) -> String {
    let text = |member: &Member| match member {
        Member::Text(text) => Cow::Owned(text.to_string()),
        _ => Cow::Borrowed(""),
    };
    match member.get(part.member) {
        Some(Member::List(lines)) => lines.iter().map(text).collect::<Vec<_>>().join(", "),
        Some(member) => text(member).into_owned(),
        None => String::new(),
    }
}

/// Those of two texts that are not empty, with a separator where both are there.
fn joined(parts: [String; 2], separator: &str) -> String {
    let present: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    present.join(separator)
}
