//! Dates and times with the precision and the offset they were given in, or the lack of one.
//!
//! A timestamp that could not be understood keeps the sender's text: a wrong date must not vanish, and must not become another one.

use std::fmt::{self, Write};

use jiff::civil::DateTime;
use jiff::tz::Offset;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::Text;

/// A point in time as the source gave it. As JSON one text: ISO 8601 cut at the precision given (`1984-02`,
/// `2026-03-05T09:15-05:00`), or the source's own text when it is not a date.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(
    with = "String",
    description = "ISO 8601 at the precision given: 1984, 1984-02, 1984-02-11, 2026-03-05T09:15, 2026-03-05T09:15:30.123-05:00. No offset means that none was sent. A text that is not a date stays as sent."
)]
pub enum Timestamp {
    /// Understood.
    Known(Moment),
    /// The source's text, which is not a date.
    Verbatim(Text),
}

impl Timestamp {
    /// The date and time, when understood.
    pub fn moment(&self) -> Option<&Moment> {
        match self {
            Self::Known(moment) => Some(moment),
            Self::Verbatim(_) => None,
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(moment) => moment.fmt(formatter),
            Self::Verbatim(text) => formatter.write_str(text),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A calendar date and time of day; what lies below the precision is zero (or the first of the month or year) and means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The local date and time.
    pub civil: DateTime,
    /// How much of it was given.
    pub precision: Precision,
    /// The offset from UTC, when given.
    pub offset: Option<Offset>,
}

/// How much of a date and time was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// A year.
    Year,
    /// Year and month.
    Month,
    /// A day.
    Day,
    /// A day and an hour.
    Hour,
    /// Hours and minutes.
    Minute,
    /// Seconds.
    Second,
    /// A fraction of a second, with so many decimal digits (1 to 9).
    Fraction(u8),
}

/// ISO 8601, cut at the precision; the offset follows from days on.
impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = &self.civil;
        // Times are written by the million, and padding by format strings is most of what that would cost.
        let mut text = *b"0000-00-00T00:00:00";
        let year = civil.year().unsigned_abs();
        put_digits(&mut text, 0, year / 100);
        put_digits(&mut text, 2, year % 100);
        let parts = [civil.month(), civil.day(), civil.hour(), civil.minute(), civil.second()];
        for (at, number) in (5..).step_by(3).zip(parts) {
            put_digits(&mut text, at, u16::from(number.unsigned_abs()));
        }
        let length = match self.precision {
            Precision::Year => 4,
            Precision::Month => 7,
            Precision::Day => 10,
            Precision::Hour => 13,
            Precision::Minute => 16,
            Precision::Second | Precision::Fraction(_) => text.len(),
        };
        if civil.year() < 0 {
            formatter.write_char('-')?;
        }
        formatter.write_str(
            text.get(..length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default(),
        )?;
        if let Precision::Fraction(digits) = self.precision {
            let digits = digits.clamp(1, 9);
            let fraction = civil.subsec_nanosecond() / 10_i32.pow(9 - u32::from(digits));
            write!(formatter, ".{fraction:0width$}", width = usize::from(digits))?;
        }
        // Of a month or a year an offset says nothing, and `2026-03-05:00` would be taken for something else.
        if let Some(offset) = self.offset.filter(|_| self.precision >= Precision::Day) {
            let minutes = offset.seconds() / 60;
            let sign = if minutes < 0 { '-' } else { '+' };
            write!(formatter, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)?;
        }
        Ok(())
    }
}

/// Puts a number below 100 at its place.
fn put_digits(text: &mut [u8], at: usize, number: u16) {
    for (digit, number) in text.iter_mut().skip(at).zip([number / 10, number % 10]) {
        *digit += u8::try_from(number).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(precision: Precision, offset_minutes: Option<i32>) -> String {
        let civil = jiff::civil::date(2026, 3, 5).at(9, 15, 30, 123_400_000);
        let offset = offset_minutes.map(|minutes| Offset::from_seconds(minutes * 60).unwrap());
        Timestamp::Known(Moment { civil, precision, offset }).to_string()
    }

    #[test]
    fn text_is_cut_at_the_precision_given() {
        assert_eq!(moment(Precision::Year, None), "2026");
        assert_eq!(moment(Precision::Month, None), "2026-03");
        assert_eq!(moment(Precision::Day, None), "2026-03-05");
        assert_eq!(moment(Precision::Hour, None), "2026-03-05T09");
        assert_eq!(moment(Precision::Minute, None), "2026-03-05T09:15");
        assert_eq!(moment(Precision::Second, None), "2026-03-05T09:15:30");
        assert_eq!(moment(Precision::Fraction(1), None), "2026-03-05T09:15:30.1");
        assert_eq!(moment(Precision::Fraction(4), None), "2026-03-05T09:15:30.1234");
    }

    #[test]
    fn an_offset_is_shown_only_when_given() {
        assert_eq!(moment(Precision::Month, Some(-300)), "2026-03");
        assert_eq!(moment(Precision::Day, Some(0)), "2026-03-05+00:00");
        assert_eq!(moment(Precision::Minute, Some(-210)), "2026-03-05T09:15-03:30");
        assert_eq!(moment(Precision::Second, Some(345)), "2026-03-05T09:15:30+05:45");
    }
}
