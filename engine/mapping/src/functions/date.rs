//! Dates and times written anew: `date('yyyy-MM-dd', 'Europe/Paris')`.
//!
//! Nothing is invented: output ends where the precision of the value ends, and a value without an offset is the local time of the named
//! zone. Zones come from the bundled database; the machine's zone is never asked.

use std::fmt::Write;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use orderly_record::{Moment, Precision};

use super::{Arguments, Function, Gives, Pipe, Takes, note};
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::time;
use crate::value::Value;
use crate::yaml::Span;

pub(super) const DATE: Function = Function {
    name: "date",
    usage: "date('yyyy-MM-dd', 'Europe/Paris')",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (1, 2),
    build,
};

fn build(arguments: &Arguments<'_>) -> Option<Box<dyn Pipe>> {
    let format = arguments.text(0).map(format);
    let zone = arguments.has(1).then(|| zone(arguments));
    match format? {
        Ok(format) => Some(Box::new(Date {
            format,
            zone: match zone {
                Some(zone) => Some(zone?),
                None => None,
            },
            place: arguments.span(0),
        })),
        Err(letters) => {
            let message = format!("`{letters}` has no meaning in a date format");
            let help = "the parts are yyyy yy MM M dd d HH H hh a mm ss SSS Z XXX, or the whole format is 'hl7' or 'fhir'";
            arguments.problems.error("mapping-date-format", &arguments.span(0), message).help(help);
            None
        }
    }
}

fn zone(arguments: &Arguments<'_>) -> Option<TimeZone> {
    let name = arguments.text(1)?;
    let zones = TimeZoneDatabase::bundled();
    let zone = zones.get(name).ok();
    if zone.is_none() {
        let known: Vec<String> = zones.available().map(|name| name.to_string()).collect();
        arguments
            .problems
            .error("mapping-zone", &arguments.span(1), format!("there is no time zone `{name}`"))
            .suggest(name, known.iter().map(String::as_str));
    }
    zone
}

#[derive(Debug)]
struct Date {
    format: Vec<Token>,
    zone: Option<TimeZone>,
    place: Span,
}

impl Pipe for Date {
    fn apply<'s>(&'s self, value: Value<'s>, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        value.each_text(&|text| match time::read(&text) {
            Some(moment) => Ok(Value::text(write(&self.in_zone(moment), &self.format))),
            None => {
                // A wrong date must not vanish, and must not become another one.
                note(scope, "mapping-not-a-date", "a value is not a date and stays as it is", &self.place);
                Ok(Value::Text(text))
            }
        })
    }
}

impl Date {
    fn in_zone(&self, moment: Moment) -> Moment {
        let Some(zone) = &self.zone else { return moment };
        // A day is the same day everywhere; only a time of day moves.
        if moment.precision < Precision::Hour {
            return moment;
        }
        let zoned = match moment.offset {
            Some(offset) => offset.to_timestamp(moment.civil).map(|instant| instant.to_zoned(zone.clone())),
            None => moment.civil.to_zoned(zone.clone()),
        };
        match zoned {
            Ok(zoned) => Moment { civil: zoned.datetime(), offset: Some(zoned.offset()), ..moment },
            Err(_) => moment,
        }
    }
}

/// HL7's form of a time, at its precision.
pub(super) fn hl7(moment: &Moment) -> String {
    write(moment, &[Token::Hl7])
}

/// A piece of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A letter and how often it stands there.
    Part(char, usize),
    Literal(char),
    /// HL7's form at the precision given.
    Hl7,
    /// FHIR's form (ISO 8601) at the precision given.
    Fhir,
}

/// The tokens of a format; the letters that have no meaning as the error.
fn format(text: &str) -> Result<Vec<Token>, String> {
    match text {
        "hl7" => return Ok(vec![Token::Hl7]),
        "fhir" => return Ok(vec![Token::Fhir]),
        _ => {}
    }
    let mut tokens: Vec<Token> = Vec::new();
    for letter in text.chars() {
        match tokens.last_mut() {
            Some(Token::Part(last, count)) if *last == letter => *count += 1,
            _ if letter.is_ascii_alphabetic() && letter != 'T' => tokens.push(Token::Part(letter, 1)),
            _ => tokens.push(Token::Literal(letter)),
        }
    }
    let wrong = tokens.iter().find_map(|token| match token {
        Token::Part(letter, count) if !is_part(*letter, *count) => Some(letter.to_string().repeat(*count)),
        _ => None,
    });
    wrong.map_or(Ok(tokens), Err)
}

fn is_part(letter: char, count: usize) -> bool {
    match letter {
        'y' => matches!(count, 2 | 4),
        'M' | 'd' | 'H' => matches!(count, 1 | 2),
        'h' | 'm' | 's' => count == 2,
        'S' => (1..=9).contains(&count),
        'a' | 'Z' => count == 1,
        'X' => count == 3,
        _ => false,
    }
}

/// As long as a time of any common format is.
const TIME_BYTES_EXPECTED: usize = 24;

/// Writes until a part is not known; what separates it from the part before goes with it.
fn write(moment: &Moment, format: &[Token]) -> String {
    let mut text = String::with_capacity(TIME_BYTES_EXPECTED);
    let mut known = 0;
    for token in format {
        if !write_token(moment, token, &mut text) {
            text.truncate(known);
            return text;
        }
        if !matches!(token, Token::Literal(_)) {
            known = text.len();
        }
    }
    text
}

fn write_token(moment: &Moment, token: &Token, text: &mut String) -> bool {
    match token {
        Token::Literal(letter) => {
            text.push(*letter);
            true
        }
        Token::Part(letter, count) => write_part(moment, *letter, *count, text),
        Token::Hl7 => {
            let whole = ["yyyy", "MM", "dd", "HH", "mm", "ss"];
            let _ = whole.iter().all(|part| {
                part.chars().next().is_some_and(|letter| write_part(moment, letter, part.len(), text))
            });
            if let Precision::Fraction(digits) = moment.precision {
                text.push('.');
                write_part(moment, 'S', usize::from(digits), text);
            }
            let _ = moment.precision >= Precision::Hour && write_part(moment, 'Z', 1, text);
            true
        }
        Token::Fhir => {
            // A date has no offset in FHIR, and hours alone do not exist there.
            let cut = match moment.precision {
                Precision::Hour => Moment { precision: Precision::Day, offset: None, ..*moment },
                precision if precision <= Precision::Day => Moment { offset: None, ..*moment },
                // Seconds are required with a time.
                Precision::Minute => Moment { precision: Precision::Second, ..*moment },
                _ => *moment,
            };
            write!(text, "{cut}").is_ok()
        }
    }
}

fn write_part(moment: &Moment, letter: char, count: usize, text: &mut String) -> bool {
    let civil = &moment.civil;
    let (needs, number) = match letter {
        'y' if count == 2 => (Precision::Year, i32::from(civil.year()).rem_euclid(100)),
        'y' => (Precision::Year, i32::from(civil.year())),
        'M' => (Precision::Month, i32::from(civil.month())),
        'd' => (Precision::Day, i32::from(civil.day())),
        'H' => (Precision::Hour, i32::from(civil.hour())),
        'h' => (Precision::Hour, (i32::from(civil.hour()) + 11) % 12 + 1),
        'm' => (Precision::Minute, i32::from(civil.minute())),
        's' => (Precision::Second, i32::from(civil.second())),
        'S' => {
            let unit = 10_i32.pow(9_u32.saturating_sub(u32::try_from(count).unwrap_or(9)));
            (Precision::Fraction(1), civil.subsec_nanosecond() / unit)
        }
        'a' => {
            text.push_str(if civil.hour() < 12 { "AM" } else { "PM" });
            return moment.precision >= Precision::Hour;
        }
        _ => return write_offset(moment, letter == 'X', text),
    };
    moment.precision >= needs && write_padded(number, count, text)
}

/// Digit by digit where they are as many as asked for: format strings cost several times as much.
fn write_padded(number: i32, count: usize, text: &mut String) -> bool {
    let mut unit = 10_i32.pow(u32::try_from(count).map_or(0, |count| count.clamp(1, 9) - 1));
    if number < 0 || number / unit >= 10 {
        return write!(text, "{number:0count$}").is_ok();
    }
    while unit > 0 {
        text.push(char::from(b'0' + u8::try_from(number / unit % 10).unwrap_or_default()));
        unit /= 10;
    }
    true
}

fn write_offset(moment: &Moment, colon: bool, text: &mut String) -> bool {
    let Some(offset) = moment.offset else { return false };
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let colon = if colon { ":" } else { "" };
    write!(text, "{sign}{:02}{colon}{:02}", minutes.abs() / 60, minutes.abs() % 60).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, pattern: &str, zone: Option<&str>) -> String {
        let zone = zone.map(|name| TimeZoneDatabase::bundled().get(name).unwrap());
        let source = crate::yaml::parse("a.yaml", "a").unwrap().root.span;
        let date = Date { format: format(pattern).unwrap(), zone, place: source };
        write(&date.in_zone(time::read(text).unwrap()), &date.format)
    }

    #[test]
    fn output_ends_where_the_precision_ends() {
        let cases = [
            ("19840211", "yyyy-MM-dd", "1984-02-11"),
            ("198402", "yyyy-MM-dd", "1984-02"),
            ("1984", "yyyy-MM-dd", "1984"),
            ("1984", "dd.MM.yyyy", ""),
            ("202603050915", "yyyyMMdd", "20260305"),
            ("20260305091530.1234", "yyyy-MM-ddTHH:mm:ss.SSS", "2026-03-05T09:15:30.123"),
            ("2026030509", "yyyy-MM-ddTHH:mm", "2026-03-05T09"),
            ("202603050015", "hh:mm a", "12:15 AM"),
            ("202603051215", "hh:mm a", "12:15 PM"),
            ("20260305", "d/M/yy", "5/3/26"),
            ("20260305091530-0500", "HHmmZ XXX", "0915-0500 -05:00"),
            ("20260305091530", "HHmmZ", "0915"),
            ("2026-03-05T09:15:30.5-05:00", "hl7", "20260305091530.5-0500"),
            ("1984-02", "hl7", "198402"),
            ("20260305091530-0500", "fhir", "2026-03-05T09:15:30-05:00"),
            ("202603050915-0500", "fhir", "2026-03-05T09:15:00-05:00"),
            ("2026030509", "fhir", "2026-03-05"),
            ("198402", "fhir", "1984-02"),
        ];
        for (text, pattern, expected) in cases {
            assert_eq!(written(text, pattern, None), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn times_of_the_record_of_any_precision_become_hl7() {
        let cases = [
            ("1984", "1984"),
            ("1984-02", "198402"),
            ("1984-02-11", "19840211"),
            // Of a day an offset says nothing in HL7.
            ("2026-03-05+00:00", "20260305"),
            ("2026-03-05T09", "2026030509"),
            ("2026-03-05T09-05:00", "2026030509-0500"),
            ("2026-03-05T09:15", "202603050915"),
            ("2026-03-05T09:15-03:30", "202603050915-0330"),
            ("2026-03-05T09:15:30+05:45", "20260305091530+0545"),
            ("2026-03-05T09:15:30.1234+00:00", "20260305091530.1234+0000"),
        ];
        for (text, expected) in cases {
            assert_eq!(written(text, "hl7", None), expected, "{text}");
        }
    }

    #[test]
    fn a_time_moves_to_its_zone_and_a_day_stays() {
        let cases = [
            ("202603050915-0500", "UTC", "202603051415+0000"),
            ("202607010915+0000", "Europe/Paris", "202607011115+0200"),
            ("202601010015", "Europe/Paris", "202601010015+0100"),
            ("20260305", "America/New_York", "20260305"),
            // In the hour that does not exist the later time is taken.
            ("202603290230", "Europe/Paris", "202603290330+0200"),
        ];
        for (text, zone, expected) in cases {
            assert_eq!(written(text, "hl7", Some(zone)), expected, "{text} {zone}");
        }
    }

    #[test]
    fn letters_without_a_meaning_are_named() {
        assert_eq!(format("YYYY-MM"), Err("YYYY".to_owned()));
        assert_eq!(format("yyy"), Err("yyy".to_owned()));
    }
}
