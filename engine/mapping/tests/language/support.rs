//! What the data-driven tests share: a mapping from its text, a message from its lines, and results as text.

use std::collections::BTreeMap;
use std::fmt::Write;

use orderly_hl7v2::{Settings, parse};
use orderly_mapping::{Facts, Input, Library, Mapping, Outcome, compile, yaml};
use orderly_record::{Diagnostic, Place, Record};

/// The header that messages get whose text does not begin with one.
pub(crate) const HEADER: &str = r"MSH|^~\&|CLINIC|RIVERSIDE|||20260305074000||ADT^A01|4711|P|2.5.1";

/// Compiles a mapping; its diagnostics as lines where there are any.
pub(crate) fn mapping(
    file: &str,
    text: &str,
    table: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Mapping, String> {
    mapping_with(file, text, table, &[])
}

/// The same for a mapping that uses others, given as their files' names and texts.
pub(crate) fn mapping_with(
    file: &str,
    text: &str,
    table: &dyn Fn(&str) -> Result<String, String>,
    others: &[(String, String)],
) -> Result<Mapping, String> {
    let document = yaml::parse(file, text).map_err(|found| lines(&found))?;
    let mut mappings = BTreeMap::new();
    for (file, text) in others {
        let other = yaml::parse(file, text).map_err(|found| lines(&found))?;
        let name = other.root.get("mapping").or(other.root.get("fragment")).and_then(|name| name.text());
        mappings.insert(name.expect("a name").to_owned(), other);
    }
    let (mapping, diagnostics) = compile(&document, &Library { table, mappings: &mappings });
    match mapping {
        Some(mapping) if diagnostics.is_empty() => Ok(mapping),
        _ => Err(lines(&diagnostics)),
    }
}

/// Compiles a mapping of which only errors count; made by chance, it may well have names that nothing uses.
pub(crate) fn usable(text: &str) -> Result<Mapping, String> {
    let document = yaml::parse("any.yaml", text).map_err(|found| lines(&found))?;
    let library = Library { table: &|_| Err("no files".to_owned()), mappings: &BTreeMap::new() };
    let (mapping, diagnostics) = compile(&document, &library);
    mapping.ok_or_else(|| lines(&diagnostics))
}

/// What a mapping makes of a message, as lines: a message without its header when that is the usual one; a CRLF shows as ␍, and
/// a line of hyphens stands between several outputs.
pub(crate) fn map(mapping: &Mapping, message: &str) -> String {
    let bytes = received(message);
    let message = parse(&bytes, &Settings::default()).expect("the test's message is readable");
    all(&mapping.execute(&Input::of_message(&facts(), &message)))
}

/// What a mapping makes of a document's record.
pub(crate) fn map_record(mapping: &Mapping, record: &Record) -> String {
    all(&mapping.execute(&Input::of_record(&facts(), record)))
}

/// What a mapping makes of a document.
pub(crate) fn map_document(mapping: &Mapping, text: &str) -> String {
    let document = orderly_ccda::parse(text.as_bytes(), &orderly_ccda::Limits::default());
    let document = document.expect("the test's document is readable");
    let record = orderly_ccda::normalize(&document);
    all(&mapping.execute(&Input::of_document(&facts(), &document, &record)))
}

fn all(outcomes: &[Outcome]) -> String {
    outcomes.iter().map(outcome).collect::<Vec<_>>().join("\n----\n")
}

fn facts() -> Facts<'static> {
    let accepted_at = "2026-03-05T12:40:00Z".parse().expect("a time");
    Facts { id: 42, source: "riverside-emr", accepted_at }
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
            Place::File { file, line, column, span, .. } => {
                // Those of what it uses say where they are.
                let other = if file.starts_with("mappings/") { format!("{file}:") } else { String::new() };
                write!(lines, "{other}{line}:{column}+{} ", span.len())
            }
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
