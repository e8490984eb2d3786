//! What the data-driven tests share: a mapping from its text, a message from its lines, and results as text.

use std::fmt::Write;

use orderly_hl7v2::{Message, Settings, normalize, parse};
use orderly_mapping::{Facts, Input, Mapping, Outcome, compile, yaml};
use orderly_record::{Diagnostic, Place, Record};

/// The header that messages get whose text does not begin with one.
pub(crate) const HEADER: &str = r"MSH|^~\&|CLINIC|RIVERSIDE|||20260305074000||ADT^A01|4711|P|2.5.1";

/// Compiles a mapping; its diagnostics as lines where there are any.
pub(crate) fn mapping(
    file: &str,
    text: &str,
    table: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Mapping, String> {
    let document = yaml::parse(file, text).map_err(|found| lines(&found))?;
    let (mapping, diagnostics) = compile(&document, table);
    match mapping {
        Some(mapping) if diagnostics.is_empty() => Ok(mapping),
        _ => Err(lines(&diagnostics)),
    }
}

/// What a mapping makes of a message, as lines: a message without its header when that is the usual one; a CRLF shows as ␍.
pub(crate) fn map(mapping: &Mapping, message: &str) -> String {
    let bytes = received(message);
    let message = parse(&bytes, &Settings::default()).expect("the test's message is readable");
    let record = normalize(&message);
    mapped(mapping, Some(&message), &record)
}

/// What a mapping makes of a document's record.
pub(crate) fn map_record(mapping: &Mapping, record: &Record) -> String {
    mapped(mapping, None, record)
}

fn mapped(mapping: &Mapping, message: Option<&Message<'_>>, record: &Record) -> String {
    let accepted_at = "2026-03-05T12:40:00Z".parse().expect("a time");
    let facts = Facts { id: 42, source: "riverside-emr", accepted_at };
    outcome(&mapping.execute(&Input { facts: &facts, message, record }))
}

/// The bytes of a message written as lines.
pub(crate) fn received(message: &str) -> Vec<u8> {
    let lines = message.trim_end().replace('\n', "\r");
    match lines.starts_with("MSH") {
        true => format!("{lines}\r").into_bytes(),
        false => format!("{HEADER}\r{lines}\r").into_bytes(),
    }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Output(output) => {
            let text = String::from_utf8_lossy(&output.bytes).replace("\r\n", "␍\n").replace('\r', "\n");
            let text = text.strip_prefix(&format!("{HEADER}\n")).unwrap_or(&text);
            let mut shown = text.trim_end().to_owned();
            for note in &output.diagnostics {
                let _ = write!(shown, "\nnote: {}", note.message);
            }
            shown
        }
        Outcome::Filtered { rule, reason } => format!("filtered: {reason} ({rule})"),
        Outcome::Failed(diagnostic) => format!("failed: {}", diagnostic.message),
        Outcome::Parked { diagnostic, .. } => format!("parked: {}", diagnostic.message),
    }
}

/// Diagnostics as lines: place, code, what is underlined by length, message, help.
pub(crate) fn lines(diagnostics: &[Diagnostic]) -> String {
    let mut lines = String::new();
    for found in diagnostics {
        let _ = match &found.place {
            Place::File { line, column, span, .. } => write!(lines, "{line}:{column}+{} ", span.len()),
            _ => write!(lines, "? "),
        };
        let _ = write!(lines, "{} {}", found.code, found.message);
        if let Some(help) = &found.help {
            let _ = write!(lines, " | {help}");
        }
        lines.push('\n');
    }
    lines
}
