//! `\C..\` and `\M..\`: from here to the next of them, or to the end of the leaf, the bytes are of another character set (chapter 2,
//! "Escape sequences supporting multiple character sets"). Unknown codes are no switch, and stay as they stand.

use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS};

use crate::charset::Charset;

/// What the bytes after a switch are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    /// Those of the message's own charset.
    Own,
    /// One byte a character, those above 0x80 by this set.
    Single(&'static Encoding),
    /// JIS X 0208: two bytes of 7 bits a character.
    Double,
    /// JIS X 0212: the same by another table.
    Supplementary,
}

impl Set {
    /// What stands between the escape characters, when it is a switch.
    pub(super) fn named(body: &[u8]) -> Option<Self> {
        let label = match body {
            b"C2842" | b"C284A" => return Some(Self::Own),
            b"C2949" => return Some(Self::Single(SHIFT_JIS)),
            b"M2442" => return Some(Self::Double),
            b"M242844" => return Some(Self::Supplementary),
            b"C2D41" => "iso-8859-1",
            b"C2D42" => "iso-8859-2",
            b"C2D43" => "iso-8859-3",
            b"C2D44" => "iso-8859-4",
            b"C2D4C" => "iso-8859-5",
            b"C2D47" => "iso-8859-6",
            b"C2D46" => "iso-8859-7",
            b"C2D48" => "iso-8859-8",
            b"C2D4D" => "iso-8859-9",
            _ => return None,
        };
        Encoding::for_label(label.as_bytes()).map(Self::Single)
    }

    /// Appends the text of these bytes of a tree in this charset.
    pub(super) fn read(self, bytes: &[u8], own: Charset, text: &mut String) {
        match self {
            Self::Own => text.push_str(&own.decode(bytes)),
            Self::Single(set) => text.push_str(&set.decode_without_bom_handling(bytes).0),
            Self::Double => text.push_str(&EUC_JP.decode_without_bom_handling(&in_euc(bytes, None)).0),
            Self::Supplementary => {
                text.push_str(&EUC_JP.decode_without_bom_handling(&in_euc(bytes, Some(0x8F))).0);
            }
        }
    }
}

/// Pairs of 7 bits as EUC-JP has them: with the high bit, and for JIS X 0212 a prefix. Blanks and control characters stand for themselves.
fn in_euc(bytes: &[u8], prefix: Option<u8>) -> Vec<u8> {
    let mut euc = Vec::with_capacity(bytes.len() * 2);
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, after.split_first()) {
            (0x21..=0x7E, Some((&second @ 0x21..=0x7E, after))) => {
                euc.extend(prefix);
                euc.extend([byte | 0x80, second | 0x80]);
                rest = after;
            }
            _ => {
                euc.push(byte);
                rest = after;
            }
        }
    }
    euc
}
