//! The two-way view: where each place of an output came from, where each place of an input went.

use orderly_hl7v2::{Settings, parse};
use orderly_mapping::{Facts, Input, InputField, Lineage, OutputField};
use orderly_record::Place;

use crate::support;

fn lineage(mapping: &str, message: &str) -> Lineage {
    let mapping = support::mapping("m.yaml", mapping, &|_| Err("no files".to_owned())).expect("a mapping");
    let bytes = support::received(message);
    let message = parse(&bytes, &Settings::default()).expect("a message");
    let facts = Facts { id: 1, source: "any", accepted_at: jiff::Timestamp::UNIX_EPOCH };
    let input = Input::of_message(&facts, &message);
    let (_, trace) = mapping.execute_traced(&input);
    let lineage = mapping.lineage(&input, &trace);
    // What is told to stand at a byte stands there.
    for input in &lineage.inputs {
        let offset = input.place.offset.expect("an offset");
        let there = bytes.get(offset..offset + input.text.len());
        assert_eq!(there, Some(input.text.as_bytes()), "{}", input.place.path);
    }
    lineage
}

fn line(place: &Place) -> usize {
    match place {
        Place::File { line, .. } => *line,
        _ => 0,
    }
}

/// The places that rules wrote, with where they came from.
fn written(lineage: &Lineage) -> Vec<String> {
    let told = |output: &OutputField| {
        let mut from: Vec<&str> = output.from.iter().map(|place| place.path.as_str()).collect();
        from.extend(output.also.iter().map(String::as_str));
        let rule = output.rule.as_ref().map(line)?;
        Some(format!("{} {rule} {}", output.path, from.join(" ")).trim_end().to_owned())
    };
    lineage.outputs.iter().filter_map(told).collect()
}

/// The places of the input below its header, and what became of them.
fn went(lineage: &Lineage) -> Vec<String> {
    let told = |input: &InputField| {
        let mut words = vec![input.place.path.clone()];
        words.extend(input.to.iter().map(|to| format!("→{to}")));
        words.extend(input.rules.iter().map(|rule| format!("?{}", line(rule))));
        for (word, is) in
            [("copied", input.copied), ("removed", input.removed), ("nowhere", input.went_nowhere())]
        {
            if is {
                words.push(word.to_owned());
            }
        }
        words.join(" ")
    };
    lineage.inputs.iter().filter(|input| !input.place.path.starts_with("MSH")).map(told).collect()
}

const EDIT: &str = "\
mapping: m
input: hl7v2 2.5.1
output: hl7v2
rules:
  - let:
      mrn: ${PID-3[where .5 = 'MR'].1}
  - set:
      PID-5.1: ${PID-5.1 | upper}
  - set:
      PID-2: ${$mrn}
      PID-6: ${PID-5.1}
      PID-18: ${patient.birth_date | date('yyyy')} ${source.name}
  - when: PID-8 = 'F'
    delete:
      - PID-3[where .5 = 'SS']
      - PID-19
  - insert: ZPI
    after: PID
    fields:
      1: ${patient.identifiers[where .type = 'MR'].value}
";

#[test]
fn an_edit_is_followed_through_names_and_earlier_writes() {
    let lineage = lineage(EDIT, "PID|1||5^^^^SS~7^^^A^MR||Smith^Jo||19840211|F|||||||||||123");
    let expected = [
        "PID-2 10 PID-3[2].1",
        "PID-5.1 8 PID-5.1",
        "PID-6 11 PID-5.1",
        "PID-18 12 PID-7 source.name",
        "ZPI-1 20 PID-3[2].1",
    ];
    assert_eq!(written(&lineage), expected);
    let expected = [
        "PID-1 copied",
        "PID-3[1].1 removed",
        "PID-3[1].5 ?5 ?13 ?20 removed",
        "PID-3[2].1 →PID-2 →ZPI-1 ?5 ?10 ?20 copied",
        "PID-3[2].4 copied",
        "PID-3[2].5 ?5 ?20 copied",
        "PID-5.1 →PID-5.1 →PID-6 ?8 ?11 removed",
        "PID-5.2 copied",
        "PID-7 →PID-18 ?12 copied",
        "PID-8 ?13 copied",
        "PID-19 removed",
    ];
    assert_eq!(went(&lineage), expected);
}

const BUILD: &str = "\
mapping: m
input: any
output: json
build:
  mrn: ${PID-3.1}
  names:
    $each: patient.names where .family != 'X'
    family: ${.family}
  results:
    $each: OBX where OBX-2 = 'NM'
    code: ${OBX-3.1}
    value: ${.5}
";

#[test]
fn what_is_built_names_its_places_and_what_went_nowhere_is_told() {
    let lineage =
        lineage(BUILD, "PID|1||7^^^A||X^Ann~Smith^Jo||19840211\nOBX|1|ST|K^Kalium||x\nOBX|2|NM|NA||140");
    let expected = [
        "mrn 5 PID-3.1",
        "names[1].family 8 PID-5[2].1",
        "results[1].code 11 OBX[2]-3",
        "results[1].value 12 OBX[2]-5",
    ];
    assert_eq!(written(&lineage), expected);
    let expected = [
        "PID-1 nowhere",
        "PID-3.1 →mrn ?5",
        "PID-3.4 nowhere",
        "PID-5[1].1 ?7",
        "PID-5[1].2 nowhere",
        "PID-5[2].1 →names[1].family ?7 ?8",
        "PID-5[2].2 nowhere",
        "PID-7 nowhere",
        "OBX-1 nowhere",
        "OBX-2 ?10",
        "OBX-3.1 nowhere",
        "OBX-3.2 nowhere",
        "OBX-5 nowhere",
        "OBX[2]-1 nowhere",
        "OBX[2]-2 ?10",
        "OBX[2]-3 →results[1].code ?11",
        "OBX[2]-5 →results[1].value ?12",
    ];
    assert_eq!(went(&lineage), expected);
}

const XML: &str = "\
mapping: m
input: any
output: xml
build:
  root:
    '@xmlns': urn:x
    '@id': ${PID-3.1}
    $text: ${PID-2}
    name: ${PID-5.1}
    given: ${patient.names[*].given}
    result:
      $each: OBX where OBX-2 = 'NM'
      '@code': ${OBX-3.1}
      value: ${.5}
    nothing: ${PID-30}
";

#[test]
fn elements_attributes_and_texts_of_xml_name_their_places() {
    let lineage = lineage(XML, "PID|1||7||X^Ann~Smith^Jo||19840211\nOBX|1|ST|K||x\nOBX|2|NM|NA||140");
    let expected = [
        "root.@xmlns 6",
        "root.@id 7 PID-3",
        "root.name 9 PID-5[1].1",
        "root.given 10 PID-5[1].2 PID-5[2].2",
        "root.result[1].@code 13 OBX[2]-3",
        "root.result[1].value 14 OBX[2]-5",
    ];
    assert_eq!(written(&lineage), expected);
}

#[test]
fn of_a_large_message_each_member_still_has_its_own_segment() {
    let mapping = "mapping: m\ninput: any\noutput: json\nbuild:\n  $each: results[1].observations\n  value: ${.value}\n";
    let rows: Vec<String> = (1..=150).map(|n| format!("OBX|{n}|NM|K^Kalium||{}|mmol/L", n % 7)).collect();
    let message = format!("PID|1||7\nOBR|1|||P^Panel\n{}", rows.join("\n"));
    let found = lineage(mapping, &message);
    assert!(found.inputs.len() > 500);
    let told = written(&found);
    assert_eq!((told.len(), told.last().map(String::as_str)), (150, Some("[150].value 6 OBX[150]-5")));
}

#[test]
fn a_picked_member_comes_from_itself_alone() {
    let lineage = lineage(
        "\
mapping: m
input: hl7v2 2.5.1
output: hl7v2
rules:
  - set:
      PID-2: ${PID-3[*].1 | first}
      PID-4: ${PID-3[* where .5 = 'PI'].1 | upper | last}
      PID-6: ${PID-3 | nth(2)}
      PID-18: ${patient.identifiers[*].value | nth(3)}
      PID-19: ${PID-3[*].1 | join('+')}
      PID-21: ${PID-3[*].1 | nth(9)}
",
        "PID|1||a^^^^MR~b^^^^PI~c^^^^PI||Smith",
    );
    assert_eq!(
        written(&lineage),
        [
            "PID-2 6 PID-3[1].1",
            "PID-4 7 PID-3[3].1",
            "PID-6 8 PID-3[2].1 PID-3[2].5",
            "PID-18 9 PID-3[3].1",
            "PID-19 10 PID-3[1].1 PID-3[2].1 PID-3[3].1",
        ]
    );
}

#[test]
fn what_is_written_in_another_charset_still_comes_from_where_it_stood() {
    let mapping = "\
mapping: m
input: hl7v2 2.5.1
output: hl7v2 2.6
charset: UNICODE UTF-8
rules:
  - set:
      PID-6: ${PID-5.1}
";
    let mapping = support::mapping("m.yaml", mapping, &|_| Err("no files".to_owned())).expect("a mapping");
    let mut bytes = support::received("PID|1||70014||Smith^Zo");
    bytes.insert(bytes.len() - 1, 0xEB);
    let message = parse(&bytes, &Settings::default()).expect("a message");
    let facts = Facts { id: 1, source: "any", accepted_at: jiff::Timestamp::UNIX_EPOCH };
    let input = Input::of_message(&facts, &message);
    let (outcomes, trace) = mapping.execute_traced(&input);
    let [orderly_mapping::Outcome::Output(output)] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert!(output.bytes.ends_with("PID|1||70014||Smith^Zo\u{eb}|Smith\r".as_bytes()));
    let lineage = mapping.lineage(&input, &trace);
    assert_eq!(written(&lineage), ["MSH-12 3", "MSH-18 4", "PID-6 7 PID-5.1"]);
    assert_eq!(
        went(&lineage),
        ["PID-1 copied", "PID-3 copied", "PID-5.1 →PID-6 ?7 copied", "PID-5.2 copied"]
    );
}
