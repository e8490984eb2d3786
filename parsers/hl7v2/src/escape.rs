//! Escape sequences: from a leaf's bytes to its text, and from text to bytes that can stand in a leaf (chapter 2, "Use of escape
//! sequences in text fields").
//!
//! Reading never fails: a sequence that is unknown, local or not closed stays as it stands, because a lone escape character (a Windows
//! path, RTF) is the commonest violation there is. Writing never lets a delimiter, a line end or a control character through, so
//! `unescape(escape(text))` is the text.

mod switch;

use std::borrow::Cow;
use std::fmt;

use nom::bytes::complete::{tag, tag_no_case, take_till, take_while_m_n};
use nom::character::complete::{one_of, u8 as small_number};
use nom::combinator::{all_consuming, opt};
use nom::multi::many1;
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use crate::charset::Charset;
use crate::delimiters::{Delimiters, Encoding};
use switch::Set;

/// Why text can't be written into a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unencodable {
    /// A character that the message's charset lacks, or that can't be escaped because the message declares no escape character.
    Character {
        /// The charset of the message.
        charset: Charset,
    },
    /// Structure with a delimiter of the level it is put at, or of a level above: it would split what is around it.
    Splits,
    /// A place at a level for which the message declares no delimiter.
    NoDelimiter,
    /// A segment that is not there, a number that is zero, MSH-1, MSH-2, or a place beyond any real message's size.
    NoSuchPlace,
}

impl fmt::Display for Unencodable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character { charset } => {
                write!(formatter, "a character can't be written in the message's charset {}", charset.name())
            }
            Self::Splits => {
                formatter.write_str("the structure holds a delimiter that would split what is around it")
            }
            Self::NoDelimiter => formatter.write_str("the message declares no delimiter for this level"),
            Self::NoSuchPlace => formatter.write_str("the message has no such place to write to"),
        }
    }
}

impl std::error::Error for Unencodable {}

/// The text of a leaf. Line-end commands become LF and skips blanks; highlighting, indents and other layout have no text and vanish.
pub fn unescape<'m>(raw: &'m [u8], encoding: &Encoding) -> Cow<'m, str> {
    let Some(escape) = encoding.delimiters.escape else { return encoding.charset.decode(raw) };
    let Some(first) = memchr::memchr(escape, raw) else { return encoding.charset.decode(raw) };
    let mut plain = Plain::new(encoding.charset, raw.len());
    let mut rest = raw;
    let mut next = Some(first);
    while let Some((before, from_escape)) = next.and_then(|index| rest.split_at_checked(index)) {
        plain.bytes.extend_from_slice(before);
        rest = match sequence(from_escape, escape) {
            Ok((after, body)) if plain.take(body, encoding) => after,
            _ => {
                plain.bytes.push(escape);
                from_escape.get(1..).unwrap_or_default()
            }
        };
        next = memchr::memchr(escape, rest);
    }
    plain.bytes.extend_from_slice(rest);
    Cow::Owned(plain.text())
}

/// Text that is read: what is decoded already, and bytes of one character set that are not.
struct Plain {
    own: Charset,
    text: String,
    bytes: Vec<u8>,
    set: Set,
}

impl Plain {
    fn new(own: Charset, length: usize) -> Self {
        Self { own, text: String::new(), bytes: Vec::with_capacity(length), set: Set::Own }
    }

    /// Reads a sequence; `false` when it has no meaning here.
    fn take(&mut self, body: &[u8], encoding: &Encoding) -> bool {
        let Some(set) = Set::named(body) else { return expand(body, encoding, &mut self.bytes) };
        self.decode();
        self.set = set;
        true
    }

    fn decode(&mut self) {
        if !self.bytes.is_empty() {
            self.set.read(&self.bytes, self.own, &mut self.text);
            self.bytes.clear();
        }
    }

    /// All that was read, and begins anew; the character set stays what it is.
    fn text(&mut self) -> String {
        self.decode();
        std::mem::take(&mut self.text)
    }
}

/// Whether a byte stands for itself whatever the delimiters, which are punctuation: in most texts every one does.
fn is_ordinary(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b' ' || !byte.is_ascii()
}

/// The bytes of this text, to stand in a leaf: decoded and unescaped they are the text again.
pub fn escape<'t>(text: &'t str, encoding: &Encoding) -> Result<Cow<'t, [u8]>, Unencodable> {
    let unencodable = Unencodable::Character { charset: encoding.charset };
    let bytes = encoding.charset.encode(text).map_err(|_| unencodable)?;
    let delimiters = &encoding.delimiters;
    if bytes.iter().all(|byte| is_ordinary(*byte)) {
        return Ok(bytes);
    }
    let last = bytes.len().saturating_sub(1);
    let special = |(index, &byte): (usize, &u8)| replacement(byte, index == last, delimiters).is_some();
    if !bytes.iter().enumerate().any(special) {
        return Ok(bytes);
    }
    let escape = delimiters.escape.ok_or(unencodable)?;
    let mut escaped = Vec::with_capacity(bytes.len() + 16);
    for (index, &byte) in bytes.iter().enumerate() {
        match replacement(byte, index == last, delimiters) {
            None => escaped.push(byte),
            Some(Replacement::Name(name)) => {
                escaped.push(escape);
                escaped.extend_from_slice(name);
                escaped.push(escape);
            }
            Some(Replacement::Hex) => {
                escaped.push(escape);
                escaped.extend_from_slice(format!("X{byte:02X}").as_bytes());
                escaped.push(escape);
            }
        }
    }
    Ok(Cow::Owned(escaped))
}

/// The bytes of a leaf, to stand in a leaf of another message: the same text in its delimiters and its charset. Sequences that are more
/// or other than text (highlighting, layout, local ones) stay sequences wherever the other message can hold them.
pub fn transcode(raw: &[u8], from: &Encoding, to: &Encoding) -> Result<Vec<u8>, Unencodable> {
    let mut transcoded = Vec::with_capacity(raw.len());
    let mut plain = Plain::new(from.charset, 0);
    let mut rest = raw;
    let mark = from.delimiters.escape;
    let next = |rest: &[u8]| mark.and_then(|mark| Some((memchr::memchr(mark, rest)?, mark)));
    while let Some((index, mark)) = next(rest) {
        let Some((before, from_mark)) = rest.split_at_checked(index) else { break };
        plain.bytes.extend_from_slice(before);
        rest = match sequence(from_mark, mark) {
            Ok((after, body)) => match carried(body, from, to) {
                Some(kept) => {
                    transcoded.extend_from_slice(&escape(&plain.text(), to)?);
                    transcoded.extend_from_slice(&kept);
                    after
                }
                None if plain.take(body, from) => after,
                None => {
                    plain.bytes.push(mark);
                    from_mark.get(1..).unwrap_or_default()
                }
            },
            Err(_) => {
                plain.bytes.push(mark);
                from_mark.get(1..).unwrap_or_default()
            }
        };
    }
    plain.bytes.extend_from_slice(rest);
    transcoded.extend_from_slice(&escape(&plain.text(), to)?);
    Ok(transcoded)
}

/// A sequence that is more or other than text, between the escape characters of another message; `None` when it is text there.
fn carried(body: &[u8], from: &Encoding, to: &Encoding) -> Option<Vec<u8>> {
    let mark = to.delimiters.escape?;
    let is_more = match body {
        b"H" | b"N" | [b'Z', ..] => true,
        [b'.', command @ ..] => layout(command).is_ok(),
        // A switch of the character set is nothing by itself: what follows it is text in any set.
        [b'C' | b'M', digits @ ..] => hex(digits).is_ok() && Set::named(body).is_none(),
        _ => false,
    };
    let text = from.charset.decode(body);
    let bytes = to.charset.encode(&text).ok()?;
    let holds = is_more && escape(&text, to).is_ok_and(|escaped| escaped == bytes);
    holds.then(|| [&[mark], bytes.as_ref(), &[mark]].concat())
}

/// What stands between the escape characters in place of a byte.
enum Replacement {
    Name(&'static [u8]),
    Hex,
}

fn replacement(byte: u8, is_last: bool, delimiters: &Delimiters) -> Option<Replacement> {
    let is = |delimiter: Option<u8>| delimiter == Some(byte);
    let name: &[u8] = match byte {
        // Where the point is a delimiter itself, a command that begins with it would be split.
        b'\n' if !delimiters.contain(b'.') => b".br",
        b'\t' => return None,
        _ if byte < 0x20 || byte == 0x7F => return Some(Replacement::Hex),
        _ if byte == delimiters.field => b"F",
        _ if is(delimiters.component) => b"S",
        _ if is(delimiters.repetition) => b"R",
        _ if is(delimiters.escape) => b"E",
        _ if is(delimiters.subcomponent) => b"T",
        // The truncation character means truncation only at the end of a value.
        _ if is(delimiters.truncation) && is_last => b"P",
        _ => return None,
    };
    Some(Replacement::Name(name))
}

/// What stands between two escape characters.
fn sequence(input: &[u8], escape: u8) -> IResult<&[u8], &[u8]> {
    let mark = [escape];
    delimited(tag(mark.as_slice()), take_till(|byte| byte == escape), tag(mark.as_slice())).parse(input)
}

/// Appends what a sequence stands for; `false` when it is not one that has a meaning here.
fn expand(body: &[u8], encoding: &Encoding, bytes: &mut Vec<u8>) -> bool {
    let delimiters = &encoding.delimiters;
    let delimiter = match body {
        b"F" => Some(delimiters.field),
        b"S" => delimiters.component,
        b"R" => delimiters.repetition,
        b"E" => delimiters.escape,
        b"T" => delimiters.subcomponent,
        b"P" => delimiters.truncation,
        b"H" | b"N" => return true,
        [b'X', digits @ ..] => {
            return hex(digits).is_ok_and(|(_, values)| {
                // Bytes are meant as they are sent, and the tree of a charset that is transcoded holds others.
                if encoding.charset.is_transcoded() && !values.is_ascii() {
                    bytes.extend_from_slice(encoding.charset.read(&values).as_bytes());
                } else {
                    bytes.extend_from_slice(&values);
                }
                true
            });
        }
        [b'.', command @ ..] => {
            return layout(command).is_ok_and(|(_, (filler, count))| {
                bytes.extend(std::iter::repeat_n(filler, count));
                true
            });
        }
        _ => None,
    };
    bytes.extend(delimiter);
    delimiter.is_some()
}

/// Pairs of hexadecimal digits.
fn hex(digits: &[u8]) -> IResult<&[u8], Vec<u8>> {
    let pair = take_while_m_n(2, 2, |byte: u8| byte.is_ascii_hexdigit()).map_opt(|pair: &[u8]| {
        std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
    });
    all_consuming(many1(pair)).parse(digits)
}

/// A formatting command: which byte it leaves in the text, and how many of them. Some write it in capitals.
fn layout(command: &[u8]) -> IResult<&[u8], (u8, usize)> {
    let number = || opt(preceded(opt(one_of("+-")), small_number));
    let count = |given: Option<u8>| usize::from(given.unwrap_or(1));
    all_consuming(nom::branch::alt((
        tag_no_case(b"br".as_slice()).map(|_| (b'\n', 1)),
        tag_no_case(b"ce".as_slice()).map(|_| (b'\n', 1)),
        preceded(tag_no_case(b"sp".as_slice()), number()).map(|given| (b'\n', count(given))),
        preceded(tag_no_case(b"sk".as_slice()), number()).map(|given| (b' ', count(given))),
        preceded(tag_no_case(b"in".as_slice()), number()).map(|_| (b' ', 0)),
        preceded(tag_no_case(b"ti".as_slice()), number()).map(|_| (b' ', 0)),
        tag_no_case(b"fi".as_slice()).map(|_| (b' ', 0)),
        tag_no_case(b"nf".as_slice()).map(|_| (b' ', 0)),
    )))
    .parse(command)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoding(declared: &str, charset: Charset) -> Encoding {
        let delimiters = crate::delimiters::declaration(declared.as_bytes()).unwrap().delimiters;
        Encoding { delimiters, charset }
    }

    fn usual() -> Encoding {
        encoding("MSH|^~\\&|", Charset::utf_8())
    }

    #[test]
    fn sequences_become_text() {
        let table = [
            (r"a\F\b\S\c\R\d\E\e\T\f", r"a|b^c~d\e&f"),
            (r"one\.br\two\.sp\three\.sp2\four", "one\ntwo\nthree\n\nfour"),
            (r"one\.BR\two\.SP\three", "one\ntwo\nthree"),
            (r"\H\loud\N\ and\.sk3\far", "loud and   far"),
            (r"\.in+4\\.ti-4\\.fi\text\.nf\\.ce\middle", "text\nmiddle"),
            (r"\X0D0A\", "\r\n"),
            (r"caf\XC3A9\", "café"),
        ];
        for (raw, text) in table {
            assert_eq!(unescape(raw.as_bytes(), &usual()), text, "{raw}");
        }
        let big5 = encoding("MSH|^~\\&|", Charset::named("BIG-5").unwrap());
        assert_eq!(unescape("許\\XB35C\\".as_bytes(), &big5), "許許");
    }

    #[test]
    fn what_is_not_a_sequence_stays() {
        for raw in [
            r"\\server\share",
            r"C:\temp",
            r"\X0\",
            r"\XZZ\",
            r"\Zlocal\",
            r"\C2999\",
            r"\M2999\",
            r"\.xx\",
            r"\.sp999\",
            r"\P\",
            "\\",
        ] {
            assert_eq!(unescape(raw.as_bytes(), &usual()), raw, "{raw}");
        }
        assert_eq!(unescape(br"C:\temp\T\x", &usual()), r"C:\temp&x");
    }

    #[test]
    fn a_switch_of_the_character_set_holds_until_the_next() {
        let latin = encoding("MSH|^~\\&|", Charset::latin_1());
        let table: [(&[u8], &Encoding, &str); 9] = [
            (br"a\M2442\;3ED\C2842\ b", &usual(), "a山田 b"),
            (br"\M2442\;3ED", &usual(), "山田"),
            (br"\M2442\;3 ED\C284A\T", &usual(), "山 田T"),
            (br"\M242844\0!\C2842\x", &usual(), "丂x"),
            (b"\\C2949\\\xD4\xCF\\C2842\\\xE9", &latin, "ﾔﾏé"),
            (b"\\C2D42\\\xA3\xF3d\xBC\\C2D41\\\xE9", &latin, "Łódźé"),
            (b"\\C2D4C\\\xBC\xD8\xE0\\C2D46\\\xE1", &latin, "Мирα"),
            (br"\C2D42\a\F\b", &usual(), "a|b"),
            (br"\M2442\;", &usual(), ";"),
        ];
        for (raw, encoding, text) in table {
            assert_eq!(unescape(raw, encoding), text, "{}", raw.escape_ascii());
        }
        let kanji = transcode(br"\M2442\;3ED\C2842\|", &usual(), &usual()).unwrap();
        assert_eq!(String::from_utf8_lossy(&kanji), r"山田\F\", "in another message it is text");
        assert!(transcode(br"\M2442\;3", &usual(), &latin).is_err());
    }

    #[test]
    fn the_message_s_own_characters_count() {
        let odd = encoding("MSH#*!?:#", Charset::latin_1());
        assert_eq!(unescape(b"?F?|?S?^?XE9?", &odd), "#|*^é");
        assert_eq!(escape("#|*é", &odd).unwrap().as_ref(), b"?F?|?S?\xE9");
    }

    #[test]
    fn a_point_that_is_a_delimiter_begins_no_command() {
        let odd = encoding("MSH|^~\\.|", Charset::utf_8());
        assert_eq!(escape("a\nb.c", &odd).unwrap().as_ref(), br"a\X0A\b\T\c");
    }

    #[test]
    fn text_becomes_bytes_that_split_nothing() {
        let escaped = |text| String::from_utf8(escape(text, &usual()).unwrap().into_owned()).unwrap();
        assert_eq!(escaped("plain"), "plain");
        assert_eq!(escaped(r"a|b^c~d\e&f"), r"a\F\b\S\c\R\d\E\e\T\f");
        assert_eq!(escaped("one\r\ntwo\u{b}\u{1c}\tthree"), "one\\X0D\\\\.br\\two\\X0B\\\\X1C\\\tthree");
    }

    #[test]
    fn a_truncation_character_is_one_only_at_the_end() {
        let long = encoding("MSH|^~\\&#|", Charset::utf_8());
        assert_eq!(escape("1#2#", &long).unwrap().as_ref(), br"1#2\P\");
        assert_eq!(unescape(br"1#2\P\", &long), "1#2#");
    }

    #[test]
    fn what_can_not_be_written_is_said() {
        let latin = encoding("MSH|^~\\&|", Charset::latin_1());
        assert_eq!(escape("Łódź", &latin), Err(Unencodable::Character { charset: Charset::latin_1() }));
        let short = encoding("MSH|^|", Charset::utf_8());
        assert!(escape("a^b", &short).is_err());
        assert_eq!(escape("a~b", &short).unwrap().as_ref(), b"a~b");
    }

    #[test]
    fn sequences_go_over_into_other_delimiters() {
        let odd = encoding("MSH#*!?:#", Charset::latin_1());
        let short = encoding("MSH|^|", Charset::utf_8());
        let point = encoding("MSH|^~\\.|", Charset::utf_8());
        let table: [(&[u8], &Encoding, &Encoding, &[u8]); 10] = [
            (br"Smi\H\th\N\ \Zq\", &usual(), &odd, b"Smi?H?th?N? ?Zq?"),
            (b"?Zx? ?H?a*b#", &odd, &usual(), br"\Zx\ \H\a*b#".as_slice()),
            (br"one\.br\two\.sp2\x", &usual(), &odd, b"one?.br?two?.sp2?x"),
            (br"a\F\b\T\c#\C2999\", &usual(), &odd, b"a|b&c?F??C2999?"),
            (b"caf\xE9?XE9?", &odd, &usual(), "caféé".as_bytes()),
            (br"C:\temp\new? \", &usual(), &odd, br"C?T?\temp\new?E? \"),
            (br"C:\temp", &usual(), &usual(), br"C:\E\temp"),
            (br"\H\loud", &usual(), &short, b"loud"),
            (br"a\.br\b", &usual(), &point, br"a\X0A\b"),
            (br"\Za?b\", &usual(), &odd, br"\Za?E?b\"),
        ];
        for (raw, from, to, expected) in table {
            let found = transcode(raw, from, to).unwrap();
            assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(expected));
        }
    }

    proptest! {
        #[test]
        fn a_leaf_in_other_delimiters_is_the_same_text(
            pieces in proptest::collection::vec(prop_oneof![
                Just("\\"), Just("\\H\\"), Just("\\Zq\\"), Just("\\.br\\"), Just("\\E\\"), Just("\\X41\\"), Just("#"), Just("^"), Just("|"), Just("a"), Just("é"),
            ], 0..24),
        ) {
            let raw = pieces.concat();
            let encoding = encoding("MSH#*~\\&#", Charset::latin_1());
            let found = transcode(raw.as_bytes(), &usual(), &encoding).unwrap();
            prop_assert!(!found.iter().any(|&byte| byte == b'#' || encoding.delimiters.splits(crate::Level::Field, byte)));
            prop_assert_eq!(unescape(&found, &encoding), unescape(raw.as_bytes(), &usual()));
        }

        #[test]
        fn text_survives_the_way_there_and_back(text in any::<String>()) {
            for declared in ["MSH|^~\\&|", "MSH|^~\\&#|", "MSH#*!?:#", "MSH|^~\\.|", "MSH.^~\\&.", "MSH|^~.&|"] {
                let encoding = encoding(declared, Charset::utf_8());
                let escaped = escape(&text, &encoding).unwrap();
                let delimiters = &encoding.delimiters;
                let splits = |byte: u8| byte == delimiters.field || delimiters.splits(crate::Level::Field, byte);
                prop_assert!(!escaped.iter().any(|&byte| splits(byte) || byte == b'\r' || byte == b'\n'));
                prop_assert_eq!(unescape(&escaped, &encoding), text.as_str());
            }
        }

        #[test]
        fn any_bytes_have_a_text(raw in proptest::collection::vec(prop_oneof![Just(b'\\'), Just(b'X'), Just(b'.'), Just(b'4'), any::<u8>()], 0..64)) {
            let _ = unescape(&raw, &usual());
        }
    }
}
