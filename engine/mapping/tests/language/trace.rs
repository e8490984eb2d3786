//! What a trace tells of each rule: what was written, what was not and why.

use orderly_hl7v2::{Settings, parse};
use orderly_mapping::{Facts, Input};
use orderly_record::Place;

use crate::support;

#[test]
fn a_trace_tells_of_every_rule() {
    let text = "mapping: traced\ninput: hl7v2 2.5.1\noutput: hl7v2\nrules:\n  - set:\n      PID-5.1: ${PID-5.1 | upper}\n      PV1-2: I\n  - when: PID-8 = 'M'\n    set:\n      PID-8: '1'\n  - delete: NK1\n  - each: OBX\n    do:\n      - set:\n          OBX-11: F\n";
    let mapping = support::mapping("traced.yaml", text, &|_| Err("no files".to_owned())).expect("a mapping");
    let bytes = support::received("PID|1||||Smith^John|||F\nOBX|1");
    let message = parse(&bytes, &Settings::default()).expect("a message");
    let facts = Facts { id: 1, source: "any", accepted_at: jiff::Timestamp::UNIX_EPOCH };
    let (_, trace) = mapping.execute_traced(&Input::of_message(&facts, &message));
    let lines: Vec<String> = trace
        .steps
        .iter()
        .map(|traced| {
            let line = match &traced.place {
                Place::File { line, .. } => *line,
                _ => 0,
            };
            let change = match (&traced.before, &traced.after) {
                (Some(before), Some(after)) => format!(": `{before}` → `{after}`"),
                _ => String::new(),
            };
            format!("{line} {} {}{change}", if traced.fired { "+" } else { "-" }, traced.why)
        })
        .collect();
    let expected = [
        "7 - there is no such place in this message",
        "6 + PID-5.1: `Smith` → `SMITH`",
        "8 - the condition does not hold",
        "11 - 0 segments deleted",
        "12 + 1 times",
        "15 + OBX-11: `` → `F`",
    ];
    assert_eq!(lines, expected);
}
