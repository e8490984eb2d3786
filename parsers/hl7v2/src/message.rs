//! The message: its segments in order, and where in it something is.
//!
//! Leading bytes, segments with their terminators, and trailing bytes, joined, are the input byte for byte, until something is edited.

use std::fmt;

use orderly_record::Diagnostic;

use crate::charset::Charset;
use crate::delimiters::{Delimiters, Encoding};
use crate::header::Header;
use crate::segment::Segment;
use crate::view::View;

/// A message. A clone borrows the same bytes and is edited alone.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    pub(crate) encoding: Encoding,
    /// What stands before MSH: a byte order mark, blanks, a banner.
    pub(crate) leading: &'a [u8],
    pub(crate) segments: Vec<Segment<'a>>,
    /// What stands after the last segment's terminator: padding.
    pub(crate) trailing: &'a [u8],
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// A place in a message. Numbers count from 1 as the standard counts, except the segment's, which is an index in
/// [`Message::segments`].
///
/// Without a repetition the whole field is meant; with a component but no repetition, that component of the first repetition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Index in the list of segments, from 0.
    pub segment: usize,
    /// Field, from 1.
    pub field: usize,
    /// Repetition, from 1; `None` is the whole field.
    pub repetition: Option<usize>,
    /// Component, from 1; `None` is the whole repetition.
    pub component: Option<usize>,
    /// Subcomponent, from 1; `None` is the whole component.
    pub subcomponent: Option<usize>,
}

impl Position {
    /// A whole field.
    pub fn field(segment: usize, field: usize) -> Self {
        Self { segment, field, repetition: None, component: None, subcomponent: None }
    }
}

impl Default for Message<'_> {
    /// A message of nothing: no segment yet, the recommended delimiters, UTF-8. A new message begins as one, its header put first.
    fn default() -> Self {
        let encoding = Encoding { delimiters: Delimiters::default(), charset: Charset::utf_8() };
        Self { encoding, leading: b"", segments: Vec::new(), trailing: b"", diagnostics: Vec::new() }
    }
}

/// So many segments are put into most messages at most.
const SEGMENTS_ADDED: usize = 4;

impl<'a> Message<'a> {
    /// A copy to be edited: with room for what is put into it, and without what is odd about the message.
    #[must_use]
    pub fn working_copy(&self) -> Message<'a> {
        let mut segments = Vec::with_capacity(self.segments.len() + SEGMENTS_ADDED);
        segments.extend_from_slice(&self.segments);
        Message { segments, diagnostics: Vec::new(), ..*self }
    }

    /// How its bytes are read.
    pub fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// What is odd about it, in the order found.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Its segments, MSH first.
    pub fn segments(&self) -> &[Segment<'a>] {
        &self.segments
    }

    /// The indexes of the segments of this name.
    pub fn indexes(&self, name: &str) -> impl Iterator<Item = usize> {
        let is = Segment::named(name);
        self.segments.iter().enumerate().filter(move |(_, segment)| is(segment)).map(|(index, _)| index)
    }

    /// A field of a segment; empty when either is not there.
    pub fn field(&self, segment: usize, field: usize) -> View<'_> {
        match self.segments.get(segment) {
            Some(segment) => segment.field(field, &self.encoding),
            None => View::verbatim(&[], &self.encoding),
        }
    }

    /// What stands at this place; empty when nothing does.
    pub fn view(&self, at: &Position) -> View<'_> {
        let field = self.field(at.segment, at.field);
        match *at {
            Position { repetition: None, component: None, .. } => field,
            Position { repetition, component: None, .. } => field.child(repetition.unwrap_or(1)),
            Position { repetition, component: Some(component), subcomponent: None, .. } => {
                field.child(repetition.unwrap_or(1)).child(component)
            }
            Position { repetition, component: Some(component), subcomponent: Some(subcomponent), .. } => {
                field.child(repetition.unwrap_or(1)).child(component).child(subcomponent)
            }
        }
    }

    /// The header's facts: what an answer needs.
    pub fn header(&self) -> Header {
        let mut raw = Vec::new();
        if let Some(header) = self.segments.first() {
            header.encode_into(self.encoding.delimiters.field, &mut raw);
        }
        Header::new(raw, self.encoding)
    }

    /// Its bytes: those that came in, but for what was edited.
    pub fn encode(&self) -> Vec<u8> {
        let length: usize = self.segments.iter().map(Segment::room).sum();
        let mut bytes = Vec::with_capacity(self.leading.len() + length + self.trailing.len());
        bytes.extend_from_slice(self.leading);
        for segment in &self.segments {
            segment.send_into(&self.encoding, &mut bytes);
        }
        bytes.extend_from_slice(self.trailing);
        bytes
    }

    /// The place of a segment in words: its name and which of that name it is, `OBX[3]`; `None` when there is no such segment.
    pub fn occurrence(&self, segment: usize) -> Option<(&str, usize)> {
        let name = self.segments.get(segment)?.name();
        let before = self.segments.iter().take(segment).filter(|other| other.is(name)).count();
        Some((name, before + 1))
    }

    /// A place in words, as a path: `PID-3[2].1`, `OBX[3]-5`.
    pub fn path(&self, at: &Position) -> String {
        self.path_of(at, self.occurrence(at.segment).map_or(0, |(_, occurrence)| occurrence))
    }

    /// The same, of a segment whose occurrence was counted.
    pub(crate) fn path_of(&self, at: &Position, occurrence: usize) -> String {
        let name = self.segments.get(at.segment).map(Segment::name).unwrap_or_default();
        Words { name, occurrence, at }.to_string()
    }
}

/// A position with its segment's name and occurrence, written as a path.
struct Words<'w> {
    name: &'w str,
    occurrence: usize,
    at: &'w Position,
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)?;
        if self.occurrence > 1 {
            write!(formatter, "[{}]", self.occurrence)?;
        }
        write!(formatter, "-{}", self.at.field)?;
        if let Some(repetition) = self.at.repetition {
            write!(formatter, "[{repetition}]")?;
        }
        if let Some(component) = self.at.component {
            write!(formatter, ".{component}")?;
        }
        if let Some(subcomponent) = self.at.subcomponent {
            write!(formatter, ".{subcomponent}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Settings, parse};

    const MESSAGE: &[u8] = b"MSH|^~\\&|A|B|C|D|||ORU^R01|7\rOBX|1||a\rOBX|2||b^c&d~e\r";

    #[test]
    fn a_view_is_what_stands_there() {
        let message = parse(MESSAGE, &Settings::default()).unwrap();
        let raw = |at: Position| String::from_utf8(message.view(&at).raw().to_vec()).unwrap();
        let field = Position::field(2, 3);
        assert_eq!(raw(field), "b^c&d~e");
        assert_eq!(raw(Position { repetition: Some(2), ..field }), "e");
        assert_eq!(raw(Position { component: Some(2), ..field }), "c&d");
        assert_eq!(raw(Position { component: Some(2), subcomponent: Some(2), ..field }), "d");
        assert_eq!(raw(Position { repetition: Some(3), component: Some(1), ..field }), "");
        assert_eq!(raw(Position::field(9, 1)), "");
        assert_eq!(raw(Position::field(2, 0)), "");
    }

    #[test]
    fn a_new_message_begins_with_its_header() {
        let mut message = Message::default();
        message.insert_segment(0, b"MSH|^~\\&|A").unwrap();
        message.insert_segment(usize::MAX, b"PID|1").unwrap();
        assert!(message.insert_segment(0, b"ZPI|1").is_err());
        message.set_text(&Position::field(0, 4), "B&C").unwrap();
        assert_eq!(message.encode(), b"MSH|^~\\&|A|B\\T\\C\rPID|1\r");
    }

    #[test]
    fn a_place_has_a_name() {
        let message = parse(MESSAGE, &Settings::default()).unwrap();
        let field = Position::field(2, 3);
        assert_eq!(message.path(&field), "OBX[2]-3");
        assert_eq!(message.path(&Position { repetition: Some(2), ..field }), "OBX[2]-3[2]");
        assert_eq!(
            message.path(&Position { component: Some(2), subcomponent: Some(1), ..field }),
            "OBX[2]-3.2.1"
        );
        assert_eq!(message.path(&Position::field(1, 3)), "OBX-3");
        assert_eq!(message.indexes("OBX").collect::<Vec<_>>(), [1, 2]);
        assert_eq!(message.occurrence(5), None);
    }
}
