//! What one document costs, parsed and normalized, beside quick-xml's bare event loop and a tree of roxmltree over the same bytes. Run with
//! `cargo bench -p orderly-ccda`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use orderly_ccda::{Limits, normalize, parse};

const CCD: &str = include_str!("../tests/samples/ccd_r21_full.xml");

/// The same document with its sections so many times.
fn repeated(times: usize) -> String {
    let Some((header, rest)) = CCD.split_once("<structuredBody>") else { return CCD.to_owned() };
    let Some((body, footer)) = rest.rsplit_once("</structuredBody>") else { return CCD.to_owned() };
    format!("{header}<structuredBody>{}</structuredBody>{footer}", body.repeat(times))
}

fn events(bytes: &[u8]) -> usize {
    let mut reader = quick_xml::Reader::from_reader(bytes);
    let mut count = 0;
    while let Ok(event) = reader.read_event() {
        if matches!(event, quick_xml::events::Event::Eof) {
            break;
        }
        count += 1;
    }
    count
}

fn documents(criterion: &mut Criterion) {
    let limits = Limits::default();
    for (name, text) in [("ccd", repeated(1)), ("ccd_of_2_mb", repeated(100))] {
        let Ok(document) = parse(text.as_bytes(), &limits) else { continue };
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("parse", |bench| {
            bench.iter(|| parse(black_box(text.as_bytes()), &limits).is_ok())
        });
        group.bench_function("normalize", |bench| bench.iter(|| normalize(black_box(&document))));
        group.bench_function("parse and normalize", |bench| {
            bench.iter(|| {
                parse(black_box(text.as_bytes()), &limits).map(|document| normalize(&document)).is_ok()
            });
        });
        group.bench_function("quick-xml, events only", |bench| {
            bench.iter(|| events(black_box(text.as_bytes())))
        });
        group.bench_function("roxmltree", |bench| {
            bench.iter(|| roxmltree::Document::parse(black_box(&text)).is_ok());
        });
        group.finish();
    }
}

criterion_group!(benches, documents);
criterion_main!(benches);
