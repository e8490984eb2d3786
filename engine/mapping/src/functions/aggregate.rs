//! Functions on all of a list: its sum, its least and greatest, its order, its members once. Only present members count.

use std::cmp::Ordering;
use std::collections::HashSet;

use rust_decimal::Decimal;

use super::{Arguments, Function, Gives, Pipe, Takes, note};
use crate::comparison::order;
use crate::decimal;
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::value::Value;
use crate::yaml::Span;

/// The highest place in a list that can be asked for: more members than any field or group has.
const PLACE_MAX: usize = 65_536;

pub(super) const SUM: Function = Function {
    name: "sum",
    usage: "sum",
    takes: Takes::List,
    gives: Gives::One,
    arguments: (0, 0),
    build: |arguments| Some(Box::new(Sum(arguments.node.span.clone()))),
};
pub(super) const MIN: Function = outermost("min", |arguments| extreme(arguments, Ordering::Less));
pub(super) const MAX: Function = outermost("max", |arguments| extreme(arguments, Ordering::Greater));
pub(super) const SORT: Function = Function {
    name: "sort",
    usage: "sort",
    takes: Takes::List,
    gives: Gives::List,
    arguments: (0, 0),
    build: |_| Some(Box::new(Sort)),
};
pub(super) const UNIQUE: Function = Function {
    name: "unique",
    usage: "unique",
    takes: Takes::List,
    gives: Gives::List,
    arguments: (0, 0),
    build: |_| Some(Box::new(Unique)),
};
pub(super) const NTH: Function = Function {
    name: "nth",
    usage: "nth(2)",
    takes: Takes::List,
    gives: Gives::One,
    arguments: (1, 1),
    build: |arguments| Some(Box::new(Nth(arguments.number(0, 1, PLACE_MAX)?))),
};

const fn outermost(name: &'static str, build: fn(&Arguments<'_>) -> Option<Box<dyn Pipe>>) -> Function {
    Function { name, usage: name, takes: Takes::List, gives: Gives::One, arguments: (0, 0), build }
}

fn extreme(arguments: &Arguments<'_>, wanted: Ordering) -> Option<Box<dyn Pipe>> {
    Some(Box::new(Extreme { wanted, place: arguments.node.span.clone() }))
}

fn texts(value: Value<'_>) -> Vec<String> {
    let present = value.members().into_iter().filter_map(|member| member.scalar().present());
    present.map(std::borrow::Cow::into_owned).collect()
}

#[derive(Debug)]
struct Sum(Span);

impl Pipe for Sum {
    fn apply<'s>(&'s self, value: Value<'s>, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        let texts = texts(value);
        if texts.is_empty() {
            return Ok(Value::Empty);
        }
        let mut numbers = texts.iter().map(|text| decimal::read(text));
        let sum = numbers.try_fold(Decimal::ZERO, |sum, number| sum.checked_add(number?));
        if sum.is_none() {
            let why = "a sum could not be calculated: a value is no number, or the sum is beyond 28 digits";
            note(scope, "mapping-not-a-number", why, &self.0);
        }
        Ok(sum.map_or(Value::Empty, |sum| Value::text(sum.to_string())))
    }
}

/// The member before or after all others; empty when they have no order.
#[derive(Debug)]
struct Extreme {
    wanted: Ordering,
    place: Span,
}

impl Pipe for Extreme {
    fn apply<'s>(&'s self, value: Value<'s>, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        let mut best: Option<String> = None;
        for text in texts(value) {
            // What is compared with itself must be a number or a time too, or a lone word would win.
            match order(&text, best.as_deref().unwrap_or(&text)) {
                Some(ordering) if best.is_none() || ordering == self.wanted => best = Some(text),
                Some(_) => {}
                None => {
                    let why =
                        "the least and the greatest are those of numbers or of times; a value is neither";
                    note(scope, "mapping-not-comparable", why, &self.place);
                    return Ok(Value::Empty);
                }
            }
        }
        Ok(best.map_or(Value::Empty, Value::text))
    }
}

/// Numbers by their value, then texts by their characters: times of one form come in their order by that.
#[derive(Debug)]
struct Sort;

impl Pipe for Sort {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        let mut keyed: Vec<(bool, Option<Decimal>, String)> = texts(value)
            .into_iter()
            .map(|text| match decimal::read(&text) {
                Some(number) => (false, Some(number), text),
                None => (true, None, text),
            })
            .collect();
        keyed.sort();
        Ok(Value::List(keyed.into_iter().map(|(.., text)| Value::text(text)).collect()))
    }
}

/// Each text once, where it came first.
#[derive(Debug)]
struct Unique;

impl Pipe for Unique {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        let mut seen = HashSet::new();
        let first = texts(value).into_iter().filter(|text| seen.insert(text.clone()));
        Ok(Value::List(first.map(Value::text).collect()))
    }
}

#[derive(Debug)]
struct Nth(usize);

impl Pipe for Nth {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        Ok(value.members().into_iter().nth(self.0.saturating_sub(1)).unwrap_or(Value::Empty))
    }

    fn picks(&self, _: usize) -> Option<usize> {
        self.0.checked_sub(1)
    }
}
