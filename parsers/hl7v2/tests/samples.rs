//! The samples' records, reviewed once and kept: what each message means, as a whole.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use orderly_hl7v2::{Settings, normalize, parse};

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
