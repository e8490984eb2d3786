//! Any text as orderly.yaml, as a route and as a mapping is accepted or refused in words.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderly_pipeline::{Text, Texts, compile};

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

fuzz_target!(|text: &str| {
    let named = |text: &str| Text { file: "any.yaml".to_owned(), text: text.to_owned() };
    let site = Texts { site: named(text), ..Texts::default() };
    let parts =
        Texts { site: named(SITE), routes: vec![named(text)], mappings: vec![named(text)], ..Texts::default() };
    for texts in [site, parts] {
        let compiled = compile(&texts);
        assert!(compiled.plan.is_some() || !compiled.diagnostics.is_empty());
    }
});
