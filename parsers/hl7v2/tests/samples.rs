//! The samples' records, reviewed once and kept: what each message means, as a whole. Those in `odd` are as some systems send them, each
//! named for its oddity: beside the records stands by which codes it is reported.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use orderly_hl7v2::{Settings, normalize, parse, split};
use orderly_record::Diagnostic;
use serde_json::{Value, json};

#[test]
fn records_are_as_reviewed() {
    insta::glob!("samples/*.hl7", |path| {
        let bytes = std::fs::read(path).unwrap();
        let message = parse(&bytes, &Settings::default()).unwrap();
        assert!(message.diagnostics().is_empty(), "{:?}", message.diagnostics());
        assert_eq!(message.encode(), bytes);
        insta::assert_json_snapshot!(normalize(&message));
    });
}

#[test]
fn odd_messages_are_read_as_reviewed() {
    insta::glob!("samples/odd/*.hl7", |path| {
        let bytes = std::fs::read(path).unwrap();
        let batch = split(&bytes);
        let members: Vec<Value> =
            batch.members.into_iter().map(|member| read(bytes.get(member).unwrap())).collect();
        insta::assert_json_snapshot!(json!({ "batch": codes(&batch.diagnostics), "messages": members }));
    });
}

/// The oddities of a message, and its record or why there is none.
fn read(bytes: &[u8]) -> Value {
    match parse(bytes, &Settings::default()) {
        Ok(message) => {
            assert_eq!(message.encode(), bytes);
            json!({ "odd": codes(message.diagnostics()), "record": normalize(&message) })
        }
        Err(refused) => json!({ "refused": refused.diagnostic.code }),
    }
}

fn codes(diagnostics: &[Diagnostic]) -> Vec<&'static str> {
    diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}
