//! Changing a message: the part that a position names is replaced, and no other byte.
//!
//! Parts that are missing on the way to the position are added empty. Writing nothing where nothing is changes nothing.

use std::borrow::Cow;
use std::ops::Range;

use crate::delimiters::Delimiters;
use crate::escape::{Unencodable, escape};
use crate::message::{Message, Position};
use crate::parts::Parts;
use crate::segment::Segment;
use crate::view::Level;

/// The highest number of a field, repetition, component or subcomponent that can be written: far beyond any real message, and low enough
/// that a mistyped number does not fill the memory with delimiters.
const NUMBER_MAX: usize = 10_000;

/// A field as it is to be: what a change makes of it, before it is made.
#[derive(Debug)]
pub struct Edit {
    segment: usize,
    /// Where among the segment's parts.
    index: usize,
    /// The new field; none when the change changes nothing.
    field: Option<Box<[u8]>>,
}

impl<'a> Message<'a> {
    /// Puts raw structure in the place of the part: bytes with escapes and with the delimiters of the levels below.
    pub fn replace(&mut self, at: &Position, raw: &[u8]) -> Result<(), Unencodable> {
        self.replacement(at, raw).map(|edit| self.make(edit))
    }

    /// Puts text in the place of the part, escaped and in the message's charset.
    pub fn set_text(&mut self, at: &Position, text: &str) -> Result<(), Unencodable> {
        self.text_replacement(at, text).map(|edit| self.make(edit))
    }

    /// What [`replace`](Self::replace) would make of the field, to be [made](Self::make) before anything else is changed. The bytes may
    /// be some of this very message.
    pub fn replacement(&self, at: &Position, raw: &[u8]) -> Result<Edit, Unencodable> {
        if raw.iter().any(|&byte| byte == b'\r' || splits_around(&self.encoding.delimiters, level(at), byte))
        {
            return Err(Unencodable::Splits);
        }
        self.put(at, raw)
    }

    /// What [`set_text`](Self::set_text) would make of the field, likewise.
    pub fn text_replacement(&self, at: &Position, text: &str) -> Result<Edit, Unencodable> {
        // What was escaped splits nothing.
        let raw = escape(text, &self.encoding)?;
        self.put(at, &raw)
    }

    /// Makes a change of this message.
    pub fn make(&mut self, edit: Edit) {
        if let (Some(segment), Some(field)) = (self.segments.get_mut(edit.segment), edit.field) {
            segment.parts.set(edit.index, field);
        }
    }

    /// Bytes that split nothing around the part in its place.
    fn put(&self, at: &Position, raw: &[u8]) -> Result<Edit, Unencodable> {
        let steps = steps(at, &self.encoding.delimiters)?;
        let (segment, index) = self.place(at)?;
        let absent = raw.is_empty() && self.view(at).raw().is_empty();
        let field = (!absent).then(|| with(segment.parts.get(index).unwrap_or_default(), &steps, raw));
        Ok(Edit { segment: at.segment, index, field })
    }

    /// Empties a field or component; takes a repetition out of its field.
    pub fn delete(&mut self, at: &Position) -> Result<(), Unencodable> {
        let (Some(repetition), None) = (at.repetition, at.component) else { return self.replace(at, b"") };
        let delimiter = self.encoding.delimiters.repetition;
        let steps = steps(at, &self.encoding.delimiters)?;
        let (segment, index) = self.place(at)?;
        let Some(field) = segment.parts.get(index) else { return Ok(()) };
        let (Some(range), Some(delimiter)) = (find(field, &steps), delimiter) else {
            return self.replace(at, b"");
        };
        let range = match repetition {
            // With it goes the delimiter before it, or, for the first, the one after it.
            1 if field.get(range.end) == Some(&delimiter) => range.start..range.end + 1,
            1 => range,
            _ => range.start - 1..range.end,
        };
        let mut changed = field.to_vec();
        changed.drain(range);
        self.make(Edit { segment: at.segment, index, field: Some(changed.into()) });
        Ok(())
    }

    /// Puts a segment before the one at `index`, or at the end: its name and fields as they stand on the wire, `ZPI|1|A^B`. The header
    /// stays first; in a message of nothing it is the first to be put.
    pub fn insert_segment(&mut self, index: usize, raw: &[u8]) -> Result<(), Unencodable> {
        if index == 0 && !self.segments.is_empty() {
            return Err(Unencodable::NoSuchPlace);
        }
        if raw.iter().any(|&byte| byte == b'\r' || byte == b'\n') {
            return Err(Unencodable::Splits);
        }
        let terminator = self.line_end();
        let separator = self.encoding.delimiters.field;
        let parts = raw.split(|&byte| byte == separator).map(|part| Cow::Owned(part.to_vec()));
        let parts = Parts::own(parts.collect(), Vec::new());
        let index = index.min(self.segments.len());
        let before = index.checked_sub(1).and_then(|before| self.segments.get_mut(before));
        if let Some(before) = before.filter(|before| before.terminator.is_empty()) {
            before.terminator = terminator;
        }
        self.segments.insert(index, Segment::new(parts, terminator));
        Ok(())
    }

    /// Takes a segment out. The header stays.
    pub fn remove_segment(&mut self, index: usize) -> Option<Segment<'a>> {
        (index > 0 && index < self.segments.len()).then(|| self.segments.remove(index))
    }

    /// The line end that this message uses.
    fn line_end(&self) -> &'a [u8] {
        let first = self.segments.first().map(|segment| segment.terminator).unwrap_or_default();
        match first {
            // UTF-16, its low byte first or last.
            [b'\r', 0, b'\n', 0, ..] => b"\r\0\n\0",
            [0, b'\r', 0, b'\n', ..] => b"\0\r\0\n",
            [b'\r', 0, ..] => b"\r\0",
            [0, b'\r', ..] => b"\0\r",
            [b'\n', 0, ..] => b"\n\0",
            [0, b'\n', ..] => b"\0\n",
            [b'\r', b'\n', ..] => b"\r\n",
            [b'\n', ..] => b"\n",
            _ => b"\r",
        }
    }

    /// The segment of a position, and where among its parts the field is or would be; never MSH-1 and MSH-2, which all other bytes are
    /// read by.
    fn place(&self, at: &Position) -> Result<(&Segment<'a>, usize), Unencodable> {
        let segment = self.segments.get(at.segment).ok_or(Unencodable::NoSuchPlace)?;
        if segment.declares_delimiters() && at.field <= 2 {
            return Err(Unencodable::NoSuchPlace);
        }
        let index = segment.index(at.field);
        Ok((segment, index))
    }
}

/// One level down: which delimiter splits there, and which part is meant.
type Step = (Option<u8>, usize);

/// The way from the field to the part: into a repetition, a component, a subcomponent.
type Steps = [Option<Step>; 3];

/// Checks the way before anything is changed.
fn steps(at: &Position, delimiters: &Delimiters) -> Result<Steps, Unencodable> {
    let repetition = at.repetition.or(at.component.map(|_| 1)).map(|n| (delimiters.repetition, n));
    let component = at.component.map(|n| (delimiters.component, n));
    let subcomponent =
        at.subcomponent.filter(|_| at.component.is_some()).map(|n| (delimiters.subcomponent, n));
    let steps = [repetition, component, subcomponent];
    let valid = |n: usize| (1..=NUMBER_MAX).contains(&n);
    let all = || steps.iter().flatten();
    if !valid(at.field) || !all().all(|&(_, n)| valid(n)) {
        return Err(Unencodable::NoSuchPlace);
    }
    if all().any(|&(delimiter, n)| delimiter.is_none() && n > 1) {
        return Err(Unencodable::NoDelimiter);
    }
    Ok(steps)
}

fn level(at: &Position) -> Level {
    match at {
        Position { component: Some(_), subcomponent: Some(_), .. } => Level::Subcomponent,
        Position { component: Some(_), .. } => Level::Component,
        Position { repetition: Some(_), .. } => Level::Repetition,
        Position { .. } => Level::Field,
    }
}

/// Whether this byte would split what is around a part of this level.
fn splits_around(delimiters: &Delimiters, level: Level, byte: u8) -> bool {
    let inside = delimiters.splits(level, byte);
    byte == delimiters.field || (delimiters.splits(Level::Field, byte) && !inside)
}

/// Where the part is, if it is there.
fn find(field: &[u8], steps: &Steps) -> Option<Range<usize>> {
    steps.iter().flatten().try_fold(0..field.len(), |range, &(delimiter, n)| match delimiter {
        None => Some(range),
        Some(delimiter) => nth_range(field, range, delimiter, n).ok(),
    })
}

/// The field with another part, and with what is missing on the way to it.
fn with(field: &[u8], steps: &Steps, raw: &[u8]) -> Box<[u8]> {
    if steps.iter().all(Option::is_none) {
        return raw.into();
    }
    let mut range = 0..field.len();
    // Of each step the delimiters that are missing: from the first such step on, nothing is there.
    let mut added = [(0, 0); 3];
    let mut is_there = true;
    for (&step, added) in steps.iter().flatten().zip(&mut added) {
        let (Some(delimiter), n) = step else { continue };
        let missing = match nth_range(field, range.clone(), delimiter, n) {
            Ok(found) if is_there => {
                range = found;
                continue;
            }
            Err(missing) if is_there => missing,
            Ok(_) | Err(_) => n - 1,
        };
        is_there = false;
        range = range.end..range.end;
        *added = (delimiter, missing);
    }
    let length = added.iter().map(|(_, missing)| missing).sum::<usize>() + raw.len();
    let mut changed = Vec::with_capacity(field.len() + length - range.len());
    changed.extend_from_slice(field.get(..range.start).unwrap_or_default());
    for (delimiter, missing) in added {
        changed.resize(changed.len() + missing, delimiter);
    }
    changed.extend_from_slice(raw);
    changed.extend_from_slice(field.get(range.end..).unwrap_or_default());
    changed.into_boxed_slice()
}

/// The n-th part within the range, or how many parts are missing for there to be one.
fn nth_range(field: &[u8], range: Range<usize>, delimiter: u8, n: usize) -> Result<Range<usize>, usize> {
    let within = field.get(range.clone()).unwrap_or_default();
    let mut start = range.start;
    let mut missing = n;
    for found in memchr::memchr_iter(delimiter, within) {
        missing -= 1;
        if missing == 0 {
            return Ok(start..range.start + found);
        }
        start = range.start + found + 1;
    }
    if missing == 1 { Ok(start..range.end) } else { Err(missing - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Settings, parse};

    const MESSAGE: &str = "MSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5\rPID|1||a^b~c^d||X&Y\r";

    fn at(
        field: usize,
        repetition: Option<usize>,
        component: Option<usize>,
        subcomponent: Option<usize>,
    ) -> Position {
        Position { segment: 1, field, repetition, component, subcomponent }
    }

    fn after(edit: impl Fn(&mut Message<'_>) -> Result<(), Unencodable>) -> String {
        let mut message = parse(MESSAGE.as_bytes(), &Settings::default()).unwrap();
        edit(&mut message).unwrap();
        let encoded = String::from_utf8(message.encode()).unwrap();
        encoded.split_once('\r').unwrap().1.to_owned()
    }

    #[test]
    fn replacing_touches_what_is_named() {
        let table: &[(Position, &str, &str)] = &[
            (at(3, None, None, None), "x", "PID|1||x||X&Y\r"),
            (at(3, Some(2), None, None), "x^y", "PID|1||a^b~x^y||X&Y\r"),
            (at(3, None, Some(2), None), "x", "PID|1||a^x~c^d||X&Y\r"),
            (at(3, Some(2), Some(4), None), "x&y", "PID|1||a^b~c^d^^x&y||X&Y\r"),
            (at(3, Some(4), Some(2), Some(2)), "x", "PID|1||a^b~c^d~~^&x||X&Y\r"),
            (at(5, None, Some(1), Some(1)), "", "PID|1||a^b~c^d||&Y\r"),
            (at(8, None, None, None), "F", "PID|1||a^b~c^d||X&Y|||F\r"),
            (at(8, Some(1), Some(3), None), "", MESSAGE.split_once('\r').unwrap().1),
        ];
        for (at, raw, expected) in table {
            assert_eq!(after(|message| message.replace(at, raw.as_bytes())), *expected, "{at:?}");
        }
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(
            after(|message| message.set_text(&at(5, None, Some(1), None), "M&M^|")),
            "PID|1||a^b~c^d||M\\T\\M\\S\\\\F\\\r"
        );
    }

    #[test]
    fn deleting_takes_a_repetition_out_and_empties_the_rest() {
        assert_eq!(after(|message| message.delete(&at(3, None, None, None))), "PID|1||||X&Y\r");
        assert_eq!(after(|message| message.delete(&at(3, Some(1), None, None))), "PID|1||c^d||X&Y\r");
        assert_eq!(after(|message| message.delete(&at(3, Some(2), None, None))), "PID|1||a^b||X&Y\r");
        assert_eq!(after(|message| message.delete(&at(3, Some(3), None, None))), "PID|1||a^b~c^d||X&Y\r");
        assert_eq!(after(|message| message.delete(&at(5, Some(1), None, None))), "PID|1||a^b~c^d||\r");
        assert_eq!(after(|message| message.delete(&at(3, Some(2), Some(1), None))), "PID|1||a^b~^d||X&Y\r");
        assert_eq!(after(|message| message.delete(&at(40, Some(2), None, None))), "PID|1||a^b~c^d||X&Y\r");
    }

    #[test]
    fn segments_come_and_go() {
        assert_eq!(after(|message| message.insert_segment(2, b"ZPI|1|x")), "PID|1||a^b~c^d||X&Y\rZPI|1|x\r");
        assert_eq!(after(|message| message.insert_segment(1, b"ZPI")), "ZPI\rPID|1||a^b~c^d||X&Y\r");
        let gone = after(|message| {
            message.remove_segment(1);
            Ok(())
        });
        assert_eq!(gone, "");
        let bytes = b"MSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5\r\nEVN|A01";
        let mut message = parse(bytes, &Settings::default()).unwrap();
        message.insert_segment(9, b"ZPI").unwrap();
        assert!(message.encode().ends_with(b"\r\nEVN|A01\r\nZPI\r\n"));
    }

    #[test]
    fn what_would_break_the_message_is_refused() {
        let mut message = parse(MESSAGE.as_bytes(), &Settings::default()).unwrap();
        let replace = |message: &mut Message<'_>, at: Position, raw: &[u8]| message.replace(&at, raw);
        assert_eq!(replace(&mut message, at(3, None, None, None), b"a|b"), Err(Unencodable::Splits));
        assert_eq!(replace(&mut message, at(3, None, None, None), b"a\rb"), Err(Unencodable::Splits));
        assert_eq!(replace(&mut message, at(3, Some(1), None, None), b"a~b"), Err(Unencodable::Splits));
        assert_eq!(replace(&mut message, at(3, None, Some(1), None), b"a^b"), Err(Unencodable::Splits));
        assert_eq!(replace(&mut message, at(3, None, Some(1), Some(1)), b"a&b"), Err(Unencodable::Splits));
        assert_eq!(replace(&mut message, at(0, None, None, None), b"a"), Err(Unencodable::NoSuchPlace));
        assert_eq!(replace(&mut message, at(3, Some(0), None, None), b"a"), Err(Unencodable::NoSuchPlace));
        assert_eq!(replace(&mut message, at(10_001, None, None, None), b"a"), Err(Unencodable::NoSuchPlace));
        assert_eq!(replace(&mut message, Position::field(7, 1), b"a"), Err(Unencodable::NoSuchPlace));
        assert_eq!(replace(&mut message, Position::field(0, 2), b"a"), Err(Unencodable::NoSuchPlace));
        assert_eq!(message.insert_segment(0, b"ZPI"), Err(Unencodable::NoSuchPlace));
        assert_eq!(message.insert_segment(1, b"ZPI\rZPI"), Err(Unencodable::Splits));
        assert!(message.remove_segment(0).is_none());
        assert_eq!(message.encode(), MESSAGE.as_bytes());
    }
}
