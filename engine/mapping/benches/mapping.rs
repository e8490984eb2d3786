//! Messages a second on one core, of a 1 KB admission: ten rules with parsing and encoding, and a JSON template of sixty values with and
//! without parsing and making the record. Beside them what of it is parsing and encoding, and parsing and making the record.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark without its files has nothing to measure"
)]

use std::hint::black_box;
use std::path::Path;

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use orderly_hl7v2::{Settings, parse};
use orderly_mapping::{Facts, Input, Mapping, Outcome, compile, compile_condition, yaml};

const FACTS: Facts<'_> = Facts { id: 1, source: "bench", accepted_at: jiff::Timestamp::UNIX_EPOCH };

fn mappings(criterion: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(root.join("../../samples/load/adt_1kb.hl7")).expect("the message");
    let mut group = criterion.benchmark_group("ADT 1 KB");
    group.throughput(Throughput::Elements(1));
    let settings = Settings::default();
    group.bench_function("parse, encode", |bencher| {
        bencher.iter(|| parse(black_box(&bytes), &settings).map(|message| message.encode()))
    });
    group.bench_function("parse, record", |bencher| {
        bencher.iter(|| parse(black_box(&bytes), &settings).map(|message| orderly_hl7v2::normalize(&message)))
    });
    let whole = |group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mapping: &Mapping| {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let message = parse(black_box(&bytes), &settings).expect("a readable message");
                output(mapping, &Input::of_message(&FACTS, &message))
            })
        });
    };
    whole(&mut group, "parse, ten rules, encode", &mapping(root, "benches/ten-rules.yaml"));
    whole(&mut group, "parse, five rules, encode", &mapping(root, "../../samples/load/five-rules.yaml"));
    let sixty = mapping(root, "benches/sixty-values.yaml");
    whole(&mut group, "parse, record, sixty values", &sixty);

    let message = parse(&bytes, &settings).expect("a readable message");
    let input = Input::of_message(&FACTS, &message);
    group.bench_function("sixty values of the record", |bencher| {
        bencher.iter(|| output(&sixty, black_box(&input)))
    });
    let condition = yaml::parse("route.yaml", "message.type = 'ADT'").expect("YAML");
    let condition = compile_condition(&condition.root).expect("a condition");
    group
        .bench_function("a route's condition", |bencher| bencher.iter(|| condition.holds(black_box(&input))));
    group.finish();
}

fn mapping(root: &Path, file: &str) -> Mapping {
    let text = std::fs::read_to_string(root.join(file)).expect("the mapping");
    let document = yaml::parse(file, &text).expect("YAML");
    compile(&document, &|_| Err("no files".to_owned())).0.expect("a mapping without errors")
}

fn output(mapping: &Mapping, input: &Input<'_>) -> Vec<u8> {
    match mapping.execute(input) {
        Outcome::Output(output) => output.bytes,
        // A mapping that makes nothing would be measured as a fast one.
        other => panic!("no output: {other:?}"),
    }
}

criterion_group!(benches, mappings);
criterion_main!(benches);
