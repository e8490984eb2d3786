//! The messages of a file, read in pieces: the members of an HL7 v2 batch, or one document.
//!
//! What a file holds is told by its first byte that is no blank: XML begins with `<`, HL7 v2 never does. No more than one message and one
//! piece are held.

pub use orderly_hl7v2::Member;
use orderly_hl7v2::Splitter;

use crate::format::Format;

/// With so many blanks before anything else it is no document: the beginning is held until something else comes.
const BLANKS_MAX: usize = 64 * 1024;

/// Splits a file's bytes into its messages.
#[derive(Debug)]
pub struct Stream {
    message_bytes_max: usize,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// Nothing but blanks so far.
    Blank(Vec<u8>),
    Hl7(Splitter),
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
        Stream { message_bytes_max, form: Form::Blank(Vec::new()) }
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, chunk: &[u8]) {
        match &mut self.form {
            Form::Blank(held) => {
                held.extend_from_slice(chunk);
                let is_blank = held.iter().all(u8::is_ascii_whitespace);
                if !is_blank || held.len() > BLANKS_MAX {
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
                let mut splitter = Splitter::new(self.message_bytes_max);
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
        match &mut self.form {
            Form::Hl7(splitter) => splitter.finish(),
            Form::Document { is_whole, .. } => *is_whole = true,
            Form::Blank(_) | Form::Given => {}
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
            Form::Document { .. } | Form::Blank(_) | Form::Given => None,
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
            assert_eq!(members(document, chunk, 10), [(document[..10].to_owned(), true)]);
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
