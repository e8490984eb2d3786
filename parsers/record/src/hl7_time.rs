//! Dates and times as HL7 writes them: `YYYY[MM[DD[HH[MM[SS[.S...]]]]]][+/-ZZZZ]` (v2 chapter 2A, types DT and DTM; v3 type TS), at the
//! precision given.
//!
//! Also read, because senders write them and the record shows them: ISO 8601 (`2026-03-05T14:15`), a blank before the time, and `Z`.
//! What is not a date of the calendar is not read at all.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use nom::branch::alt;
use nom::bytes::complete::{tag, take, take_while1};
use nom::character::complete::{char, one_of};
use nom::combinator::{all_consuming, opt, verify};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use crate::{Moment, Precision, Timestamp};

impl Moment {
    /// The date and time that this text gives, or `None` when it is none.
    pub fn parse_hl7(text: &str) -> Option<Self> {
        let text = text.trim();
        // HL7 first: `2026-0500` is a year and an offset there, and nothing in ISO 8601.
        let (_, (date, offset)) = [Style::HL7, Style::ISO]
            .iter()
            .find_map(|style| all_consuming((|input| date(input, style), opt(offset))).parse(text).ok())?;
        let offset = match offset {
            None => None,
            Some(seconds) => Some(Offset::from_seconds(seconds).ok()?),
        };
        Some(Self { civil: date.civil()?, precision: date.precision(), offset })
    }
}

impl Timestamp {
    /// The timestamp that this text gives; the text itself when it is no date.
    pub fn parse_hl7(text: &str) -> Self {
        Moment::parse_hl7(text).map_or_else(|| Self::Verbatim(text.into()), Self::Known)
    }
}

struct Parts {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
    time: Option<Time>,
}

impl Parts {
    /// The date, when the calendar has it.
    fn civil(&self) -> Option<DateTime> {
        let Time { hour, minute, second, fraction } = self.time.unwrap_or_default();
        let nanosecond = fraction.map_or(0, |(nanosecond, _)| nanosecond);
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        let (minute, second) = (minute.unwrap_or(0), second.unwrap_or(0));
        DateTime::new(self.year, month, day, hour, minute, second, nanosecond).ok()
    }

    fn precision(&self) -> Precision {
        let Some(Time { minute, second, fraction, .. }) = self.time else {
            return match (self.month, self.day) {
                (_, Some(_)) => Precision::Day,
                (Some(_), _) => Precision::Month,
                _ => Precision::Year,
            };
        };
        match (fraction, second, minute) {
            (Some((_, digits)), ..) => Precision::Fraction(digits),
            (_, Some(_), _) => Precision::Second,
            (.., Some(_)) => Precision::Minute,
            _ => Precision::Hour,
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Time {
    hour: i8,
    minute: Option<i8>,
    second: Option<i8>,
    /// Nanoseconds, and how many digits gave them.
    fraction: Option<(i32, u8)>,
}

/// What stands between the parts of a date and time.
struct Style {
    date: &'static str,
    time: &'static str,
    between: &'static [&'static str],
}

impl Style {
    const HL7: Self = Self { date: "", time: "", between: &["", " "] };
    const ISO: Self = Self { date: "-", time: ":", between: &["T", " "] };
}

fn date<'i>(input: &'i str, style: &Style) -> IResult<&'i str, Parts> {
    let between = |input: &'i str| {
        let separator = style.between.iter().rev().find(|separator| input.starts_with(**separator));
        tag(*separator.unwrap_or(&"T")).parse(input)
    };
    let day = (preceded(tag(style.date), two), opt(preceded(between, |input| time(input, style))));
    let month = (preceded(tag(style.date), two), opt(day));
    let (rest, (year, month)) = (four, opt(month)).parse(input)?;
    let (month, day) = month.map_or((None, None), |(month, day)| (Some(month), day));
    let (day, time) = day.map_or((None, None), |(day, time)| (Some(day), time));
    Ok((rest, Parts { year, month, day, time }))
}

fn time<'i>(input: &'i str, style: &Style) -> IResult<&'i str, Time> {
    let second = (preceded(tag(style.time), two), opt(fraction));
    let minute = (preceded(tag(style.time), two), opt(second));
    let (rest, (hour, minute)) = (two, opt(minute)).parse(input)?;
    let (minute, second) = minute.map_or((None, None), |(minute, second)| (Some(minute), second));
    let (second, fraction) = second.map_or((None, None), |(second, fraction)| (Some(second), fraction));
    Ok((rest, Time { hour, minute, second, fraction }))
}

/// A fraction of a second: nanoseconds, and how many digits of it count.
fn fraction(input: &str) -> IResult<&str, (i32, u8)> {
    let digits = take_while1(|digit: char| digit.is_ascii_digit());
    preceded(char('.'), digits)
        .map_opt(|digits: &str| {
            let kept: String = digits.chars().take(9).collect();
            let count = u8::try_from(kept.len()).ok()?;
            let value: i32 = kept.parse().ok()?;
            Some((value.checked_mul(10_i32.checked_pow(9 - u32::from(count))?)?, count))
        })
        .parse(input)
}

/// An offset from UTC in seconds.
fn offset(input: &str) -> IResult<&str, i32> {
    let minutes = verify(two, |minutes| *minutes < 60);
    let signed = (one_of("+-"), two, opt(char(':')), minutes).map(|(sign, hours, _, minutes)| {
        let seconds = (i32::from(hours) * 60 + i32::from(minutes)) * 60;
        if sign == '-' { -seconds } else { seconds }
    });
    alt((char('Z').map(|_| 0), signed)).parse(input)
}

fn four(input: &str) -> IResult<&str, i16> {
    take(4_usize).map_opt(number).parse(input)
}

fn two(input: &str) -> IResult<&str, i8> {
    take(2_usize).map_opt(number).map_opt(|number| number.try_into().ok()).parse(input)
}

/// What up to four digits say; nothing when there is anything else.
fn number(digits: &str) -> Option<i16> {
    digits.bytes().try_fold(0, |number: i16, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i16::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_precision_with_and_without_offset() {
        let table = [
            ("1984", "1984"),
            ("198402", "1984-02"),
            ("19840211", "1984-02-11"),
            ("2026030514", "2026-03-05T14"),
            ("202603051415", "2026-03-05T14:15"),
            ("20260305141500", "2026-03-05T14:15:00"),
            ("20260305141500.1", "2026-03-05T14:15:00.1"),
            ("20260305141500.1234-0500", "2026-03-05T14:15:00.1234-05:00"),
            ("20260305+0100", "2026-03-05+01:00"),
            ("2026+0100", "2026"),
            ("2026-0500", "2026"),
            ("2026-05", "2026-05"),
            ("202603-0500", "2026-03"),
            ("20260305141500Z", "2026-03-05T14:15:00+00:00"),
            ("2026-03-05", "2026-03-05"),
            ("20260305 1415", "2026-03-05T14:15"),
            ("2026-03-05T14:15:00.123-05:00", "2026-03-05T14:15:00.123-05:00"),
            (" 19840211 ", "1984-02-11"),
            ("20240229", "2024-02-29"),
        ];
        for (text, expected) in table {
            assert_eq!(Timestamp::parse_hl7(text).to_string(), expected, "{text}");
            assert!(Moment::parse_hl7(text).is_some(), "{text}");
            assert_eq!(Timestamp::parse_hl7(expected).to_string(), expected, "what is shown is read again");
        }
    }

    #[test]
    fn what_is_no_date_stays_as_sent() {
        for text in [
            "",
            "00000000",
            "20260305141",
            "20230229",
            "20261301",
            "202603052500",
            "unknown",
            "19840211x",
            "5.3.2026",
        ] {
            assert_eq!(Moment::parse_hl7(text), None, "{text}");
            assert_eq!(Timestamp::parse_hl7(text), Timestamp::Verbatim(text.into()));
        }
    }
}
