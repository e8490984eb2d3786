//! Expectations rewritten in place, to what there is: nothing else of the file changes, comments neither.
//!
//! What can't be written safely has no repair: flow maps, text that YAML could not carry in a block.

use std::ops::Range;

use orderly_hl7v2::Settings;
use orderly_mapping::yaml::{Kind, Node, Span};

use super::expectation::{Expectation, Output, What};
use super::read::NOT_TAKEN;
use crate::format::Format;
use crate::journey::Ended;

/// A change that makes an expectation true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// Bytes of the test file, and what is to stand there.
    Text {
        /// Which bytes.
        range: Range<usize>,
        /// The new text.
        text: String,
    },
    /// A whole file.
    File {
        /// Its path from the site's folder.
        path: String,
        /// Its new content.
        bytes: Vec<u8>,
    },
}

/// A test file's text with repairs made, and the files to be written, each once.
#[must_use]
pub fn repaired(text: &str, repairs: &[Repair]) -> (String, Vec<(String, Vec<u8>)>) {
    let (mut text, mut edits, mut files) = (text.to_owned(), Vec::new(), Vec::new());
    for repair in repairs {
        match repair {
            Repair::Text { range, text } => edits.push((range.clone(), text)),
            Repair::File { path, bytes } => files.push((path.clone(), bytes.clone())),
        }
    }
    // From the last to the first, so that the places of those to come stay right.
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    edits.dedup_by_key(|(range, _)| range.start);
    for (range, new) in edits {
        if text.get(range.clone()).is_some() {
            text.replace_range(range, new);
        }
    }
    files.sort_by(|one, other| one.0.cmp(&other.0));
    files.dedup_by(|one, other| one.0 == other.0);
    (text, files)
}

impl Repair {
    /// A scalar in the place of a scalar.
    pub(super) fn scalar(value: &Node, text: &str) -> Option<Repair> {
        let range = value.span.range.clone();
        (!value.span.text().contains('\n')).then(|| Repair::Text { range, text: quoted(text) })
    }

    /// The whole output, in the file that it was expected in or as a block.
    pub(super) fn whole(expectation: &Expectation, bytes: &[u8], reading: &Settings) -> Option<Repair> {
        let text = readable(expectation.output, bytes, reading)?;
        match &expectation.what {
            What::Whole { file: Some(path), .. } => {
                let bytes = match expectation.output {
                    Output::Json => text.into_bytes(),
                    Output::Message | Output::Lines | Output::AsReceived => bytes.to_vec(),
                };
                Some(Repair::File { path: path.clone(), bytes })
            }
            What::Whole { file: None, .. } => {
                let span = &expectation.value.span;
                let start = span.range.start;
                let range = start..start + span.text().trim_end().len();
                Some(Repair::Text { range, text: block(&text, span.column.saturating_sub(1))? })
            }
            What::Places(_) | What::Fate { .. } => {
                let indent = expectation.key.column + 1;
                let text = format!(" |\n{}{}", " ".repeat(indent), block(&text, indent)?);
                let range = value_range(&expectation.key, &expectation.value)?;
                let has_comment = has_comment(&expectation.key.source.text, &range);
                (!has_comment).then_some(Repair::Text { range, text })
            }
        }
    }

    /// A fate; with its line where one was expected.
    pub(super) fn fate(expectation: &Expectation, ended: &Ended, line: Option<usize>) -> Option<Repair> {
        let indent = " ".repeat(expectation.key.column + 1);
        let mut text = format!("\n{indent}{}: {}", ended.fate, quoted(&ended.reason));
        if let (Some(_), Some(line)) = (line, ended.line) {
            text.push_str(&format!("\n{indent}line: {line}"));
        }
        Some(Repair::Text { range: value_range(&expectation.key, &expectation.value)?, text })
    }

    /// That a route does not take the message.
    pub(super) fn not_taken(key: &Span) -> Option<Repair> {
        let document = orderly_mapping::yaml::parse(&key.source.file, &key.source.text).ok()?;
        let value = value_of(&document.root, key)?;
        Some(Repair::Text { range: value_range(key, value)?, text: format!(" {NOT_TAKEN}") })
    }
}

/// The value of the key at a place.
fn value_of<'n>(node: &'n Node, key: &Span) -> Option<&'n Node> {
    match &node.kind {
        Kind::Map(entries) => entries.iter().find_map(|entry| match entry.key_span == *key {
            true => Some(&entry.value),
            false => value_of(&entry.value, key),
        }),
        Kind::List(items) => items.iter().find_map(|item| value_of(item, key)),
        Kind::Null | Kind::Text(_) => None,
    }
}

/// What stands behind a key's colon, to the end of its value.
fn value_range(key: &Span, value: &Node) -> Option<Range<usize>> {
    let behind = key.source.text.get(key.range.end..)?;
    let start = key.range.end + behind.find(':')? + 1;
    let end = end_of(value)?;
    let between = key.source.text.get(start..value.span.range.start)?;
    let is_flow = between.contains(['{', '[']) || value.span.text().starts_with(['{', '[']);
    (!is_flow && start <= end).then_some(start..end)
}

/// Whether a comment stands in a range, behind it or on the line below it: in or after a block it would become text, or be lost.
fn has_comment(text: &str, range: &Range<usize>) -> bool {
    let mut behind = text.get(range.end..).unwrap_or_default().lines();
    let is_comment = |line: &str| line.trim_start().starts_with('#');
    text.get(range.clone()).unwrap_or_default().contains(" #")
        || behind.next().is_some_and(is_comment)
        || behind.find(|line| !line.trim().is_empty()).is_some_and(is_comment)
}

/// Where a value ends; of a list and of flow maps it is not known.
fn end_of(value: &Node) -> Option<usize> {
    match &value.kind {
        Kind::Map(entries) => end_of(&entries.last()?.value),
        Kind::Text(_) => Some(value.span.range.start + value.span.text().trim_end().len()),
        Kind::Null => Some(value.span.range.end),
        Kind::List(_) => None,
    }
}

/// The output as a text of lines; nothing where it could not be read back as it is.
fn readable(output: Output, bytes: &[u8], reading: &Settings) -> Option<String> {
    if output == Output::Json {
        let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        return Some(format!("{}\n", serde_json::to_string_pretty(&value).ok()?));
    }
    let text = match Format::of(bytes) {
        Format::Hl7v2 if output != Output::Lines => {
            let message = orderly_hl7v2::parse(bytes, reading).ok()?;
            message.encoding().charset.decode(bytes).into_owned()
        }
        Format::Hl7v2 | Format::Ccda => String::from_utf8(bytes.to_vec()).ok()?,
    };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    (!text.contains(|letter: char| letter.is_control() && !matches!(letter, '\n' | '\t'))).then_some(text)
}

/// Lines as the content of a block, without the indentation of the first; nothing where YAML would take a line's own for it.
fn block(text: &str, indent: usize) -> Option<String> {
    let indent = " ".repeat(indent);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let first = lines.first()?;
    if first.starts_with(' ') || first.is_empty() {
        return None;
    }
    Some(lines.join(&format!("\n{indent}")))
}

/// A scalar as YAML writes it: plain where it can be.
fn quoted(text: &str) -> String {
    let is_word = |letter: char| letter.is_alphanumeric() || " ^&._/+-()~|'`".contains(letter);
    let is_plain = text.starts_with(|letter: char| letter.is_alphanumeric())
        && !text.ends_with(' ')
        && text.chars().all(is_word)
        && !text.eq_ignore_ascii_case("null");
    match (is_plain, text.chars().any(char::is_control)) {
        (true, _) => text.to_owned(),
        (false, false) => format!("'{}'", text.replace('\'', "''")),
        // JSON's escapes are YAML's.
        (false, true) => serde_json::Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_plain_where_they_can_be() {
        for (text, written) in [
            ("INPATIENT", "INPATIENT"),
            ("7^^^A&1^MR~8", "7^^^A&1^MR~8"),
            ("a: b", "'a: b'"),
            ("it's", "it's"),
            ("it's: so", "'it''s: so'"),
            ("", "''"),
            ("null", "'null'"),
            ("a\nb", "\"a\\nb\""),
            ("-1", "'-1'"),
        ] {
            assert_eq!(quoted(text), written);
        }
    }

    #[test]
    fn repairs_touch_nothing_else() {
        let edit = |range, text: &str| Repair::Text { range, text: text.to_owned() };
        let file = Repair::File { path: "x".to_owned(), bytes: b"y".to_vec() };
        let repairs = [edit(3..4, "long"), edit(9..10, "2"), edit(3..4, "long"), file.clone(), file];
        let (text, files) = repaired("a: b # c\nd", &repairs);
        assert_eq!((text.as_str(), files), ("a: long # c\n2", vec![("x".to_owned(), b"y".to_vec())]));
    }
}
