//! Several messages in one frame or file: `[FHS] {[BHS] {MSH ...} [BTS]} [FTS]` (chapter 2, "Batch"), or just one MSH after another.
//!
//! Each member is a range of the input's bytes and a message of its own. Counts that do not agree are reported; no member is dropped.

use std::ops::Range;

use orderly_record::{Diagnostic, Fault};

use crate::parse::{header_start, is_line_end};
use crate::view::nth_part;

/// The members of an input.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Where each message stands, in order. An input with one message and nothing around it is one range, the whole.
    pub members: Vec<Range<usize>>,
    /// What is odd about the batch.
    pub diagnostics: Vec<Diagnostic>,
}

/// Finds the members. What holds no message at all is one member, so that [`parse`](crate::parse) says what is wrong with it.
pub fn split(bytes: &[u8]) -> Batch {
    let whole = || Batch { members: std::iter::once(0..bytes.len()).collect(), diagnostics: Vec::new() };
    let Some(first) = header_start(bytes) else { return whole() };
    let marks = marks(bytes, first);
    let is_batch = marks.iter().any(|mark| mark.kind != Kind::Message);
    if !is_batch && marks.len() < 2 {
        return whole();
    }
    let ends = marks.iter().skip(1).map(|mark| mark.at).chain([bytes.len()]);
    let members =
        marks.iter().zip(ends).filter(|(mark, _)| mark.kind == Kind::Message).map(|(mark, end)| mark.at..end);
    Batch { members: members.collect(), diagnostics: count(&marks, bytes) }
}

/// What a segment means for splitting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// MSH.
    Message,
    /// BHS.
    BatchHeader,
    /// BTS.
    BatchTrailer,
    /// FHS.
    FileHeader,
    /// FTS.
    FileTrailer,
}

const KINDS: [(&str, Kind); 5] = [
    ("MSH", Kind::Message),
    ("BHS", Kind::BatchHeader),
    ("BTS", Kind::BatchTrailer),
    ("FHS", Kind::FileHeader),
    ("FTS", Kind::FileTrailer),
];

struct Mark {
    kind: Kind,
    at: usize,
}

/// Every segment that begins or ends something. The field separator must be the first message's, so that a text that happens to have
/// these letters at the start of a line is not taken for one.
fn marks(bytes: &[u8], first: usize) -> Vec<Mark> {
    let separator = bytes.get(first + 3).copied().unwrap_or(b'|');
    let mut marks = Vec::new();
    let mut at = bytes.iter().position(u8::is_ascii_graphic).unwrap_or(0);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let mark = KINDS.into_iter().find(|(name, kind)| {
            let ends = rest
                .get(3)
                .is_none_or(|&byte| byte == separator || (is_line_end(byte) && *kind != Kind::Message));
            rest.starts_with(name.as_bytes()) && ends
        });
        if let Some((_, kind)) = mark {
            marks.push(Mark { kind, at });
        }
        // The first header may stand anywhere after a banner; from there on, segments begin lines, with at most blanks or frame bytes
        // before them.
        at = match memchr::memchr2(b'\r', b'\n', rest) {
            Some(found) => {
                at + found + rest.iter().skip(found).take_while(|byte| !byte.is_ascii_graphic()).count()
            }
            None => bytes.len(),
        };
    }
    marks
}

/// Compares the counts in the trailers (BTS-1, FTS-1) with what is there.
fn count(marks: &[Mark], bytes: &[u8]) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let (mut messages, mut batches) = (0_usize, 0_usize);
    for mark in marks {
        let (counted, what) = match mark.kind {
            Kind::Message => {
                messages += 1;
                continue;
            }
            Kind::BatchHeader => {
                messages = 0;
                batches += 1;
                continue;
            }
            Kind::FileHeader => {
                batches = 0;
                continue;
            }
            Kind::BatchTrailer => (messages, "messages"),
            Kind::FileTrailer => (batches, "batches"),
        };
        let trailer = bytes.get(mark.at..).unwrap_or_default();
        if declared_count(trailer).is_some_and(|declared| declared != counted) {
            let message = format!("the trailer counts other {what} than the {counted} that are there");
            let path = if mark.kind == Kind::BatchTrailer { "BTS-1" } else { "FTS-1" };
            diagnostics
                .push(Diagnostic::warning("hl7-batch-count", Fault::Sender, message).in_input(mark.at, path));
        }
    }
    diagnostics
}

fn declared_count(trailer: &[u8]) -> Option<usize> {
    let end = trailer.iter().position(|&byte| is_line_end(byte)).unwrap_or(trailer.len());
    let text = trailer.get(..end)?;
    let field = nth_part(text, *text.get(3)?, 2)?;
    std::str::from_utf8(field).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(input: &str) -> Vec<&str> {
        split(input.as_bytes()).members.into_iter().map(|range| input.get(range).unwrap()).collect()
    }

    #[test]
    fn one_message_is_itself() {
        for input in [
            "MSH|^~\\&|A\rPID|1\r",
            "\r\nMSH|^~\\&|A\rPID|1\r \0",
            "",
            "nonsense",
            "MSH",
            "FHS|^~\\&\rFTS|0\r",
        ] {
            assert_eq!(members(input), [input], "{input}");
        }
    }

    #[test]
    fn headers_and_trailers_are_no_messages() {
        let input = "FHS|^~\\&|A\rBHS|^~\\&|A\rMSH|^~\\&|1\rPID|1\rMSH|^~\\&|2\rBTS|2\rBHS|^~\\&|B\rMSH|^~\\&|3\rBTS|1\rFTS|2\r";
        assert_eq!(members(input), ["MSH|^~\\&|1\rPID|1\r", "MSH|^~\\&|2\r", "MSH|^~\\&|3\r"]);
        assert!(split(input.as_bytes()).diagnostics.is_empty());
    }

    #[test]
    fn bare_messages_one_after_another() {
        assert_eq!(
            members("MSH|^~\\&|1\nPID|1\n\nMSH|^~\\&|2\nPID|2\n"),
            ["MSH|^~\\&|1\nPID|1\n\n", "MSH|^~\\&|2\nPID|2\n"]
        );
        let framed = "\u{b}MSH|^~\\&|1\r\u{1c}\r\u{b}MSH|^~\\&|2\r\u{1c}\r";
        assert_eq!(members(framed).len(), 2);
    }

    #[test]
    fn text_that_looks_like_a_header_is_not_one() {
        let input = "MSH|^~\\&|1\rNTE|1||see\nMSHAPE|x\rNTE|2||MSH|\r";
        assert_eq!(members(input), [input]);
    }

    #[test]
    fn wrong_counts_are_reported() {
        let batch = split(b"BHS|^~\\&|A\rMSH|^~\\&|1\rBTS|3\r");
        assert_eq!(batch.members.len(), 1);
        assert_eq!(
            batch.diagnostics.iter().map(|diagnostic| diagnostic.code).collect::<Vec<_>>(),
            ["hl7-batch-count"]
        );
    }
}
