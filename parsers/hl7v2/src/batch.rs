//! Several messages in one frame or file: `[FHS] {[BHS] {MSH ...} [BTS]} [FTS]` (chapter 2, "Batch"), or just one MSH after another.
//!
//! Each member is a range of the input's bytes and a message of its own. Counts that do not agree are reported; no member is dropped, and
//! nothing that stands between them: stray bytes are a member too, so that whoever parses it says what is wrong with them.
//! `marks` finds the lines that matter, here is what they mean; [`split`] cuts bytes that are all there, a [`Splitter`] a stream.

mod marks;
mod splitter;

use std::ops::Range;

use orderly_record::{Diagnostic, Fault};

use crate::parse::DIAGNOSTICS_MAX;
use marks::{Kind, Mark, Marks};

pub use splitter::{Member, Splitter};

/// The members of an input.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Where each message stands, in order. An input with one message and no batch around it is one range, the whole. In a batch, also
    /// where something stands that is no part of a message: before the first one, or after the line of a batch's header or trailer
    /// (FHS, BHS, BTS, FTS), up to the next message, header or trailer. Outside of these ranges are the lines of headers and trailers,
    /// blanks, control and frame bytes, and byte order marks only.
    pub members: Vec<Range<usize>>,
    /// What is odd about the batch.
    pub diagnostics: Vec<Diagnostic>,
}

/// Finds the members. What holds none at all is one member, so that [`parse`](crate::parse) says what is wrong with it.
pub fn split(bytes: &[u8]) -> Batch {
    let (mut marks, mut bounds, mut counts) = (Marks::default(), Bounds::default(), Counts::default());
    let mut members = Vec::new();
    let mut rest = bytes;
    while let Some(mark) = marks.next(&mut rest).or_else(|| marks.finish()) {
        counts.take(&mark);
        members.extend(bounds.take(&mark).into_iter().flatten());
    }
    members.extend(bounds.finish(marks.read()));
    let members = members.into_iter().map(|member| in_memory(member.start)..in_memory(member.end));
    Batch { members: members.collect(), diagnostics: counts.diagnostics }
}

/// A place in a stream as one in memory; what is in memory has no other.
fn in_memory(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Where members begin and end. A message, or what is stray, goes up to the next mark. When a message is alone, without a batch around
/// it, it is the whole input, with whatever stands before and after it: that is for [`parse`](crate::parse) to judge.
#[derive(Debug, Default)]
struct Bounds {
    /// Whether a message's header was seen.
    has_message: bool,
    /// Whether there are several messages or a batch's header or trailer.
    is_batch: bool,
    /// Whether any member has ended.
    has_member: bool,
    /// What is stray before the first message: a member only once this is a batch.
    leading: Option<Range<u64>>,
    /// Where the message, or what is stray, begins that has not ended yet.
    open: Option<u64>,
}

impl Bounds {
    /// The members that this mark ends: the last one, and before it what is stray before the first, when this shows that it is one.
    fn take(&mut self, mark: &Mark) -> [Option<Range<u64>>; 2] {
        let ended = self.open.take().map(|start| start..mark.at);
        let is_message = mark.kind == Kind::Message;
        let opens = is_message || mark.kind == Kind::Stray;
        self.is_batch |= !opens || (is_message && self.has_message);
        self.has_message |= is_message;
        self.open = opens.then_some(mark.at);
        if !self.is_batch {
            self.leading = ended;
            return [None, None];
        }
        self.has_member |= ended.is_some();
        [self.leading.take(), ended]
    }

    /// The member that the end of the input ends.
    fn finish(&mut self, end: u64) -> Option<Range<u64>> {
        match self.open.take() {
            Some(start) if self.is_batch => Some(start..end),
            None if self.has_member => None,
            _ => Some(0..end),
        }
    }
}

/// Compares the counts in the trailers (BTS-1, FTS-1) with what is there.
#[derive(Debug, Default)]
struct Counts {
    /// Messages since the last batch header.
    messages: usize,
    /// Batches since the last file header.
    batches: usize,
    diagnostics: Vec<Diagnostic>,
}

impl Counts {
    fn take(&mut self, mark: &Mark) {
        match mark.kind {
            Kind::Message => self.messages += 1,
            Kind::BatchHeader => (self.messages, self.batches) = (0, self.batches + 1),
            Kind::FileHeader => self.batches = 0,
            Kind::BatchTrailer => self.compare(mark, self.messages, "messages", "BTS-1"),
            Kind::FileTrailer => self.compare(mark, self.batches, "batches", "FTS-1"),
            Kind::Stray => {}
        }
    }

    fn compare(&mut self, trailer: &Mark, counted: usize, what: &str, path: &str) {
        let agrees = trailer.declared.is_none_or(|declared| declared == counted);
        if !agrees && self.diagnostics.len() < DIAGNOSTICS_MAX {
            let message = format!("the trailer counts other {what} than the {counted} that are there");
            let diagnostic = Diagnostic::warning("hl7-batch-count", Fault::Sender, message);
            self.diagnostics.push(diagnostic.in_input(in_memory(trailer.at), path));
        }
    }
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
    fn a_frame_begins_a_line_and_a_banner_is_no_message() {
        let framed = "\u{b}MSH|^~\\&|1\r\u{1c}\u{b}MSH|^~\\&|2\r\u{1c}\r";
        assert_eq!(members(framed), ["MSH|^~\\&|1\r\u{1c}\u{b}", "MSH|^~\\&|2\r\u{1c}\r"]);
        let banner = "ready\u{b}MSH|^~\\&|1\rMSH|^~\\&|2\r";
        assert_eq!(members(banner), ["ready\u{b}", "MSH|^~\\&|1\r", "MSH|^~\\&|2\r"]);
        let alone = "ready\n  MSH|^~\\&|1\r";
        assert_eq!(members(alone), [alone]);
    }

    #[test]
    fn what_is_stray_in_a_batch_is_a_member() {
        let damaged = "SH|^~\\&|1\rPID|1\rMSH|^~\\&|2\rMSH|^~\\&|3\r";
        assert_eq!(members(damaged), ["SH|^~\\&|1\rPID|1\r", "MSH|^~\\&|2\r", "MSH|^~\\&|3\r"]);
        let around = "\n a\rFHS|\r\nb\rBHS|\r c\r\rd\rMSH|1\rBTS|1\r\u{e9} \rFTS|1\rFT";
        assert_eq!(members(around), ["a\r", "b\r", "c\r\rd\r", "MSH|1\r", "\u{e9} \r", "FT"]);
        assert_eq!(members("BTSx|1\rBTS|1\rMSH|1\r"), ["BTSx|1\r", "MSH|1\r"]);
        assert_eq!(members("\u{e9}MSH|1\rMSH|2\r"), ["\u{e9}", "MSH|1\r", "MSH|2\r"]);
        assert_eq!(members("a\rFHS|\rFTS|0\r"), ["a\r"]);
    }

    #[test]
    fn blanks_and_frame_bytes_are_not_stray() {
        let blanks = "\u{feff}\r\n\0\u{b}MSH|1\rBTS|1\r\u{1c}\r\n\u{feff} \t\0FTS|1\r\u{1a}\u{1c}\r";
        assert_eq!(members(blanks), ["MSH|1\r"]);
        // Half a byte order mark is not one.
        let ranges = split(b"\xEF\xBBMSH|1\rBTS|1\r\xEF").members;
        assert_eq!(ranges, [0..2, 2..8, 14..15]);
    }

    #[test]
    fn a_batch_s_separator_need_not_be_the_message_s() {
        assert_eq!(members("BHS#^~\\&#A\rMSH|^~\\&|1\rBTS|1\r"), ["MSH|^~\\&|1\r"]);
    }

    #[test]
    fn a_header_without_a_usable_separator_declares_none() {
        assert_eq!(members("MSH\u{1c}\rBHS\u{1c}\r"), ["MSH\u{1c}\rBHS\u{1c}\r"]);
        assert_eq!(members("MSH \rMSH|^~\\&|1\rMSH|^~\\&|2\r"), ["MSH \r", "MSH|^~\\&|1\r", "MSH|^~\\&|2\r"]);
    }

    #[test]
    fn text_that_looks_like_a_header_is_not_one() {
        let input = "MSH|^~\\&|1\rNTE|1||see\nMSHAPE|x\rNTE|2||MSH|\r";
        assert_eq!(members(input), [input]);
    }

    #[test]
    fn wrong_counts_are_reported() {
        let found = |end: &str| {
            let batch = split(["BHS|^~\\&|A\rMSH|^~\\&|1\r", end].concat().as_bytes());
            assert_eq!(batch.members.len(), 1);
            batch.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let messages = "BTS-1 (byte 22): warning[hl7-batch-count]: the trailer counts other messages than the 1 that are there";
        let batches = "FTS-1 (byte 28): warning[hl7-batch-count]: the trailer counts other batches than the 1 that are there";
        for right in ["BTS|1\rFTS|1", "BTS| 1 |x\rFTS", "BTS||1\r", "BTS\r", "BTS|many", "BTS"] {
            assert_eq!(found(right), [""; 0], "{right}");
        }
        for wrong in ["BTS|3\r", "BTS|3", "BTS|0001000|3\r"] {
            assert_eq!(found(wrong), [messages], "{wrong}");
        }
        assert_eq!(found("BTS|2\rFTS|7|x"), [messages, batches]);
        assert_eq!(found(&format!("BTS|{}1", "0".repeat(60))), [""; 0]);
        assert_eq!(found(&"BTS|3\r".repeat(2 * DIAGNOSTICS_MAX)).len(), DIAGNOSTICS_MAX);
    }
}
