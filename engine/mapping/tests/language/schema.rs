//! The JSON Schema of mappings against what the loader takes: every example and every case fits it, and it finds what an editor can find of
//! what is wrong.

use std::path::Path;

use jsonschema::Validator;
use orderly_mapping::yaml::{self, Node};
use serde_json::Value as Json;

use crate::{cases, documentation};

#[test]
fn every_example_of_the_documentation_fits() {
    let schema = schema();
    for (line, text) in documentation::mappings().into_iter().chain(documentation::used()) {
        assert_eq!(wrong(&schema, &text), Vec::<String>::new(), "docs/mapping.md:{line}");
    }
}

#[test]
fn every_case_fits() {
    let schema = schema();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let document = yaml::parse("cases.yaml", &text).unwrap();
        for group in document.root.items() {
            let about = group.get("about").and_then(Node::text).unwrap_or_default();
            // The reader of this test knows no such number.
            let mapping = cases::mapping_text(group).replace("1e999", "'1e999'");
            assert_eq!(wrong(&schema, &mapping), Vec::<String>::new(), "{about}\n{mapping}");
            for (file, other) in cases::others(group) {
                assert_eq!(wrong(&schema, &other), Vec::<String>::new(), "{about}: {file}");
            }
            count += 1;
        }
    }
    assert!(count > 30, "only {count} cases were found");
}

/// What the loader reports of a wrong mapping with one of these codes, an editor shows already.
const SEEN_BY_EDITORS: [&str; 22] = [
    "config-choice",
    "config-missing-key",
    "config-no-value",
    "config-not-a-map",
    "config-unknown-key",
    "mapping-anchor",
    "mapping-build-key",
    "mapping-build-value",
    "mapping-else",
    "mapping-ignore",
    "mapping-key",
    "mapping-no-action",
    "mapping-no-anchor",
    "mapping-row",
    "mapping-segment-name",
    "mapping-start",
    "mapping-table",
    "mapping-two-actions",
    "mapping-two-anchors",
    "mapping-version",
    "mapping-xml-name",
    "mapping-xml-root",
];

#[test]
fn wrong_forms_are_refused_by_the_schema_too() {
    let schema = schema();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong");
    let mut refused = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let expected = std::fs::read_to_string(path.with_extension("txt")).unwrap();
        let is_form = |line: &str| line.split(' ').nth(1).is_some_and(|code| SEEN_BY_EDITORS.contains(&code));
        if path.extension().is_some_and(|extension| extension == "yaml") && expected.lines().any(is_form) {
            let text = std::fs::read_to_string(&path).unwrap();
            assert_ne!(wrong(&schema, &text), Vec::<String>::new(), "{}", path.display());
            refused += 1;
        }
    }
    assert!(refused > 8, "only {refused} wrong mappings have a wrong form");
}

/// Slips of the hand in an otherwise right mapping, one at a time: right, wrong.
const SLIPS: [(&str, &str); 20] = [
    ("PID-8: U", "pid-8: U"),
    ("PID-8: U", "PID: U"),
    ("PID-8: U", "PID-8:"),
    ("PID-8: U", "PID-8: [U]"),
    ("PID-8: U", "PID-8: ${PID-8 | default('a"),
    ("unmapped: keep", "unmaped: keep"),
    ("rows:\n      a: b", "rows:\n      - a: b"),
    ("key: x\n", "keys: x\n"),
    ("- { x: c, y: d }", "- c"),
    ("ZRV: remarks", "ZRV:"),
    ("ZRV: remarks", "PID-3[2]: remarks"),
    ("when: PID-8 is empty", "when: PID-8"),
    ("when: PID-8 is empty", "wehn: PID-8 is empty"),
    ("insert: ZPI", "insert: zpi"),
    ("after: PID", "fields: {}"),
    ("3.1: x", "3[*]: x"),
    ("split: ORDER_OBSERVATION", "split: OBX"),
    ("split: ORDER_OBSERVATION", "split: ORDER_OBSERVATION\n    when: PID-8 is present\n    else: []"),
    ("input: hl7v2 2.5.1", "input: hl7v2 2.9"),
    ("output: hl7v2", "output: json"),
];

const EDITED: &str = "\
mapping: m
input: hl7v2 2.5.1
output: hl7v2
ignore:
  ZRV: remarks
tables:
  t:
    rows:
      a: b
    unmapped: keep
  u:
    key: x
    value: y
    rows:
      - { x: c, y: d }
    unmapped: keep
rules:
  - when: PID-8 is empty
    set:
      PID-8: U
  - insert: ZPI
    after: PID
    fields:
      3.1: x
  - split: ORDER_OBSERVATION
";

#[test]
fn slips_are_seen() {
    check_slips(EDITED, &SLIPS);
}

#[test]
fn slips_in_a_fragment_are_seen() {
    let fragment = "fragment: f\nabout: what\nbuild:\n  $let:\n    a: ${.1}\n  b: ${$a}\n";
    let slips = [
        ("fragment: f", "fragment:"),
        ("about: what", "input: any"),
        ("about: what", "ignore: { ZRV: remarks }"),
        ("  b: ${$a}", "  $value: ${$a}\n  b: x"),
        ("$let", "$lets"),
        ("build:", "built:"),
    ];
    check_slips(fragment, &slips);
    check_slips(
        "fragment: f\nrules:\n  - delete: PID-19\n",
        &[("rules:", "tables: {}"), ("delete", "deletes")],
    );
}

#[test]
fn slips_in_xml_are_seen() {
    let xml = "mapping: m\ninput: any\noutput: xml\nbuild:\n  $let:\n    a: x\n  x:root:\n    '@xmlns:x': urn:x\n    $text: ${$a}\n    b:\n      \
               $each: PID-3\n      $use: f\n";
    let slips = [
        ("x:root", "x::root"),
        ("x:root", "'@root'"),
        ("'@xmlns:x': urn:x", "'@xmlns:x': [urn:x]"),
        ("'@xmlns:x': urn:x", "'@1': urn:x"),
        ("$text: ${$a}", "$text: { c: d }"),
        ("$text: ${$a}", "$each: PID-3"),
        ("  $let:\n    a: x", "  other:\n    a: x"),
        ("$use: f", "$use: f\n      c: d"),
        ("$use: f", "$use: f\n      $text: d"),
    ];
    check_slips(xml, &slips);
}

fn check_slips(right: &str, slips: &[(&str, &str)]) {
    let schema = schema();
    assert_eq!(wrong(&schema, right), Vec::<String>::new());
    for (from, to) in slips {
        assert!(right.contains(from), "{from}");
        assert_ne!(wrong(&schema, &right.replacen(from, to, 1)), Vec::<String>::new(), "{to}");
    }
}

fn schema() -> Validator {
    jsonschema::draft7::new(&orderly_mapping::schema::mapping()).expect("a schema")
}

/// What the schema says against a mapping, read as an editor reads it.
fn wrong(schema: &Validator, text: &str) -> Vec<String> {
    let mapping: Json = match serde_yaml::from_str(text) {
        Ok(mapping) => mapping,
        Err(error) => return vec![error.to_string()],
    };
    schema.iter_errors(&mapping).map(|error| format!("{}: {error}", error.instance_path())).collect()
}
