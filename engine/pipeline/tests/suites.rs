//! Test files over a small site: what is told of expectations that do not hold, how they are rewritten, and what is wrong in a file.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use orderly_mapping::Fired;
use orderly_pipeline::suite::{Suite, TestText, Tested, compile_suites, repaired};
use orderly_pipeline::{Diagnostic, Plan, Text, Texts, compile};
use orderly_record::Place;

const SITE: &str = "\
site: test
sources:
  emr:
    processing: production
    mllp:
      listen: 127.0.0.1:0
destinations:
  ehr:
    mllp:
      address: localhost:2575
  portal:
    files:
      folder: out
";
const ROUTE: &str = "\
route: adt
from: emr
when: message.type = 'ADT'
to:
  - destination: ehr
    mapping: ours
  - destination: portal
    when: message.event = 'A01'
    mapping: shown
";
const OURS: &str = "\
mapping: ours
input: hl7v2 2.5
output: hl7v2
rules:
  - when: PID-3 is empty
    fail: no patient identifier
  - when: PID-8 = 'X'
    set:
      PID-8: U
  - set:
      MSH-3: ${source.name}
      PV1-2: INPATIENT
  - each: NK1
    do:
      - delete: NK1-4
      - set:
          NK1-2: ''
";
const SHOWN: &str = "\
mapping: shown
input: any
output: json
build:
  mrn: ${PID-3.1}
  names:
    $each: patient.names
    $value: ${.family}
";
const SEVERAL: &str = "\
mapping: several
input: hl7v2 2.5
output: hl7v2
rules:
  - split: ORDER_OBSERVATION
  - when: OBR-4 = 'HB'
    stop: not reported
";
const MESSAGE: &str = concat!(
    "      MSH|^~\\&|A|B|C|D|20260305||ADT^A01|M1|P|2.5\n",
    "      PID|1||7^^^A||Smith^Jo|||X\n",
    "      PV1|1|I\n",
);

fn text(file: &str, text: &str) -> Text {
    Text { file: file.to_owned(), text: text.to_owned() }
}

fn plan() -> Plan {
    let compiled = compile(&Texts {
        site: text("orderly.yaml", SITE),
        routes: vec![text("routes/adt.yaml", ROUTE)],
        mappings: vec![
            text("mappings/ours.yaml", OURS),
            text("mappings/shown.yaml", SHOWN),
            text("mappings/several.yaml", SEVERAL),
        ],
        ..Texts::default()
    });
    compiled.plan.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
}

fn read(of: Tested, written: &str, plan: &Plan) -> (Vec<Suite>, Vec<Diagnostic>) {
    let files = |path: &str| match path {
        "two.hl7" => {
            Ok(b"MSH|^~\\&|A||||||ADT^A01|1|P|2.5\rMSH|^~\\&|A||||||ADT^A02|2|P|2.5\rPID|1||9\r".to_vec())
        }
        "shown.json" => Ok(b"{\"mrn\": \"8\", \"names\": [\"Smith\"]}".to_vec()),
        path => Err(format!("the file {path} cannot be read")),
    };
    compile_suites(&[TestText { of, text: text("x.test.yaml", written) }], plan, &files)
}

/// What does not hold, one a line, and the file after it was rewritten.
fn ran(of: Tested, written: &str) -> (Vec<String>, String) {
    let plan = plan();
    let (suites, diagnostics) = read(of, written, &plan);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let (mut lines, mut repairs) = (Vec::new(), Vec::new());
    for suite in &suites {
        for case in &suite.cases {
            let result = suite.run(case, &plan, &mut Fired::default());
            let placed = |place: &Place| match place {
                Place::File { file, line, column, .. } => format!("{file}:{line}:{column}"),
                _ => "?".to_owned(),
            };
            lines.extend(result.mismatches.iter().map(|found| format!("{} {found}", placed(&found.place))));
            repairs.extend(result.repairs);
        }
    }
    (lines, repaired(written, &repairs).0)
}

#[test]
fn places_that_differ_are_told_and_rewritten() {
    let written = format!(
        "test: ours\ncases:\n  - name: one\n    input: |\n{MESSAGE}    expect:\n      PID-8: is empty # the sex\n      PV1-2: INPATIENT\n      PID-5.2: is null\n      NK1: is present\n      PID-3[where .4 = 'A'].1: '8'\n      MSH-3: emr\n      PID-5: Smith^Jo\n"
    );
    let (lines, rewritten) = ran(Tested::Mapping, &written);
    let expected = [
        "x.test.yaml:9:14 PID-8 Administrative Sex: expected nothing, got U",
        "x.test.yaml:11:16 PID-5.2 Given Name: expected null (\"\"), got Jo",
        "x.test.yaml:12:12 NK1: expected a value, got nothing",
        "x.test.yaml:13:32 PID-3[1].1 ID Number: expected 8, got 7",
    ];
    assert_eq!(lines, expected);
    let by_hand = written
        .replace("is empty # the sex", "U # the sex")
        .replace("is null", "Jo")
        .replace("NK1: is present", "NK1: is empty")
        .replace("'8'", "7");
    assert_eq!(rewritten, by_hand);
    assert_eq!(ran(Tested::Mapping, &rewritten).0, [""; 0]);
}

#[test]
fn whole_outputs_and_fates_are_told_and_rewritten() {
    let written = format!(
        "test: ours\ncases:\n  - name: whole\n    input: |\n{MESSAGE}    expect: | # whole\n      MSH|^~\\&|emr|B|C|D|20260305||ADT^A01|M1|P|2.5\n      PID|1||7^^^A||Smith^Jo|||X\n      PV1|1|INPATIENT||\n    # after\n  - name: failed\n    input: |\n      MSH|^~\\&|A|B|C|D|20260305||ADT^A01|M1|P|2.5\n      PID|1\n    expect:\n      PV1-2: INPATIENT\n  - name: fine\n    input: |\n{MESSAGE}    expect:\n      parked: for a reason\n"
    );
    let (lines, rewritten) = ran(Tested::Mapping, &written);
    let expected = [
        "x.test.yaml:10:7 PID-8 Administrative Sex: expected X, got U",
        "x.test.yaml:18:7 the fate: expected an output, got failed: no patient identifier (line 5)",
        "x.test.yaml:25:7 the fate: expected parked: for a reason, got an output",
    ];
    assert_eq!(lines, expected);
    let whole = "      MSH|^~\\&|emr|B|C|D|20260305||ADT^A01|M1|P|2.5\n      PID|1||7^^^A||Smith^Jo|||U\n      PV1|1|INPATIENT\n";
    let by_hand = format!(
        "test: ours\ncases:\n  - name: whole\n    input: |\n{MESSAGE}    expect: | # whole\n{whole}    # after\n  - name: failed\n    input: |\n      MSH|^~\\&|A|B|C|D|20260305||ADT^A01|M1|P|2.5\n      PID|1\n    expect:\n      failed: no patient identifier\n  - name: fine\n    input: |\n{MESSAGE}    expect: |\n{whole}"
    );
    assert_eq!(rewritten, by_hand);
    assert_eq!(ran(Tested::Mapping, &rewritten).0, [""; 0]);
}

#[test]
fn comments_do_not_become_text_of_a_block() {
    let head = format!("test: ours\ncases:\n  - name: one\n    input: |\n{MESSAGE}    expect:\n");
    for expect in ["      filtered: nope # why\n", "      filtered: nope\n      # why\n"] {
        let written = format!("{head}{expect}");
        let (lines, rewritten) = ran(Tested::Mapping, &written);
        assert_eq!((lines.len(), rewritten), (1, written));
    }
}

#[test]
fn json_is_compared_by_what_it_says() {
    let written = format!(
        "test: shown\ncases:\n  - name: file\n    input: |\n{MESSAGE}    expect: shown.json\n  - name: members\n    input: |\n{MESSAGE}    expect:\n      mrn: '8'\n      names[1]: Smith\n      names[2]: is present\n"
    );
    let (lines, _) = ran(Tested::Mapping, &written);
    let expected = [
        "x.test.yaml:8:13 mrn: expected 8, got 7",
        "x.test.yaml:15:12 mrn: expected 8, got 7",
        "x.test.yaml:17:17 names[2]: expected a value, got nothing",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn each_output_of_a_split_has_an_entry() {
    let input = "    input: |\n      MSH|^~\\&|A|B|C|D|20260305||ORU^R01|M1|P|2.5\n      PID|1||7\n      OBR|1|||GLU\n      OBX|1|NM|GLU||5\n      OBR|2|||HB\n      OBX|1|NM|HB||14\n";
    let case = |name: &str, expect: &str| format!("  - name: {name}\n{input}    expect:\n{expect}");
    let fate = "      - filtered: not reported\n        line: 6\n";
    let right = case("right", &format!("      - OBR-4: GLU\n        MSH-10: M1-1\n{fate}"));
    let wrong = case("one wrong", &format!("      - OBR-4: HB\n{fate}"));
    let few = case("too few", "      - OBR-4: GLU\n");
    let written = format!("test: several\ncases:\n{right}{wrong}{few}");
    let (lines, rewritten) = ran(Tested::Mapping, &written);
    let count = "x.test.yaml:37:9 how many outputs: expected 1, got 2";
    assert_eq!(lines, ["x.test.yaml:25:16 OBR-4 Universal Service Identifier: expected HB, got GLU", count]);
    assert_eq!(rewritten, written.replace("OBR-4: HB", "OBR-4: GLU"));
    assert_eq!(ran(Tested::Mapping, &rewritten).0, [count]);
}

#[test]
fn a_route_is_tested_by_destination() {
    let written = "test: adt\ncases:\n  - name: second\n    input: two.hl7\n    message: 2\n    expect:\n      ehr:\n        MSH-3: emr\n        PV1: is present\n      portal:\n        mrn: '9'\n  - name: other type\n    input: |\n      MSH|^~\\&|A|B|C|D|20260305||ORU^R01|M1|P|2.5\n      PID|1\n    expect: not taken\n  - name: training\n    input: |\n      MSH|^~\\&|A|B|C|D|20260305||ADT^A01|M1|T|2.5\n      PID|1\n    expect:\n      ehr:\n        failed: no patient identifier\n";
    let (lines, rewritten) = ran(Tested::Route, written);
    let expected = [
        "x.test.yaml:9:14 ehr: PV1: expected a value, got nothing",
        "x.test.yaml:11:9 portal: the fate: expected an output, got filtered: the route's condition for it",
        "x.test.yaml:21:5 the route: expected taken, got not taken: its processing is not P, which this source carries",
    ];
    assert_eq!(lines, expected);
    assert_eq!(ran(Tested::Route, &rewritten).0, [""; 0]);
}

#[test]
fn all_that_is_wrong_in_a_file_is_told_at_once() {
    let plan = plan();
    let written = "test: ours\ntimes: 2\ncases:\n  - name: a\n    input: nowhere.hl7\n    source: enr\n    accepted_at: yesterday\n    exspect: x\n  - name: b\n    input: two.hl7\n    expect:\n      PID3: x\n      PID-8:\n  - name: c\n    input: two.hl7\n    message: 3\n    expect:\n      failed: a\n      parked: b\n";
    let told = |of, written: &str| {
        let (_, diagnostics) = read(of, written, &plan);
        let line = |found: &Diagnostic| match &found.place {
            Place::File { line, column, .. } => format!("{line}:{column} {} {}", found.code, found.message),
            _ => found.message.clone(),
        };
        diagnostics.iter().map(line).collect::<Vec<_>>()
    };
    let expected = [
        "2:1 config-unknown-key a test file has no key `times`",
        "6:13 test-source there is no source `enr` in `sources:` of orderly.yaml",
        "7:18 config-value `accepted_at` takes a time with its offset, such as 2026-03-05T07:40:00-05:00",
        "4:5 config-missing-key a case needs `expect`",
        "8:5 config-unknown-key a case has no key `exspect`",
        "5:12 test-file the file nowhere.hl7 cannot be read",
        "10:12 test-input this holds 2 messages, and a case takes one",
        "12:7 mapping-syntax `PID3` is not understood here",
        "13:7 config-no-value `PID-8` has no value",
        "15:12 test-input this holds 2 messages",
        "18:7 test-expect an output has one fate",
    ];
    assert_eq!(told(Tested::Mapping, written), expected);
    let unknown = "test: our\ncases:\n  - name: a\n    input: two.hl7\n    expect: not taken\n";
    assert_eq!(
        told(Tested::Mapping, unknown),
        ["1:7 test-unknown-subject there is no mapping `our` in the mappings folder"]
    );
    let routes = "test: adt\ncases:\n  - name: a\n    input: two.hl7\n    message: 1\n    expect:\n      her:\n        PID-8: x\n";
    assert_eq!(told(Tested::Route, routes), ["7:7 test-destination this route does not go to `her`"]);
}

#[test]
fn lines_that_never_fired_are_told_outermost_first() {
    let plan = plan();
    let written =
        format!("test: ours\ncases:\n  - name: one\n    input: |\n{MESSAGE}    expect:\n      PID-8: U\n");
    let (suites, _) = read(Tested::Mapping, &written, &plan);
    let mut fired = Fired::default();
    for suite in &suites {
        for case in &suite.cases {
            let _ = suite.run(case, &plan, &mut fired);
        }
    }
    let idle = plan.mappings.get("ours").unwrap().idle(&fired);
    let lines: Vec<usize> = idle
        .places
        .iter()
        .map(|place| match place {
            Place::File { line, .. } => *line,
            _ => 0,
        })
        .collect();
    // The `when` of line 5 and the `each` of line 13 never held; what is inside of them is not told beside them.
    assert_eq!((lines, idle.lines, idle.never), (vec![5, 13], 9, 5));
}
