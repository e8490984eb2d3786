//! The lines that begin or end a message, a batch or a file, found in one pass over bytes that come in pieces of any size.
//!
//! A mark stands at the start of a line, with at most blanks and frame bytes before it. A line begins where the input begins and after
//! CR, LF and the byte that starts an MLLP frame. After the first message's header with a field separator a mark must have that one, so
//! that a text that happens to have these letters at the start of a line is not taken for one.
//!
//! Where no message is, a mark also stands where anything else begins: such stray bytes must not go unseen. Blanks, control and frame
//! bytes, and a byte order mark are not worth that.

/// What a segment means for splitting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
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
    /// No segment of these, and outside every message.
    Stray,
}

const NAMES: [(Kind, [u8; 3]); 5] = [
    (Kind::Message, *b"MSH"),
    (Kind::BatchHeader, *b"BHS"),
    (Kind::BatchTrailer, *b"BTS"),
    (Kind::FileHeader, *b"FHS"),
    (Kind::FileTrailer, *b"FTS"),
];

/// UTF-8's byte order mark, which editors put at the start of a file; it is read like a name, of nothing.
const BYTE_ORDER_MARK: [u8; 3] = *b"\xEF\xBB\xBF";

/// The byte that starts an MLLP frame.
const FRAME_START: u8 = 0x0B;

/// A count has at most so many bytes; a `usize` has 20 digits, and some send blanks around them.
const COUNT_BYTES_MAX: usize = 32;

/// A mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) kind: Kind,
    /// Where its name, or what is stray, begins in the stream.
    pub(super) at: u64,
    /// Its first bytes, those of them that are read when it is found: they may have come with an earlier piece.
    pub(super) letters: [u8; 3],
    /// What a trailer says to count (BTS-1, FTS-1).
    pub(super) declared: Option<usize>,
}

/// Finds the marks.
#[derive(Debug, Default)]
pub(super) struct Marks {
    place: Place,
    /// How much was read.
    read: u64,
    /// The field separator of the first message that declares one.
    separator: Option<u8>,
    /// Whether a message, or a stray run, has begun and goes up to the next mark.
    is_open: bool,
}

/// Where in a line the reading stands.
#[derive(Debug, Default)]
enum Place {
    /// Before its first letter.
    #[default]
    Start,
    /// In what may become a mark's name: so far these bytes, of which so many are there.
    Name([u8; 3], usize),
    /// In the first field of a trailer.
    Count(Count),
    /// In the rest, where nothing matters.
    Rest,
}

impl Marks {
    /// The next mark, or `None` once all bytes are read. What was read is taken off the front. A mark is found when the byte after its
    /// name is seen; of a header just the name is read then, of a trailer also its count, of what is stray as much as might have been a
    /// name.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Mark> {
        loop {
            match &mut self.place {
                Place::Start => {
                    let is_open = self.is_open;
                    let begins = |byte: &u8| byte.is_ascii_graphic() || !(is_open || byte.is_ascii());
                    let letter = bytes.iter().position(begins);
                    self.skip(bytes, letter)?;
                    self.place = Place::Name([0; 3], 0);
                }
                Place::Name(name, length) => {
                    let &byte = bytes.first()?;
                    let (letters, read) = (*name, *length);
                    let mark = self.letter(letters, read, byte, bytes);
                    if mark.is_some() {
                        return mark;
                    }
                }
                Place::Count(count) => {
                    let &byte = bytes.first()?;
                    if !count.take(byte) {
                        let mark = count.mark();
                        self.place = Place::Rest;
                        return Some(mark);
                    }
                    self.advance(bytes, 1);
                }
                Place::Rest => {
                    let line_end = memchr::memchr3(b'\r', b'\n', FRAME_START, bytes);
                    self.skip(bytes, line_end)?;
                    self.place = Place::Start;
                }
            }
        }
    }

    /// The mark that is found when this byte comes after so many letters. It is read only if it belongs to them.
    fn letter(&mut self, mut letters: [u8; 3], read: usize, byte: u8, bytes: &mut &[u8]) -> Option<Mark> {
        let Some(letter) = letters.get_mut(read) else {
            return self.named(letters, Some(byte));
        };
        *letter = byte;
        if !begins_name(&letters, read + 1) {
            return self.unnamed(letters, read);
        }
        self.place = Place::Name(letters, read + 1);
        self.advance(bytes, 1);
        None
    }

    /// The mark that the end of the stream completes.
    pub(super) fn finish(&mut self) -> Option<Mark> {
        match std::mem::take(&mut self.place) {
            Place::Name(name, 3) => self.named(name, None),
            Place::Name(letters, read @ 1..) => self.unnamed(letters, read),
            Place::Count(count) => Some(count.mark()),
            _ => None,
        }
    }

    /// How much of the stream was read.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// The mark that this name makes with what comes next; of a trailer only once its count is read.
    fn named(&mut self, name: [u8; 3], next: Option<u8>) -> Option<Mark> {
        let kind = NAMES.into_iter().find(|(_, of_kind)| *of_kind == name).map(|(kind, _)| kind);
        let Some(kind) = kind.filter(|kind| self.ends_name(*kind, next)) else {
            return self.unnamed(name, name.len());
        };
        self.place = Place::Rest;
        self.is_open = kind == Kind::Message;
        if kind == Kind::Message {
            // A header that declares none of use is refused by `parse`; it must not hide the next header.
            self.separator = self.separator.or(next.filter(u8::is_ascii_punctuation));
        }
        let mark = self.mark(kind, name, name.len());
        let is_trailer = matches!(kind, Kind::BatchTrailer | Kind::FileTrailer);
        if let Some(separator) = next.filter(|next| is_trailer && !is_line_end(*next)) {
            self.place = Place::Count(Count { mark, separator, bytes: [0; COUNT_BYTES_MAX], length: None });
            return None;
        }
        Some(mark)
    }

    /// The mark that the beginning of a line makes that is no name, and of which so many letters are read.
    fn unnamed(&mut self, letters: [u8; 3], read: usize) -> Option<Mark> {
        let [first, ..] = letters;
        // After what is not ASCII a name may still come in this line.
        self.place = if first.is_ascii() { Place::Rest } else { Place::Start };
        if self.is_open || letters == BYTE_ORDER_MARK {
            return None;
        }
        self.is_open = true;
        Some(self.mark(Kind::Stray, letters, read))
    }

    fn mark(&self, kind: Kind, letters: [u8; 3], read: usize) -> Mark {
        Mark { kind, at: self.read.saturating_sub(read as u64), letters, declared: None }
    }

    /// Whether this is what follows a name: the field separator, or where there is no field the line's or the stream's end.
    fn ends_name(&self, kind: Kind, next: Option<u8>) -> bool {
        match (kind, self.separator, next) {
            // The first header declares the separator, as `parse` looks for it.
            (Kind::Message, None, next) => next.is_some_and(|next| !next.is_ascii_alphanumeric()),
            (_, Some(separator), Some(next)) if next == separator => true,
            (_, None, Some(next)) if next.is_ascii_punctuation() => true,
            (kind, _, Some(next)) => is_line_end(next) && kind != Kind::Message,
            (_, _, None) => true,
        }
    }

    /// Reads up to what was found, or everything.
    fn skip(&mut self, bytes: &mut &[u8], found: Option<usize>) -> Option<()> {
        self.advance(bytes, found.unwrap_or(bytes.len()));
        found.map(|_| ())
    }

    fn advance(&mut self, bytes: &mut &[u8], count: usize) {
        *bytes = bytes.get(count..).unwrap_or_default();
        self.read += count as u64;
    }
}

fn begins_name(name: &[u8; 3], length: usize) -> bool {
    let begun = name.get(..length).unwrap_or_default();
    NAMES.iter().map(|(_, name)| name).chain([&BYTE_ORDER_MARK]).any(|name| name.starts_with(begun))
}

/// The first field of a trailer, as far as it was read.
#[derive(Debug)]
struct Count {
    mark: Mark,
    separator: u8,
    bytes: [u8; COUNT_BYTES_MAX],
    /// How many bytes there are; `None` before the separator that opens the field.
    length: Option<usize>,
}

impl Count {
    /// Takes the next byte, unless the field has ended; one that is too long for a count ends too, and is none.
    fn take(&mut self, byte: u8) -> bool {
        let Some(length) = self.length else {
            self.length = Some(0);
            return true;
        };
        if byte == self.separator || is_line_end(byte) {
            return false;
        }
        let slot = self.bytes.get_mut(length);
        let has_room = slot.is_some();
        match slot {
            Some(slot) => {
                *slot = byte;
                self.length = Some(length + 1);
            }
            // A text that is no number, so that the beginning of a long one is not taken for the whole.
            None => self.bytes = [b'?'; COUNT_BYTES_MAX],
        }
        has_room
    }

    fn mark(&self) -> Mark {
        let text = self.bytes.get(..self.length.unwrap_or_default()).unwrap_or_default();
        let declared = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok());
        Mark { declared, ..self.mark }
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | FRAME_START)
}
