//! From bytes to the tree: find the header, learn delimiters and charset from it, split into segments and fields.
//!
//! Tolerant where the field is: CR, LF and CRLF end segments, also mixed; bytes before the header, blank lines, indentation and padding
//! after the end are kept, reported and otherwise ignored. An LF ends a segment only when a segment, or nothing, follows: within a text
//! it is the text's.

mod reading;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use nom::bytes::complete::take_while;
use nom::{IResult, Parser};
use orderly_record::{Diagnostic, Fault};

use crate::charset::Charset;
use crate::delimiters::{Delimiters, Encoding, begins, declaration, presumed};
use crate::header::Header;
use crate::message::Message;
use crate::parts::{self, Parts, Starts};
use crate::segment::{Segment, is_name};
use crate::view::Presence;
use crate::wire;

/// The most fields a message may have, all segments together. A field of no length takes one byte on the wire, but 24 in memory, and a
/// segment some 100; this keeps a hostile frame from being many times its size. The largest real messages have some 100,000.
const FIELDS_MAX: usize = 1_000_000;

/// The most segments a message may have. A segment of four bytes on the wire may become an element of the record, of two or three
/// thousand bytes in memory. The largest real messages, with scans cut into lines, have some 50,000.
const SEGMENTS_MAX: usize = 200_000;

/// So many are there room for from the start: most messages have fewer, and need it no second time.
const SEGMENTS_EXPECTED: usize = 16;
const FIELDS_EXPECTED: usize = 256;

/// How many oddities of a message, or of a batch, are reported; after so many, one more tells nobody anything.
pub(crate) const DIAGNOSTICS_MAX: usize = 100;

/// How a source's messages are to be read, where they do not say it themselves or say it wrongly.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The charset, whatever the message declares.
    pub charset: Option<Charset>,
    /// The charset of messages that declare none, or a wrong one, and are not UTF-8.
    pub fallback: Charset,
}

impl Default for Settings {
    fn default() -> Self {
        Self { charset: None, fallback: Charset::latin_1() }
    }
}

/// Why bytes are not a message that can be processed.
#[derive(Debug, Clone)]
pub struct Unreadable<'a> {
    /// What is wrong.
    pub diagnostic: Diagnostic,
    /// The header, when one could be found, so that an answer can be addressed.
    pub header: Option<Header>,
    /// Its segments, where they could be told apart all the same: for people to look at, never to be processed.
    pub tree: Option<Box<Message<'a>>>,
}

impl Unreadable<'_> {
    /// Bytes of which nothing can be seen.
    pub fn opaque(diagnostic: Diagnostic, header: Option<Header>) -> Self {
        Self { diagnostic, header, tree: None }
    }
}

/// Reads one message. Bytes that hold several are [split](crate::split) first.
pub fn parse<'a>(bytes: &'a [u8], settings: &Settings) -> Result<Message<'a>, Unreadable<'a>> {
    match wire::utf_16(bytes) {
        Some(charset) => parse_wide(bytes, charset),
        None => parse_bytes(bytes, settings),
    }
}

/// UTF-16 has no byte that means what it means elsewhere: its text is parsed, and what comes of it is put upon the bytes.
fn parse_wide(bytes: &[u8], charset: Charset) -> Result<Message<'_>, Unreadable<'_>> {
    let text = charset.read(bytes);
    let as_text = Settings { charset: Some(Charset::utf_8()), ..Settings::default() };
    match parse_bytes(text.as_bytes(), &as_text) {
        Ok(message) => Ok(wire::adopt(message, &text, bytes, charset)),
        Err(Unreadable { diagnostic, header, tree }) => Err(Unreadable {
            diagnostic: wire::placed(diagnostic, &text),
            header: header.map(|header| header.in_charset(charset)),
            tree: tree.map(|tree| Box::new(wire::adopt(*tree, &text, bytes, charset))),
        }),
    }
}

fn parse_bytes<'a>(bytes: &'a [u8], settings: &Settings) -> Result<Message<'a>, Unreadable<'a>> {
    let Some(start) = header_start(bytes) else { return Err(headless(bytes, settings)) };
    let (leading, body) = bytes.split_at_checked(start).unwrap_or_default();
    let Some(declaration) = declaration(body) else { return Err(undelimited(leading, body, settings)) };
    let mut diagnostics = Vec::new();
    report_header(start, declaration.repaired, &mut diagnostics);
    check_header(tree(leading, body, declaration.delimiters, settings, diagnostics)?, start)
}

/// The tree of a body that begins with a header or, where there is none, with any segment.
fn tree<'a>(
    leading: &'a [u8],
    body: &'a [u8],
    delimiters: Delimiters,
    settings: &Settings,
    mut diagnostics: Vec<Diagnostic>,
) -> Result<Message<'a>, Unreadable<'a>> {
    let start = leading.len();
    let end = content_end(body);
    let (content, trailing) = body.split_at_checked(end).unwrap_or_default();
    let first_line = content.get(line(content, 0, delimiters.field).text).unwrap_or_default();
    // Only a message's header says what the bytes are.
    let header_line = if begins(first_line, "MSH") { first_line } else { &[] };
    let bytes = reading::Bytes { body, header_line, delimiters: &delimiters, start };
    let charset = reading::choose(&bytes, settings, &mut diagnostics);
    let encoding = Encoding { delimiters, charset: *charset.as_ref().unwrap_or(&settings.fallback) };
    let header = || Header::new(wire::text(header_line, encoding.charset).into_owned(), encoding);
    let opaque = |diagnostic| Unreadable::opaque(diagnostic, Some(header()));
    if let Err(diagnostic) = charset {
        return Err(opaque(diagnostic));
    }
    let segments = segments(content, start, &encoding, &mut diagnostics).map_err(opaque)?;
    if !trailing.is_empty() {
        let message = format!("{} bytes of padding after the last segment", trailing.len());
        diagnostics
            .push(Diagnostic::note("hl7-trailing-bytes", Fault::Sender, message).in_input(start + end, ""));
    }
    Ok(Message { encoding, leading, segments, trailing, diagnostics })
}

/// Bytes without a header of a message. A batch's header, or a segment of any name, still tells how to split them.
fn headless<'a>(bytes: &'a [u8], settings: &Settings) -> Unreadable<'a> {
    let diagnostic = no_header_diagnostic(bytes);
    let start = bytes.iter().take_while(|byte| is_blank(**byte)).count();
    let (leading, body) = bytes.split_at_checked(start).unwrap_or_default();
    let is_batch = begins(body, "FHS") || begins(body, "BHS");
    let delimiters = match declaration(body).filter(|_| is_batch) {
        Some(declaration) => declaration.delimiters,
        None => presumed(body),
    };
    let is_segment = body
        .split_at_checked(3)
        .is_some_and(|(name, rest)| is_name(name) && rest.first() == Some(&delimiters.field));
    let read = || tree(leading, body, delimiters, settings, Vec::new()).ok().map(Box::new);
    Unreadable { diagnostic, header: None, tree: is_segment.then(read).flatten() }
}

/// A header whose delimiters are of no use: it is read by those it most probably means.
fn undelimited<'a>(leading: &'a [u8], body: &'a [u8], settings: &Settings) -> Unreadable<'a> {
    let message = "MSH-1 and MSH-2 must be different punctuation characters";
    let diagnostic =
        Diagnostic::error("hl7-bad-delimiters", Fault::Sender, message).in_input(leading.len() + 3, "MSH-1");
    let encoding =
        Encoding { delimiters: presumed(body), charset: settings.charset.unwrap_or(settings.fallback) };
    let header = body.get(line(body, 0, encoding.delimiters.field).text).unwrap_or_default();
    let header = Some(Header::new(wire::text(header, encoding.charset).into_owned(), encoding));
    let tree = tree(leading, body, encoding.delimiters, settings, Vec::new()).ok().map(Box::new);
    Unreadable { diagnostic, header, tree }
}

/// Says what is odd before the first segment, and about its delimiters.
fn report_header(start: usize, is_repaired: bool, diagnostics: &mut Vec<Diagnostic>) {
    if start > 0 {
        let message = format!("{start} bytes before the header");
        diagnostics.push(Diagnostic::note("hl7-leading-bytes", Fault::Sender, message).in_input(0, ""));
    }
    if is_repaired {
        let message = "MSH-2 is damaged and was read as ^~\\&";
        diagnostics.push(
            Diagnostic::warning("hl7-delimiters-repaired", Fault::Sender, message)
                .in_input(start + 4, "MSH-2"),
        );
    }
}

/// Without a type nothing can be done with a message, and answering AA would be a lie. A missing control id only costs the sender the
/// matching of answers.
fn check_header(mut message: Message<'_>, start: usize) -> Result<Message<'_>, Unreadable<'_>> {
    let kind = message.field(0, 9).leaf();
    if kind.presence() != Presence::Present || kind.text().trim().is_empty() {
        let diagnostic = Diagnostic::error("hl7-no-type", Fault::Sender, "the header has no message type")
            .in_input(start, "MSH-9")
            .with_help("the sender must fill MSH-9, for example ADT^A01");
        let header = Some(message.header());
        return Err(Unreadable { diagnostic, header, tree: Some(Box::new(message)) });
    }
    if message.field(0, 10).raw().is_empty() {
        let text = "the header has no control id, so answers can't be matched";
        message
            .diagnostics
            .push(Diagnostic::warning("hl7-no-control-id", Fault::Sender, text).in_input(start, "MSH-10"));
    }
    if message.field(0, 14).presence() == Presence::Present {
        let text = "the message continues an earlier one, and is not read together with it";
        message
            .diagnostics
            .push(Diagnostic::warning("hl7-continuation", Fault::Sender, text).in_input(start, "MSH-14"));
    }
    Ok(message)
}

/// Where the header begins: at the first byte that is not padding, else at the first line that looks like one.
pub(crate) fn header_start(bytes: &[u8]) -> Option<usize> {
    let padding: IResult<&[u8], &[u8]> = take_while(is_blank).parse(bytes);
    let first = padding.map_or(0, |(_, padding)| padding.len());
    let rest = bytes.get(first..)?;
    if begins(rest, "MSH") {
        return Some(first);
    }
    memchr::memmem::find_iter(rest, "MSH").map(|index| first + index).find(|&index| {
        let follows_line_end = index
            .checked_sub(1)
            .and_then(|before| bytes.get(before))
            .is_some_and(|&byte| is_line_end(byte) || byte == 0x0B);
        follows_line_end && bytes.get(index..).is_some_and(|header| begins(header, "MSH"))
    })
}

/// Padding before a header: blanks, line ends, NUL, the frame's start byte, a UTF-8 byte order mark.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0 | 0x0B | 0xEF | 0xBB | 0xBF)
}

pub(crate) fn is_line_end(byte: u8) -> bool {
    byte == b'\r' || byte == b'\n'
}

fn no_header_diagnostic(bytes: &[u8]) -> Diagnostic {
    let padding = bytes.iter().take_while(|byte| is_blank(**byte)).count();
    let rest = bytes.get(padding..).unwrap_or_default();
    let (code, message) = match rest.first() {
        None => ("hl7-empty", "there is nothing but padding"),
        Some(b'<') => ("hl7-xml", "this is XML, and HL7 v2 is read in its classic encoding only"),
        Some(_) if begins(rest, "FHS") || begins(rest, "BHS") => {
            ("hl7-empty-batch", "the batch holds no message")
        }
        Some(_) => ("hl7-no-header", "no MSH segment begins here"),
    };
    Diagnostic::error(code, Fault::Sender, message).in_input(padding, "")
}

/// Where the last segment's terminator ends, and padding begins.
fn content_end(body: &[u8]) -> usize {
    let is_padding = |byte: &u8| is_line_end(*byte) || matches!(byte, b' ' | b'\t' | 0 | 0x0B | 0x1A | 0x1C);
    let text_end = body.iter().rposition(|byte| !is_padding(byte)).map_or(0, |last| last + 1);
    let tail = body.get(text_end..).unwrap_or_default();
    // Blanks right after the text are the last field's; NUL and the frame's end bytes never are.
    let blanks = tail.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let line_ends = tail.iter().skip(blanks).take_while(|byte| is_line_end(**byte)).count();
    text_end + blanks + line_ends
}

fn segments<'a>(
    content: &'a [u8],
    start: usize,
    encoding: &Encoding,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Vec<Segment<'a>>, Diagnostic> {
    let separator = encoding.delimiters.field;
    let mut lines = Vec::with_capacity(SEGMENTS_EXPECTED);
    let mut starts = Vec::with_capacity(FIELDS_EXPECTED);
    let (mut fields, mut at) = (0, 0);
    while at < content.len() {
        let line = line(content, at, separator);
        let found = found(content, &line, encoding, &mut starts);
        fields += found.len();
        let too_many = match () {
            () if fields > FIELDS_MAX => {
                Some(("hl7-too-many-fields", format!("more than {FIELDS_MAX} fields")))
            }
            () if lines.len() == SEGMENTS_MAX => {
                Some(("hl7-too-many-segments", format!("more than {SEGMENTS_MAX} segments")))
            }
            () => None,
        };
        if let Some((code, message)) = too_many {
            return Err(Diagnostic::error(code, Fault::Sender, message).in_input(start + at, ""));
        }
        at = line.terminator.end;
        lines.push((found, line));
    }
    let starts: Arc<[u32]> = starts.into();
    let mut segments = Vec::with_capacity(lines.len());
    for (found, line) in lines {
        let offset = start + line.text.start;
        let segment = segment(content, found, line, &starts);
        report(&segment, segments.len(), offset, diagnostics);
        segments.push(segment);
    }
    Ok(segments)
}

/// What was found of a line: which of all starts are its own, or its parts where these do not tell.
enum Found<'a> {
    Starts(Range<usize>),
    Parts(Box<Parts<'a>>),
}

impl Found<'_> {
    fn len(&self) -> usize {
        match self {
            Found::Starts(range) => range.len() + 1,
            Found::Parts(parts) => parts.len(),
        }
    }
}

fn found<'a>(content: &'a [u8], line: &Line, encoding: &Encoding, starts: &mut Vec<u32>) -> Found<'a> {
    let separator = encoding.delimiters.field;
    let text = content.get(line.text.clone()).unwrap_or_default();
    if encoding.charset.is_transcoded() {
        return Found::Parts(Box::new(wire::parts(text, encoding.charset, separator)));
    }
    let before = starts.len();
    match parts::split(text, separator, starts) {
        Some(()) => Found::Starts(before..starts.len()),
        None => {
            let parts = text.split(|byte| *byte == separator).map(Cow::Borrowed);
            Found::Parts(Box::new(Parts::own(parts.collect(), Vec::new())))
        }
    }
}

fn segment<'a>(content: &'a [u8], found: Found<'a>, line: Line, starts: &Arc<[u32]>) -> Segment<'a> {
    let parts = match found {
        Found::Starts(own) => {
            Parts::received(content.get(line.text).unwrap_or_default(), Starts::new(starts, own))
        }
        Found::Parts(parts) => *parts,
    };
    Segment::new(parts, content.get(line.terminator).unwrap_or_default())
}

/// Says what is odd about a segment; it stays in the message as it is.
fn report(segment: &Segment<'_>, index: usize, offset: usize, diagnostics: &mut Vec<Diagnostic>) {
    if diagnostics.len() >= DIAGNOSTICS_MAX {
        return;
    }
    if !segment.is_properly_named() {
        let message = "a line that does not begin with a segment name";
        let help = "a line end within a text must be sent as \\.br\\ or \\X0D\\";
        let diagnostic = Diagnostic::warning("hl7-bad-segment-name", Fault::Sender, message);
        diagnostics.push(diagnostic.in_input(offset, "").with_help(help));
    } else if let Some((code, message)) = continuation(segment) {
        let path = if segment.is("DSC") { "DSC-1" } else { "" };
        diagnostics.push(Diagnostic::warning(code, Fault::Sender, message).in_input(offset, path));
    } else if index > 0 && segment.is("MSH") {
        let message = "a second header: these are several messages in one";
        diagnostics.push(
            Diagnostic::warning("hl7-several-messages", Fault::Sender, message).in_input(offset, "MSH[2]"),
        );
    }
}

/// Whether what a message says goes on elsewhere (chapter 2, "Continuation messages and segments"). The parts stay what they are: they are
/// not put together here.
fn continuation(segment: &Segment<'_>) -> Option<(&'static str, &'static str)> {
    let has_pointer = || segment.parts.get(1).is_some_and(|pointer| !pointer.trim_ascii().is_empty());
    match () {
        () if segment.is("ADD") => Some((
            "hl7-segment-continued",
            "the content of the segment before goes on here, and is not read as part of it",
        )),
        () if segment.is("DSC") && has_pointer() => Some((
            "hl7-message-continued",
            "the message goes on in another one, and is not read together with it",
        )),
        () => None,
    }
}

/// Where a segment's text and its terminator stand.
pub(crate) struct Line {
    pub(crate) text: Range<usize>,
    /// The line end, and blank lines and indentation after it.
    pub(crate) terminator: Range<usize>,
}

/// The segment that begins at `start`.
pub(crate) fn line(content: &[u8], start: usize, separator: u8) -> Line {
    let mut from = start;
    loop {
        let rest = content.get(from..).unwrap_or_default();
        let Some(found) = memchr::memchr2(b'\r', b'\n', rest) else {
            return Line { text: start..content.len(), terminator: content.len()..content.len() };
        };
        let at = from + found;
        let blanks = rest
            .iter()
            .skip(found)
            .take_while(|byte| is_line_end(**byte) || matches!(byte, b' ' | b'\t'))
            .count();
        let end = at + blanks;
        let has_carriage_return = content.get(at..end).is_some_and(|run| run.contains(&b'\r'));
        let follows = content.get(end..).unwrap_or_default();
        if has_carriage_return || follows.is_empty() || starts_segment(follows, separator) {
            return Line { text: start..at, terminator: at..end };
        }
        from = end;
    }
}

/// Whether these bytes begin like a segment: a name, then a field separator or the segment's end.
fn starts_segment(bytes: &[u8], separator: u8) -> bool {
    bytes.split_at_checked(3).is_some_and(|(name, rest)| {
        is_name(name) && rest.first().is_none_or(|&byte| byte == separator || is_line_end(byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "MSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5";

    fn read(bytes: &[u8]) -> Message<'_> {
        let message = parse(bytes, &Settings::default()).unwrap();
        assert_eq!(message.encode(), bytes);
        message
    }

    /// The segments' names, and the codes of what is odd.
    fn outline(input: &str) -> (Vec<String>, Vec<&'static str>) {
        let message = read(input.as_bytes());
        let names = message.segments().iter().map(|segment| segment.name().to_owned()).collect();
        (names, message.diagnostics().iter().map(|diagnostic| diagnostic.code).collect())
    }

    fn refusal(bytes: &[u8]) -> &'static str {
        parse(bytes, &Settings::default()).unwrap_err().diagnostic.code
    }

    #[test]
    fn what_can_not_be_processed_is_seen_all_the_same() {
        for (bytes, code, segments) in [
            ("MSH|^~\\&|A|B|C|D||||7\rPID|1||7^8\r", "hl7-no-type", 2),
            ("EVN|A04\rPID|1||7^8~9\r\n", "hl7-no-header", 2),
            ("BHS#*!?:#A\rEVN#A04*B\rBTS#1", "hl7-empty-batch", 3),
            ("\u{b}PID|1\r\u{1c}\r", "hl7-no-header", 1),
            ("MSH|^^\\&|A|B|C|D|||ADT^A01|7\rPID|1\r", "hl7-bad-delimiters", 2),
        ] {
            let unreadable = parse(bytes.as_bytes(), &Settings::default()).unwrap_err();
            let tree = unreadable.tree.unwrap();
            assert_eq!((unreadable.diagnostic.code, tree.segments().len()), (code, segments), "{bytes}");
            assert_eq!(String::from_utf8(tree.rebuild()).unwrap(), bytes);
        }
        for bytes in ["", "\r\n", "GET / HTTP/1.1\r\n", "<ADT_A01>", "{\"a\": 1}", "PID"] {
            assert!(parse(bytes.as_bytes(), &Settings::default()).unwrap_err().tree.is_none(), "{bytes}");
        }
    }

    #[test]
    fn any_line_end_will_do() {
        for end in ["\r", "\n", "\r\n", "\r\r", "\n\r\n"] {
            let input = format!("{HEADER}{end}PID|1{end}ZPI|x{end}");
            assert_eq!(outline(&input), (vec!["MSH".into(), "PID".into(), "ZPI".into()], vec![]), "{end:?}");
        }
        assert_eq!(outline(&format!("{HEADER}\rPID|1\nPV1|1\r\n  OBX|1")).0, ["MSH", "PID", "PV1", "OBX"]);
    }

    #[test]
    fn a_line_feed_in_a_text_is_the_text_s() {
        let input = format!("{HEADER}\rNTE|1||one\ntwo\n\nOBX three\rPID|1\r");
        assert_eq!(outline(&input), (vec!["MSH".into(), "NTE".into(), "PID".into()], vec![]));
        assert_eq!(read(input.as_bytes()).field(1, 3).text(), "one\ntwo\n\nOBX three");
    }

    #[test]
    fn fields_are_counted_as_the_standard_counts() {
        let message = read(b"MSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5\rPID|1||70014^^^NORTH\r");
        let raw = |segment, field| String::from_utf8(message.field(segment, field).raw().to_vec()).unwrap();
        assert_eq!(
            (raw(0, 1), raw(0, 2), raw(0, 3), raw(0, 12)),
            ("|".into(), "^~\\&".into(), "A".into(), "2.5".into())
        );
        assert_eq!(
            (raw(1, 1), raw(1, 3), raw(1, 4), raw(9, 1)),
            ("1".into(), "70014^^^NORTH".into(), String::new(), String::new())
        );
        assert_eq!(message.field(0, 2).text(), "^~\\&");
        assert_eq!((message.segments()[0].last_field(), message.segments()[1].last_field()), (12, 3));
    }

    #[test]
    fn padding_is_kept_and_reported() {
        let (names, odd) = outline(&format!("\u{feff}\r\n{HEADER}\rPID|1|x  \r\n \0\0"));
        assert_eq!((names.len(), odd), (2, vec!["hl7-leading-bytes", "hl7-trailing-bytes"]));
        let input = format!("{HEADER}\rPID|1|x  \r \0");
        let message = read(input.as_bytes());
        assert_eq!(message.field(1, 2).raw(), b"x  ");
        let (names, odd) = outline(&format!("\u{b}{HEADER}\rPID|1\r\u{1c}\r"));
        assert_eq!((names.len(), odd.len()), (2, 2));
        // The next frame's start byte, where a split left it.
        let (names, odd) = outline(&format!("{HEADER}\rPID|1\r\u{1c}\r\u{b}"));
        assert_eq!((names.len(), odd), (2, vec!["hl7-trailing-bytes"]));
        assert_eq!(outline(&format!("listener ready\n{HEADER}\rPID|1\r")).1, ["hl7-leading-bytes"]);
    }

    #[test]
    fn odd_lines_are_kept_and_reported() {
        let (names, odd) = outline(&format!("{HEADER}\rNTE|1||cut here\rand here\rpid|1\rMSH|^~\\&|x\r"));
        assert_eq!(names, ["MSH", "NTE", "and here", "pid", "MSH"]);
        assert_eq!(odd, ["hl7-bad-segment-name", "hl7-bad-segment-name", "hl7-several-messages"]);
    }

    #[test]
    fn what_can_not_be_read_says_why() {
        let table: &[(&[u8], &str)] = &[
            (b"", "hl7-empty"),
            (b" \r\n\0", "hl7-empty"),
            (b"\x00\xFF\x13\x37", "hl7-no-header"),
            (b"GET / HTTP/1.1\r\n", "hl7-no-header"),
            (b"PID|1\r", "hl7-no-header"),
            (b"<ADT_A01/>", "hl7-xml"),
            (b"FHS|^~\\&\rFTS|0\r", "hl7-empty-batch"),
            (b"MSH|^^\\&|A\r", "hl7-bad-delimiters"),
            (b"MSH|^~\\&|A|B", "hl7-no-type"),
            (b"MSH|^~\\&|A|B|C|D|||\"\"|1\rPID|1\r", "hl7-no-type"),
        ];
        for (bytes, code) in table {
            assert_eq!(refusal(bytes), *code, "{}", bytes.escape_ascii());
        }
        assert_eq!(outline("MSH|^~\\&|A|B|C|D|||ADT^A01\r").1, ["hl7-no-control-id"]);
    }

    #[test]
    fn what_goes_on_elsewhere_is_reported() {
        let table = [
            ("OBX|1|FT|X||half\rADD| and half\rADD|.||||||F\rNTE|1\r", vec!["hl7-segment-continued"; 2]),
            ("OBX|1\rADD\rDSC|P1|F\r", vec!["hl7-segment-continued", "hl7-message-continued"]),
            ("OBX|1\rDSC\r", vec![]),
            ("OBX|1\rDSC| |F\r", vec![]),
        ];
        for (segments, codes) in table {
            assert_eq!(outline(&format!("{HEADER}\r{segments}")).1, codes, "{segments}");
        }
        let continued = format!("{HEADER}||P1\rADD| half.\r");
        assert_eq!(outline(&continued).1, ["hl7-segment-continued", "hl7-continuation"]);
    }

    #[test]
    fn hostile_messages_have_limits() {
        let separators = [HEADER.as_bytes(), b"\rZZ1", "|".repeat(FIELDS_MAX).as_bytes()].concat();
        assert_eq!(refusal(&separators), "hl7-too-many-fields");
        let lines = [HEADER.as_bytes(), "\rx".repeat(SEGMENTS_MAX - 1).as_bytes()].concat();
        assert_eq!(read(&lines).segments().len(), SEGMENTS_MAX);
        let lines = [HEADER.as_bytes(), "\rx".repeat(SEGMENTS_MAX).as_bytes()].concat();
        assert_eq!(refusal(&lines), "hl7-too-many-segments");
        let lines = [HEADER.as_bytes(), "\rx".repeat(10 * DIAGNOSTICS_MAX).as_bytes()].concat();
        assert_eq!(read(&lines).diagnostics().len(), DIAGNOSTICS_MAX);
    }

    /// The charset chosen for a message that declares `declared` and has `letters` in PID-5, and what is odd.
    fn charset(
        declared: &str,
        letters: &[u8],
        settings: &Settings,
    ) -> Result<(&'static str, Vec<&'static str>), &'static str> {
        let mut bytes = format!("{HEADER}||||||{declared}\rPID|1||||").into_bytes();
        bytes.extend_from_slice(letters);
        let message = parse(&bytes, settings).map_err(|refused| refused.diagnostic.code)?;
        assert_eq!(message.encode(), bytes);
        let odd = message.diagnostics().iter().map(|diagnostic| diagnostic.code).collect();
        Ok((message.encoding().charset.name(), odd))
    }

    #[test]
    fn the_charset_is_declared_or_found_out() {
        let usual = Settings::default();
        let (latin, utf_8, plain) = (b"M\xFCller".as_slice(), "M\u{fc}ller".as_bytes(), b"Muller".as_slice());
        let table: &[(&str, &[u8], &str, &[&str])] = &[
            ("", plain, "UTF-8", &[]),
            ("", utf_8, "UTF-8", &[]),
            ("", latin, "windows-1252", &[]),
            ("UNICODE UTF-8", utf_8, "UTF-8", &[]),
            ("UNICODE UTF-8", latin, "windows-1252", &["hl7-charset-mismatch"]),
            ("8859/1", latin, "windows-1252", &[]),
            ("8859/1", utf_8, "windows-1252", &["hl7-charset-doubtful"]),
            ("8859/2~UNICODE UTF-8", latin, "ISO-8859-2", &[]),
            ("ASCII", plain, "UTF-8", &[]),
            ("ASCII", latin, "windows-1252", &["hl7-charset-mismatch"]),
            ("KLINGON", latin, "windows-1252", &["hl7-charset-unknown"]),
            ("BIG-5", plain, "Big5", &[]),
            ("BIG-5", b"\xA4\x7C", "Big5", &[]),
            ("UNICODE UTF-16", plain, "UTF-8", &[]),
            ("CNS 11643-1992", plain, "UTF-8", &[]),
            ("ASCII~8859/2", latin, "ISO-8859-2", &[]),
        ];
        for (declared, letters, expected, odd) in table {
            assert_eq!(charset(declared, letters, &usual), Ok((*expected, odd.to_vec())), "{declared}");
        }
        assert_eq!(charset("CNS 11643-1992", b"\xA4\xA4", &usual), Err("hl7-charset-unsupported"));
        assert_eq!(charset("ISO IR87", b"\x1B$B;|\x1B(B", &usual), Ok(("ISO-2022-JP", vec![])));
    }

    #[test]
    fn a_source_may_overrule_the_declaration() {
        let set = Settings { charset: Some(Charset::latin_1()), ..Settings::default() };
        assert_eq!(charset("UNICODE UTF-8", b"M\xFCller", &set), Ok(("windows-1252", vec![])));
        let set = Settings { charset: Some(Charset::utf_8()), ..Settings::default() };
        assert_eq!(charset("8859/1", b"M\xFCller", &set), Ok(("UTF-8", vec!["hl7-charset-mismatch"])));
        let set = Settings { charset: None, fallback: Charset::named("8859/2").unwrap() };
        assert_eq!(charset("", b"M\xFCller", &set), Ok(("ISO-8859-2", vec![])));
    }
}
