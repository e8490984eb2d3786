//! The coverage ledger over a small site: what is mapped, copied, removed, ignored or unmapped, and what is new in a feed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use orderly_pipeline::ledger::{Feeds, Ledger, Status};
use orderly_pipeline::{Facts, Plan, Text, Texts, compile};

const SITE: &str = "\
sources:
  emr:
    mllp:
      listen: 127.0.0.1:0
destinations:
  ehr:
    mllp:
      address: localhost:2575
  portal:
    files:
      folder: out
  archive:
    files:
      folder: archive
";
const EDITED: &str = "route: edited\nfrom: emr\nto:\n  - destination: ehr\n    mapping: edit\n";
const BUILT: &str = "route: built\nfrom: emr\nto:\n  - destination: portal\n    mapping: build\n";
const EDIT: &str = "\
mapping: edit
input: hl7v2 2.5
output: hl7v2
rules:
  - set:
      PID-8: ${PID-8 | lower}
  - delete: PID-19
";
const BUILD: &str = "\
mapping: build
input: hl7v2 2.5
output: json
ignore:
  PID-1: a number without a meaning
  ZRV: remarks of the front desk
  PID-3.5: all of them are MR
rules:
  - when: PID-8 = 'X'
    stop: not for the portal
build:
  mrn: ${PID-3.1}
  family: ${patient.name.family}
";

const BOTH: &str = "route: both\nfrom: emr\nto:\n  - destination: portal\n    mapping: build\n  - destination: archive\n    mapping: strict\n";
const STRICT: &str = "\
mapping: strict
input: hl7v2 2.5
output: json
rules:
  - when: PID-30 is present
    park: a person decides
build:
  identity: ${PID-30}
  given: ${PID-5.2}
  nurse: ${PID-31}
";

fn plan() -> Plan {
    let text = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let compiled = compile(&Texts {
        site: text("orderly.yaml", SITE),
        routes: vec![
            text("routes/a.yaml", EDITED),
            text("routes/b.yaml", BUILT),
            text("routes/c.yaml", BOTH),
        ],
        mappings: vec![
            text("mappings/edit.yaml", EDIT),
            text("mappings/build.yaml", BUILD),
            text("mappings/strict.yaml", STRICT),
        ],
        ..Texts::default()
    });
    compiled.plan.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
}

fn facts() -> Facts<'static> {
    Facts { id: 1, source: "emr", accepted_at: "2026-03-05T12:00:00Z".parse().unwrap() }
}

fn message(segments: &str) -> Vec<u8> {
    format!("MSH|^~\\&|||||||ADT^A01|M1|P|2.5\r{segments}\r").into_bytes()
}

/// Every place below the header with how often it was what, and the first message of the last of these.
fn told(ledger: &Ledger, route: &str) -> Vec<String> {
    let places = &ledger.routes.get(route).unwrap().places;
    let line = |(path, place): (&String, &orderly_pipeline::ledger::PlaceCounts)| {
        let counts = Status::ALL.iter().filter(|status| place.count(**status) > 0);
        let counts: Vec<String> = counts
            .map(|status| {
                format!("{} {} {}", place.count(*status), status.name(), place.first.get(status).unwrap())
            })
            .collect();
        format!("{path}: {}", counts.join(", "))
    };
    places.iter().filter(|(path, _)| !path.starts_with("MSH")).map(line).collect()
}

#[test]
fn every_populated_place_is_accounted_for() {
    let (plan, mut ledger) = (plan(), Ledger::default());
    let one = message("PID|1||7^^^^MR||Smith^Jo|||F|||||||||||123\rZRV|1|x");
    let two = message("PID|||8||Jones|||X");
    assert!(ledger.add(&plan, &facts(), &one, "one"));
    assert!(ledger.add(&plan, &facts(), &two, "two"));
    assert!(!ledger.add(&plan, &facts(), b"no message", "three"));
    let expected = [
        "PID-1: 1 copied one",
        "PID-19: 1 removed one",
        "PID-3.1: 2 copied one",
        "PID-3.5: 1 copied one",
        "PID-5.1: 2 copied one",
        "PID-5.2: 1 copied one",
        "PID-8: 2 mapped one",
        "ZRV-1: 1 copied one",
        "ZRV-2: 1 copied one",
    ];
    assert_eq!(told(&ledger, "edited"), expected);
    // The second message is stopped for the portal, and does not count there.
    let expected = [
        "PID-1: 1 ignored one",
        "PID-19: 1 unmapped one",
        "PID-3.1: 1 mapped one",
        "PID-3.5: 1 ignored one",
        "PID-5.1: 1 mapped one",
        "PID-5.2: 1 unmapped one",
        "PID-8: 1 mapped one",
        "ZRV-1: 1 ignored one",
        "ZRV-2: 1 ignored one",
    ];
    assert_eq!(told(&ledger, "built"), expected);
    let reason = ledger.routes.get("built").and_then(|route| route.places.get("ZRV-2")?.reason.clone());
    assert_eq!(reason.as_deref(), Some("remarks of the front desk"));
}

#[test]
fn what_a_destination_that_parked_would_have_used_is_not_called_unmapped() {
    let (plan, mut ledger) = (plan(), Ledger::default());
    let parked = message("PID|||7||Smith^Jo^Q|||||||||||||||||||||||||Y");
    assert!(ledger.add(&plan, &facts(), &parked, "parked"));
    assert_eq!(told(&ledger, "both"), ["PID-3.1: 1 mapped parked", "PID-5.1: 1 mapped parked"]);
    assert!(ledger.add(&plan, &facts(), &message("PID|||7||Smith^Jo^Q"), "both"));
    let expected = [
        "PID-3.1: 2 mapped parked",
        "PID-5.1: 2 mapped parked",
        "PID-5.2: 1 mapped both",
        "PID-5.3: 1 unmapped both",
    ];
    assert_eq!(told(&ledger, "both"), expected);
}

#[test]
fn what_a_feed_never_had_is_told_once() {
    let (plan, mut feeds) = (plan(), Feeds::default());
    let mut new = |segments: &str, name: &str| {
        let told = feeds.add(&plan, &facts(), &message(segments), name);
        told.iter().map(|found| format!("{} {}", found.code, found.message)).collect::<Vec<_>>()
    };
    assert_eq!(new("PID|1||7|||||F", "1"), [""; 0]);
    assert_eq!(new("PID|1||8|||||F", "2"), [""; 0]);
    let expected = [
        "feed-new-segment ZRV is new in what emr sends: message 3",
        "feed-new-code PID-8 has the new code M in what emr sends: message 3",
        "feed-new-field PID-19 is new in what emr sends: message 3",
    ];
    assert_eq!(new("PID|1||8|||||M|||||||||||123\rZRV|1|x", "3"), expected);
    assert_eq!(new("PID|1||8|||||M|||||||||||123\rZRV|1|y", "4"), [""; 0]);
    // What is no code is told to nobody.
    assert_eq!(new("PID|1||8|||||a person of no sex", "5"), [""; 0]);
}
