//! Any bytes through a site with mappings that edit and build: a fate, an answer or none, and the same again; and read in pieces, as
//! files are, they are the same messages.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use orderly_pipeline::{Facts, Plan, Stream, Text, Texts, compile, members, process};

const SITE: &str = "\
sources:
  emr:
    mllp:
      listen: 127.0.0.1:0
destinations:
  ehr:
    mllp:
      address: localhost:2575
  files:
    files:
      folder: out
";
const ROUTE: &str = "\
route: all
from: emr
when: message.type != 'ORM'
to:
  - destination: ehr
    mapping: edit
  - destination: files
    when: patient.identifiers[where .type = 'MR'].value is present or message.type = 'CDA'
    mapping: build
";
const MAPPING: &str = "\
mapping: edit
input: hl7v2 2.5
output: hl7v2
tables:
  units:
    rows:
      a: b
    unmapped: keep
rules:
  - set:
      MSH-3: ORDERLY
      PID-3[*].4: HERE
      PID-5.1: ${PID-5.1 | upper | truncate(5)}
      PID-7: ${PID-7 | date('yyyy-MM-dd')}
  - each: OBX where OBX-2 = 'NM'
    do:
      - set:
          OBX-6: ${OBX-6.1 | lookup(units)}
          OBX-8[+]: ${OBR-4.1 | concat('x')}
  - insert: ZPI
    after: PID
    fields:
      1: ${patient.identifiers[where .type = 'MR'].value}
  - delete:
      - NK1
      - PID-19
";

const BUILD: &str = "\
mapping: build
input: any
output: json
build:
  patient: ${patient}
  name: ${patient.name.family | upper}
  results:
    $each: results
    code: ${.code.code}
    values:
      $each: .observations
      value: ${.value}
  allergies: ${allergies}
";

static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let named = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let texts = Texts {
        site: named("orderly.yaml", SITE),
        routes: vec![named("routes/all.yaml", ROUTE)],
        mappings: vec![named("mappings/build.yaml", BUILD), named("mappings/edit.yaml", MAPPING)],
        ..Texts::default()
    };
    let compiled = compile(&texts);
    compiled.plan.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
});

/// How much is pushed at once: not a power of two, so that everything is cut somewhere.
const CHUNK: usize = 61;

fuzz_target!(|bytes: &[u8]| {
    let mut stream = Stream::new(1 << 20);
    let mut in_pieces = Vec::new();
    for chunk in bytes.chunks(CHUNK) {
        stream.push(chunk);
        in_pieces.extend(std::iter::from_fn(|| stream.next_member()));
    }
    stream.finish();
    in_pieces.extend(std::iter::from_fn(|| stream.next_member()));
    if !bytes.trim_ascii().is_empty() {
        let whole: Vec<&[u8]> = members(bytes).into_iter().map(|member| &bytes[member]).collect();
        assert_eq!(in_pieces.iter().map(|member| &*member.bytes).collect::<Vec<_>>(), whole);
    }
    let facts = Facts { id: 1, source: "emr", accepted_at: Default::default() };
    for member in members(bytes) {
        let (one, other) = (process(&PLAN, &facts, &bytes[member.clone()]), process(&PLAN, &facts, &bytes[member]));
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
        assert_eq!(one.reply.stored(&facts), other.reply.stored(&facts));
    }
});
