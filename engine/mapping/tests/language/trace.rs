//! What a trace tells of each rule: what was written, what was not and why.

use orderly_hl7v2::{Settings, parse};
use orderly_mapping::{Facts, Input, Traced};
use orderly_record::Place;

use crate::support;

fn told(text: &str, message: &str) -> Vec<String> {
    let mapping = support::mapping("traced.yaml", text, &|_| Err("no files".to_owned())).expect("a mapping");
    let bytes = support::received(message);
    let message = parse(&bytes, &Settings::default()).expect("a message");
    let facts = Facts { id: 1, source: "any", accepted_at: jiff::Timestamp::UNIX_EPOCH };
    let (_, trace) = mapping.execute_traced(&Input::of_message(&facts, &message));
    trace.steps.iter().map(line).collect()
}

fn line(traced: &Traced) -> String {
    let line = match &traced.place {
        Place::File { line, .. } => *line,
        _ => 0,
    };
    let change = match (&traced.before, &traced.after) {
        (Some(before), Some(after)) => format!(": `{before}` → `{after}`"),
        _ => String::new(),
    };
    let reads: Vec<_> = traced.reads.iter().map(|read| format!("; {}={}", read.path, read.text)).collect();
    format!("{line} {} {}{change}{}", if traced.fired { "+" } else { "-" }, traced.why, reads.concat())
}

#[test]
fn a_value_that_parks_a_message_is_told_with_what_it_looked_at() {
    let text = "mapping: traced\ninput: hl7v2 2.5.1\noutput: hl7v2\ntables:\n  ward:\n    rows:\n      A: B\n    unmapped: park\nrules:\n  - set:\n      PV1-2: I\n  - set:\n      PV1-3.1: ${PV1-3.1 | lookup(ward)}\n  - set:\n      PV1-4: R\n";
    let expected = ["11 + PV1-2: `` → `I`", "13 + table `ward` has no row for this value; PV1-3=ICU"];
    assert_eq!(told(text, "PID|1\nPV1|1||ICU"), expected);
}

#[test]
fn a_value_that_fails_a_built_output_is_told() {
    let text = "mapping: traced\ninput: any\noutput: json\nbuild:\n  name: ${patient.names[1]}\n  weight: ${OBX-5 | convert(OBX-6.1, 'kg')}\n";
    let expected = [
        "5 + name; patient.names[1]=Smith, Jo",
        "6 + a value can't be converted: its unit is none that can be converted; OBX-5=7; OBX-6=zz",
    ];
    assert_eq!(told(text, "PID|1||||Smith^Jo\nOBX|1|NM|X||7|zz"), expected);
}

#[test]
fn a_trace_tells_of_every_rule() {
    let text = "mapping: traced\ninput: hl7v2 2.5.1\noutput: hl7v2\nrules:\n  - set:\n      PID-5.1: ${PID-5.1 | upper}\n      PV1-2: I\n  - when: PID-8 = 'M'\n    set:\n      PID-8: '1'\n  - delete: NK1\n  - each: OBX\n    do:\n      - set:\n          OBX-11: F\n";
    let expected = [
        "7 - there is no such place in this message",
        "6 + PID-5.1: `Smith` → `SMITH`; PID-5.1=Smith",
        "8 - the condition does not hold; PID-8=F",
        "11 - 0 segments deleted",
        "12 + 1 time",
        "15 + OBX-11: `` → `F`",
    ];
    assert_eq!(told(text, "PID|1||||Smith^John|||F\nOBX|1"), expected);
}
