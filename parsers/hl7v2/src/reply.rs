//! Reading the answer of a system we sent to: what it says, about which message.
//!
//! Tolerant, since an answer that arrived must not be taken for none: the header may be damaged, the code in lower case or with blanks,
//! and MSA anywhere after it.

use orderly_record::{Diagnostic, Fault};

use crate::acknowledgement::AckCode;
use crate::charset::Charset;
use crate::delimiters::{Delimiters, Encoding, declaration};
use crate::parse::{header_start, line};
use crate::view::{Level, View, nth_part};
use crate::wire;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What it says: MSA-1; `None` when that is no known code.
    pub code: Option<AckCode>,
    /// The message it is about: MSA-2, as it stands.
    pub control_id: String,
    /// The first error's code by HL7 table 0357: ERR-3, before 2.5 ERR-1, else MSA-6.
    pub error_code: Option<String>,
}

/// Reads an answer, or says why it is none.
pub fn read_reply(bytes: &[u8]) -> Result<Reply, Diagnostic> {
    match wire::utf_16(bytes) {
        Some(charset) => read(charset.read(bytes).as_bytes()),
        None => read(bytes),
    }
}

fn read(bytes: &[u8]) -> Result<Reply, Diagnostic> {
    let unreadable = |message: &str| Diagnostic::error("hl7-reply-unreadable", Fault::Peer, message);
    let start = header_start(bytes).ok_or_else(|| unreadable("the answer has no MSH segment"))?;
    let body = bytes.get(start..).unwrap_or_default();
    let declared = declaration(body).map(|declaration| declaration.delimiters);
    let delimiters = declared.unwrap_or_else(|| Delimiters {
        field: body.get(3).copied().unwrap_or(b'|'),
        ..Delimiters::default()
    });
    // An answer is read for its codes, which are ASCII whatever its charset.
    let encoding = Encoding { delimiters, charset: Charset::latin_1() };
    let segments = || segments(body, delimiters.field);

    let acknowledgement = segments()
        .find(|segment| segment.starts_with(b"MSA"))
        .ok_or_else(|| unreadable("the answer has no MSA segment"))?;
    let field = |segment, n: usize| {
        View::new(nth_part(segment, delimiters.field, n + 1).unwrap_or_default(), Level::Field, &encoding)
    };
    let error = segments().find(|segment| segment.starts_with(b"ERR"));
    let codes = [
        error.map(|error| field(error, 3).text()),
        error.map(|error| field(error, 1).child(1).child(4).text()),
        Some(field(acknowledgement, 6).text()),
    ];
    Ok(Reply {
        code: AckCode::named(&field(acknowledgement, 1).text()),
        control_id: String::from_utf8_lossy(field(acknowledgement, 2).raw()).into_owned(),
        error_code: codes
            .into_iter()
            .flatten()
            .map(|code| code.trim().to_owned())
            .find(|code| !code.is_empty()),
    })
}

fn segments(body: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    std::iter::from_fn(move || {
        (at < body.len()).then(|| {
            let line = line(body, at, separator);
            at = line.terminator.end.max(at + 1);
            body.get(line.text).unwrap_or_default()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "MSH|^~\\&|R|F|ENG|HUB|20260305141501||ACK^A01^ACK|77|P|2.5\r";

    fn answered(rest: &str) -> Reply {
        read_reply(format!("{HEADER}{rest}").as_bytes()).unwrap()
    }

    #[test]
    fn the_code_and_what_it_is_about() {
        let reply = answered("SFT|x\rMSA|AA|N000731\r");
        assert_eq!(reply, Reply { code: Some(AckCode::AA), control_id: "N000731".into(), error_code: None });
        assert_eq!(answered("MSA| ae |a\\T\\b\r").code, Some(AckCode::AE));
        assert_eq!(answered("MSA| ae |a\\T\\b\r").control_id, "a\\T\\b");
        assert_eq!(answered("MSA|OK|1\r").code, None);
        assert_eq!(answered("MSA\r").code, None);
        assert_eq!(answered("MSA|CR|1").code, Some(AckCode::CR));
    }

    #[test]
    fn the_error_s_code_by_version() {
        assert_eq!(answered("MSA|AR|1\rERR||PID^1^3|207^x^HL70357|E\r").error_code.as_deref(), Some("207"));
        assert_eq!(answered("MSA|AE|1|text\rERR|PID^1^3^101&x&HL70357\r").error_code.as_deref(), Some("101"));
        assert_eq!(answered("MSA|AE|1|text|||102^x\r").error_code.as_deref(), Some("102"));
        assert_eq!(answered("MSA|AE|1\rERR\r").error_code, None);
    }

    #[test]
    fn odd_answers_are_read_too() {
        assert_eq!(read_reply(b"\r\nMSH#*!?:#A\nMSA#AA#9\n").unwrap().control_id, "9");
        assert_eq!(read_reply(b"MSH|\rMSA|AA|9").unwrap().code, Some(AckCode::AA));
    }

    #[test]
    fn what_is_no_answer_is_the_peer_s_fault() {
        for bytes in [b"".as_slice(), b"nonsense", b"MSA|AA|1", b"MSH|^~\\&|A\rPID|1\r"] {
            let diagnostic = read_reply(bytes).unwrap_err();
            assert_eq!((diagnostic.code, diagnostic.fault), ("hl7-reply-unreadable", Fault::Peer));
        }
    }

    #[test]
    fn an_answer_to_a_message_in_utf_16_is_in_utf_16() {
        let text = format!("{HEADER}MSA|AE|7");
        let units = || text.encode_utf16();
        for bytes in [
            units().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
            units().flat_map(u16::to_be_bytes).collect(),
        ] {
            for mark in [&b""[..], if bytes.first() == Some(&b'M') { b"\xFF\xFE" } else { b"\xFE\xFF" }] {
                let reply = read_reply(&[mark, &bytes].concat()).unwrap();
                assert_eq!((reply.code, reply.control_id.as_str()), (Some(AckCode::AE), "7"));
            }
        }
    }
}
