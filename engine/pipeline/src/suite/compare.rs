//! What there is beside what is expected: every difference with its place, and the repair that would make the expectation true.

use orderly_hl7v2::{Message, Settings, View, parse};
use orderly_mapping::yaml::Span;
use orderly_record::Place;
use serde_json::Value;

use super::expectation::{Expectation, Expected, Output, Target, Wanted, What, settings};
use super::{Mismatch, Repair, json, message};
use crate::format::Format;
use crate::journey::Ended;

/// What became of an input.
pub(super) enum Actual<'a> {
    Output(&'a [u8]),
    Ended(Ended),
}

/// What is not as expected.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) mismatches: Vec<Mismatch>,
    pub(super) repairs: Vec<Repair>,
}

impl Compared {
    fn tell(&mut self, place: Place, what: impl Into<String>, expected: &str, got: &str) {
        let word = |text: &str| if text.is_empty() { "nothing" } else { text }.to_owned();
        let (expected, got) = (word(expected), word(got));
        self.mismatches.push(Mismatch { place, destination: None, what: what.into(), expected, got });
    }
}

impl Expectation {
    /// Compares. `reading` is how the source's messages are read, and with them what is made of them.
    pub(super) fn compare(&self, actual: &Actual<'_>, reading: &Settings) -> Compared {
        let mut compared = Compared::default();
        match (&self.what, actual) {
            (What::Fate { fate, reason, line }, Actual::Ended(ended)) => {
                self.compare_fates((fate, reason, *line), ended, &mut compared);
            }
            (What::Fate { fate, reason, .. }, Actual::Output(bytes)) => {
                compared.tell(self.value.span.place(), "the fate", &format!("{fate}: {reason}"), "an output");
                compared.repairs.extend(Repair::whole(self, bytes, reading));
            }
            (What::Whole { .. } | What::Places(_), Actual::Ended(ended)) => {
                compared.tell(self.value.span.place(), "the fate", "an output", &told(ended));
                compared.repairs.extend(Repair::fate(self, ended, None));
            }
            (What::Whole { bytes: expected, file }, Actual::Output(bytes)) => {
                self.compare_wholes(expected, file.as_deref(), bytes, reading, &mut compared);
                if !compared.mismatches.is_empty() {
                    compared.repairs.extend(Repair::whole(self, bytes, reading));
                }
            }
            (What::Places(places), Actual::Output(bytes)) => {
                compare_places(places, bytes, reading, &self.value.span, &mut compared);
            }
        }
        compared
    }

    fn compare_fates(&self, wanted: (&str, &str, Option<usize>), ended: &Ended, compared: &mut Compared) {
        let (fate, reason, line) = wanted;
        let place = || self.value.span.place();
        if (fate, reason) != (ended.fate, &*ended.reason) {
            compared.tell(place(), "the fate", &format!("{fate}: {reason}"), &told(ended));
        } else if let Some(line) = line.filter(|line| Some(*line) != ended.line) {
            let got = ended.line.map(|line| format!("line {line}")).unwrap_or_default();
            compared.tell(place(), format!("the rule that says {fate}"), &format!("line {line}"), &got);
        }
        if !compared.mismatches.is_empty() {
            compared.repairs.extend(Repair::fate(self, ended, line));
        }
    }

    fn compare_wholes(
        &self,
        expected: &[u8],
        file: Option<&str>,
        got: &[u8],
        reading: &Settings,
        compared: &mut Compared,
    ) {
        let whole = self.value.span.place();
        match self.output {
            Output::Json => {
                let value = |bytes| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
                for found in json::differences(&value(expected), &value(got)) {
                    let (expected, got) = (found.expected.unwrap_or_default(), found.got.unwrap_or_default());
                    compared.tell(whole.clone(), found.path, &expected, &got);
                }
            }
            Output::Message | Output::AsReceived if Format::of(expected) == Format::Hl7v2 => {
                match (parse(expected, &settings(file.is_none())), parse(got, reading)) {
                    (Ok(expected), Ok(got)) => {
                        for found in message::differences(&expected, &got) {
                            let (expected, got) =
                                (found.expected.unwrap_or_default(), found.got.unwrap_or_default());
                            compared.tell(self.line(file, found.segment), found.what, &expected, &got);
                        }
                    }
                    (Err(unreadable), _) | (_, Err(unreadable)) => {
                        compared.tell(whole, "the output", "a message", &unreadable.diagnostic.message);
                    }
                }
            }
            Output::Message | Output::AsReceived | Output::Lines => {
                let (expected, got) = (String::from_utf8_lossy(expected), String::from_utf8_lossy(got));
                let (mut one, mut other) = (expected.lines(), got.lines());
                for number in 0.. {
                    let (expected, got) = match (one.next(), other.next()) {
                        (None, None) => break,
                        (one, other) => (one.unwrap_or_default(), other.unwrap_or_default()),
                    };
                    if expected != got {
                        compared.tell(self.line(file, number), format!("line {}", number + 1), expected, got);
                    }
                }
            }
        }
    }

    /// Where a line of what is expected stands, counted from 0.
    fn line(&self, file: Option<&str>, number: usize) -> Place {
        if let Some(file) = file {
            return Place::File { file: file.into(), span: 0..0, line: number + 1, column: 1 };
        }
        let text = self.value.text().unwrap_or_default();
        let mut start = 0;
        for (index, line) in text.split('\n').enumerate() {
            if index == number && !line.is_empty() {
                return self.value.part(start..start + line.len()).place();
            }
            start += line.len() + 1;
        }
        self.value.span.place()
    }
}

/// How an input ended, as a test writes it.
fn told(ended: &Ended) -> String {
    match ended.line {
        Some(line) => format!("{}: {} (line {line})", ended.fate, ended.reason),
        None => format!("{}: {}", ended.fate, ended.reason),
    }
}

fn compare_places(
    places: &[Expected],
    bytes: &[u8],
    reading: &Settings,
    whole: &Span,
    compared: &mut Compared,
) {
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let parsed = parse(bytes, reading);
    for expected in places {
        match (&expected.target, &parsed) {
            (Target::Member(path), _) => {
                let got = json::shown(path.find(&value));
                compare_text(expected, &expected.path, &got, compared);
            }
            (Target::Place(_), Err(unreadable)) => {
                compared.tell(whole.place(), "the output", "a message", &unreadable.diagnostic.message);
                return;
            }
            (Target::Place(path), Ok(message)) => match path.positions(message) {
                Ok(positions) if positions.is_empty() => compare_text(expected, &expected.path, "", compared),
                Ok(positions) => {
                    let found = positions.iter().map(|at| Found::of(message, at, expected));
                    compare_found(expected, &found.collect::<Vec<_>>(), compared);
                }
                Err(diagnostic) => {
                    compared.tell(
                        expected.value.span.place(),
                        &expected.path,
                        "a place",
                        &diagnostic.message,
                    );
                }
            },
        }
    }
}

/// What stands at a place of a message.
struct Found {
    /// Its path, with its name in the standard.
    what: String,
    text: String,
    is_as_wanted: bool,
}

impl Found {
    fn of(message: &Message<'_>, at: &orderly_hl7v2::Position, expected: &Expected) -> Found {
        if at.field == 0 {
            let text = message::line(message, at.segment);
            let is_as_wanted = match &expected.wanted {
                Wanted::Empty | Wanted::Null => false,
                Wanted::Present => true,
                Wanted::Text(wanted) => *wanted == text,
            };
            return Found { what: expected.path.clone(), text, is_as_wanted };
        }
        let view: View<'_> = message.view(at);
        let text = message::shown(view);
        let is_as_wanted = match &expected.wanted {
            Wanted::Empty => text.is_empty(),
            Wanted::Null => text == NULL,
            Wanted::Present => !text.is_empty() && text != NULL,
            Wanted::Text(wanted) => {
                *wanted == text || *wanted == message.encoding().charset.decode(view.raw())
            }
        };
        Found { what: message::called(message, at), text, is_as_wanted }
    }
}

/// As HL7 v2 writes it.
const NULL: &str = "\"\"";

/// All that a path names has to be as expected.
fn compare_found(expected: &Expected, all: &[Found], compared: &mut Compared) {
    let wrong: Vec<&Found> = all.iter().filter(|found| !found.is_as_wanted).collect();
    for found in &wrong {
        compared.tell(expected.value.span.place(), &found.what, &expected.wanted.shown(), &found.text);
    }
    let is_one = all.iter().all(|found| all.first().is_some_and(|first| first.text == found.text));
    if let (Some(found), true) = (wrong.first(), is_one) {
        compared.repairs.extend(Repair::scalar(&expected.value, &as_written(&found.text)));
    }
}

fn compare_text(expected: &Expected, what: &str, got: &str, compared: &mut Compared) {
    let is_as_wanted = match &expected.wanted {
        Wanted::Empty => got.is_empty(),
        Wanted::Null => false,
        Wanted::Present => !got.is_empty(),
        Wanted::Text(wanted) => *wanted == got,
    };
    if !is_as_wanted {
        compared.tell(expected.value.span.place(), what, &expected.wanted.shown(), got);
        compared.repairs.extend(Repair::scalar(&expected.value, &as_written(got)));
    }
}

/// A value as a test expects it.
fn as_written(text: &str) -> String {
    match text {
        "" => "is empty".to_owned(),
        NULL => "is null".to_owned(),
        text => text.to_owned(),
    }
}

impl Wanted {
    fn shown(&self) -> String {
        match self {
            Wanted::Empty => "nothing".to_owned(),
            Wanted::Null => format!("null ({NULL})"),
            Wanted::Present => "a value".to_owned(),
            Wanted::Text(text) => text.clone(),
        }
    }
}
