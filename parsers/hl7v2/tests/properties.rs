//! What holds for every message: bytes come back, an edit changes what it names, and nothing panics.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use orderly_hl7v2::{
    AckCode, Answer, Charset, Groups, Level, Message, Position, Presence, Settings, acknowledge, normalize,
    parse, read_reply, split, validate,
};
use orderly_record::Place;
use proptest::prelude::*;

/// A field with all kinds of structure and oddities, but no line end.
fn field() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => "[A-Za-z0-9 ]{0,6}".prop_map(String::into_bytes),
        4 => prop::sample::select(vec!["^", "~", "&", "\\", "\\F\\", "\\.br\\", "\\X0D\\", "\"\"", "#"]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(0x80_u8..=0xFF, 0..3),
        1 => "[\\PC&&[^|\\r\\n]]{0,3}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// A whole message, with odd names and line ends.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "PID", "PV1", "ORC", "OBR", "OBX", "NTE", "SPM", "ZZ1", "EVN", "odd", "TXA", "SCH", "AIS", "NK1",
        "RXO", "RXE", "RXD", "RXG", "RXA", "RXR", "RXC", "TQ1", "AL1", "IAM", "DG1", "PRB", "PR1", "IN1",
        "IN2", "FT1",
    ]);
    let line_end = prop::sample::select(vec!["\r", "\n", "\r\n", "\r\r", "\r  "]);
    let segment =
        (name, prop::collection::vec(field(), 0..20), line_end.clone()).prop_map(|(name, fields, end)| {
            let mut bytes = name.as_bytes().to_vec();
            for field in fields {
                bytes.push(b'|');
                bytes.extend(field);
            }
            bytes.extend(end.as_bytes());
            bytes
        });
    let kind = prop::sample::select(vec![
        "ORU^R01", "ADT^A01", "ADT^A40", "SIU^S12", "ORM^O01", "OML^O21", "VXU^V04", "RDE^O11", "MDM^T02",
    ]);
    (kind, line_end, prop::collection::vec(segment, 0..12)).prop_map(|(kind, end, segments)| {
        let header = format!("MSH|^~\\&|A|B|C|D|20260305||{kind}|1|P|2.5{end}");
        [header.into_bytes(), segments.concat()].concat()
    })
}

fn findings_are_within(message: &Message<'_>, length: usize) -> bool {
    validate(message).iter().all(|finding| {
        matches!(&finding.place, Place::Input { offset, path } if *offset <= length && !path.is_empty())
    })
}

fn read(bytes: &[u8]) -> Message<'_> {
    parse(bytes, &Settings::default()).unwrap()
}

fn position(message: &Message<'_>) -> impl Strategy<Value = Position> + use<> {
    let last = message.segments().len();
    let number = || prop::option::of(1_usize..4);
    (1..=last.max(2), 1_usize..25, number(), number(), number()).prop_map(
        |(segment, field, repetition, component, subcomponent)| Position {
            segment,
            field,
            repetition,
            component,
            subcomponent: subcomponent.filter(|_| component.is_some()),
        },
    )
}

fn message_and_position() -> impl Strategy<Value = (Vec<u8>, Position)> {
    message().prop_flat_map(|bytes| {
        let position = position(&read(&bytes));
        (Just(bytes), position)
    })
}

/// The raw fields of every segment, but for the one at the position.
fn others(message: &Message<'_>, at: &Position) -> Vec<(usize, usize, Vec<u8>)> {
    let mut all = Vec::new();
    for (index, segment) in message.segments().iter().enumerate() {
        for field in 1..=segment.last_field() {
            let raw = message.field(index, field).raw();
            if (index, field) != (at.segment, at.field) && !raw.is_empty() {
                all.push((index, field, raw.to_vec()));
            }
        }
    }
    all
}

proptest! {
    #[test]
    fn bytes_come_back(bytes in message()) {
        prop_assert_eq!(read(&bytes).encode(), bytes);
    }

    #[test]
    fn bytes_come_back_in_every_charset(
        charset in prop::sample::select(vec!["BIG-5", "GB 18030-2000", "Shift_JIS", "ISO IR87", "~ISO IR87", "KS X 1001", "utf-16le"]),
        is_set in any::<bool>(),
        letters in prop::collection::vec(prop_oneof![3 => Just(vec![0x1B, b'$', b'B']), 2 => Just(vec![0x1B, b'(', b'B']), 6 => prop::collection::vec(0x21_u8..=0xFE, 1..5), 1 => any::<u8>().prop_map(|byte| vec![byte])], 0..12),
    ) {
        let header = format!("MSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5||||||{charset}\rPID|1||");
        let bytes = [header.as_bytes(), &letters.concat(), b"|x\rPV1|1|I\r"].concat();
        let settings = Settings { charset: Charset::named(charset).filter(|_| is_set), ..Settings::default() };
        let mut message = parse(&bytes, &settings).unwrap();
        prop_assert_eq!(message.encode(), bytes.clone());
        prop_assert_eq!(message.rebuild(), bytes.clone());
        let at = message.segments().iter().position(|segment| segment.is("PV1"));
        if let Some(segment) = at {
            message.set_text(&Position::field(segment, 2), "O").unwrap();
            prop_assert_eq!(message.encode().len(), bytes.len());
        }
    }

    #[test]
    fn utf_16_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..60), is_little in any::<bool>()) {
        let header = "MSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5\rPID|1||";
        let order = |unit: u16| if is_little { unit.to_le_bytes() } else { unit.to_be_bytes() };
        let bytes = [header.encode_utf16().flat_map(order).collect(), bytes].concat();
        let message = parse(&bytes, &Settings::default()).unwrap();
        prop_assert_eq!(message.encode(), bytes.clone());
        prop_assert_eq!(message.rebuild(), bytes.clone());
        normalize(&message);
        prop_assert!(findings_are_within(&message, bytes.len()));
    }

    #[test]
    fn the_leaves_are_the_message(bytes in message()) {
        prop_assert_eq!(read(&bytes).rebuild(), bytes);
    }

    #[test]
    fn text_that_is_set_is_read_again((bytes, at) in message_and_position(), text in "[A-Za-z|^~&\\\\\r\n#\u{b}]{1,12}") {
        let mut message = read(&bytes);
        let before = others(&message, &at);
        if message.set_text(&at, &text).is_ok() {
            prop_assert_eq!(message.view(&at).text(), text.as_str());
            prop_assert_eq!(others(&message, &at), before);
            let encoded = message.encode();
            let again = read(&encoded);
            prop_assert_eq!(again.view(&at).text(), text.as_str());
            prop_assert_eq!(again.segments().len(), message.segments().len());
        } else {
            prop_assert!(at.segment >= message.segments().len());
        }
    }

    #[test]
    fn writing_what_is_there_changes_nothing((bytes, at) in message_and_position()) {
        let mut message = read(&bytes);
        let raw = message.view(&at).raw().to_vec();
        let written = message.replace(&at, &raw);
        prop_assert_eq!(written.is_ok(), at.segment < message.segments().len());
        if !raw.is_empty() {
            prop_assert_eq!(message.encode(), bytes);
        }
    }

    #[test]
    fn what_is_deleted_is_gone((bytes, at) in message_and_position()) {
        let mut message = read(&bytes);
        let before = others(&message, &at);
        let mut repetitions: Vec<Vec<u8>> =
            message.field(at.segment, at.field).children().map(|child| child.raw().to_vec()).collect();
        if message.delete(&at).is_ok() {
            if let (Some(n), None) = (at.repetition, at.component) {
                if n <= repetitions.len() {
                    repetitions.remove(n - 1);
                }
                prop_assert_eq!(message.field(at.segment, at.field).raw(), repetitions.join(&b'~'));
            } else {
                prop_assert_eq!(message.view(&at).presence(), Presence::Empty);
            }
            prop_assert_eq!(others(&message, &at), before);
        }
    }

    #[test]
    fn groups_enclose_one_another(bytes in message()) {
        let message = read(&bytes);
        let groups = Groups::of(&message);
        for index in 0..message.segments().len() {
            let ranges: Vec<_> = groups.enclosing(index).collect();
            prop_assert!(ranges.iter().all(|range| range.contains(&index)));
            prop_assert!(ranges.windows(2).all(|pair| pair[0].start >= pair[1].start && pair[0].end <= pair[1].end));
        }
    }

    #[test]
    fn a_record_is_always_made(bytes in message()) {
        let record = normalize(&read(&bytes));
        prop_assert!(serde_json::to_value(&record).is_ok());
    }

    #[test]
    fn what_is_not_as_its_version_says_is_within_the_message(bytes in message()) {
        prop_assert!(findings_are_within(&read(&bytes), bytes.len()));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), prefix in prop::sample::select(vec!["", "MSH", "MSH|^~\\&|", "FHS|", "MSH|^~\\&|A|B|C|D|||ADT^A01|1\r"])) {
        let bytes = [prefix.as_bytes(), &bytes].concat();
        let _ = read_reply(&bytes);
        for member in split(&bytes).members {
            let member = &bytes[member];
            let header = match parse(member, &Settings::default()) {
                Ok(message) => {
                    prop_assert_eq!(message.encode(), member);
                    normalize(&message);
                    prop_assert!(findings_are_within(&message, member.len()));
                    Some(message.header())
                }
                Err(refused) => refused.header,
            };
            let answer = Answer { code: AckCode::AE, control_id: "E1", at: "20260305", errors: &[] };
            let reply = read_reply(&acknowledge(header.as_ref(), &answer));
            prop_assert_eq!(reply.map(|reply| reply.code), Ok(Some(AckCode::AE)));
        }
    }

    #[test]
    fn a_level_s_parts_are_counted(raw in field()) {
        let bytes = [b"MSH|^~\\&|A|B|C|D|||ADT^A01|1\rZZ1|".as_slice(), &raw].concat();
        let message = read(&bytes);
        let view = message.field(1, 1);
        prop_assert_eq!(view.level(), Level::Field);
        prop_assert_eq!(view.children().count(), view.count());
        for (index, child) in view.children().enumerate() {
            prop_assert_eq!(child.raw(), view.child(index + 1).raw());
        }
    }
}
