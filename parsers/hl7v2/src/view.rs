//! A look at one part of a message: its raw bytes, what is below it, and its text.
//!
//! A view never fails: a part that is not there is an empty view.

use std::borrow::Cow;

use crate::delimiters::Encoding;
use crate::escape::{self, Unencodable};

/// How deep in the tree a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A field, with all its repetitions.
    Field,
    /// One repetition of a field.
    Repetition,
    /// A component.
    Component,
    /// A subcomponent.
    Subcomponent,
}

/// What a part says to its receiver (chapter 2, "null and empty").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    /// Nothing: absent, of no length, or delimiters only, which trailing ones may be left out anyway. The receiver keeps what it has.
    Empty,
    /// `""`: the receiver deletes what it has.
    Null,
    /// A value.
    Present,
}

/// A part of a message.
#[derive(Debug, Clone, Copy)]
pub struct View<'m> {
    raw: &'m [u8],
    level: Level,
    encoding: &'m Encoding,
    /// MSH-1 and MSH-2 declare the delimiters, so they are never split or unescaped by them.
    verbatim: bool,
}

impl<'m> View<'m> {
    pub(crate) fn new(raw: &'m [u8], level: Level, encoding: &'m Encoding) -> Self {
        Self { raw, level, encoding, verbatim: false }
    }

    pub(crate) fn verbatim(raw: &'m [u8], encoding: &'m Encoding) -> Self {
        Self { raw, level: Level::Field, encoding, verbatim: true }
    }

    /// The bytes as they stand in the message; of one whose charset is [transcoded](crate::Charset::is_transcoded) its text in UTF-8.
    pub fn raw(&self) -> &'m [u8] {
        self.raw
    }

    /// How its bytes are read.
    pub fn encoding(&self) -> &'m Encoding {
        self.encoding
    }

    /// How deep it is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The n-th part of the next level, counted from 1; empty when there is none. A subcomponent has no parts.
    #[must_use]
    pub fn child(&self, n: usize) -> View<'m> {
        let Some(level) = self.level.below() else { return View { raw: &[], ..*self } };
        if self.raw.is_empty() {
            return View { level, ..*self };
        }
        let raw = match self.delimiter() {
            Some(delimiter) => nth_part(self.raw, delimiter, n).unwrap_or_default(),
            None if n == 1 => self.raw,
            None => &[],
        };
        View { raw, level, ..*self }
    }

    /// The parts of the next level, in order: none when this is of no length or a subcomponent.
    pub fn children(&self) -> impl Iterator<Item = View<'m>> + use<'m> {
        let (view, delimiter) = (*self, self.delimiter());
        let level = if self.raw.is_empty() { None } else { self.level.below() };
        level.into_iter().flat_map(move |level| {
            view.raw.split(move |&byte| Some(byte) == delimiter).map(move |raw| View { raw, level, ..view })
        })
    }

    /// The first `N` parts of the next level in one go, empty where there are none: cheaper than asking for each by number.
    pub(crate) fn parts<const N: usize>(&self) -> [View<'m>; N] {
        let mut parts = [View { raw: &[], level: self.level.below().unwrap_or(self.level), ..*self }; N];
        match self.delimiter() {
            _ if self.level == Level::Subcomponent => {}
            None => {
                if let Some(first) = parts.first_mut() {
                    first.raw = self.raw;
                }
            }
            Some(delimiter) => {
                let raws = self.raw.split(|byte| *byte == delimiter);
                parts.iter_mut().zip(raws).for_each(|(part, raw)| part.raw = raw);
            }
        }
        parts
    }

    /// How many parts of the next level there are.
    pub fn count(&self) -> usize {
        if self.raw.is_empty() || self.level == Level::Subcomponent {
            return 0;
        }
        1 + self.delimiter().map_or(0, |delimiter| memchr::memchr_iter(delimiter, self.raw).count())
    }

    /// Whether it is empty, null or has a value.
    pub fn presence(&self) -> Presence {
        let is_delimiter = |byte: &u8| !self.verbatim && self.encoding.delimiters.splits(self.level, *byte);
        match self.raw {
            [] => Presence::Empty,
            [first, ..] if !is_delimiter(first) && *first != b'"' => Presence::Present,
            raw => match raw.iter().rposition(|byte| !is_delimiter(byte)).and_then(|last| raw.get(..=last)) {
                None => Presence::Empty,
                Some(b"\"\"") => Presence::Null,
                Some(_) => Presence::Present,
            },
        }
    }

    /// The first part of the first part, and so on, down to where nothing is split any more: the value that stands for the whole.
    #[must_use]
    pub fn leaf(&self) -> View<'m> {
        if self.verbatim {
            return *self;
        }
        let delimiters = &self.encoding.delimiters;
        let end = match self.level {
            Level::Subcomponent => None,
            Level::Component => {
                delimiters.subcomponent.and_then(|delimiter| memchr::memchr(delimiter, self.raw))
            }
            level => self.raw.iter().position(|&byte| delimiters.splits(level, byte)),
        };
        let raw = end.and_then(|end| self.raw.get(..end)).unwrap_or(self.raw);
        View { raw, level: Level::Subcomponent, ..*self }
    }

    /// The text of the [leaf](Self::leaf) when its bytes are the text: ASCII without an escape sequence, as nearly all are. One look at
    /// each byte tells, which is what makes a record of hundreds of short texts cheap.
    pub fn plain_leaf(&self) -> Option<&'m str> {
        if self.verbatim {
            return None;
        }
        let delimiters = &self.encoding.delimiters;
        let unless = |delimiter: Option<u8>, is_above: bool| {
            delimiter.filter(|_| is_above).map_or(u16::MAX, u16::from)
        };
        let ends = [
            unless(delimiters.subcomponent, self.level < Level::Subcomponent),
            unless(delimiters.component, self.level < Level::Component),
            unless(delimiters.repetition, self.level < Level::Repetition),
        ];
        let escape = unless(delimiters.escape, true);
        for (index, &byte) in self.raw.iter().enumerate() {
            let wide = u16::from(byte);
            if ends.contains(&wide) {
                return std::str::from_utf8(self.raw.get(..index)?).ok();
            }
            if byte >= 0x80 || wide == escape {
                return None;
            }
        }
        std::str::from_utf8(self.raw).ok()
    }

    /// The text of the [leaf](Self::leaf): decoded and unescaped. A null's text is `""`, as it stands; ask for [`presence`](Self::presence) first.
    pub fn text(&self) -> Cow<'m, str> {
        self.leaf().whole_text()
    }

    /// The text of all of it with delimiters as they stand, for a value whose sender forgot to escape them (`Smith & Sons`).
    pub fn whole_text(&self) -> Cow<'m, str> {
        if self.verbatim {
            self.encoding.charset.decode(self.raw)
        } else {
            escape::unescape(self.raw, self.encoding)
        }
    }

    /// All of it as a leaf of another message: the same text in its delimiters and its charset, with its escape sequences.
    pub fn transcoded(&self, to: &Encoding) -> Result<Vec<u8>, Unencodable> {
        if self.verbatim {
            return escape::escape(&self.whole_text(), to).map(Cow::into_owned);
        }
        escape::transcode(self.raw, self.encoding, to)
    }

    fn delimiter(&self) -> Option<u8> {
        if self.verbatim { None } else { self.encoding.delimiters.below(self.level) }
    }
}

impl Level {
    /// The next level down.
    pub fn below(self) -> Option<Level> {
        match self {
            Level::Field => Some(Level::Repetition),
            Level::Repetition => Some(Level::Component),
            Level::Component => Some(Level::Subcomponent),
            Level::Subcomponent => None,
        }
    }
}

/// The n-th part, counted from 1, of what a delimiter splits.
pub(crate) fn nth_part(raw: &[u8], delimiter: u8, n: usize) -> Option<&[u8]> {
    let mut rest = raw;
    for _ in 1..n {
        let end = memchr::memchr(delimiter, rest)?;
        rest = rest.get(end + 1..)?;
    }
    if n == 0 { None } else { rest.get(..memchr::memchr(delimiter, rest).unwrap_or(rest.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charset::Charset;
    use crate::delimiters::Delimiters;

    const REPETITION: Level = Level::Repetition;

    fn encoding() -> Encoding {
        Encoding { delimiters: Delimiters::default(), charset: Charset::utf_8() }
    }

    #[test]
    fn parts_are_counted_from_one() {
        let encoding = encoding();
        let field = View::new(b"a^b&c~d", Level::Field, &encoding);
        assert_eq!(field.count(), 2);
        assert_eq!(field.child(1).raw(), b"a^b&c");
        assert_eq!(field.child(1).child(2).raw(), b"b&c");
        assert_eq!(field.child(1).child(2).child(2).raw(), b"c");
        assert_eq!(field.child(2).child(1).child(1).raw(), b"d");
        assert_eq!(field.child(0).raw(), b"");
        assert_eq!(field.child(3).raw(), b"");
        assert_eq!(field.child(1).child(1).child(1).child(1).raw(), b"");
    }

    #[test]
    fn children_are_all_the_parts() {
        let encoding = encoding();
        let parts = |raw| {
            View::new(raw, Level::Field, &encoding).children().map(|part| part.raw()).collect::<Vec<_>>()
        };
        assert_eq!(parts(b"a~~b"), [b"a".as_slice(), b"", b"b"]);
        assert_eq!(parts(b""), Vec::<&[u8]>::new());
        assert_eq!(View::new(b"a&b", Level::Subcomponent, &encoding).children().count(), 0);
    }

    #[test]
    fn exactly_one_of_empty_null_present() {
        let encoding = encoding();
        let table: &[(&[u8], Level, Presence)] = &[
            (b"", Level::Field, Presence::Empty),
            (b"^^&~", Level::Field, Presence::Empty),
            (b"~", REPETITION, Presence::Present),
            (b"\"\"", Level::Field, Presence::Null),
            (b"\"\"^^", Level::Field, Presence::Null),
            (b"\"\"^x", Level::Field, Presence::Present),
            (b"^x", Level::Field, Presence::Present),
            (b"\"", Level::Field, Presence::Present),
            (b" ", Level::Field, Presence::Present),
            (b"NULL", Level::Field, Presence::Present),
        ];
        for (raw, level, expected) in table {
            assert_eq!(View::new(raw, *level, &encoding).presence(), *expected, "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn a_plain_leaf_is_the_text_or_nothing() {
        let encoding = encoding();
        for level in [Level::Field, Level::Repetition, Level::Component, Level::Subcomponent] {
            for raw in ["", "a", "a&b", "a^b", "a~b", "&a", "a\\F\\", "a&\\F\\", "Müller", "a b "] {
                let view = View::new(raw.as_bytes(), level, &encoding);
                if let Some(plain) = view.plain_leaf() {
                    assert_eq!(plain, view.text(), "{level:?} {raw}");
                } else {
                    assert!(
                        !view.leaf().raw().is_ascii() || view.leaf().raw().contains(&b'\\'),
                        "{level:?} {raw}"
                    );
                }
            }
        }
    }

    #[test]
    fn text_is_the_first_leaf_unescaped() {
        let encoding = encoding();
        assert_eq!(View::new(b"Smith\\T\\Sons&x^y", Level::Field, &encoding).text(), "Smith&Sons");
        assert_eq!(View::new(b"Smith & Sons", Level::Component, &encoding).whole_text(), "Smith & Sons");
        assert_eq!(View::new(b"^x", Level::Field, &encoding).text(), "");
    }
}
