//! Messages in charsets whose characters may hold delimiter bytes (Big5, GB 18030, Shift JIS, ISO-2022-JP, UTF-16): their fields are found
//! where a delimiter is a character, and their text is put into the tree as UTF-8.
//!
//! Beside the text each field keeps the bytes that it came in, so that a message is given back byte for byte also where its charset has
//! several ways to write a character; a field that is edited loses them, and is written anew.

use std::borrow::Cow;

use orderly_record::{Diagnostic, Place};

use crate::charset::{Charset, Declared, declared};
use crate::message::Message;
use crate::parts::Parts;
use crate::segment::Segment;

/// The parts of this line.
pub(crate) fn parts(line: &[u8], charset: Charset, separator: u8) -> Parts<'_> {
    let wire = fields(line, charset, separator);
    let parts: Vec<Cow<'_, [u8]>> = wire.iter().map(|field| text(field, charset)).collect();
    let is_plain = parts.iter().all(|part| matches!(part, Cow::Borrowed(_)));
    let wire = if is_plain { Vec::new() } else { wire.into_iter().map(Some).collect() };
    Parts::own(parts, wire)
}

/// These bytes as they stand in a tree.
pub(crate) fn text(bytes: &[u8], charset: Charset) -> Cow<'_, [u8]> {
    if !charset.is_transcoded() || (bytes.is_ascii() && !bytes.contains(&ESCAPE)) {
        return Cow::Borrowed(bytes);
    }
    Cow::Owned(charset.read(bytes).into_owned().into_bytes())
}

/// Begins a change of meaning in ISO-2022-JP.
const ESCAPE: u8 = 0x1B;

/// What a header declares in MSH-18 that can only be found by reading it in what it declares, because a character before it holds the
/// separator.
pub(crate) fn declared_behind(header: &[u8], separator: u8) -> Option<Charset> {
    if header.is_ascii() && !header.contains(&ESCAPE) {
        return None;
    }
    let found = |name: &&str| {
        let charset = Charset::named(name)?;
        let field = *fields(header, charset, separator).get(MSH_18)?;
        match declared(&String::from_utf8_lossy(field)) {
            Declared::Charset(declared) => Some(declared).filter(|declared| declared.is_transcoded()),
            Declared::Unknown | Declared::Ascii | Declared::Unsupported => None,
        }
    };
    ["BIG-5", "Shift_JIS", "ISO IR87"].iter().find_map(found)
}

/// Where it is among what the separator splits: MSH-1 is the separator itself.
const MSH_18: usize = 17;

/// Splits at the separators that are characters of their own.
fn fields(line: &[u8], charset: Charset, separator: u8) -> Vec<&[u8]> {
    let mut fields = Vec::with_capacity(memchr::memchr_iter(separator, line).count() + 1);
    let (mut from, mut at) = (0, 0);
    let mut is_double = false;
    while let Some(&byte) = line.get(at) {
        let rest = line.get(at..).unwrap_or_default();
        let length = match byte {
            ESCAPE if charset.is_stateful() => {
                is_double = rest.starts_with(b"\x1B$");
                sequence_length(rest)
            }
            _ if charset.is_stateful() => 1 + usize::from(is_double && byte > b' '),
            0x80.. => lead_length(byte, charset),
            _ => 1,
        };
        if length == 1 && byte == separator {
            fields.push(line.get(from..at).unwrap_or_default());
            from = at + 1;
        }
        at += length;
    }
    fields.push(line.get(from..).unwrap_or_default());
    fields
}

/// `ESC ( B`, `ESC $ B`, `ESC $ ( D`.
fn sequence_length(rest: &[u8]) -> usize {
    if rest.starts_with(b"\x1B$(") { 4 } else { 3 }
}

/// Two for the first byte of a character of two or more: a second half of four in GB 18030 begins like a first one. In Shift JIS half-width
/// katakana stand alone.
fn lead_length(byte: u8, charset: Charset) -> usize {
    let is_alone =
        matches!(byte, 0x80 | 0xFF) || (charset.name() == "Shift_JIS" && matches!(byte, 0xA0..=0xDF));
    if is_alone { 1 } else { 2 }
}

/// Whether these bytes are UTF-16, told by its byte order mark or by how a header looks in it, and in which order.
pub(crate) fn utf_16(bytes: &[u8]) -> Option<Charset> {
    let begins = |with: &[u8]| bytes.starts_with(with);
    if begins(b"\xFF\xFE") || begins(b"M\0S\0H\0") {
        Some(Charset::utf_16(true))
    } else if begins(b"\xFE\xFF") || begins(b"\0M\0S\0H") {
        Some(Charset::utf_16(false))
    } else {
        None
    }
}

/// The message that was parsed from the text of these bytes, put upon the bytes themselves.
pub(crate) fn adopt<'a>(message: Message<'_>, text: &str, bytes: &'a [u8], charset: Charset) -> Message<'a> {
    let mut rest = Rest(bytes);
    let leading = rest.take(message.leading);
    let separator = [message.encoding.delimiters.field];
    let segments = message.segments.into_iter().map(|segment| {
        let wire = segment.parts.iter().enumerate().map(|(index, part)| {
            if index > 0 {
                rest.take(&separator);
            }
            Some(rest.take(part))
        });
        let wire = wire.collect();
        let parts = segment.parts.iter().map(|part| Cow::Owned(part.to_vec())).collect();
        Segment::new(Parts::own(parts, wire), rest.take(segment.terminator))
    });
    let segments = segments.collect();
    let mut encoding = message.encoding;
    encoding.charset = charset;
    let diagnostics = message.diagnostics.into_iter().map(|diagnostic| placed(diagnostic, text)).collect();
    Message { encoding, leading, segments, trailing: rest.0, diagnostics }
}

/// The same finding, its place counted in bytes of UTF-16.
pub(crate) fn placed(mut diagnostic: Diagnostic, text: &str) -> Diagnostic {
    if let Place::Input { offset, .. } = &mut diagnostic.place {
        *offset = text.get(..*offset).map_or(*offset, wide_length);
    }
    diagnostic
}

/// What of the bytes no part has taken yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, part: &[u8]) -> &'a [u8] {
        let length = std::str::from_utf8(part).map_or(0, wide_length).min(self.0.len());
        let (taken, rest) = self.0.split_at_checked(length).unwrap_or_default();
        self.0 = rest;
        taken
    }
}

/// How many bytes this text takes in UTF-16.
fn wide_length(text: &str) -> usize {
    2 * text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use crate::message::Position;
    use crate::parse::{Settings, parse};

    fn message(declared: &str, name: &[u8]) -> Vec<u8> {
        let header = format!("MSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5||||||{declared}\rPID|1||7||");
        [header.as_bytes(), name, b"^GIVEN||19840211\rPV1|1|O\r"].concat()
    }

    /// The family name and the charset, of a message that is given back byte for byte.
    fn read(declared: &str, name: &[u8]) -> (String, &'static str, Vec<&'static str>) {
        let bytes = message(declared, name);
        let message = parse(&bytes, &Settings::default()).unwrap();
        assert_eq!(message.encode(), bytes, "{declared}");
        assert_eq!(message.field(1, 7).text(), "19840211", "{declared}");
        assert_eq!(message.field(1, 5).child(1).child(2).text(), "GIVEN", "{declared}");
        let odd = message.diagnostics().iter().map(|diagnostic| diagnostic.code).collect();
        (message.field(1, 5).text().into_owned(), message.encoding().charset.name(), odd)
    }

    #[test]
    fn delimiter_bytes_inside_characters_do_not_split() {
        let table: [(&str, &[u8], &str, &str); 10] = [
            // The second bytes are a backslash, a bar and a caret.
            ("BIG-5", b"\xB3\x5C\xB3\x7C\xA5\x5E", "\u{8a31}\u{9016}\u{5306}", "Big5"),
            ("GB 18030-2000", b"\x81\x7C\x81\x30\x81\x30", "\u{4e85}\u{80}", "gb18030"),
            ("GBK", b"\xD5\x7C", "\u{8ac0}", "GBK"),
            ("ISO IR87", b"\x1B$B;3ED\x1B(B", "山田", "ISO-2022-JP"),
            ("~ISO IR87", b"\x1B$B;|;^\x1B(B", "慈枝", "ISO-2022-JP"),
            ("ASCII~ISO IR14~ISO IR87", b"\x1B$B;3ED\x1B(B", "山田", "ISO-2022-JP"),
            ("ISO IR14", b"\xD4\xCF\xC0\xDE", "ﾔﾏﾀﾞ", "Shift_JIS"),
            ("Shift_JIS", b"\x83\x7C\x83\x5C\xB1", "\u{30dd}\u{30bd}\u{ff71}", "Shift_JIS"),
            ("KS X 1001", b"\xC8\xAB\xB1\xE6", "홍길", "EUC-KR"),
            ("EUC-JP", b"\xBB\xB3", "山", "EUC-JP"),
        ];
        for (declared, name, text, charset) in table {
            assert_eq!(read(declared, name), (text.to_owned(), charset, vec![]), "{declared}");
        }
    }

    #[test]
    fn a_declaration_behind_a_character_with_the_separator_is_found() {
        let table: [(&[u8], &str, &str); 4] = [
            (b"\xB3\x7C", "BIG-5", "\u{9016}"),
            (b"\x81\x7C", "GB18030", "\u{4e85}"),
            (b"\x83\x7C", "Shift_JIS", "\u{30dd}"),
            (b"\x1B$B;|\x1B(B", "ISO IR87", "\u{6148}"),
        ];
        for (house, declared, text) in table {
            let header = [b"MSH|^~\\&|A|".as_slice(), house, b"|C|D|||ADT^A01|1|P|2.5||||||"].concat();
            let bytes = [&header, declared.as_bytes(), b"\rPID|1\r"].concat();
            let message = parse(&bytes, &Settings::default()).unwrap();
            assert_eq!(message.encode(), bytes);
            assert_eq!(
                (message.header().sending_facility().as_ref(), message.diagnostics()),
                (text, [].as_slice()),
                "{declared}"
            );
            assert_eq!(message.header().message_type(), "ADT", "{declared}");
        }
    }

    #[test]
    fn an_edit_changes_its_field_and_nothing_else() {
        let bytes = message("BIG-5", b"\xB3\x5C");
        let mut changed = parse(&bytes, &Settings::default()).unwrap();
        let place = Position { component: Some(2), ..Position::field(1, 5) };
        changed.set_text(&place, "功").unwrap();
        let given = bytes.windows(5).position(|at| at == b"GIVEN").unwrap();
        let expected = [&bytes[..given], b"\xA5\x5C", &bytes[given + 5..]].concat();
        assert_eq!(changed.encode(), expected);
        assert!(changed.set_text(&place, "é").is_err(), "Big5 has no such letter");
    }

    #[test]
    fn nothing_written_where_nothing_is_changes_nothing() {
        // Another way to say ASCII, which writing anew would not choose.
        let bytes = message("ISO IR87", b"\x1B$B;3ED\x1B(J");
        let mut changed = parse(&bytes, &Settings::default()).unwrap();
        changed.delete(&Position { component: Some(9), ..Position::field(1, 5) }).unwrap();
        changed.delete(&Position { repetition: Some(4), ..Position::field(1, 5) }).unwrap();
        changed.set_text(&Position::field(1, 20), "").unwrap();
        assert_eq!(changed.encode(), bytes);
    }

    #[test]
    fn what_is_not_what_it_says_is_reported() {
        assert_eq!(read("BIG-5", b"Ren\xE9 X").1, "windows-1252");
        assert_eq!(read("BIG-5", b"Ren\xE9 X").2, ["hl7-charset-mismatch"]);
        assert_eq!(read("BIG-5", "Müller".as_bytes()).2, ["hl7-charset-doubtful"]);
        assert_eq!(read("UNICODE UTF-16", "Müller".as_bytes()).2, ["hl7-charset-mismatch"]);
        assert_eq!(read("BIG-5", b"MULLER"), ("MULLER".to_owned(), "Big5", vec![]));
    }

    #[test]
    fn utf_16_is_read_and_given_back() {
        let text = "MSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5||||||UNICODE UTF-16\r\nPID|1||7||Łódź^A\r\n";
        for (mark, is_little) in [("\u{feff}", true), ("", true), ("\u{feff}", false), ("", false)] {
            let units = |text: &str| -> Vec<u8> {
                let one = |unit: u16| if is_little { unit.to_le_bytes() } else { unit.to_be_bytes() };
                text.encode_utf16().flat_map(one).collect()
            };
            let bytes = units(&format!("{mark}{text}"));
            let mut message = parse(&bytes, &Settings::default()).unwrap();
            assert_eq!(message.encode(), bytes);
            assert_eq!(message.field(1, 5).text(), "Łódź");
            message.set_text(&Position::field(1, 3), "8").unwrap();
            message.insert_segment(9, b"ZZ1|x").unwrap();
            let expected = format!("{mark}{}ZZ1|x\r\n", text.replace("||7||", "||8||"));
            assert_eq!(message.encode(), units(&expected));
            let members = crate::split(&bytes).members;
            assert!(matches!(members.as_slice(), [all] if *all == (0..bytes.len())));
        }
    }
}
