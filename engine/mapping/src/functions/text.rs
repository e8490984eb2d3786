//! Functions that change a text. Lengths and positions count characters, never bytes.

use std::borrow::Cow;

use regex::Regex;

use super::{Arguments, Function, Gives, Pipe, Takes};
use crate::evaluate::{limited, scalar, value};
use crate::plan::Term;
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::value::{Scalar, Value};

/// The longest a text can be padded to or cut at: more than any field holds, and far less than memory.
const LENGTH_MAX: usize = 65_536;

pub(super) const UPPER: Function = Function {
    name: "upper",
    usage: "upper",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (0, 0),
    build: |_| Some(Box::new(Change(|text| Cow::Owned(text.to_uppercase())))),
};

pub(super) const LOWER: Function = Function {
    name: "lower",
    usage: "lower",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (0, 0),
    build: |_| Some(Box::new(Change(|text| Cow::Owned(text.to_lowercase())))),
};

pub(super) const TRIM: Function = Function {
    name: "trim",
    usage: "trim",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (0, 0),
    build: |_| Some(Box::new(Change(trim))),
};

pub(super) const DIGITS: Function = Function {
    name: "digits",
    usage: "digits",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (0, 0),
    build: |_| Some(Box::new(Change(|text| text.chars().filter(char::is_ascii_digit).collect()))),
};

pub(super) const TRUNCATE: Function = Function {
    name: "truncate",
    usage: "truncate(30)",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (1, 1),
    build: |arguments| {
        let length = arguments.number(0, 0, LENGTH_MAX)?;
        Some(Box::new(Substring { start: 0, length }))
    },
};

pub(super) const SUBSTRING: Function = Function {
    name: "substring",
    usage: "substring(1, 3)",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (1, 2),
    build: |arguments| {
        let start = arguments.number(0, 1, LENGTH_MAX)? - 1;
        let length = match arguments.has(1) {
            true => arguments.number(1, 0, LENGTH_MAX)?,
            false => usize::MAX,
        };
        Some(Box::new(Substring { start, length }))
    },
};

pub(super) const PAD: Function = Function {
    name: "pad",
    usage: "pad(10, '0', 'left')",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (1, 3),
    build: |arguments| {
        let length = arguments.number(0, 1, LENGTH_MAX)?;
        let mut filler = ' ';
        if arguments.has(1) {
            let mut characters = arguments.text(1)?.chars();
            match (characters.next(), characters.next()) {
                (Some(only), None) => filler = only,
                _ => {
                    arguments.wrong(1, "one character in single quotes");
                    return None;
                }
            }
        }
        let left = match arguments.has(2).then(|| arguments.text(2)) {
            None => true,
            Some(Some("left")) => true,
            Some(Some("right")) => false,
            Some(_) => {
                arguments.wrong(2, "'left' or 'right'");
                return None;
            }
        };
        Some(Box::new(Pad { length, filler, left }))
    },
};

pub(super) const REPLACE: Function = Function {
    name: "replace",
    usage: "replace('from', 'to')",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (2, 2),
    build: |arguments| {
        let is_text = arguments
            .written
            .first()
            .is_some_and(|first| !matches!(first.kind, crate::expression::Kind::Pattern(_)));
        let (from, to) = (arguments.pattern(0), arguments.text(1));
        let to = to?.to_owned();
        // `$1` means a group of a pattern; in the place of a text it is text.
        let to = if is_text { to.replace('$', "$$") } else { to };
        Some(Box::new(Replace { from: from?, to }))
    },
};

pub(super) const CONCAT: Function = Function {
    name: "concat",
    usage: "concat(' ', PID-5.2)",
    takes: Takes::Text,
    gives: Gives::One,
    arguments: (1, usize::MAX),
    build: |arguments: &Arguments<'_>| Some(Box::new(Concat(arguments.terms(0)?))),
};

pub(super) const DEFAULT: Function = Function {
    name: "default",
    usage: "default('U')",
    takes: Takes::Text,
    gives: Gives::One,
    arguments: (1, 1),
    build: |arguments| Some(Box::new(Default(arguments.term(0)?))),
};

/// A change that needs no arguments.
#[derive(Debug)]
struct Change(for<'s> fn(Cow<'s, str>) -> Cow<'s, str>);

impl Pipe for Change {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        Ok(value.map_text(&self.0))
    }
}

fn trim(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

#[derive(Debug)]
struct Substring {
    start: usize,
    length: usize,
}

impl Pipe for Substring {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        Ok(value.map_text(&|text| {
            if self.start == 0 && text.len() <= self.length {
                return text;
            }
            Cow::Owned(text.chars().skip(self.start).take(self.length).collect())
        }))
    }
}

#[derive(Debug)]
struct Pad {
    length: usize,
    filler: char,
    left: bool,
}

impl Pipe for Pad {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        Ok(value.map_text(&|text| {
            let missing = self.length.saturating_sub(text.chars().count());
            let padding = std::iter::repeat_n(self.filler, missing);
            Cow::Owned(match self.left {
                true => padding.chain(text.chars()).collect(),
                false => text.chars().chain(padding).collect(),
            })
        }))
    }
}

#[derive(Debug)]
struct Replace {
    from: Regex,
    to: String,
}

impl Pipe for Replace {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        let replaced =
            value.map_text(&|text| Cow::Owned(self.from.replace_all(&text, &*self.to).into_owned()));
        if let Value::Text(text) = &replaced
            && text.len() > crate::evaluate::TEXT_BYTES_MAX
        {
            limited(text.to_string())?;
        }
        Ok(replaced)
    }
}

/// What is empty or null adds nothing.
#[derive(Debug)]
struct Concat(Vec<Term>);

impl Pipe for Concat {
    fn apply<'s>(&'s self, first: Value<'s>, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        let mut text = first.scalar().present().map(Cow::into_owned).unwrap_or_default();
        for term in &self.0 {
            if let Scalar::Text(part) = scalar(term, scope)? {
                text.push_str(&part);
            }
            text = limited(text)?;
        }
        Ok(Value::text(text))
    }
}

/// What to take in the place of empty and null.
#[derive(Debug)]
struct Default(Term);

impl Pipe for Default {
    fn apply<'s>(&'s self, given: Value<'s>, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        match given.scalar() {
            Scalar::Text(text) => Ok(Value::Text(text)),
            Scalar::Empty | Scalar::Null => value(&self.0, scope),
        }
    }
}
