//! Ours beside the parser crates there are, in the same run and on the same bytes: parse and read ten fields; and beside a bare pass of
//! memchr over the delimiters, below which nothing that looks at every byte can go. Run with `cargo bench -p orderly-hl7v2 --bench peers`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use orderly_hl7v2::{Position, Settings, normalize, parse};

const ADT: &[u8] = include_bytes!("../tests/samples/adt_a01_admission.hl7");
const ORU: &[u8] = include_bytes!("../tests/samples/oru_r01_panel_with_notes.hl7");

/// A report of some 4 KB: the sample's last observation, over and over.
fn long_report() -> Vec<u8> {
    let lines: Vec<&[u8]> = ORU.split_inclusive(|byte| *byte == b'\r').collect();
    let observation = lines.iter().rev().find(|line| line.starts_with(b"OBX")).copied().unwrap_or_default();
    let mut report = ORU.to_vec();
    while report.len() < 4_100 && !observation.is_empty() {
        report.extend_from_slice(observation);
    }
    report
}

/// The ten fields: as indexes of segments and numbers, and as the other crates name them.
const FIELDS: [(&str, usize, usize); 10] = [
    ("MSH", 3, 1),
    ("MSH", 4, 1),
    ("MSH", 9, 2),
    ("MSH", 10, 1),
    ("PID", 3, 1),
    ("PID", 3, 4),
    ("PID", 5, 1),
    ("PID", 5, 2),
    ("PID", 7, 1),
    ("PID", 8, 1),
];

fn ours(bytes: &[u8], settings: &Settings) -> usize {
    let Ok(message) = parse(bytes, settings) else { return 0 };
    let read = |(segment, field, component): &(&str, usize, usize)| {
        let Some(index) = message.indexes(segment).next() else { return 0 };
        message.view(&Position { component: Some(*component), ..Position::field(index, *field) }).text().len()
    };
    FIELDS.iter().map(read).sum()
}

fn hl7_parser(text: &str) -> usize {
    let Ok(message) = hl7_parser::Message::parse(text) else { return 0 };
    let read = |(segment, field, component): &(&str, usize, usize)| {
        let found = message.segment(segment).and_then(|segment| segment.field(*field));
        let component = found.and_then(|field| field.component(*component));
        component.map_or(0, |component| component.raw_value().len())
    };
    FIELDS.iter().map(read).sum()
}

fn rust_hl7(text: &str) -> usize {
    let Ok(message) = rusthl7::message::Message::try_from(text) else { return 0 };
    let read = |(segment, field, component): &(&str, usize, usize)| {
        // It counts the fields of the header as they stand.
        let field = if *segment == "MSH" { *field - 1 } else { *field };
        message.query(format!("{segment}.F{field}.C{component}").as_str()).len()
    };
    FIELDS.iter().map(read).sum()
}

fn bare_pass(bytes: &[u8]) -> usize {
    memchr::memchr3_iter(b'|', b'^', b'\r', bytes).count()
}

fn beside_others(criterion: &mut Criterion) {
    let settings = Settings::default();
    let report = long_report();
    for (name, bytes) in [("adt of 1 KB", ADT), ("oru of 4 KB", &report)] {
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        let Ok(message) = parse(bytes, &settings) else { continue };
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("parse and read ten fields", |bench| {
            bench.iter(|| ours(black_box(bytes), &settings))
        });
        group.bench_function("the same with hl7-parser", |bench| bench.iter(|| hl7_parser(black_box(text))));
        group.bench_function("the same with rust-hl7", |bench| bench.iter(|| rust_hl7(black_box(text))));
        group.bench_function("parse", |bench| bench.iter(|| parse(black_box(bytes), &settings).is_ok()));
        group.bench_function("full tree, rebuilt from its leaves", |bench| {
            bench.iter(|| parse(black_box(bytes), &settings).map(|message| message.rebuild().len()).ok());
        });
        group.bench_function("encode", |bench| bench.iter(|| black_box(&message).encode().len()));
        group.bench_function("to record", |bench| bench.iter(|| normalize(black_box(&message))));
        group.bench_function("a bare pass of memchr3", |bench| bench.iter(|| bare_pass(black_box(bytes))));
        group.finish();
    }
}

criterion_group!(benches, beside_others);
criterion_main!(benches);
