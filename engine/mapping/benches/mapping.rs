//! How long the five-rule mapping takes on a 1 KB admission, the message parsed already: the case behind the speed figures.

#![expect(clippy::expect_used, reason = "a benchmark without its files has nothing to measure")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use orderly_hl7v2::{Settings, normalize, parse};
use orderly_mapping::{Facts, Input, Library, compile, compile_condition, yaml};

fn five_rules(criterion: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("mappings/five-rules.yaml")).expect("the mapping");
    let bytes = std::fs::read(root.join("samples/load/adt_1kb.hl7")).expect("the message");
    let document = yaml::parse("five-rules.yaml", &text).expect("YAML");
    let library = Library { table: &|_| Err("no files".to_owned()), mappings: &BTreeMap::new() };
    let mapping = compile(&document, &library).0.expect("a mapping without errors");
    let message = parse(&bytes, &Settings::default()).expect("a readable message");
    let record = normalize(&message);
    let facts = Facts { id: 1, source: "bench", accepted_at: jiff::Timestamp::UNIX_EPOCH };
    let input = Input { facts: &facts, message: Some(&message), document: None, record: &record };
    criterion.bench_function("five rules, ADT 1 KB", |bencher| {
        bencher.iter(|| mapping.execute(black_box(&input)))
    });

    let condition = yaml::parse("route.yaml", "message.type = 'ADT'").expect("YAML");
    let condition = compile_condition(&condition.root).expect("a condition");
    criterion
        .bench_function("a route's condition", |bencher| bencher.iter(|| condition.holds(black_box(&input))));
}

criterion_group!(benches, five_rules);
criterion_main!(benches);
