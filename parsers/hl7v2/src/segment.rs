//! One segment: its raw fields, and the bytes that end it.
//!
//! Joined by the field separator and followed by the terminator, the fields are the bytes that came in.

use crate::delimiters::Encoding;
use crate::parts::Parts;
use crate::view::{Level, View};

/// A segment.
#[derive(Debug, Clone)]
pub struct Segment<'a> {
    name: Name,
    /// What the field separator splits, the name first.
    pub(crate) parts: Parts<'a>,
    /// Line ends, with blank lines and indentation after them; empty at the end of a message that just stops.
    pub(crate) terminator: &'a [u8],
}

/// A segment's name as a number, where it has three letters, as all of the standard have: segments are looked for by name more than anything
/// else. All other names are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name(u32);

impl Name {
    const OTHER: Name = Name(0);

    /// Whether it is a letter, then two letters or digits (chapter 2, "Segments").
    fn is_proper(self) -> bool {
        let [length, first, rest @ ..] = self.0.to_be_bytes();
        length == 1
            && first.is_ascii_uppercase()
            && rest.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    }

    const fn of(name: &[u8]) -> Name {
        match name {
            [one, two, three] => Name(u32::from_be_bytes([1, *one, *two, *three])),
            _ => Name::OTHER,
        }
    }
}

const MSH: Name = Name::of(b"MSH");
const FHS: Name = Name::of(b"FHS");
const BHS: Name = Name::of(b"BHS");

/// Whether these bytes are a segment's name.
pub(crate) fn is_name(bytes: &[u8]) -> bool {
    Name::of(bytes).is_proper()
}

impl<'a> Segment<'a> {
    pub(crate) fn new(parts: Parts<'a>, terminator: &'a [u8]) -> Self {
        Self { name: Name::of(parts.get(0).unwrap_or_default()), parts, terminator }
    }

    /// Its name, `PID`; empty when the bytes there are not text.
    pub fn name(&self) -> &str {
        std::str::from_utf8(self.part(0)).unwrap_or_default()
    }

    /// Whether its name is one that the standard allows.
    pub(crate) fn is_properly_named(&self) -> bool {
        self.name.is_proper()
    }

    /// Whether it has this name.
    pub fn is(&self, name: &str) -> bool {
        Self::named(name)(self)
    }

    /// Whether a segment has this name, to be asked of many.
    pub(crate) fn named<'n>(name: &'n str) -> impl Fn(&Self) -> bool + use<'a, 'n> {
        let number = Name::of(name.as_bytes());
        move |segment| match number {
            Name::OTHER => segment.part(0) == name.as_bytes(),
            number => segment.name == number,
        }
    }

    /// The number of its last field, counted as the standard counts: MSH-1 is the separator itself.
    pub fn last_field(&self) -> usize {
        self.parts.len().saturating_sub(1) + usize::from(self.declares_delimiters() && self.parts.len() > 1)
    }

    /// A field, counted from 1 as the standard counts; empty when it is not there.
    pub fn field<'m>(&'m self, n: usize, encoding: &'m Encoding) -> View<'m> {
        if self.declares_delimiters() && n <= 2 {
            return match n {
                1 => View::verbatim(std::slice::from_ref(&encoding.delimiters.field), encoding),
                2 => View::verbatim(self.part(1), encoding),
                _ => View::verbatim(&[], encoding),
            };
        }
        let raw = if n == 0 { &[] } else { self.part(self.index(n)) };
        View::new(raw, Level::Field, encoding)
    }

    /// Where in `parts` a field is.
    pub(crate) fn index(&self, field: usize) -> usize {
        if self.declares_delimiters() { field.saturating_sub(1) } else { field }
    }

    /// MSH, FHS and BHS: their first field is the separator, their second the other delimiters.
    pub(crate) fn declares_delimiters(&self) -> bool {
        matches!(self.name, MSH | FHS | BHS)
    }

    /// Its bytes as the tree holds them, without the terminator. The separator is its message's.
    pub fn encode_into(&self, field_separator: u8, bytes: &mut Vec<u8>) {
        self.parts.write_into(field_separator, bytes);
    }

    /// Its bytes as they are sent, terminator included.
    pub(crate) fn send_into(&self, encoding: &Encoding, bytes: &mut Vec<u8>) {
        if encoding.charset.is_transcoded() {
            let separator = encoding.charset.send(std::slice::from_ref(&encoding.delimiters.field));
            for (index, part) in self.parts.iter().enumerate() {
                if index > 0 {
                    bytes.extend_from_slice(&separator);
                }
                match self.parts.wire(index) {
                    Some(wire) => bytes.extend_from_slice(wire),
                    None => bytes.extend_from_slice(&encoding.charset.send(part)),
                }
            }
        } else {
            self.encode_into(encoding.delimiters.field, bytes);
        }
        bytes.extend_from_slice(self.terminator);
    }

    /// Room for its bytes as the tree holds them, terminator included: as many, or a few more.
    pub(crate) fn room(&self) -> usize {
        self.parts.room() + self.terminator.len()
    }

    /// How many bytes it takes in the tree, terminator included.
    pub(crate) fn encoded_len(&self) -> usize {
        self.parts.joined_len() + self.terminator.len()
    }

    /// How many bytes it takes as it is sent, terminator included.
    pub(crate) fn sent_len(&self, encoding: &Encoding) -> usize {
        self.places(encoding).last().copied().unwrap_or(0) + self.terminator.len()
    }

    /// Where what the field separator splits begins, in bytes of the segment as it is sent, and at last where the terminator begins.
    pub(crate) fn places(&self, encoding: &Encoding) -> Vec<usize> {
        let sent = |bytes: &[u8]| match encoding.charset.is_transcoded() {
            true => encoding.charset.send(bytes).len(),
            false => bytes.len(),
        };
        let separator = sent(std::slice::from_ref(&encoding.delimiters.field));
        let mut at = 0;
        let mut places = Vec::with_capacity(self.parts.len() + 1);
        for (index, part) in self.parts.iter().enumerate() {
            at += if index > 0 { separator } else { 0 };
            places.push(at);
            at += self.parts.wire(index).map_or_else(|| sent(part), <[u8]>::len);
        }
        places.push(at);
        places
    }

    fn part(&self, index: usize) -> &[u8] {
        self.parts.get(index).unwrap_or_default()
    }
}
