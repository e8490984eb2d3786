//! What a mapping may take: more than its limits is refused, whatever it is that grows.

use orderly_mapping::Mapping;

use crate::support;

fn mapping(text: &str) -> Mapping {
    let text = format!("mapping: limits\ninput: any\n{text}");
    support::usable(&text).expect("a mapping")
}

fn message(segments: usize) -> String {
    (1..=segments).map(|number| format!("OBX|{number}|NM|K\n")).collect()
}

/// 600 segments, for each of which 440,000 bytes are named: 264 MB, to which what is built adds 6 MB. Neither is too much alone.
#[test]
fn all_that_is_built_counts() {
    let named = "x".repeat(440_000);
    let keys: String = (0..10).map(|number| format!("  {number:01000}: 0\n")).collect();
    let outputs = [
        ("json", format!("  a: 0.{}\n", "1".repeat(10_000))),
        ("json", keys),
        ("csv", format!("  a: '{}'\n", "\"".repeat(5_000))),
    ];
    let message = message(600);
    for (format, build) in outputs {
        let each = "build:\n  $each: OBX\n";
        let found = support::map(&mapping(&format!("output: {format}\n{each}{build}")), &message);
        assert!(found.len() > 6_000_000, "{found:.80}");
        let both = format!("output: {format}\n{each}  $let:\n    named: {named}\n{build}");
        let found = support::map(&mapping(&both), &message);
        assert!(found.starts_with("failed: the mapping wrote more than"), "{format}: {found:.80}");
    }
}

/// One more order than a message can be split into.
#[test]
fn a_message_becomes_a_thousand_at_most() {
    let split = support::mapping(
        "limits.yaml",
        "mapping: limits\ninput: hl7v2 2.5.1\noutput: hl7v2\nrules:\n  - split: ORDER_OBSERVATION\n",
        &|_| Err("no files".to_owned()),
    );
    let split = split.expect("a mapping");
    let orders = |count: usize| -> String {
        let head = "MSH|^~\\&|LAB||||20260305||ORU^R01|7|P|2.5.1\nPID|1\n".to_owned();
        (1..=count).fold(head, |text, number| text + &format!("OBR|{number}\n"))
    };
    assert_eq!(support::map(&split, &orders(1000)).matches("\n----\n").count(), 999);
    let refused = support::map(&split, &orders(1001));
    assert_eq!(refused, "failed: the message has 1001 ORDER_OBSERVATION, and can be split into 1000");
}
