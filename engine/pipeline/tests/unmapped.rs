//! A code without a row: told beside the reason, for whoever mends the table, and nowhere else.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use orderly_pipeline::{Facts, Fate, PairFate, Processed, Text, Texts, Unmapped, compile, process};

const SITE: &str = "\
sources:
  emr:
    mllp:
      listen: 127.0.0.1:0
destinations:
  ehr:
    mllp:
      address: localhost:2575
";
const ROUTE: &str = "route: to-ehr\nfrom: emr\nto:\n  - destination: ehr\n    mapping: wards\n";
const WARDS: &str = "\
mapping: wards
input: hl7v2 2.5
output: hl7v2
tables:
  ward:
    file: tables/ward.csv
    key: [code, facility]
    value: name
    unmapped: park
rules:
  - set:
      PV1-3.1: ${PV1-3.1 | lookup(ward, PV1-3.4)}
";

fn processed(ward: &str, facility: &str) -> Processed {
    let text = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let texts = Texts {
        site: text("orderly.yaml", SITE),
        routes: vec![text("routes/to-ehr.yaml", ROUTE)],
        mappings: vec![text("mappings/wards.yaml", WARDS)],
        tables: [("tables/ward.csv".to_owned(), "code,facility,name\nW1,NORTH,One\n".to_owned())].into(),
    };
    let plan = compile(&texts).plan.unwrap();
    let facts = Facts { id: 7, source: "emr", accepted_at: "2026-03-05T14:15:02Z".parse().unwrap() };
    let message = format!("MSH|^~\\&|A|B|C|D|20260305||ADT^A01|M1|P|2.5\rPV1|1|I|{ward}^^^{facility}\r");
    process(&plan, &facts, message.as_bytes())
}

fn unmapped(code: &str) -> Option<Unmapped> {
    Some(Unmapped { mapping: "wards".into(), table: "ward".to_owned(), code: code.to_owned() })
}

#[test]
fn all_keys_are_told_and_the_reason_names_none() {
    let parked = processed("W9", "SOUTH");
    assert_eq!(parked.fate, Fate::Routed);
    assert_eq!(parked.pairs[0].unmapped, unmapped("W9, SOUTH"));
    let PairFate::Parked(reason) = &parked.pairs[0].fate else { panic!("{parked:?}") };
    assert_eq!(reason, "mappings/wards.yaml:12: table `ward` has no row for this value");
    assert_eq!(processed("W9", "").pairs[0].unmapped, unmapped("W9, "));
}

#[test]
fn what_has_a_row_or_no_value_is_not_told() {
    for ward in ["W1", "", "\"\""] {
        let ready = processed(ward, "NORTH");
        assert!(matches!(ready.pairs[0].fate, PairFate::Ready(_)), "{ready:?}");
        assert_eq!(ready.pairs[0].unmapped, None);
    }
}

#[test]
fn what_is_too_long_for_a_code_is_cut() {
    let parked = processed(&"Ä".repeat(100), "NORTH");
    assert_eq!(parked.pairs[0].unmapped, unmapped(&"Ä".repeat(64)));
}
