//! Calculating with dates: how long from one to another, and what comes some time after it.
//!
//! Nothing is made up: what needs a day is not calculated from a month. Years to days are counted by the calendar's days; hours and
//! minutes by the clock. Without another date, the time is that at which the message was accepted, in UTC: no clock is asked.

use jiff::civil::DateTime;
use jiff::{Span as Time, Unit};
use orderly_record::{Moment, Precision};

use super::{Arguments, Function, Gives, Pipe, Takes, date, note};
use crate::evaluate::scalar;
use crate::plan::Term;
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::time;
use crate::value::Value;
use crate::yaml::Span;

const NOT_CALCULATED: &str = "mapping-not-a-date";

pub(super) const AGE: Function = Function {
    name: "age",
    usage: "age('years', PV1-44)",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (1, 2),
    build: |arguments| {
        let unit = unit(arguments);
        let at = match arguments.has(1) {
            true => Some(arguments.term(1)?),
            false => None,
        };
        Some(Box::new(Age { unit: unit?, at, place: arguments.node.span.clone() }))
    },
};

pub(super) const PLUS: Function = Function {
    name: "plus",
    usage: "plus('3 days')",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (1, 1),
    build: |arguments| {
        let Ok(time) = arguments.text(0)?.parse::<Time>() else {
            arguments.wrong(0, "a time in words, such as '3 days', '-6 months' or '1 hour 30 minutes'");
            return None;
        };
        Some(Box::new(Plus { time, needs: needs(&time), place: arguments.node.span.clone() }))
    },
};

fn unit(arguments: &Arguments<'_>) -> Option<Unit> {
    let unit = match arguments.text(0)? {
        "years" => Unit::Year,
        "months" => Unit::Month,
        "weeks" => Unit::Week,
        "days" => Unit::Day,
        "hours" => Unit::Hour,
        "minutes" => Unit::Minute,
        _ => {
            arguments.wrong(0, "'years', 'months', 'weeks', 'days', 'hours' or 'minutes'");
            return None;
        }
    };
    Some(unit)
}

/// How precise a time must be for such a span to be added to it.
fn needs(time: &Time) -> Precision {
    match () {
        () if time.get_milliseconds() != 0 || time.get_microseconds() != 0 || time.get_nanoseconds() != 0 => {
            Precision::Fraction(1)
        }
        () if time.get_seconds() != 0 => Precision::Second,
        () if time.get_minutes() != 0 => Precision::Minute,
        () if time.get_hours() != 0 => Precision::Hour,
        () if time.get_days() != 0 || time.get_weeks() != 0 => Precision::Day,
        () if time.get_months() != 0 => Precision::Month,
        () => Precision::Year,
    }
}

/// Whole units from the value to another time.
#[derive(Debug)]
struct Age {
    unit: Unit,
    at: Option<Term>,
    place: Span,
}

impl Pipe for Age {
    fn apply<'s>(&'s self, value: Value<'s>, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        let at = match &self.at {
            Some(term) => scalar(term, scope)?.present().and_then(|at| time::read(&at)),
            None => Some(accepted(scope)),
        };
        value.each_text(&|text| {
            let between = time::read(&text).zip(at).and_then(|(from, to)| self.between(&from, &to));
            if between.is_none() {
                let why = "an age could not be calculated: a value is no date, or not precise enough";
                note(scope, NOT_CALCULATED, why, &self.place);
            }
            Ok(between.map_or(Value::Empty, |between| Value::text(between.to_string())))
        })
    }
}

fn accepted(scope: &Scope<'_, '_>) -> Moment {
    let accepted_at = scope.case.input.facts.accepted_at;
    let offset = jiff::tz::Offset::UTC;
    Moment { civil: offset.to_datetime(accepted_at), precision: Precision::Second, offset: Some(offset) }
}

impl Age {
    fn between(&self, from: &Moment, to: &Moment) -> Option<i64> {
        let by_clock = matches!(self.unit, Unit::Hour | Unit::Minute);
        let needs = match self.unit {
            Unit::Minute => Precision::Minute,
            Unit::Hour => Precision::Hour,
            _ => Precision::Day,
        };
        if from.precision < needs || to.precision < needs {
            return None;
        }
        let (from, to) = (from.civil, local(to, from)?);
        let span = match by_clock {
            true => from.until((self.unit, to)).ok()?,
            false => from.date().until((self.unit, to.date())).ok()?,
        };
        Some(match self.unit {
            Unit::Year => i64::from(span.get_years()),
            Unit::Month => i64::from(span.get_months()),
            Unit::Week => i64::from(span.get_weeks()),
            Unit::Day => i64::from(span.get_days()),
            Unit::Hour => i64::from(span.get_hours()),
            _ => span.get_minutes(),
        })
    }
}

/// A time as clocks show it where another one was taken; of a day no offset is asked.
fn local(moment: &Moment, where_taken: &Moment) -> Option<DateTime> {
    let has_clock = moment.precision >= Precision::Hour && where_taken.precision >= Precision::Hour;
    match (moment.offset, where_taken.offset) {
        (Some(own), Some(other)) if has_clock => {
            Some(other.to_datetime(own.to_timestamp(moment.civil).ok()?))
        }
        _ => Some(moment.civil),
    }
}

/// The time some time later, in the form and the precision of the value.
#[derive(Debug)]
struct Plus {
    time: Time,
    needs: Precision,
    place: Span,
}

impl Pipe for Plus {
    fn apply<'s>(&'s self, value: Value<'s>, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        value.each_text(&|text| {
            let later = time::read(&text).and_then(|moment| self.after(moment));
            let Some(later) = later else {
                let why = "a time could not be calculated: a value is no date, or not precise enough";
                note(scope, NOT_CALCULATED, why, &self.place);
                return Ok(Value::Empty);
            };
            // HL7 writes no `-` within a date, which ISO 8601 begins `1984-`; a year alone is the same in both.
            let is_iso = text.trim().get(4..5) == Some("-");
            Ok(Value::text(if is_iso { later.to_string() } else { date::hl7(&later) }))
        })
    }
}

impl Plus {
    fn after(&self, moment: Moment) -> Option<Moment> {
        if moment.precision < self.needs {
            return None;
        }
        Some(Moment { civil: moment.civil.checked_add(self.time).ok()?, ..moment })
    }
}
