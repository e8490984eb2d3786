//! The samples' records, reviewed once and kept: what each document means, as a whole.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use orderly_ccda::{Limits, looks_like_xml, narrative_html, normalize, parse};

#[test]
fn records_are_as_reviewed() {
    insta::glob!("samples/*.xml", |path| {
        let bytes = std::fs::read(path).unwrap();
        assert!(looks_like_xml(&bytes));
        let document = parse(&bytes, &Limits::default()).unwrap();
        let oddities: Vec<String> = document.diagnostics().iter().map(ToString::to_string).collect();
        insta::assert_json_snapshot!(
            serde_json::json!({ "oddities": oddities, "record": normalize(&document) })
        );
    });
}

#[test]
fn narratives_are_as_reviewed() {
    let bytes = include_bytes!("samples/narrative.xml");
    let document = parse(bytes, &Limits::default()).unwrap();
    let sections = document.sections();
    let html = sections.iter().map(|section| narrative_html(*section).text).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(html);
}
