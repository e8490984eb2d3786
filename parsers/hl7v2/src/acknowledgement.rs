//! The answer to a message: MSH, MSA and ERR in the sender's own delimiters and version (chapter 2, "Acknowledgment message").
//!
//! It repeats the sender's control id byte for byte and holds no patient data: places, codes and our own fixed texts only.

mod mode;

use std::borrow::Cow;

use orderly_record::{Diagnostic, Place, Severity};

use crate::charset::Charset;
use crate::delimiters::{Delimiters, Encoding};
use crate::escape::escape;
use crate::header::Header;
use crate::path::{Path, Select};

/// The answer's code (HL7 table 0008).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AckCode {
    /// Application accept.
    AA,
    /// Application error: sending the same again will not help.
    AE,
    /// Application reject: refused for its header, or because it can't be taken now.
    AR,
    /// Commit accept: stored.
    CA,
    /// Commit error.
    CE,
    /// Commit reject.
    CR,
}

impl AckCode {
    /// As it stands in MSA-1.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AA => "AA",
            Self::AE => "AE",
            Self::AR => "AR",
            Self::CA => "CA",
            Self::CE => "CE",
            Self::CR => "CR",
        }
    }

    /// The code of this text, blanks and case aside.
    pub fn named(text: &str) -> Option<Self> {
        let all = [Self::AA, Self::AE, Self::AR, Self::CA, Self::CE, Self::CR];
        all.into_iter().find(|code| code.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

/// What to answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'x> {
    /// The code.
    pub code: AckCode,
    /// The answer's own control id, at most 20 characters: MSH-10.
    pub control_id: &'x str,
    /// The answer's own time as HL7 writes it, `20260305141501-0500`: MSH-7.
    pub at: &'x str,
    /// What was wrong.
    pub errors: &'x [AckError],
}

/// One thing that was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckError {
    /// Where, as a path such as `PID-3[2].1`; empty when nowhere in particular.
    pub location: String,
    /// The kind of error by HL7 table 0357, for example 101.
    pub code: u16,
    /// How bad it is.
    pub severity: Severity,
    /// What to do about it, without patient data.
    pub text: String,
}

/// The error that a diagnostic is to the sender.
impl From<&Diagnostic> for AckError {
    fn from(diagnostic: &Diagnostic) -> Self {
        let code = match diagnostic.code {
            "hl7-bad-segment-name" => 100,
            "hl7-no-type" | "hl7-no-control-id" => 101,
            "hl7-charset-unsupported" | "hl7-charset-mismatch" | "hl7-charset-unknown" => 102,
            _ if diagnostic.fault == orderly_record::Fault::Engine => 207,
            _ => 199,
        };
        let location = match &diagnostic.place {
            Place::Input { path, .. } => path.clone(),
            Place::None | Place::File { .. } => String::new(),
        };
        Self { location, code, severity: diagnostic.severity, text: diagnostic.message.clone() }
    }
}

/// The bytes of the answer. Without a header (nothing could be read) it is a bare one in the usual delimiters, addressed to nobody.
pub fn acknowledge(header: Option<&Header>, answer: &Answer<'_>) -> Vec<u8> {
    let usual = Encoding { delimiters: Delimiters::default(), charset: Charset::utf_8() };
    let encoding = header.map_or(usual, |header| *header.encoding());
    let version = Version::of(header);
    let mut writer = Writer { encoding, bytes: Vec::with_capacity(256) };
    message_header(&mut writer, header, version, answer);
    writer.segment("MSA");
    writer.literal(answer.code.as_str());
    writer.raw(header.map(|header| header.field(10).raw()).unwrap_or_default());
    if let Some(error) = answer.errors.first().filter(|_| version < Version(2, 7)) {
        writer.text(&error.text);
    }
    writer.end();
    if version >= Version(2, 5) {
        answer.errors.iter().for_each(|error| error_segment(&mut writer, error));
    } else if !answer.errors.is_empty() {
        old_error_segment(&mut writer, answer.errors);
    }
    if encoding.charset.is_transcoded() { encoding.charset.send(&writer.bytes) } else { writer.bytes }
}

fn message_header(writer: &mut Writer, header: Option<&Header>, version: Version, answer: &Answer<'_>) {
    let field = |n: usize| header.map(|header| header.field(n).raw()).unwrap_or_default();
    let or = |raw: &[u8], instead: &'static str| {
        if raw.is_empty() { instead.as_bytes().to_vec() } else { raw.to_vec() }
    };
    writer.bytes.extend_from_slice(b"MSH");
    writer.raw(&writer.encoding.delimiters.declaration());
    for n in [5, 6, 3, 4] {
        writer.raw(field(n));
    }
    writer.text(answer.at);
    writer.raw(b"");
    let event = header.map(Header::event).unwrap_or_default();
    match version {
        _ if version < Version(2, 3) || event.is_empty() => writer.literal("ACK"),
        _ if version < Version(2, 5) => writer.components(&["ACK", &event]),
        _ => writer.components(&["ACK", &event, "ACK"]),
    }
    writer.text(answer.control_id);
    writer.raw(&or(field(11), "P"));
    writer.raw(&or(field(12), "2.4"));
    // What is echoed may hold the sender's letters: then the sender's charset must be named with them.
    if !writer.bytes.is_ascii() {
        (13..18).for_each(|_| writer.raw(b""));
        writer.raw(field(18));
    }
    writer.end();
}

/// Since 2.5 (ERR-2 to ERR-8): one segment for each error.
fn error_segment(writer: &mut Writer, error: &AckError) {
    writer.segment("ERR");
    writer.raw(b"");
    let location = Erl::of(&error.location);
    writer.components(&location.parts());
    writer.components(&[&error.code.to_string(), meaning(error.code), "HL70357"]);
    writer.literal(severity(error));
    (0..3).for_each(|_| writer.raw(b""));
    writer.text(&error.text);
    writer.end();
}

/// Up to 2.4 (ERR-1): one segment, its field repeated for each error.
fn old_error_segment(writer: &mut Writer, errors: &[AckError]) {
    writer.segment("ERR");
    let delimiters = writer.encoding.delimiters;
    writer.raw(b"");
    for (index, error) in errors.iter().enumerate() {
        if index > 0 {
            let Some(repetition) = delimiters.repetition else { break };
            writer.bytes.push(repetition);
        }
        let location = Erl::of(&error.location);
        let Some(component) = delimiters.component else { break };
        for part in [&location.segment, &location.occurrence, &location.field] {
            writer.append(part);
            writer.bytes.push(component);
        }
        writer.append(&error.code.to_string());
        if let Some(subcomponent) = delimiters.subcomponent {
            for part in [meaning(error.code), "HL70357"] {
                writer.bytes.push(subcomponent);
                writer.append(part);
            }
        }
    }
    writer.end();
}

/// Severity by HL7 table 0516.
fn severity(error: &AckError) -> &'static str {
    match error.severity {
        Severity::Error => "E",
        Severity::Warning => "W",
        Severity::Note => "I",
    }
}

/// HL7 table 0357 in words.
fn meaning(code: u16) -> &'static str {
    match code {
        0 => "Message accepted",
        100 => "Segment sequence error",
        101 => "Required field missing",
        102 => "Data type error",
        103 => "Table value not found",
        104 => "Value too long",
        198 => "Cardinality violated",
        200 => "Unsupported message type",
        201 => "Unsupported event code",
        202 => "Unsupported processing id",
        203 => "Unsupported version id",
        204 => "Unknown key identifier",
        205 => "Duplicate key identifier",
        206 => "Application record locked",
        207 => "Application internal error",
        _ => "Other error",
    }
}

/// A place in the parts that type ERL has for it; empty where the path says nothing.
#[derive(Default)]
struct Erl {
    segment: String,
    occurrence: String,
    field: String,
    repetition: String,
    component: String,
    subcomponent: String,
}

impl Erl {
    fn of(path: &str) -> Self {
        let Ok(path) = path.parse::<Path<std::convert::Infallible>>() else { return Self::default() };
        let nth =
            |select: &Select<_>| if let Select::Nth(n) = select { n.to_string() } else { "1".to_owned() };
        let number = |given: Option<usize>| given.map(|n| n.to_string()).unwrap_or_default();
        let repetition = path.repetition.as_ref().map(nth);
        Self {
            occurrence: nth(&path.occurrence),
            field: number(path.field),
            repetition: repetition.or(path.component.map(|_| "1".to_owned())).unwrap_or_default(),
            component: number(path.component),
            subcomponent: number(path.subcomponent),
            segment: path.segment,
        }
    }

    /// All parts but trailing empty ones.
    fn parts(&self) -> Vec<&str> {
        let all = [
            &self.segment,
            &self.occurrence,
            &self.field,
            &self.repetition,
            &self.component,
            &self.subcomponent,
        ];
        let used = all.iter().rposition(|part| !part.is_empty()).map_or(0, |last| last + 1);
        all.into_iter().take(used).map(String::as_str).collect()
    }
}

/// The sender's version, for comparing: 2.5.1 is (2, 5). A header that names none is answered as 2.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl Version {
    fn of(header: Option<&Header>) -> Self {
        let text = header.map(Header::version).unwrap_or_default();
        let mut numbers = text.trim().split('.').map(|number| number.parse().ok());
        match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(major), Some(minor)) => Self(major, minor),
            _ => Self(2, 4),
        }
    }
}

/// Writes segments in the sender's encoding.
struct Writer {
    encoding: Encoding,
    bytes: Vec<u8>,
}

impl Writer {
    fn segment(&mut self, name: &str) {
        self.bytes.extend_from_slice(name.as_bytes());
    }

    fn end(&mut self) {
        self.bytes.push(b'\r');
    }

    /// A field of bytes as they are.
    fn raw(&mut self, raw: &[u8]) {
        self.bytes.push(self.encoding.delimiters.field);
        self.bytes.extend_from_slice(raw);
    }

    /// A field of letters and digits.
    fn literal(&mut self, text: &str) {
        self.raw(text.as_bytes());
    }

    /// A field of one text.
    fn text(&mut self, text: &str) {
        self.raw(b"");
        self.append(text);
    }

    /// A field of components; only the first when the sender knows none.
    fn components(&mut self, components: &[&str]) {
        self.raw(b"");
        for (index, text) in components.iter().enumerate() {
            if index > 0 {
                let Some(component) = self.encoding.delimiters.component else { return };
                self.bytes.push(component);
            }
            self.append(text);
        }
    }

    /// Text, escaped; what the sender's encoding can't hold at all becomes `?`, since half an explanation is better than no answer.
    fn append(&mut self, text: &str) {
        let escaped = escape(text, &self.encoding).map(Cow::into_owned).unwrap_or_else(|_| {
            let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, ' ' | '.');
            text.chars().map(|character| if plain(character) { character as u8 } else { b'?' }).collect()
        });
        self.bytes.extend_from_slice(&escaped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Settings, parse};
    use crate::read_reply;

    /// The answer to a message with this header, its segments one a line.
    fn answer(header: &str, code: AckCode, errors: &[AckError]) -> String {
        let message = parse(header.as_bytes(), &Settings::default()).unwrap();
        let answer = Answer { code, control_id: "E9914", at: "20260305141501-0500", errors };
        let bytes = acknowledge(Some(&message.header()), &answer);
        assert_eq!(read_reply(&bytes).unwrap().code, Some(code));
        assert_eq!(read_reply(&bytes).unwrap().control_id, message.header().control_id());
        String::from_utf8_lossy(&bytes).replace('\r', "\n")
    }

    fn header(version: &str) -> String {
        format!(
            "MSH|^~\\&|REGI^1.2^ISO|NORTH|ENG|HUB|20260305141500-0500||ADT^A04^ADT_A01|N000731|P|{version}|||AL|NE\r"
        )
    }

    fn missing() -> AckError {
        AckError {
            location: "PID-3".into(),
            code: 101,
            severity: Severity::Error,
            text: "Patient identifier is missing".into(),
        }
    }

    #[test]
    fn sender_and_receiver_change_places() {
        assert_eq!(
            answer(&header("2.5.1"), AckCode::AA, &[]),
            "MSH|^~\\&|ENG|HUB|REGI^1.2^ISO|NORTH|20260305141501-0500||ACK^A04^ACK|E9914|P|2.5.1\nMSA|AA|N000731\n"
        );
    }

    #[test]
    fn the_type_s_form_follows_the_version() {
        let forms = [
            ("2.1", "ACK"),
            ("2.2", "ACK"),
            ("2.3", "ACK^A04"),
            ("2.3.1", "ACK^A04"),
            ("2.4", "ACK^A04"),
            ("2.5", "ACK^A04^ACK"),
            ("2.8", "ACK^A04^ACK"),
            ("", "ACK^A04"),
        ];
        for (version, form) in forms {
            let answer = answer(&header(version), AckCode::AA, &[]);
            assert!(answer.contains(&format!("||{form}|E9914|")), "{version}: {answer}");
        }
    }

    #[test]
    fn what_is_echoed_is_echoed_whole() {
        let text = answer(
            "MSH|^~\\&|A^1.2^ISO|B|C^1.3^ISO|D^D2|||ADT^A04^ADT_A01| a\\T\\1 |P^T|2.5.1^USA^x|||||FRA\r",
            AckCode::CA,
            &[],
        );
        let expected = "MSH|^~\\&|C^1.3^ISO|D^D2|A^1.2^ISO|B|20260305141501-0500||ACK^A04^ACK|E9914|P^T|2.5.1^USA^x\n\
            MSA|CA| a\\T\\1 \n";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_answer_is_in_the_charset_of_the_message() {
        let answered = |header: &[u8]| {
            let message = parse(header, &Settings::default()).unwrap();
            let answer = Answer { code: AckCode::AA, control_id: "E1", at: "2026", errors: &[] };
            acknowledge(Some(&message.header()), &answer)
        };
        let big5 = answered(b"MSH|^~\\&|\xB3\x5C|B|C|D|||ADT^A01|7|P|2.5||||||BIG-5\r");
        assert_eq!(big5, b"MSH|^~\\&|C|D|\xB3\x5C|B|2026||ACK^A01^ACK|E1|P|2.5||||||BIG-5\rMSA|AA|7\r");
        let latin = answered(b"MSH|^~\\&|\xFC|B|C|D|||ADT^A01|7|P|2.5||||||8859/1\r");
        assert_eq!(latin, b"MSH|^~\\&|C|D|\xFC|B|2026||ACK^A01^ACK|E1|P|2.5||||||8859/1\rMSA|AA|7\r");
        let wide: Vec<u8> =
            "MSH|^~\\&|A|B|C|D|||ADT^A01|7|P|2.5\r".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let plain = "MSH|^~\\&|C|D|A|B|2026||ACK^A01^ACK|E1|P|2.5\rMSA|AA|7\r";
        let expected: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(answered(&wide), expected);
    }

    #[test]
    fn errors_since_2_5_have_a_segment_each() {
        let odd = AckError {
            location: "PV1[2]-2.1".into(),
            code: 103,
            severity: Severity::Warning,
            text: "a|b".into(),
        };
        let text = answer(&header("2.5"), AckCode::AE, &[missing(), odd]);
        let expected = "MSA|AE|N000731|Patient identifier is missing\n\
            ERR||PID^1^3|101^Required field missing^HL70357|E||||Patient identifier is missing\n\
            ERR||PV1^2^2^1^1|103^Table value not found^HL70357|W||||a\\F\\b\n";
        assert_eq!(text.split_once('\n').unwrap().1, expected);
        assert!(answer(&header("2.7"), AckCode::AE, &[missing()]).contains("\nMSA|AE|N000731\n"));
    }

    #[test]
    fn errors_before_2_5_share_one_segment() {
        let text = answer(
            &header("2.3"),
            AckCode::AE,
            &[missing(), AckError { location: String::new(), code: 199, ..missing() }],
        );
        let expected = "MSA|AE|N000731|Patient identifier is missing\n\
            ERR|PID^1^3^101&Required field missing&HL70357~^^^199&Other error&HL70357\n";
        assert_eq!(text.split_once('\n').unwrap().1, expected);
    }

    #[test]
    fn the_sender_s_delimiters_and_bytes_are_kept() {
        let text =
            answer("MSH#*!?:#APP#FAC#ENG#HUB#20260305##ADT*A01#a?T?b ^#P#2.5\r", AckCode::AR, &[missing()]);
        let expected = "MSH#*!?:#ENG#HUB#APP#FAC#20260305141501-0500##ACK*A01*ACK#E9914#P#2.5\n\
            MSA#AR#a?T?b ^#Patient identifier is missing\n\
            ERR##PID*1*3#101*Required field missing*HL70357#E####Patient identifier is missing\n";
        assert_eq!(text, expected);
        let short = answer(
            "MSH|^|A|B|C|D|||ADT^A01|1|P|2.5\r",
            AckCode::AE,
            &[AckError { text: "a^b".into(), ..missing() }],
        );
        assert!(short.starts_with("MSH|^|C|D|A|B|"));
        assert!(short.ends_with("|E||||a?b\n"), "{short}");
    }

    #[test]
    fn a_charset_is_named_when_its_letters_are_repeated() {
        let header = "MSH|^~\\&|M\u{fc}ller|B|C|D|||ADT^A01|1|P|2.5||||||UNICODE UTF-8\r";
        assert!(answer(header, AckCode::AA, &[]).contains("|P|2.5||||||UNICODE UTF-8\n"));
        let header = "MSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5||||||UNICODE UTF-8\r";
        assert!(answer(header, AckCode::AA, &[]).contains("|P|2.5\n"));
    }

    #[test]
    fn damage_is_answered_too() {
        let unreadable = parse(b"MSH|^~\\&|A|B", &Settings::default()).unwrap_err();
        let errors = [AckError::from(&unreadable.diagnostic)];
        let answer = Answer { code: AckCode::AE, control_id: "E1", at: "2026", errors: &errors };
        let bytes = acknowledge(unreadable.header.as_ref(), &answer);
        let expected = "MSH|^~\\&|||A|B|2026||ACK|E1|P|2.4\r\
            MSA|AE||the header has no message type\r\
            ERR|MSH^1^9^101&Required field missing&HL70357\r";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        let nobody = acknowledge(None, &Answer { errors: &[], ..answer });
        assert_eq!(nobody, b"MSH|^~\\&|||||2026||ACK|E1|P|2.4\rMSA|AE|\r");
        let refused = parse(b"MSH|^^\\&|A|B|C|D|||ADT^A01|7\r", &Settings::default()).unwrap_err();
        let answer = acknowledge(refused.header.as_ref(), &Answer { errors: &[], ..answer });
        assert_eq!(answer, b"MSH|^~\\&|C|D|A|B|2026||ACK^A01|E1|P|2.4\rMSA|AE|7\r");
    }
}
