//! What holds for any text, any mapping and any message: nothing panics, and what no rule touches keeps its bytes.

use std::sync::LazyLock;

use orderly_hl7v2::{Settings, parse};
use orderly_mapping::{Facts, Input, Mapping, Outcome};
use proptest::prelude::*;

use crate::support;

/// Pieces that expressions are made of, and some that they are not.
const PIECES: [&str; 98] = [
    "PID-3",
    "PID-5.1",
    "OBX[*]-3.1",
    "OBX[2]-5[last].1.2",
    "PID-3[where .5 = 'MR'].1",
    "PID-3[* where",
    "ORDER_OBSERVATION.OBR-4",
    "input.PID-8",
    ".5.1",
    ".type",
    "$name",
    "$name-5",
    "$",
    "patient.name.family",
    "patient.identifiers[*].value",
    "results[1]",
    "message.type",
    "/ClinicalDocument/code/@code",
    "/ClinicalDocument/id[where ./@root = '1'][*]",
    "./id",
    "/@",
    "source.name",
    "'text'",
    "'it''s'",
    "''",
    "'",
    "12",
    "-0.5",
    "null",
    "[",
    "]",
    "(",
    ")",
    ",",
    "|",
    " | ",
    "upper",
    "truncate(3)",
    "pad(5, '0')",
    "replace(/(a)/, '$1')",
    "split(',')",
    "join(' ')",
    "first",
    "count",
    "date('yyyy')",
    "lookup(codes)",
    "hl7('A^B')",
    "concat(' ', PID-5)",
    "default('x')",
    "digits",
    "capitalize",
    "initials",
    "single_spaces",
    "ascii",
    "number",
    "number(',')",
    "round(1)",
    "add(PID-3.1)",
    "subtract(0.1)",
    "multiply(3)",
    "divide(PID-8)",
    "sort",
    "unique",
    "sum",
    "min",
    "max",
    "nth(2)",
    "age('years')",
    "age('minutes', PID-7)",
    "plus('1 month')",
    "plus('-90 minutes')",
    "convert('mg/dL', 'mmol/L', 18)",
    "convert(OBX-6.1, 'kg')",
    "name('family, given')",
    "address('street, city')",
    "phone('US')",
    "phone('GB', 'text')",
    "uuid('x')",
    "check_digit('M10')",
    "sha256",
    "base64",
    "unbase64",
    " = ",
    " != ",
    " < ",
    " in ",
    " not in ",
    " is present",
    " is not empty",
    " matches /^[0-9]+$/",
    " and ",
    " or ",
    "not ",
    "${",
    "}",
    "é",
    " ",
    ".",
];

/// Rules that do all kinds of things; any of them in any order is a mapping.
const RULES: [&str; 16] = [
    "- set:\n    PID-8: U\n    PID-5.1: ${PID-5.1 | upper}",
    "- set:\n    PID-3[*].4: X\n    PID-3[+].1: '9'\n    PID-3[2].2: ${.1}",
    "- set:\n    OBX[*]-11: F\n    OBX[last]-5: ${OBX[1]-5}\n    PID-9: ${PID-3}",
    "- set:\n    PID-11: ${hl7('a^b&c~d')}\n    PID-13[where .2 = 'x'].3: ${null}",
    "- delete: [NK1, 'PID-3[*]', 'OBX[2]', PID-5.2]",
    "- delete:\n    - PID-3[* where .1 != '1']",
    "- keep: [PID, OBX, NTE]",
    "- insert: ZPI\n  after: PID\n  fields:\n    1: ${PID-3[*].1 | join(',')}\n    3[2].2: x",
    "- move: OBX\n  before: PID",
    "- each: OBX as result\n  do:\n    - insert: NTE\n      after: OBX\n    - each: NTE\n      do:\n        - set:\n            NTE-3: ${$result-3}\n    - delete: $result",
    "- each: PID-3 as id\n  do:\n    - when: .1 = '1'\n      delete: $id\n      else:\n        - set:\n            $id.2: ${.1 | pad(4, '0')}",
    "- each: ORDER_OBSERVATION\n  do:\n    - set:\n        OBR-4: ${OBX[*]-1 | count}",
    "- when: PID-7 < '20000101' or patient.birth_date > '1990'\n  stop: born",
    "- let:\n    all: ${OBX[*]-3 | upper}\n- set:\n    PID-9: ${$all | join('+')}",
    "- set:\n    PID-7: ${PID-7 | date('hl7', 'Europe/Paris')}\n    PV1-2: ${PV1-2 | lookup(codes)}",
    "- set:\n    PID-20: ${patient.identifiers[* where .type = 'MR'].value | last}/${message.event}",
];

fn compiled(rules: &str) -> Result<Mapping, String> {
    let tables = "tables:\n  codes:\n    rows:\n      I: IN\n    unmapped: keep\n";
    let head = "mapping: any\ninput: hl7v2 2.5.1\noutput: hl7v2\n";
    support::usable(&format!("{head}{tables}rules:\n{rules}\n"))
}

/// The only outcome of a mapping that does not split.
fn mapped(mapping: &Mapping, bytes: &[u8]) -> Option<Outcome> {
    let mut outcomes = all_mapped(mapping, bytes)?;
    assert_eq!(outcomes.len(), 1, "without a split there is one outcome");
    outcomes.pop()
}

fn all_mapped(mapping: &Mapping, bytes: &[u8]) -> Option<Vec<Outcome>> {
    let message = parse(bytes, &Settings::default()).ok()?;
    let facts = Facts { id: 1, source: "any", accepted_at: jiff::Timestamp::UNIX_EPOCH };
    let input = Input::of_message(&facts, &message);
    let (traced, _) = mapping.execute_traced(&input);
    let outcomes = mapping.execute(&input);
    assert_eq!(traced, outcomes, "a trace changes nothing, and the same input gives the same output");
    Some(outcomes)
}

fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop::sample::select(vec![
        "", "1", "x", "\"\"", "SMITH", "19840211", "MR", "A\\T\\B", "\\", "é", "  ",
    ]);
    let joint = prop::sample::select(vec!["|", "|", "|", "^", "~", "&"]);
    let name =
        prop::sample::select(vec!["PID", "OBX", "NTE", "OBR", "NK1", "PV1", "ZZZ", "ORC", "P", "pid", ""]);
    let segment = (name, prop::collection::vec((joint, leaf), 0..20));
    let head = prop::sample::select(vec![
        "MSH|^~\\&|A|B|C|D|20260305||ADT^A01|1|P|2.5.1",
        "MSH|^~\\&|A||||||ORU^R01|1|P|2.3||||||8859/1",
        "MSH|^|A",
        "MSH#*!?:#A",
    ]);
    let end = prop::sample::select(vec!["\r", "\n", "\r\n"]);
    (head, prop::collection::vec(segment, 0..12), end).prop_map(|(head, segments, end)| {
        let mut text = format!("{head}{end}");
        for (name, parts) in segments {
            text.push_str(name);
            parts.into_iter().for_each(|(joint, leaf)| text.extend([joint, leaf]));
            text.push_str(end);
        }
        text.into_bytes()
    })
}

/// Values of a built output; any of them under any key is right.
const VALUES: [&str; 14] = [
    "text",
    "'007'",
    "2.50",
    "true",
    "${PID-5.1}",
    "${PID-3[*].1}",
    "${PID-8} and ${null}",
    "${patient}",
    "${patient.deceased}",
    "${results[*].code.code}",
    "${patient.identifiers[* where .type = 'MR']}",
    "${PID-3 | count}",
    "${OBX[*]-5 | join('; ')}",
    "${PV1-2 | lookup(codes)}",
];

/// What surrounds a value in JSON.
fn any_part() -> impl Strategy<Value = String> {
    let value = prop::sample::select(VALUES.to_vec()).prop_map(|value| format!(" {value}\n"));
    value.prop_recursive(4, 24, 4, |part| {
        let key = prop::sample::select(vec![
            "a",
            "b c",
            "'\"'",
            "é",
            "$when: PID-5 is present\nd",
            "$let:\n  n: ${PID-8}\ne",
        ]);
        let each = prop::sample::select(vec![
            "PID-3",
            "OBX where OBX-1 != '2'",
            "ORDER_OBSERVATION",
            "patient.identifiers as one",
            "results as one where .code is present",
        ]);
        let indented = |text: String| {
            format!("\n{}", text.lines().map(|line| format!("  {line}\n")).collect::<String>())
        };
        let nested = move |part: String| if part.starts_with('\n') { indented(part) } else { part };
        let map = (key, part.clone()).prop_map(move |(key, part)| format!("\n{key}:{}", nested(part)));
        let list = (each, part)
            .prop_map(move |(each, part)| format!("\n$each: {each}\nn: ${{position}}\nof:{}", nested(part)));
        prop_oneof![map, list]
    })
}

fn building(output: &str, build: &str) -> Mapping {
    let tables = "tables:\n  codes:\n    rows:\n      I: IN\n    unmapped: keep\n";
    let text = format!("mapping: any\ninput: any\noutput: {output}\n{tables}build:\n{build}");
    support::usable(&text).unwrap_or_else(|found| panic!("{found}\n{text}"))
}

/// Reads a document to its end, checking that what opens closes.
fn orderly_xml(text: &str) -> Result<usize, quick_xml::Error> {
    let mut reader = quick_xml::Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut elements = 0;
    loop {
        match reader.read_event()? {
            quick_xml::events::Event::Eof => return Ok(elements),
            quick_xml::events::Event::Start(start) | quick_xml::events::Event::Empty(start) => {
                elements += 1;
                for attribute in start.attributes() {
                    attribute?;
                }
            }
            _ => {}
        }
    }
}

/// Every function of the pieces that a text can be piped into, one rule each.
static EVERY_FUNCTION: LazyLock<Mapping> = LazyLock::new(|| {
    let calls = PIECES.iter().filter(|piece| piece.starts_with(|letter: char| letter.is_ascii_lowercase()));
    let rule = |call: &&str| format!("- when: ZZ1-1 | {call} | join(' ') = 'x'\n  stop: x\n");
    let rules: Vec<String> = calls.map(rule).filter(|rule| compiled(rule).is_ok()).collect();
    assert!(rules.len() > 30, "only {} functions take a text", rules.len());
    compiled(&rules.concat()).expect("each of them is right")
});

proptest! {
    #[test]
    fn whatever_is_built_is_json(part in any_part(), message in any_message()) {
        let lines: String = format!("top:{}", part).lines().enumerate().map(|(line, text)| match line {
            0 => format!("  {text}\n"),
            _ => format!("    {text}\n"),
        }).collect();
        if let Some(Outcome::Output(output)) = mapped(&building("json", &lines), &message) {
            let text = String::from_utf8(output.bytes).expect("JSON is UTF-8");
            let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
            prop_assert!(value.get("top").is_some_and(|top| !top.is_null()));
            prop_assert!(text.ends_with('\n') && text.lines().count() == 1);
        }
    }

    #[test]
    fn whatever_is_built_is_well_formed(part in any_part(), message in any_message(), text in "\\PC{0,20}") {
        let names = part.replace("b c:", "b:").replace("'\"':", "c:").replace("é:", "'@d': <&>\"\n$text: \"]]>\"\ne:");
        let lines: String = format!("top:{names}").lines().enumerate().map(|(line, text)| match line {
            0 => format!("    {text}\n"),
            _ => format!("      {text}\n"),
        }).collect();
        let own = text.replace(['|', '^', '~', '\\', '&'], " ").replace('\'', "''").replace("${", "");
        // Where the pieces make no mapping, such as a key written twice, there is nothing to try.
        let whole = format!("  root:\n    '@own': '{own}'\n{lines}");
        let built = format!("mapping: any\ninput: any\noutput: xml\ntables:\n  codes:\n    rows:\n      I: IN\n    unmapped: keep\nbuild:\n{whole}");
        let Ok(mapping) = support::mapping("any.yaml", &built, &|_| Err("no files".to_owned())) else { return Ok(()) };
        if let Some(Outcome::Output(output)) = mapped(&mapping, &message) {
            let text = String::from_utf8(output.bytes).expect("XML is UTF-8");
            let document = orderly_xml(&text);
            prop_assert!(document.is_ok(), "{document:?}\n{text}");
        }
    }

    #[test]
    fn delimited_text_has_the_values_of_json(
        each in prop::sample::select(vec!["", "  $each: PID-3\n", "  $each: OBX\n  $when: OBX-1 != '1'\n", "  $each: patient.identifiers\n"]),
        values in prop::collection::vec(prop::sample::select(vec!["${PID-5.1}", "a\"b", "'x,y;z'", "${OBX-5}", "${patient.name.family}", "${null}", "${position}"]), 1..5),
        layout in prop::sample::select(vec!["csv", "csv\nheader: false\nseparator: ';'", "csv\nseparator: \"\\t\"\nline_end: crlf"]),
        message in any_message(),
    ) {
        let columns = values.iter().enumerate().filter(|(_, value)| !each.is_empty() || **value != "${position}");
        let columns: String = columns.map(|(index, value)| format!("  column {index}: {value}\n")).collect();
        // JSON leaves out what is empty, so each row has something.
        let build = format!("{each}  always: there\n{columns}");
        let Some(json) = mapped(&building("json", &build), &message) else { return Ok(()) };
        let text = mapped(&building(layout, &build), &message).expect("the message is readable");
        let (json, text) = match (json, text) {
            (Outcome::Output(json), Outcome::Output(text)) => (json, text),
            (json, text) => {
                let neither = matches!((json, text), (Outcome::Filtered { .. }, Outcome::Filtered { .. }));
                prop_assert!(neither);
                return Ok(());
            }
        };
        let separator = if layout.contains(';') { b';' } else if layout.contains("\\t") { b'\t' } else { b',' };
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.has_headers(!layout.contains("header")).delimiter(separator);
        let rows: Vec<csv::StringRecord> =
            reader.from_reader(text.bytes.as_slice()).records().map(|row| row.expect("a row")).collect();
        let json: serde_json::Value = serde_json::from_slice(&json.bytes).expect("it is JSON");
        let objects = json.as_array().cloned().unwrap_or_else(|| vec![json]);
        prop_assert_eq!(rows.len(), objects.len());
        let names = columns.lines().map(|line| line.trim().split(':').next().expect("a name"));
        let names: Vec<&str> = std::iter::once("always").chain(names).collect();
        for (row, object) in rows.iter().zip(&objects) {
            let expected = names.iter().map(|name| object.get(*name).and_then(|value| value.as_str()).unwrap_or_default());
            prop_assert_eq!(row.iter().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn any_expression_compiles_or_is_refused(pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..14)) {
        let text = pieces.concat().replace('\'', "''");
        let _ = compiled(&format!("- set:\n    PID-8: '{text}'\n    PID-9: '${{{text}}}'\n- when: '{text}'\n  delete: '{text}'\n- each: '{text}'\n  do: []"));
    }

    #[test]
    fn any_text_compiles_or_is_refused(text in "\\PC{0,60}") {
        let text = text.replace('\'', "''");
        let _ = compiled(&format!("- set:\n    PID-8: '${{{text}}}'\n- when: '{text}'\n  stop: x"));
    }

    #[test]
    fn any_expression_that_compiles_can_be_evaluated(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 1..5),
        message in any_message(),
    ) {
        let text = pieces.concat().replace('\'', "''");
        if let Ok(mapping) = compiled(&format!("- set:\n    PID-8: '${{{text}}}'")) {
            mapped(&mapping, &message);
        }
        if let Ok(mapping) = compiled(&format!("- when: '{text}'\n  stop: x")) {
            mapped(&mapping, &message);
        }
    }

    #[test]
    fn every_function_takes_any_text(text in "\\PC{0,40}|[-+0-9 ().,:/xT]{0,24}|[0-9]{4,30}|[<>]?[0-9]{1,9}[.,][0-9]{0,30}") {
        let text = text.replace(['|', '^', '~', '\\', '&'], " ");
        mapped(&EVERY_FUNCTION, format!("MSH|^~\\&|A|B|||20260305||ADT^A01|1|P|2.5.1\rZZ1|{text}\rOBX|1|NM|K||1|g\rPID|1||{text}||{text}||{text}|{text}\r").as_bytes());
    }

    #[test]
    fn any_rules_end_on_any_message(
        rules in prop::collection::vec(prop::sample::select(RULES.to_vec()), 1..8),
        message in any_message(),
    ) {
        let mapping = compiled(&format!("{}\n", rules.join("\n"))).expect("the rules are right");
        mapped(&mapping, &message);
    }

    #[test]
    fn a_split_gives_each_group_once(
        before in prop::collection::vec(prop::sample::select(RULES.to_vec()), 0..2),
        after in prop::collection::vec(prop::sample::select(RULES.to_vec()), 0..3),
        group in prop::sample::select(vec!["ORDER_OBSERVATION", "PATIENT_RESULT", "OBSERVATION"]),
        message in any_message(),
    ) {
        let split = format!("- split: {group}");
        let rules: Vec<&str> = before.into_iter().chain([split.as_str()]).chain(after).collect();
        let mapping = compiled(&format!("{}\n", rules.join("\n"))).expect("the rules are right");
        prop_assert!(all_mapped(&mapping, &message).is_none_or(|outcomes| !outcomes.is_empty()));
        let only = compiled(&split).expect("one rule");
        let Some(outcomes) = all_mapped(&only, &message) else { return Ok(()) };
        let input = parse(&message, &Settings::default()).expect("it was readable");
        let groups = orderly_hl7v2::Groups::of(&input).occurrences(group).count();
        prop_assert_eq!(outcomes.len(), groups.max(1));
        for (number, outcome) in (1..).zip(&outcomes) {
            let Outcome::Output(output) = outcome else { panic!("{outcome:?}") };
            let output = parse(&output.bytes, &Settings::default()).expect("it stays readable");
            let end = format!("-{number}");
            prop_assert!(groups == 0 || output.header().control_id().ends_with(&end));
        }
    }

    #[test]
    fn no_rules_change_no_byte(message in any_message()) {
        let mapping = compiled("  []").expect("no rules");
        if let Some(Outcome::Output(output)) = mapped(&mapping, &message) {
            prop_assert_eq!(output.bytes, message);
        }
    }

    #[test]
    fn what_no_rule_touches_keeps_its_bytes(message in any_message()) {
        let mapping = compiled("- set:\n    PID-8: U").expect("one rule");
        let Some(Outcome::Output(output)) = mapped(&mapping, &message) else { return Ok(()) };
        let before = parse(&message, &Settings::default()).expect("it was readable");
        let after = parse(&output.bytes, &Settings::default()).expect("it stays readable");
        prop_assert_eq!(before.segments().len(), after.segments().len());
        let target = before.indexes("PID").next();
        for (index, (old, new)) in before.segments().iter().zip(after.segments()).enumerate() {
            prop_assert_eq!(old.name(), new.name());
            for field in (1..=new.last_field()).filter(|field| target != Some(index) || *field != 8) {
                prop_assert_eq!(before.field(index, field).raw(), after.field(index, field).raw());
            }
        }
        if let Some(target) = target {
            prop_assert_eq!(after.field(target, 8).raw(), b"U");
        }
    }
}
