//! How a message's bytes become text: the source's override, MSH-18 (HL7 table 0211), UTF-8 if they are that, the fallback.
//!
//! What is declared is believed only where the bytes can be that; each disagreement is reported.

use orderly_record::{Diagnostic, Fault};

use super::Settings;
use crate::charset::{Charset, Declared, declared};
use crate::delimiters::Delimiters;
use crate::view::nth_part;
use crate::wire;

/// So many repetitions of MSH-18 count: each may be tried on the whole message.
const NAMES_MAX: usize = 8;

/// Begins a change of meaning in some charsets, and is a letter in none.
const ESCAPE: u8 = 0x1B;

/// A message, with its header to be read as far as it is ASCII.
pub(super) struct Bytes<'b> {
    pub(super) body: &'b [u8],
    pub(super) header_line: &'b [u8],
    pub(super) delimiters: &'b Delimiters,
    /// Where in the input the message begins.
    pub(super) start: usize,
}

/// The charset of a message, or that what it declares is not supported.
pub(super) fn choose(
    bytes: &Bytes<'_>,
    settings: &Settings,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Charset, Diagnostic> {
    // Nearly all messages are, and then need no second look.
    let is_ascii = bytes.body.is_ascii();
    let is_utf_8 = is_ascii || Charset::utf_8().accepts(bytes.body);
    let guess = if is_utf_8 { Charset::utf_8() } else { settings.fallback };
    let (charset, odd) = match settings.charset {
        Some(charset) => overruled(charset, bytes, guess),
        None => as_declared(bytes, guess, is_ascii, is_utf_8)?,
    };
    let warning = |(code, message): Odd| {
        Diagnostic::warning(code, Fault::Sender, message).in_input(bytes.start, "MSH-18")
    };
    diagnostics.extend(odd.map(warning));
    Ok(charset)
}

/// A finding's code and its words.
type Odd = (&'static str, String);

/// What the source's setting says, whatever the message declares; but UTF-16 without a header in it there can't be.
fn overruled(charset: Charset, bytes: &Bytes<'_>, guess: Charset) -> (Charset, Option<Odd>) {
    let message = || format!("the bytes are not {}, which the source's setting says", charset.name());
    let odd = (!is_in(charset, bytes.body)).then(|| ("hl7-charset-mismatch", message()));
    (if charset.is_wide() { guess } else { charset }, odd)
}

fn as_declared(
    bytes: &Bytes<'_>,
    guess: Charset,
    is_ascii: bool,
    is_utf_8: bool,
) -> Result<(Charset, Option<Odd>), Diagnostic> {
    let read_as = guess.name();
    // Plain bytes mean the same wherever they are read.
    let is_plain = is_ascii && memchr::memchr(ESCAPE, bytes.body).is_none();
    let (declared, is_named) = declaration(bytes, is_plain);
    let odd = match declared {
        Declared::Charset(charset) if !charset.is_wide() && (is_plain || charset.accepts(bytes.body)) => {
            let is_doubtful = charset != Charset::utf_8() && is_utf_8 && !is_ascii;
            let message = || format!("MSH-18 says {}, but the bytes look like UTF-8", charset.name());
            return Ok((charset, is_doubtful.then(|| ("hl7-charset-doubtful", message()))));
        }
        _ if is_plain => return Ok((guess, None)),
        Declared::Charset(charset) => {
            let message =
                format!("the bytes are not {}, which MSH-18 says; read as {read_as}", charset.name());
            Some(("hl7-charset-mismatch", message))
        }
        Declared::Ascii => {
            let message = format!("MSH-18 says ASCII, but there are bytes beyond it; read as {read_as}");
            Some(("hl7-charset-mismatch", message))
        }
        Declared::Unknown => is_named
            .then(|| ("hl7-charset-unknown", format!("MSH-18 names an unknown charset; read as {read_as}"))),
        Declared::Unsupported => {
            let message = "the charset that MSH-18 declares is not supported";
            let help = "if the bytes are in another charset, say so with the source's `charset` setting";
            return Err(Diagnostic::error("hl7-charset-unsupported", Fault::Sender, message)
                .in_input(bytes.start, "MSH-18")
                .with_help(help));
        }
    };
    Ok((guess, odd))
}

/// Whether bytes that have a header to be read are in this charset. In UTF-16 they have none.
fn is_in(charset: Charset, body: &[u8]) -> bool {
    !charset.is_wide() && charset.accepts(body)
}

/// What the repetitions of MSH-18 declare, and whether it holds anything. The first holds for the message; the others are what a sender
/// may switch to, and count when the first is ASCII or nothing and the bytes are more than that (`~ISO IR87` in Japan).
fn declaration(bytes: &Bytes<'_>, is_plain: bool) -> (Declared, bool) {
    let field = nth_part(bytes.header_line, bytes.delimiters.field, 18).unwrap_or_default();
    let is_named = !field.trim_ascii().is_empty();
    let names = field.split(|&byte| Some(byte) == bytes.delimiters.repetition).take(NAMES_MAX);
    let mut all = names.map(|name| declared(&Charset::utf_8().decode(name)));
    let first = all.next().unwrap_or(Declared::Unknown);
    if is_plain || !matches!(first, Declared::Ascii | Declared::Unknown) {
        return (first, is_named);
    }
    let has_escape = bytes.body.contains(&ESCAPE);
    let fits = |charset: Charset| charset.is_stateful() == has_escape && is_in(charset, bytes.body);
    let further = all.find(|declared| matches!(declared, Declared::Charset(charset) if fits(*charset)));
    let behind = || match first {
        Declared::Unknown => wire::declared_behind(bytes.header_line, bytes.delimiters.field),
        _ => None,
    };
    (further.or_else(|| behind().map(Declared::Charset)).unwrap_or(first), is_named)
}
