//! The messages of a file, read in pieces: the members of an HL7 v2 batch, with what is stray between them, or one document.
//!
//! What a file holds is told by its first byte that is no blank: XML begins with `<`, HL7 v2 never does. No more than one message and one
//! piece are held.

pub use orderly_hl7v2::Member;
use orderly_hl7v2::Splitter;
use orderly_record::Diagnostic;

use crate::format::Format;

/// So many bytes after the first blanks tell the format, also behind a byte order mark.
const ENOUGH_BYTES: usize = 16;

/// With so many blanks before anything else it is no document.
const BLANKS_MAX: usize = 64 * 1024;

/// Splits a file's bytes into its messages.
#[derive(Debug)]
pub struct Stream {
    message_bytes_max: usize,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// The beginning, until it tells what the file holds.
    Beginning(Vec<u8>),
    Hl7(Box<Splitter>),
    Document {
        document: Member,
        is_whole: bool,
    },
    /// Whatever there was has been given.
    Given,
}

impl Stream {
    /// Of larger messages only so many first bytes are kept.
    #[must_use]
    pub fn new(message_bytes_max: usize) -> Stream {
        Stream { message_bytes_max, form: Form::Beginning(Vec::new()) }
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, chunk: &[u8]) {
        match &mut self.form {
            Form::Beginning(held) => {
                held.extend_from_slice(chunk);
                if held.trim_ascii_start().len() >= ENOUGH_BYTES || held.len() > BLANKS_MAX {
                    let held = std::mem::take(held);
                    self.begin(&held);
                }
            }
            Form::Hl7(splitter) => splitter.push(chunk),
            Form::Document { document, .. } => append(document, chunk, self.message_bytes_max),
            Form::Given => {}
        }
    }

    fn begin(&mut self, bytes: &[u8]) {
        self.form = match Format::of(bytes) {
            Format::Hl7v2 => {
                let mut splitter = Box::new(Splitter::new(self.message_bytes_max));
                splitter.push(bytes);
                Form::Hl7(splitter)
            }
            Format::Ccda => {
                let mut document = Member { bytes: Vec::new(), offset: 0, cut: false };
                append(&mut document, bytes, self.message_bytes_max);
                Form::Document { document, is_whole: false }
            }
        }
    }

    /// No more bytes come.
    pub fn finish(&mut self) {
        if let Form::Beginning(held) = &mut self.form {
            let held = std::mem::take(held);
            if held.trim_ascii().is_empty() {
                return;
            }
            self.begin(&held);
        }
        match &mut self.form {
            Form::Hl7(splitter) => splitter.finish(),
            Form::Document { is_whole, .. } => *is_whole = true,
            Form::Beginning(_) | Form::Given => {}
        }
    }

    /// What is odd about the file as a whole, as far as it was read: trailers that count otherwise.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match &self.form {
            Form::Hl7(splitter) => splitter.diagnostics(),
            Form::Beginning(_) | Form::Document { .. } | Form::Given => &[],
        }
    }

    /// The next message that is whole; call it until there is none before the next push. A file of nothing but blanks has none.
    pub fn next_member(&mut self) -> Option<Member> {
        match &mut self.form {
            Form::Hl7(splitter) => splitter.next_member(),
            Form::Document { is_whole: true, .. } => match std::mem::replace(&mut self.form, Form::Given) {
                Form::Document { document, .. } => Some(document),
                _ => None,
            },
            Form::Document { .. } | Form::Beginning(_) | Form::Given => None,
        }
    }
}

fn append(document: &mut Member, chunk: &[u8], bytes_max: usize) {
    let room = bytes_max.saturating_sub(document.bytes.len());
    document.cut |= chunk.len() > room;
    document.bytes.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(input: &str, chunk: usize, bytes_max: usize) -> Vec<(String, bool)> {
        let mut stream = Stream::new(bytes_max);
        let mut members = Vec::new();
        let mut take = |stream: &mut Stream| {
            while let Some(member) = stream.next_member() {
                members.push((String::from_utf8(member.bytes).unwrap(), member.cut));
            }
        };
        for piece in input.as_bytes().chunks(chunk) {
            stream.push(piece);
            take(&mut stream);
        }
        stream.finish();
        take(&mut stream);
        members
    }

    #[test]
    fn a_batch_is_its_members_and_a_document_is_one() {
        let batch = "BHS|^~\\&|A\rMSH|^~\\&|1\rPID|1\rMSH|^~\\&|2\rBTS|2\r";
        let document =
            " \n<?xml version=\"1.0\"?><ClinicalDocument>MSH|^~\\&|\rMSH|^~\\&|</ClinicalDocument>";
        for chunk in [1, 3, 1000] {
            let expected = [("MSH|^~\\&|1\rPID|1\r".to_owned(), false), ("MSH|^~\\&|2\r".to_owned(), false)];
            assert_eq!(members(batch, chunk, 100), expected);
            assert_eq!(members(document, chunk, 1000), [(document.to_owned(), false)]);
            assert_eq!(members(document, chunk, 10), [(document.chars().take(10).collect(), true)]);
        }
    }

    #[test]
    fn a_message_with_a_damaged_header_is_a_member_too() {
        let input = "SH|^~\\&|1\rPID|1\rMSH|^~\\&|2\rMSH|^~\\&|3\r";
        for chunk in [1, 3, 1000] {
            let expected = ["SH|^~\\&|1\rPID|1\r", "MSH|^~\\&|2\r", "MSH|^~\\&|3\r"];
            assert_eq!(members(input, chunk, 100), expected.map(|member| (member.to_owned(), false)));
        }
    }

    #[test]
    fn a_trailer_that_counts_otherwise_is_told() {
        let mut stream = Stream::new(100);
        stream.push(b"BHS|^~\\&|A\rMSH|^~\\&|1\rBTS|3\r");
        stream.finish();
        let codes: Vec<&str> = stream.diagnostics().iter().map(|found| found.code).collect();
        assert_eq!(codes, ["hl7-batch-count"]);
    }

    #[test]
    fn a_byte_order_mark_hides_nothing() {
        for chunk in [1, 2, 1000] {
            assert_eq!(members("\u{feff}<a>MSH|^~\\&|\rMSH|^~\\&|</a>", chunk, 100).len(), 1);
            assert_eq!(members("\u{feff}MSH|^~\\&|1\rMSH|^~\\&|2\r", chunk, 100).len(), 2);
        }
    }

    #[test]
    fn blanks_are_no_message_and_anything_else_is_one() {
        assert_eq!(members(" \r\n\t", 2, 100), []);
        assert_eq!(members("", 2, 100), []);
        assert_eq!(members("nonsense", 2, 100), [("nonsense".to_owned(), false)]);
        assert_eq!(members(&" ".repeat(BLANKS_MAX + 1), 1024, 10).len(), 1);
    }
}
