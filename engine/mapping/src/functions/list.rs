//! Functions between texts and lists. Only present members are joined and counted.

use std::borrow::Cow;

use orderly_hl7v2::Presence;

use super::{Function, Gives, Pipe, Takes};
use crate::evaluate::limited;
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::value::{Scalar, Value};

pub(super) const SPLIT: Function = Function {
    name: "split",
    usage: "split(',')",
    takes: Takes::Text,
    gives: Gives::List,
    arguments: (1, 1),
    build: |arguments| match arguments.text(0)? {
        "" => {
            arguments.wrong(0, "a text of at least one character");
            None
        }
        separator => Some(Box::new(Split(separator.to_owned()))),
    },
};

pub(super) const JOIN: Function = Function {
    name: "join",
    usage: "join(', ')",
    takes: Takes::List,
    gives: Gives::One,
    arguments: (1, 1),
    build: |arguments| Some(Box::new(Join(arguments.text(0)?.to_owned()))),
};

pub(super) const FIRST: Function = Function {
    name: "first",
    usage: "first",
    takes: Takes::List,
    gives: Gives::One,
    arguments: (0, 0),
    build: |_| Some(Box::new(First)),
};

pub(super) const LAST: Function = Function {
    name: "last",
    usage: "last",
    takes: Takes::List,
    gives: Gives::One,
    arguments: (0, 0),
    build: |_| Some(Box::new(Last)),
};

pub(super) const COUNT: Function = Function {
    name: "count",
    usage: "count",
    takes: Takes::List,
    gives: Gives::One,
    arguments: (0, 0),
    build: |_| Some(Box::new(Count)),
};

#[derive(Debug)]
struct Split(String);

impl Pipe for Split {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        let mut parts = Vec::new();
        for member in value.members() {
            match member.scalar() {
                Scalar::Empty => {}
                Scalar::Null => parts.push(Value::Null),
                Scalar::Text(text) => {
                    parts.extend(text.split(self.0.as_str()).map(|part| Value::text(part.to_owned())));
                }
            }
        }
        Ok(Value::List(parts))
    }
}

#[derive(Debug)]
struct Join(String);

impl Pipe for Join {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        let texts: Vec<Cow<'s, str>> =
            value.members().into_iter().filter_map(|member| member.scalar().present()).collect();
        Ok(Value::text(limited(texts.join(&self.0))?))
    }
}

#[derive(Debug)]
struct First;

impl Pipe for First {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        Ok(value.members().into_iter().next().unwrap_or(Value::Empty))
    }

    fn picks(&self, _: usize) -> Option<usize> {
        Some(0)
    }
}

#[derive(Debug)]
struct Last;

impl Pipe for Last {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        Ok(value.members().into_iter().next_back().unwrap_or(Value::Empty))
    }

    fn picks(&self, members: usize) -> Option<usize> {
        members.checked_sub(1)
    }
}

#[derive(Debug)]
struct Count;

impl Pipe for Count {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        let members = value.members();
        let present = members.iter().filter(|member| member.presence() == Presence::Present).count();
        Ok(Value::text(present.to_string()))
    }
}
