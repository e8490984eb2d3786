//! Character sets: which names senders use for them (MSH-18, HL7 table 0211), and bytes to text and back.
//!
//! A [`Charset`] is always one in which an ASCII byte is that ASCII character wherever it stands, so that a message can be split at its
//! delimiters before it is decoded.

use std::borrow::Cow;
use std::fmt;

use encoding_rs::{BIG5, EncoderResult, Encoding, GB18030, GBK, ISO_2022_JP, SHIFT_JIS, UTF_8, WINDOWS_1252};

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
    /// One in which delimiter bytes occur inside characters: it must be decoded before it is split.
    Unsplittable,
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

    /// The charset of this name, as in table 0211 or as found in the field; `None` for unknown ones and for those whose characters
    /// hold delimiter bytes.
    pub fn named(name: &str) -> Option<Self> {
        match declared(name) {
            Declared::Charset(charset) => Some(charset),
            Declared::Ascii => Some(Self::utf_8()),
            Declared::Unknown | Declared::Unsplittable => None,
        }
    }

    /// Its name by the WHATWG list: `UTF-8`, `windows-1252`.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The text of these bytes; what is not valid becomes U+FFFD.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        // Nearly all text is ASCII, the same in every charset here; asking that first is what makes reading many short fields cheap.
        match std::str::from_utf8(bytes) {
            Ok(text) if self.0 == UTF_8 || text.is_ascii() => Cow::Borrowed(text),
            _ => self.0.decode_without_bom_handling(bytes).0,
        }
    }

    /// Whether these bytes are valid.
    pub fn accepts(self, bytes: &[u8]) -> bool {
        if self.0 == UTF_8 {
            std::str::from_utf8(bytes).is_ok()
        } else {
            !self.0.decode_without_bom_handling(bytes).1
        }
    }

    /// The bytes of this text, or the first character that this charset lacks.
    pub fn encode(self, text: &str) -> Result<Cow<'_, [u8]>, char> {
        if self.0 == UTF_8 || text.is_ascii() {
            return Ok(Cow::Borrowed(text.as_bytes()));
        }
        let mut encoder = self.0.new_encoder();
        let mut bytes = Vec::with_capacity(
            encoder.max_buffer_length_from_utf8_without_replacement(text.len()).unwrap_or(0),
        );
        match encoder.encode_from_utf8_to_vec_without_replacement(text, &mut bytes, true).0 {
            EncoderResult::Unmappable(character) => Err(character),
            EncoderResult::InputEmpty | EncoderResult::OutputFull => Ok(Cow::Owned(bytes)),
        }
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
        "ISOIR14" | "ISOIR87" | "ISOIR159" | "JAS2020" | "JISX0202" | "CNS116431992" | "UNICODEUTF16"
        | "UNICODEUTF32" | "UTF16" | "UTF32" => return Declared::Unsplittable,
        "UNICODE" | "UNICODEUTF8" | "UTF8" => "utf-8",
        "GB180302000" => "gb18030",
        "KSX1001" => "euc-kr",
        "BIG5" => "big5",
        "WINDOWS1252" | "CP1252" => "windows-1252",
        other => &match other.strip_prefix("ISO").unwrap_or(other).strip_prefix("8859") {
            Some(part) => format!("iso-8859-{part}"),
            None => name.trim().to_ascii_lowercase(),
        },
    };
    match Encoding::for_label_no_replacement(label.as_bytes()) {
        None => Declared::Unknown,
        Some(encoding) if [GB18030, GBK, BIG5, SHIFT_JIS, ISO_2022_JP].contains(&encoding) => {
            Declared::Unsplittable
        }
        Some(encoding) if !encoding.is_ascii_compatible() => Declared::Unsplittable,
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
            ("ISO-8859-1", "windows-1252"),
            ("ISO8859/1", "windows-1252"),
            ("8859/2", "ISO-8859-2"),
            ("8859/9", "windows-1254"),
            ("8859/15", "ISO-8859-15"),
            ("WINDOWS-1252", "windows-1252"),
            ("KS X 1001", "EUC-KR"),
        ];
        for (name, expected) in names {
            assert_eq!(Charset::named(name).map(Charset::name), Some(expected), "{name}");
        }
    }

    #[test]
    fn charsets_with_delimiters_inside_characters_are_told_apart() {
        for name in
            ["BIG-5", "GB 18030-2000", "ISO IR87", "UNICODE UTF-16", "Shift_JIS", "ISO-2022-JP", "utf-16le"]
        {
            assert_eq!(declared(name), Declared::Unsplittable, "{name}");
        }
        assert_eq!(declared("KLINGON"), Declared::Unknown);
        assert_eq!(declared("ISO IR6"), Declared::Ascii);
    }

    #[test]
    fn text_goes_to_bytes_and_back() {
        assert_eq!(Charset::latin_1().encode("Müller").unwrap().as_ref(), b"M\xFCller");
        assert_eq!(Charset::latin_1().decode(b"M\xFCller"), "Müller");
        assert_eq!(Charset::latin_1().encode("Łódź"), Err('Ł'));
        assert_eq!(Charset::utf_8().encode("Łódź").unwrap().as_ref(), "Łódź".as_bytes());
    }
}
