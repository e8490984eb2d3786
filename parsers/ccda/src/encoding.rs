//! From bytes to text: byte order marks, the declared encoding, and where in the input a place of the text was.
//!
//! UTF-8 and its subset ASCII, UTF-16, and the encodings of one byte a character are read. Bytes that the encoding does not have are
//! refused: a replaced character in a name or a dose would be a wrong one.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use orderly_record::{Diagnostic, Fault};

/// Where the declaration must name the encoding; the rest of the document is no place to look for it.
const DECLARATION_BYTES_MAX: usize = 512;

/// The text of a document.
#[derive(Debug, Clone)]
pub(crate) struct Decoded {
    pub(crate) text: String,
    pub(crate) width: Width,
}

/// How the text lies in the input, so that places can be told in bytes of the input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Width {
    /// Bytes before the text: the byte order mark.
    start: usize,
    unit: Unit,
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    /// The text's bytes are the input's.
    Same,
    /// One byte a character.
    One,
    /// Two bytes for each unit of UTF-16.
    Two,
}

impl Width {
    /// The place in the input of a place in the text.
    pub(crate) fn offset(self, text: &str, place: usize) -> usize {
        let before = text.get(..place).unwrap_or(text);
        self.start
            + match self.unit {
                Unit::Same => place,
                Unit::One => before.chars().count(),
                Unit::Two => before.chars().map(|character| character.len_utf16() * 2).sum(),
            }
    }
}

/// True when these bytes begin an XML document: after byte order mark and blanks the first character is `<`.
pub fn looks_like_xml(bytes: &[u8]) -> bool {
    let (encoding, start) = mark(bytes);
    let rest = bytes.get(start..).unwrap_or_default();
    let is_blank = |byte: &u8| byte.is_ascii_whitespace();
    let wide = |high: usize| {
        let mut units = rest.chunks_exact(2).map(move |unit| match unit {
            [first, second] if high == 0 => u16::from_be_bytes([*first, *second]),
            [first, second] => u16::from_le_bytes([*first, *second]),
            _ => 0,
        });
        let first = units.find(|unit| !u8::try_from(*unit).is_ok_and(|byte| is_blank(&byte)));
        first == Some(u16::from(b'<'))
    };
    match encoding {
        Some(encoding) if encoding == UTF_16BE => wide(0),
        Some(encoding) if encoding == UTF_16LE => wide(1),
        _ => rest.iter().find(|byte| !is_blank(byte)) == Some(&b'<'),
    }
}

/// The encoding that the first bytes give away, and how long the byte order mark is.
fn mark(bytes: &[u8]) -> (Option<&'static Encoding>, usize) {
    match bytes {
        [0xEF, 0xBB, 0xBF, ..] => (Some(UTF_8), 3),
        [0xFE, 0xFF, ..] => (Some(UTF_16BE), 2),
        [0xFF, 0xFE, ..] => (Some(UTF_16LE), 2),
        [0, b'<', ..] => (Some(UTF_16BE), 0),
        [b'<', 0, ..] => (Some(UTF_16LE), 0),
        _ => (None, 0),
    }
}

/// The text of these bytes.
pub(crate) fn decode(bytes: &[u8]) -> Result<Decoded, Diagnostic> {
    let (marked, start) = mark(bytes);
    let encoding = match marked {
        Some(encoding) => encoding,
        None => declared(bytes)?,
    };
    let rest = bytes.get(start..).unwrap_or_default();
    let unit = match encoding {
        encoding if encoding == UTF_8 => Unit::Same,
        encoding if encoding == UTF_16BE || encoding == UTF_16LE => Unit::Two,
        encoding if encoding.is_single_byte() => Unit::One,
        _ => return Err(unsupported()),
    };
    let text = if encoding == UTF_8 {
        let text = std::str::from_utf8(rest).map_err(|error| undecodable(start + error.valid_up_to()))?;
        text.to_owned()
    } else {
        let text = encoding.decode_without_bom_handling_and_without_replacement(rest);
        text.ok_or_else(|| undecodable(start))?.into_owned()
    };
    Ok(Decoded { text, width: Width { start, unit } })
}

/// The encoding that the XML declaration names; UTF-8 when there is none.
fn declared(bytes: &[u8]) -> Result<&'static Encoding, Diagnostic> {
    let head = bytes.get(..DECLARATION_BYTES_MAX).unwrap_or(bytes);
    let head: String = head.iter().map(|byte| char::from(*byte)).collect();
    let declaration = head.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>"));
    let Some((_, rest)) = declaration.and_then(|(declaration, _)| declaration.split_once("encoding")) else {
        return Ok(UTF_8);
    };
    let value = rest.trim_start().strip_prefix('=').unwrap_or_default().trim_start();
    let label = value.strip_prefix(['"', '\'']).and_then(|value| value.split(['"', '\'']).next());
    // Without a mark, and with a declaration that can be read byte by byte, it is not UTF-16 whatever it says: UTF-8 then.
    match label.map(|label| (label, Encoding::for_label(label.as_bytes()))) {
        Some((_, Some(encoding))) if encoding == UTF_16LE || encoding == UTF_16BE => Ok(UTF_8),
        // By the WHATWG table ASCII is windows-1252; of XML it is a part of UTF-8, and many write UTF-8 under that name.
        Some((label, Some(_))) if label.eq_ignore_ascii_case("us-ascii") => Ok(UTF_8),
        Some((_, Some(encoding))) => Ok(encoding),
        _ => Err(unsupported()),
    }
}

fn unsupported() -> Diagnostic {
    Diagnostic::error(
        "ccda-encoding",
        Fault::Sender,
        "the document declares an encoding that is not supported",
    )
    .in_input(0, "")
    .with_help("Send the document in UTF-8, UTF-16 or an encoding of one byte a character.")
}

fn undecodable(offset: usize) -> Diagnostic {
    let message = "the document has bytes that its encoding does not have";
    Diagnostic::error("ccda-bytes", Fault::Sender, message)
        .in_input(offset, "")
        .with_help("Declare the encoding that the document is written in; without a declaration it is UTF-8.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf_16(text: &str, order: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    #[test]
    fn xml_is_told_from_other_messages() {
        assert!(looks_like_xml(b"<a/>"));
        assert!(looks_like_xml(b"\xEF\xBB\xBF\r\n <a/>"));
        assert!(looks_like_xml(&utf_16("\u{feff} <a/>", u16::to_le_bytes)));
        assert!(looks_like_xml(&utf_16("\u{feff}\n<a/>", u16::to_be_bytes)));
        assert!(looks_like_xml(&utf_16("<a/>", u16::to_le_bytes)));
        for other in [&b"MSH|^~\\&"[..], b"", b"  ", b"\xEF\xBB\xBF", b"\xFF\xFE", b"\xFF\xFEM", b"{}"] {
            assert!(!looks_like_xml(other), "{other:?}");
        }
    }

    #[test]
    fn the_same_text_in_every_encoding() {
        let text = "<?xml version='1.0' encoding='ISO-8859-1'?><a>Mu\u{f1}oz</a>";
        let latin: Vec<u8> =
            text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect();
        let wide = text.replace("ISO-8859-1", "UTF-16");
        let little = utf_16(&format!("\u{feff}{wide}"), u16::to_le_bytes);
        let big = utf_16(&format!("\u{feff}{wide}"), u16::to_be_bytes);
        let marked = format!("\u{feff}{}", text.replace("ISO-8859-1", "utf-8")).into_bytes();
        for (bytes, start, after) in [(latin, 0, 1), (little, 2, 2), (big, 2, 2), (marked, 3, 2)] {
            let decoded = decode(&bytes).unwrap();
            let place = decoded.text.find("oz</a>").unwrap();
            assert!(decoded.text.contains("Mu\u{f1}oz"));
            assert_eq!(decoded.width.offset(&decoded.text, 0), start);
            let distance = decoded.width.offset(&decoded.text, place)
                - decoded.width.offset(&decoded.text, place - '\u{f1}'.len_utf8());
            assert_eq!(distance, after);
        }
    }

    #[test]
    fn what_can_not_be_decoded_is_refused() {
        let code = |bytes: &[u8]| decode(bytes).map(|_| ()).map_err(|refused| (refused.code, refused.place));
        let at = |offset| orderly_record::Place::Input { offset, path: String::new() };
        assert_eq!(code(b"<?xml version='1.0' encoding='Klingon'?><a/>"), Err(("ccda-encoding", at(0))));
        assert_eq!(code(b"<?xml version='1.0' encoding='Shift_JIS'?><a/>"), Err(("ccda-encoding", at(0))));
        assert_eq!(code(b"<a>Mu\xF1oz</a>"), Err(("ccda-bytes", at(5))));
        assert_eq!(code(b"<?xml version='1.0' encoding='UTF-16'?><a/>"), Ok(()));
        assert_eq!(code(b""), Ok(()));
    }
}
