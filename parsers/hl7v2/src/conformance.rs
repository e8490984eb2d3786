//! Whether a message is as its version of the standard says: segments and groups in their places; fields that must be there, lengths,
//! repetitions, codes and data types.
//!
//! Conformance is an opinion beside the message and changes nothing: hardly any sender conforms, and what it sends is read all the same.
//! The findings say where and what, never a value of the message.

use orderly_record::{Diagnostic, Fault, Moment};

use crate::dictionary::{self, Part, Version, own_structure};
use crate::groups::{Flaw, What, judge};
use crate::message::{Message, Position};
use crate::places::Places;
use crate::view::{Presence, View};

/// How many notes are reported, and how many warnings; a message with more is not made for its version, and one more tells nobody anything.
const FINDINGS_MAX: usize = 1_000;

/// Tables that no list ends: namespaces, applications, facilities, authorities, and code systems (99zzz, HL7nnnn).
const ENDLESS_TABLES: [u16; 5] = [300, 361, 362, 363, 396];

/// What of a message is not as its version has it, in the order of the message, a thousand warnings and a thousand notes at most. A version
/// that the dictionary does not know is judged by the nearest; segments of messages whose structure it does not know have no order.
pub fn validate(message: &Message<'_>) -> Vec<Diagnostic> {
    let header = message.header();
    let version = Version::nearest(&header.version());
    let structure = own_structure(&header.message_type(), &header.event(), &header.structure());
    let (name, flaws) = structure.map_or_else(Default::default, |(name, structure)| {
        let names: Vec<&str> = message.segments().iter().map(crate::Segment::name).collect();
        (name, judge(&names, structure, version))
    });
    let mut flaws = flaws.into_iter().peekable();
    let mut validation = Validation {
        message,
        places: Places::of(message),
        version,
        findings: Vec::new(),
        warnings: 0,
        notes: 0,
    };
    let mut offset = message.leading.len();
    for (index, segment) in message.segments().iter().enumerate() {
        while let Some(flaw) = flaws.next_if(|flaw| flaw.segment == index) {
            validation.structure(name, &flaw, offset);
        }
        validation.segment(index, segment.name(), offset);
        offset += segment.sent_len(message.encoding());
    }
    validation.findings
}

/// One validation so far.
struct Validation<'v> {
    message: &'v Message<'v>,
    /// Which of its name each segment is, counted once.
    places: Places<'v>,
    version: Version,
    findings: Vec<Diagnostic>,
    warnings: usize,
    notes: usize,
}

/// A place that is judged.
#[derive(Clone, Copy)]
struct At {
    position: Position,
    /// Bytes from the start of the message, as it came in, to its field.
    offset: usize,
}

impl Validation<'_> {
    fn segment(&mut self, index: usize, name: &str, offset: usize) {
        let at = |field: usize, offset: usize| At { position: Position::field(index, field), offset };
        if name.starts_with('Z') || !is_segment_name(name) {
            return;
        }
        if dictionary::segment(name).is_none() {
            let message = format!("no version has a segment {name}; one of the site's own begins with Z");
            self.report("hl7-conformance-segment", false, at(1, offset), message);
            return;
        }
        let Some(segment) = self.message.segments().get(index) else { return };
        let defined = (1..=dictionary::field_count(name)).rev();
        let defined = defined.into_iter().find(|field| dictionary::has_field(name, *field, self.version));
        let places = segment.places(self.message.encoding());
        let end = places.last().copied().unwrap_or(0);
        for field in 1..=segment.last_field().max(defined.unwrap_or(0)) {
            // A header's first two fields declare the delimiters, and are read before anything can be judged.
            if !(segment.declares_delimiters() && field <= 2) {
                let place = places.get(segment.index(field)).copied().unwrap_or(end);
                self.field(name, self.message.field(index, field), at(field, offset + place));
            }
        }
    }

    /// A segment that is missing, or not where the structure of this name has it.
    fn structure(&mut self, name: &str, flaw: &Flaw, offset: usize) {
        let (segment, occurrence) = self.places.occurrence(flaw.segment).unwrap_or_default();
        // Of a segment that no version has, and of a line that is none, that is said.
        if dictionary::segment(segment).is_none() && !matches!(flaw.what, What::Missing(_)) {
            return;
        }
        let (code, is_warning, message) = match &flaw.what {
            What::Missing(what) => {
                ("hl7-conformance-missing", true, format!("{name} requires {what}, and it is missing"))
            }
            What::Again(what) => {
                ("hl7-conformance-again", true, format!("{name} has {what} once here, and this is another"))
            }
            What::Misplaced => {
                ("hl7-conformance-place", false, format!("{name} has {segment} in another place"))
            }
            What::Foreign => ("hl7-conformance-foreign", false, format!("{name} has no segment {segment}")),
        };
        let path = if occurrence > 1 { format!("{segment}[{occurrence}]") } else { segment.to_owned() };
        self.add(code, is_warning, message, offset, path);
    }

    fn field(&mut self, segment: &str, view: View<'_>, at: At) {
        let field = at.position.field;
        if !dictionary::has_field(segment, field, self.version) {
            if view.presence() != Presence::Empty {
                let message = format!("{} has no such field", self.version);
                self.report("hl7-conformance-undefined", false, at, message);
            }
            return;
        }
        let Some(part) = dictionary::field(segment, field, self.version) else { return };
        match view.presence() {
            Presence::Empty if part.required => {
                let message = format!("{} requires {}, and it is missing", self.version, part.title);
                self.report("hl7-conformance-required", true, at, message);
            }
            Presence::Empty | Presence::Null => {}
            Presence::Present => self.present_field(segment, part, view, at),
        }
    }

    fn present_field(&mut self, segment: &str, part: &Part, view: View<'_>, at: At) {
        if part.withdrawn {
            let message = format!("{} has withdrawn {}", self.version, part.title);
            self.report("hl7-conformance-withdrawn", false, at, message);
        }
        if view.count() > 1 && !part.repeats {
            self.report("hl7-conformance-repeats", true, at, format!("{} does not repeat", part.title));
        }
        let data_type = self.message.data_type(segment, part, at.position.segment);
        for (number, repetition) in (1..).zip(view.children()) {
            let at = At { position: Position { repetition: Some(number), ..at.position }, ..at };
            self.length(part, repetition, at);
            self.value(&data_type, part.table, repetition, at);
        }
    }

    fn length(&mut self, part: &Part, view: View<'_>, at: At) {
        let Some(most) = part.length else { return };
        // Bytes are never fewer than characters, and counting those takes decoding.
        if view.raw().len() > most {
            let length = view.whole_text().chars().count();
            if length > most {
                let message = format!("{} has {length} characters, where {most} are allowed", part.title);
                self.report("hl7-conformance-length", false, at, message);
            }
        }
    }

    /// A repetition, component or subcomponent that has a value of this type.
    fn value(&mut self, data_type: &str, table: Option<u16>, view: View<'_>, at: At) {
        if view.presence() != Presence::Present {
            return;
        }
        let text = view.text();
        if matches!(data_type, "TS" | "DTM" | "DT" | "TM" | "NM" | "SI") {
            if !is_of_type(data_type, text.trim()) {
                let message = format!("this is no {}", kind(data_type));
                self.report("hl7-conformance-type", true, at, message);
            }
            return;
        }
        if let Some(table) = table.filter(|_| self.is_coded(data_type, view)) {
            self.code(data_type, table, text.trim(), at);
        }
        let count = dictionary::component_count(data_type);
        let parts = if count > 0 { count.max(view.count()) } else { 0 };
        let none = || view.child(usize::MAX);
        for (number, child) in (1..=parts).zip(view.children().chain(std::iter::repeat_with(none))) {
            let Some(inner) = below(at, number) else { return };
            match dictionary::component(data_type, number, self.version) {
                Some(part) if child.presence() == Presence::Empty && part.required => {
                    let message = format!("{} requires {}, and it is missing", self.version, part.title);
                    self.report("hl7-conformance-required", false, inner, message);
                }
                Some(part) => self.value(part.data_type, part.table, child, inner),
                None if child.presence() == Presence::Empty => {}
                None => {
                    let message = format!("{} has no such part in a {data_type}", self.version);
                    self.report("hl7-conformance-undefined", false, inner, message);
                }
            }
        }
    }

    /// Whether a value's code is one of its field's table: a coded element may name another system (its third part).
    fn is_coded(&self, data_type: &str, view: View<'_>) -> bool {
        match data_type {
            "ID" | "IS" => true,
            "CE" | "CWE" | "CNE" | "CF" => view.child(3).presence() == Presence::Empty,
            _ => false,
        }
    }

    fn code(&mut self, data_type: &str, number: u16, code: &str, at: At) {
        let is_list = !ENDLESS_TABLES.contains(&number);
        let Some(table) = dictionary::table(number).filter(|_| is_list) else { return };
        if !table.has(code, self.version) {
            let message = format!("this code is not in table {number:04}, {}", table.title);
            self.report("hl7-conformance-code", data_type == "ID", at, message);
        }
    }

    fn report(&mut self, code: &'static str, is_warning: bool, at: At, message: String) {
        let path = self.places.path(&at.position);
        self.add(code, is_warning, message, at.offset, path);
    }

    /// Adds a finding: a warning where a receiver may well stumble, else a note.
    fn add(&mut self, code: &'static str, is_warning: bool, message: String, offset: usize, path: String) {
        let count = if is_warning { &mut self.warnings } else { &mut self.notes };
        *count += 1;
        if *count > FINDINGS_MAX {
            return;
        }
        let finding = match is_warning {
            true => Diagnostic::warning(code, Fault::Sender, message),
            false => Diagnostic::note(code, Fault::Sender, message),
        };
        self.findings.push(finding.in_input(offset, path));
    }
}

/// A line that begins with no segment's name is some text, and not for showing; the parser tells of it.
fn is_segment_name(name: &str) -> bool {
    name.len() == 3 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn below(at: At, number: usize) -> Option<At> {
    let position = match at.position {
        Position { component: None, .. } => Position { component: Some(number), ..at.position },
        Position { subcomponent: None, .. } => Position { subcomponent: Some(number), ..at.position },
        _ => return None,
    };
    Some(At { position, ..at })
}

/// Chapter 2A: dates at any precision, numbers without exponents.
fn is_of_type(data_type: &str, text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match data_type {
        "SI" => is_number(text),
        "NM" => {
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
            is_number(whole) && (fraction.is_empty() || is_number(fraction))
        }
        "DT" => is_number(text) && text.len() <= 8 && Moment::parse_hl7(text).is_some(),
        // A time is a date's rest.
        "TM" => {
            text.starts_with(|first: char| first.is_ascii_digit()) && is_moment(&format!("20000101{text}"))
        }
        _ => is_moment(text),
    }
}

/// As the standard writes it: ISO 8601 is read, but is not it.
fn is_moment(text: &str) -> bool {
    let is_own = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'-'));
    let has_dashes = text.as_bytes().get(4) == Some(&b'-') && text.as_bytes().get(7) == Some(&b'-');
    is_own && !has_dashes && Moment::parse_hl7(text).is_some()
}

fn kind(data_type: &str) -> &'static str {
    match data_type {
        "NM" => "number (NM)",
        "SI" => "whole number (SI)",
        "DT" => "date (DT, YYYYMMDD)",
        "TM" => "time (TM, HHMMSS)",
        _ => "date and time (YYYYMMDDHHMMSS)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Settings, parse};

    const OF_STRUCTURE: [&str; 4] = [
        "hl7-conformance-missing",
        "hl7-conformance-again",
        "hl7-conformance-place",
        "hl7-conformance-foreign",
    ];

    /// What is said of segments' contents.
    fn findings(segments: &str) -> Vec<String> {
        let is_of_structure = |finding: &String| OF_STRUCTURE.iter().any(|code| finding.starts_with(code));
        all_findings(segments).into_iter().filter(|finding| !is_of_structure(finding)).collect()
    }

    fn all_findings(segments: &str) -> Vec<String> {
        let bytes = format!("MSH|^~\\&|A|B|C|D|20260305||ADT^A01^ADT_A01|7|P|2.5.1\r{segments}");
        let message = parse(bytes.as_bytes(), &Settings::default()).unwrap();
        validate(&message).iter().map(|finding| format!("{} {}", finding.code, finding)).collect()
    }

    #[test]
    fn a_conforming_message_has_no_findings() {
        let segments = "PID|1||70014^^^NORTH^MR||TESTER^ALMA||19840211|F\rPV1|1|I\rZPI|anything|at^all\r";
        assert_eq!(findings(segments), [""; 0]);
    }

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(
            findings("PID|1\r"),
            [
                "hl7-conformance-required PID-3 (byte 58): warning[hl7-conformance-required]: 2.5.1 requires Patient Identifier List, and it is missing",
                "hl7-conformance-required PID-5 (byte 58): warning[hl7-conformance-required]: 2.5.1 requires Patient Name, and it is missing",
            ]
        );
    }

    fn codes(segment: &str) -> Vec<String> {
        let of = |finding: String| {
            let mut words = finding.split(' ');
            let code = words.next().unwrap_or_default().trim_start_matches("hl7-conformance-").to_owned();
            format!("{} {code}", words.next().unwrap_or_default())
        };
        findings(segment).into_iter().map(of).collect()
    }

    #[test]
    fn types_codes_lengths_and_repetitions_are_judged() {
        let pid = "PID|x||7^^^^XYZ||A^B||2026-02-11|K~F|||||||||||||||||x\r";
        assert_eq!(
            codes(pid),
            [
                "PID-1[1] type",
                "PID-3[1].5 code",
                "PID-7[1] type",
                "PID-8 repeats",
                "PID-8[1] code",
                "PID-25[1] type"
            ]
        );
        assert_eq!(codes("PV1|12345|I\r"), ["PV1-1[1] length"]);
        assert_eq!(codes("PV1|1|I\rQQQ|1\r"), ["QQQ-1 segment"]);
        assert_eq!(codes("EVN|A01|20260305|||||||||x\r"), ["EVN-11 undefined"]);
        assert_eq!(codes("NK1||A^B|SPO^^^^^^^^^^^x\r"), ["NK1-1 required", "NK1-3[1].12 undefined"]);
    }

    #[test]
    fn an_observation_s_value_is_of_the_type_it_says() {
        let obx = |kind: &str, value: &str| codes(&format!("OBX|1|{kind}|A^B^L||{value}||||||F\r"));
        for (kind, value, right) in [
            ("NM", "-1.25", true),
            ("NM", "<5", false),
            ("NM", "1e3", false),
            ("NM", "5.", true),
            ("ST", "<5", true),
            ("DT", "20260231", false),
            ("DT", "202602", true),
            ("TM", "1415", true),
            ("TM", "25", false),
            ("TS", "20260305141500.1-0500", true),
            ("DTM", "202603051", false),
            ("SN", "<^5", true),
            ("SN", "<^x", false),
        ] {
            assert_eq!(obx(kind, value).is_empty(), right, "{kind} {value}: {:?}", obx(kind, value));
        }
    }

    #[test]
    fn segments_are_judged_by_the_structure() {
        let admission = "PID|1||70014^^^NORTH^MR||TESTER^ALMA||19840211|F\rPV1|1|I\r";
        assert_eq!(
            all_findings(&format!("{admission}PV1|2|I\rRXR|PO\rQQQ|1\r")),
            [
                "hl7-conformance-missing MSH (byte 0): warning[hl7-conformance-missing]: ADT_A01 requires EVN, and it is missing",
                "hl7-conformance-again PV1[2] (byte 110): warning[hl7-conformance-again]: ADT_A01 has PV1 once here, and this is another",
                "hl7-conformance-foreign RXR (byte 118): note[hl7-conformance-foreign]: ADT_A01 has no segment RXR",
                "hl7-conformance-segment QQQ-1 (byte 125): note[hl7-conformance-segment]: no version has a segment QQQ; one of the site's own begins with Z",
            ]
        );
    }

    #[test]
    fn without_a_structure_segments_have_no_order() {
        let bytes = b"MSH|^~\\&|A|B|C|D|20260305||ZAB^Z77|7|P|2.5.1\rRXR|PO\rPV1|1|I\rPV1|1|I\r";
        let message = parse(bytes, &Settings::default()).unwrap();
        assert!(validate(&message).iter().all(|finding| !OF_STRUCTURE.contains(&finding.code)));
    }

    #[test]
    fn places_are_counted_in_the_bytes_that_came() {
        let text =
            "MSH|^~\\&|Ä|B|C|D|20260305||ACK|7|P|2.5.1||||||UNICODE UTF-16\r\nMSA|AA|7|許Ж|||||||||x\r\n";
        let before = text.split_once("|x").unwrap().0;
        let place = (before.encode_utf16().count() + 1) * 2;
        let of = |bytes: &[u8]| {
            let message = parse(bytes, &Settings::default()).unwrap();
            let found = validate(&message);
            let found = found.iter().find(|finding| finding.code == "hl7-conformance-undefined").unwrap();
            found.place.clone()
        };
        let path = "MSA-12".to_owned();
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(of(&wide), orderly_record::Place::Input { offset: place, path: path.clone() });
        // Big5 writes each of these letters in two bytes, and a byte of the first is a backslash.
        let bytes =
            b"MSH|^~\\&|A|B|C|D|20260305||ACK|7|P|2.5.1||||||BIG-5\rMSA|AA|7|\xB3\x5C\xB3\x7C|||||||||x\r";
        let offset = bytes.len() - 2;
        assert_eq!(of(bytes), orderly_record::Place::Input { offset, path });
    }

    #[test]
    fn there_is_an_end_to_findings_and_notes_hide_no_warning() {
        assert_eq!(findings(&"QQQ|1\r".repeat(2_000)).len(), FINDINGS_MAX);
        let found = findings(&format!("{}PV1|1\r", "QQQ|1\r".repeat(2_000)));
        assert!(found.iter().any(|finding| finding.contains("requires Patient Class")), "{}", found.len());
        assert_eq!(findings("JANE DOE|1\r"), [""; 0]);
    }
}
