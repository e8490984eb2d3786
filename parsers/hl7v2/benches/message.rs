//! What one message costs: parsing, normalizing, copying and giving back; and what splitting many costs. Run with `cargo bench -p orderly-hl7v2`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use orderly_hl7v2::{Groups, Settings, Splitter, normalize, parse, split};

const ADT: &[u8] = include_bytes!("../tests/samples/adt_a01_admission.hl7");
const ORU: &[u8] = include_bytes!("../tests/samples/oru_r01_panel_with_notes.hl7");

fn messages(criterion: &mut Criterion) {
    let settings = Settings::default();
    for (name, bytes) in [("adt", ADT), ("oru", ORU)] {
        let Ok(message) = parse(bytes, &settings) else { continue };
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("parse", |bench| bench.iter(|| parse(black_box(bytes), &settings).is_ok()));
        group.bench_function("normalize", |bench| bench.iter(|| normalize(black_box(&message))));
        group.bench_function("clone", |bench| bench.iter(|| black_box(&message).clone()));
        group.bench_function("encode", |bench| bench.iter(|| black_box(&message).encode()));
        group.bench_function("groups", |bench| bench.iter(|| Groups::of(black_box(&message))));
        group.finish();
    }
}

fn batches(criterion: &mut Criterion) {
    let file = [ADT, ORU].concat().repeat(1_000);
    let mut group = criterion.benchmark_group("batch");
    group.throughput(Throughput::Bytes(file.len() as u64));
    group.bench_function("split", |bench| bench.iter(|| split(black_box(&file))));
    for piece in [4_096, 65_536] {
        group.bench_function(format!("stream in pieces of {piece}"), |bench| {
            bench.iter(|| {
                let mut splitter = Splitter::new(1 << 20);
                let mut members = 0;
                for chunk in black_box(&file).chunks(piece) {
                    splitter.push(chunk);
                    while splitter.next_member().is_some() {
                        members += 1;
                    }
                }
                splitter.finish();
                members
            });
        });
    }
    group.finish();
}

criterion_group!(benches, messages, batches);
criterion_main!(benches);
