//! The paths and first bytes of many places of one message: what is counted from the message's beginning is counted once for all of them.

use crate::message::{Message, Position};
use crate::segment::Segment;

/// Tells paths and offsets of a message.
#[derive(Debug)]
pub struct Places<'m> {
    message: &'m Message<'m>,
    /// Which of its name each segment is, and its first byte.
    segments: Vec<(usize, usize)>,
}

impl<'m> Places<'m> {
    /// Counts the segments of a message.
    pub fn of(message: &'m Message<'m>) -> Self {
        let mut counts = std::collections::HashMap::new();
        let mut start = message.leading.len();
        let mut counted = |segment: &'m Segment<'m>| {
            let count = counts.entry(segment.name()).or_insert(0);
            *count += 1;
            let place = (*count, start);
            start += segment.encoded_len();
            place
        };
        let segments = message.segments().iter().map(&mut counted).collect();
        Self { message, segments }
    }

    /// A segment's name and which of its name it is, as [`Message::occurrence`] gives it.
    pub fn occurrence(&self, segment: usize) -> Option<(&'m str, usize)> {
        Some((self.message.segments().get(segment)?.name(), self.segments.get(segment)?.0))
    }

    /// A place in words, as [`Message::path`] gives it.
    pub fn path(&self, at: &Position) -> String {
        let occurrence = self.segments.get(at.segment).map_or(0, |(occurrence, _)| *occurrence);
        self.message.path_of(at, occurrence)
    }

    /// The first byte of a place in the bytes of the message, counted from 0; `None` for what is empty, and where the charset is
    /// [transcoded](crate::Charset::is_transcoded), so that the tree holds other bytes than came in.
    pub fn offset(&self, at: &Position) -> Option<usize> {
        let message = self.message;
        let (segment, (_, start)) = (message.segments().get(at.segment)?, self.segments.get(at.segment)?);
        let (field, part) = (message.field(at.segment, at.field), message.view(at));
        if message.encoding().charset.is_transcoded() || part.raw().is_empty() {
            return None;
        }
        let before = segment.parts.iter().take(segment.index(at.field));
        let in_segment: usize = before.map(|part| part.len() + 1).sum();
        // A part of a field is a part of its bytes.
        let in_field = part.raw().as_ptr().addr().checked_sub(field.raw().as_ptr().addr())?;
        Some(start + in_segment + in_field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Settings, parse};

    const MESSAGE: &[u8] = b"MSH|^~\\&|A|B|C|D|||ORU^R01|7\rOBX|1||a\rOBX|2||b^c&d~e\r";

    #[test]
    fn a_place_has_a_path_and_an_offset() {
        let message = parse(MESSAGE, &Settings::default()).unwrap();
        let places = Places::of(&message);
        let field = Position::field(2, 3);
        let there = |at: Position| {
            assert_eq!(places.path(&at), message.path(&at));
            places.offset(&at).and_then(|offset| MESSAGE.get(offset).copied())
        };
        assert_eq!(there(Position::field(0, 3)), Some(b'A'));
        assert_eq!(there(Position::field(0, 10)), Some(b'7'));
        assert_eq!(there(field), Some(b'b'));
        let inner = Position { repetition: Some(1), component: Some(2), subcomponent: Some(2), ..field };
        assert_eq!(there(inner), Some(b'd'));
        assert_eq!(there(Position { repetition: Some(2), ..field }), Some(b'e'));
        assert_eq!((there(Position::field(2, 9)), there(Position::field(9, 1))), (None, None));
    }
}
