//! Numbers: read, rounded and calculated with as decimals, never in binary.
//!
//! `number` and `round` write a number anew, and leave alone what is none; what is calculated from a value that is no number is empty.
//! Either way the message gets a note.

use rust_decimal::{Decimal, RoundingStrategy};

use super::{Arguments, Function, Gives, Pipe, Takes, note};
use crate::decimal;
use crate::evaluate::scalar;
use crate::member::Member;
use crate::plan::Term;
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::value::Value;
use crate::yaml::Span;

/// The most digits behind the point: as many as a decimal has.
const DIGITS_MAX: usize = 28;

pub(super) const NUMBER: Function = Function {
    name: "number",
    usage: "number(',')",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (0, 1),
    build: |arguments| {
        let point = match arguments.has(0).then(|| arguments.text(0)) {
            None | Some(Some(".")) => '.',
            Some(Some(",")) => ',',
            Some(_) => {
                arguments.wrong(0, "the decimal sign, '.' or ','");
                return None;
            }
        };
        Some(Box::new(Number { point, place: arguments.node.span.clone() }))
    },
};

pub(super) const ROUND: Function = Function {
    name: "round",
    usage: "round(2)",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (1, 1),
    build: |arguments| {
        let digits = u32::try_from(arguments.number(0, 0, DIGITS_MAX)?).ok()?;
        Some(Box::new(Round { digits, place: arguments.node.span.clone() }))
    },
};

pub(super) const ADD: Function =
    calculating("add", "add(1)", |arguments| arithmetic(arguments, Decimal::checked_add));
pub(super) const SUBTRACT: Function =
    calculating("subtract", "subtract(1)", |arguments| arithmetic(arguments, Decimal::checked_sub));
pub(super) const MULTIPLY: Function =
    calculating("multiply", "multiply(2)", |arguments| arithmetic(arguments, Decimal::checked_mul));
pub(super) const DIVIDE: Function =
    calculating("divide", "divide(2)", |arguments| arithmetic(arguments, Decimal::checked_div));

const fn calculating(
    name: &'static str,
    usage: &'static str,
    build: fn(&Arguments<'_>) -> Option<Box<dyn Pipe>>,
) -> Function {
    Function { name, usage, takes: Takes::Text, gives: Gives::Same, arguments: (1, 1), build }
}

fn arithmetic(
    arguments: &Arguments<'_>,
    operation: fn(Decimal, Decimal) -> Option<Decimal>,
) -> Option<Box<dyn Pipe>> {
    Some(Box::new(Arithmetic { operation, other: arguments.term(0)?, place: arguments.node.span.clone() }))
}

/// A number as JSON writes one.
#[derive(Debug)]
struct Number {
    point: char,
    place: Span,
}

impl Pipe for Number {
    fn apply<'s>(&'s self, value: Value<'s>, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        value.each_text(&|text| match decimal::read(&plain(&text, self.point)) {
            Some(number) => Ok(Value::Member(Member::Literal(number.to_string().into()))),
            None => {
                note(scope, NOT_A_NUMBER, "a value is not a number and stays as it is", &self.place);
                Ok(Value::Text(text))
            }
        })
    }
}

const NOT_A_NUMBER: &str = "mapping-not-a-number";

/// The number without its separators of thousands, and with a point; as it is where these do not stand in their places.
fn plain(text: &str, point: char) -> String {
    let (whole, fraction) = match text.trim().split_once(point) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text.trim(), None),
    };
    let is_separator = |letter: char| match letter {
        ',' | '.' => letter != point,
        ' ' | '\u{a0}' | '\u{202f}' | '\'' | '’' => true,
        _ => false,
    };
    let mut groups = whole.split(is_separator);
    let first = groups.next().unwrap_or_default().trim_start_matches(['+', '-']);
    let is_grouped = whole.contains(is_separator)
        && (1..=3).contains(&first.len())
        && groups.all(|group| group.len() == 3 && group.bytes().all(|digit| digit.is_ascii_digit()));
    let whole = if is_grouped { whole.replace(is_separator, "") } else { whole.to_owned() };
    match fraction {
        Some(fraction) => format!("{whole}.{fraction}"),
        // What is not the decimal sign must not become it.
        None if point == ',' && whole.contains('.') => String::new(),
        None => whole,
    }
}

#[derive(Debug)]
struct Round {
    digits: u32,
    place: Span,
}

impl Pipe for Round {
    fn apply<'s>(&'s self, value: Value<'s>, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        value.each_text(&|text| {
            let (comparator, number) = decimal::compared(&text);
            let Some(number) = decimal::read(number) else {
                note(scope, NOT_A_NUMBER, "a value is not a number and stays as it is", &self.place);
                return Ok(Value::Text(text));
            };
            let rounded = number.round_dp_with_strategy(self.digits, RoundingStrategy::MidpointAwayFromZero);
            Ok(Value::text(format!("{comparator}{rounded}")))
        })
    }
}

struct Arithmetic {
    operation: fn(Decimal, Decimal) -> Option<Decimal>,
    other: Term,
    place: Span,
}

impl std::fmt::Debug for Arithmetic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arithmetic").field("other", &self.other).finish_non_exhaustive()
    }
}

impl Pipe for Arithmetic {
    fn apply<'s>(&'s self, value: Value<'s>, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        let other = scalar(&self.other, scope)?.present();
        let other = other.and_then(|other| decimal::read(&other));
        value.each_text(&|text| {
            let calculated = decimal::read(&text).zip(other).and_then(|(one, other)| (self.operation)(one, other));
            if calculated.is_none() {
                let why = "a number could not be calculated: a value is no number, or the result is beyond 28 digits";
                note(scope, NOT_A_NUMBER, why, &self.place);
            }
            Ok(calculated.map_or(Value::Empty, |number| Value::text(number.to_string())))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_of_thousands_go_where_they_stand_right() {
        let cases = [
            ("1,234.50", '.', "1234.50"),
            ("1.234,50", ',', "1234.50"),
            ("-12 345", '.', "-12345"),
            ("1'234'567", '.', "1234567"),
            ("1,23", '.', "1,23"),
            ("1234,567", '.', "1234,567"),
            ("1.5", ',', ""),
            ("0,5", ',', "0.5"),
        ];
        for (text, point, expected) in cases {
            assert_eq!(plain(text, point), expected, "{text}");
        }
    }
}
