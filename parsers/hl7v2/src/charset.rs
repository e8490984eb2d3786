//! Character sets: which names senders use for them (MSH-18, HL7 table 0211), and bytes to text and back.
//!
//! In most of them an ASCII byte is that ASCII character wherever it stands, so a message can be split at its delimiters before it is
//! decoded. In the others (Big5, GB 18030, Shift JIS, ISO-2022-JP, UTF-16) it may be a part of another character. Messages in those are
//! transcoded when they are parsed: the tree of such a message holds UTF-8, and its bytes are made from that again when it is encoded.
//! So every charset has two sides: [`decode`](Charset::decode) and [`encode`](Charset::encode) speak of the bytes in a tree, the
//! crate's own `read` and `write` of those on the wire.

use std::borrow::Cow;
use std::fmt;

use encoding_rs::{
    BIG5, EncoderResult, Encoding, GB18030, GBK, ISO_2022_JP, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE,
    WINDOWS_1252,
};

/// A character set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

/// What MSH-18 declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declared {
    /// Nothing, or a name nobody knows.
    Unknown,
    /// ASCII: every byte below 0x80.
    Ascii,
    /// This one.
    Charset(Charset),
    /// A known name of a charset that is not supported.
    Unsupported,
}

impl Charset {
    /// UTF-8.
    pub fn utf_8() -> Self {
        Self(UTF_8)
    }

    /// ISO 8859-1 in its Windows-1252 superset: every byte sequence is valid, which is what a fallback needs.
    pub fn latin_1() -> Self {
        Self(WINDOWS_1252)
    }

    /// UTF-16, its bytes in either order.
    pub(crate) fn utf_16(is_little_endian: bool) -> Self {
        Self(if is_little_endian { UTF_16LE } else { UTF_16BE })
    }

    /// The charset of this name, as in table 0211 or as found in the field; `None` for unknown and unsupported ones.
    pub fn named(name: &str) -> Option<Self> {
        match declared(name) {
            Declared::Charset(charset) => Some(charset),
            Declared::Ascii => Some(Self::utf_8()),
            Declared::Unknown | Declared::Unsupported => None,
        }
    }

    /// Its name by the WHATWG list: `UTF-8`, `windows-1252`.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Whether delimiter bytes may be parts of other characters in it, so that its messages are transcoded before they are split.
    pub fn is_transcoded(self) -> bool {
        [BIG5, GB18030, GBK, SHIFT_JIS, ISO_2022_JP].contains(&self.0) || self.is_wide()
    }

    /// Whether it is UTF-16, in which no byte means what it means in ASCII.
    pub fn is_wide(self) -> bool {
        [UTF_16LE, UTF_16BE].contains(&self.0)
    }

    /// Whether it changes its meaning by escape sequences: ISO-2022-JP.
    pub(crate) fn is_stateful(self) -> bool {
        self.0 == ISO_2022_JP
    }

    /// The text of these bytes of a tree; what is not valid becomes U+FFFD.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        // Nearly all text is ASCII, the same in every charset here; asking that first is what makes reading many short fields cheap.
        match std::str::from_utf8(bytes) {
            Ok(text) if self.0 == UTF_8 || text.is_ascii() || self.is_transcoded() => Cow::Borrowed(text),
            _ if self.is_transcoded() => String::from_utf8_lossy(bytes),
            _ => self.0.decode_without_bom_handling(bytes).0,
        }
    }

    /// The bytes that this text has in a tree, or the first character that this charset lacks.
    pub fn encode(self, text: &str) -> Result<Cow<'_, [u8]>, char> {
        if self.0 == UTF_8 || text.is_ascii() {
            return Ok(Cow::Borrowed(text.as_bytes()));
        }
        let written = self.write(text)?;
        Ok(if self.is_transcoded() { Cow::Borrowed(text.as_bytes()) } else { Cow::Owned(written) })
    }

    /// The text of these bytes as they came; what is not valid becomes U+FFFD.
    pub fn read(self, bytes: &[u8]) -> Cow<'_, str> {
        self.0.decode_without_bom_handling(bytes).0
    }

    /// Whether these bytes, as they came, are valid.
    pub fn accepts(self, bytes: &[u8]) -> bool {
        if self.0 == UTF_8 {
            std::str::from_utf8(bytes).is_ok()
        } else {
            !self.0.decode_without_bom_handling(bytes).1
        }
    }

    /// The bytes to send for this text.
    ///
    /// # Errors
    /// The first character that this charset lacks.
    pub fn write(self, text: &str) -> Result<Vec<u8>, char> {
        if self.is_wide() {
            let unit = |unit: u16| if self.0 == UTF_16LE { unit.to_le_bytes() } else { unit.to_be_bytes() };
            return Ok(text.encode_utf16().flat_map(unit).collect());
        }
        let mut encoder = self.0.new_encoder();
        let mut bytes = Vec::with_capacity(
            encoder.max_buffer_length_from_utf8_without_replacement(text.len()).unwrap_or(0),
        );
        match encoder.encode_from_utf8_to_vec_without_replacement(text, &mut bytes, true).0 {
            EncoderResult::Unmappable(character) => Err(character),
            EncoderResult::InputEmpty | EncoderResult::OutputFull => Ok(bytes),
        }
    }

    /// The bytes to send for these of a tree. What came in can always be sent again; a character that can't is `?`, which no edit leaves.
    pub(crate) fn send(self, tree: &[u8]) -> Vec<u8> {
        if tree.is_ascii() && !self.is_wide() {
            return tree.to_vec();
        }
        let text = String::from_utf8_lossy(tree);
        self.write(&text).unwrap_or_else(|_| {
            let one = |character: char| self.write(character.encode_utf8(&mut [0; 4])).unwrap_or(vec![b'?']);
            text.chars().flat_map(one).collect()
        })
    }
}

impl fmt::Debug for Charset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Charset({})", self.name())
    }
}

/// Reads a name as sent in MSH-18, whatever its case, blanks and punctuation.
pub(crate) fn declared(name: &str) -> Declared {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_uppercase())
        .collect();
    let label = match plain.as_str() {
        "" => return Declared::Unknown,
        "ASCII" | "USASCII" | "ISOIR6" => return Declared::Ascii,
        "CNS116431992" | "UNICODEUTF32" | "UTF32" => return Declared::Unsupported,
        "UNICODE" | "UNICODEUTF8" | "UTF8" => "utf-8",
        "UNICODEUTF16" | "UTF16" | "UTF16LE" => "utf-16le",
        "UTF16BE" => "utf-16be",
        // Half-width katakana in one byte each; their bytes are the same in Shift JIS.
        "ISOIR14" | "JISX0201" => "shift_jis",
        // JIS X 0208 and, where a sender switches to it, JIS X 0212.
        "ISOIR87" | "ISOIR159" | "JAS2020" | "JISX0202" | "JISX0208" | "JISX0212" => "iso-2022-jp",
        "GB180302000" | "GB18030" => "gb18030",
        "KSX1001" => "euc-kr",
        "BIG5" => "big5",
        "LATIN1" => "windows-1252",
        other => &match other.strip_prefix("ISO").unwrap_or(other).strip_prefix("8859") {
            Some(part) => format!("iso-8859-{part}"),
            None => match other.strip_prefix("WINDOWS").or_else(|| other.strip_prefix("CP")) {
                Some(page) => format!("windows-{page}"),
                None => name.trim().to_ascii_lowercase(),
            },
        },
    };
    match Encoding::for_label_no_replacement(label.as_bytes()) {
        None => Declared::Unknown,
        Some(encoding) => Declared::Charset(Charset(encoding)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood_as_sent() {
        let names = [
            ("UNICODE UTF-8", "UTF-8"),
            ("UNICODE", "UTF-8"),
            ("utf8", "UTF-8"),
            ("8859/1", "windows-1252"),
            ("8859-1", "windows-1252"),
            ("ISO-8859-1", "windows-1252"),
            ("ISO8859/1", "windows-1252"),
            ("iso_8859_1", "windows-1252"),
            ("8859/2", "ISO-8859-2"),
            ("8859/5", "ISO-8859-5"),
            ("8859/9", "windows-1254"),
            ("8859/15", "ISO-8859-15"),
            ("WINDOWS-1252", "windows-1252"),
            ("windows 1251", "windows-1251"),
            ("CP1250", "windows-1250"),
            ("KS X 1001", "EUC-KR"),
            ("BIG-5", "Big5"),
            ("Big5", "Big5"),
            ("GB 18030-2000", "gb18030"),
            ("GB18030", "gb18030"),
            ("ISO IR87", "ISO-2022-JP"),
            ("ISO IR14", "Shift_JIS"),
            ("JAS2020", "ISO-2022-JP"),
            ("JIS X 0202", "ISO-2022-JP"),
            ("Shift_JIS", "Shift_JIS"),
            ("UNICODE UTF-16", "UTF-16LE"),
            ("utf-16be", "UTF-16BE"),
        ];
        for (name, expected) in names {
            assert_eq!(Charset::named(name).map(Charset::name), Some(expected), "{name}");
        }
        for unsupported in ["CNS 11643-1992", "UNICODE UTF-32"] {
            assert_eq!(declared(unsupported), Declared::Unsupported, "{unsupported}");
        }
        assert_eq!(declared("KLINGON"), Declared::Unknown);
        assert_eq!(declared("ISO IR6"), Declared::Ascii);
    }

    #[test]
    fn charsets_with_delimiters_inside_characters_are_told_apart() {
        for name in ["BIG-5", "GB 18030-2000", "GBK", "ISO IR87", "UNICODE UTF-16", "Shift_JIS"] {
            assert!(Charset::named(name).unwrap().is_transcoded(), "{name}");
        }
        for name in ["UTF-8", "8859/1", "KS X 1001", "WINDOWS-1251", "EUC-JP"] {
            assert!(!Charset::named(name).unwrap().is_transcoded(), "{name}");
        }
    }

    #[test]
    fn text_goes_to_bytes_and_back() {
        assert_eq!(Charset::latin_1().encode("Müller").unwrap().as_ref(), b"M\xFCller");
        assert_eq!(Charset::latin_1().decode(b"M\xFCller"), "Müller");
        assert_eq!(Charset::latin_1().encode("Łódź"), Err('Ł'));
        assert_eq!(Charset::utf_8().encode("Łódź").unwrap().as_ref(), "Łódź".as_bytes());
    }

    #[test]
    fn a_transcoded_charset_has_utf_8_in_its_tree_and_its_own_bytes_on_the_wire() {
        let big5 = Charset::named("BIG-5").unwrap();
        assert_eq!(big5.encode("許").unwrap().as_ref(), "許".as_bytes());
        assert_eq!(big5.decode("許".as_bytes()), "許");
        assert_eq!(big5.send("許".as_bytes()), b"\xB3\x5C");
        assert_eq!(big5.read(b"\xB3\x5C"), "許");
        assert_eq!(big5.encode("é"), Err('é'));
        assert_eq!(Charset::utf_16(true).send(b"A"), b"A\0");
        assert_eq!(Charset::utf_16(false).send("é".as_bytes()), b"\0\xE9");
    }
}
