//! Runs the examples of `docs/mapping.md`: a mapping or its rules, a message or a document's record, and what must become of it; and sees
//! to it that every function is documented. JSON and XML are shown over several lines, and compared
//! without them.

use std::path::Path;

use orderly_record::Record;

use crate::{records, support};

#[test]
fn every_example_gives_what_it_shows() {
    let mut mapping = None;
    let mut others = Vec::new();
    let mut given = Given::Message(String::new());
    let mut examples = 0;
    for (line, kind, text) in fences(&documentation()) {
        match kind.as_str() {
            "yaml" => {
                let text = whole(&text);
                let compiled = support::mapping_with("example.yaml", &text, &tables, &others);
                mapping = Some(compiled.unwrap_or_else(|found| panic!("docs/mapping.md:{line}: {found}")));
            }
            "hl7 in" => given = Given::Message(text),
            "xml in" => given = Given::Document(text),
            "record ccd" => {
                let record = records::named("ccd");
                // It is shown where it is first used.
                if !text.is_empty() {
                    let shown = serde_json::from_str::<serde_json::Value>(&text).expect("the record is JSON");
                    assert_eq!(serde_json::to_value(&record).expect("JSON"), shown, "docs/mapping.md:{line}");
                }
                given = Given::Record(Box::new(record));
            }
            "hl7 out" | "csv out" | "json out" | "xml out" => {
                let mapping = mapping.as_ref().expect("an example begins with its rules");
                let found = match &given {
                    Given::Message(message) => support::map(mapping, message),
                    Given::Document(text) => support::map_document(mapping, text),
                    Given::Record(record) => support::map_record(mapping, record),
                };
                let expected = match kind.as_str() {
                    "json out" => in_one_line(&text),
                    "xml out" => {
                        text.replacen('\n', "\r", 1).replace('\n', "").replace("  ", "").replace('\r', "\n")
                    }
                    _ => text.trim_end().to_owned(),
                };
                assert_eq!(found, expected, "docs/mapping.md:{line}");
                examples += 1;
            }
            other if other.starts_with("yaml mappings/") => {
                others.push((other.trim_start_matches("yaml ").to_owned(), text));
            }
            "" | "sh" => {}
            other => panic!("docs/mapping.md:{line}: nothing is known of `{other}`"),
        }
    }
    assert!(examples > 15, "only {examples} examples were found");
}

/// What an example maps; those that show only rules map what the example before them did.
enum Given {
    Message(String),
    Document(String),
    Record(Box<Record>),
}

fn in_one_line(json: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).expect("an example's output is JSON");
    value.to_string()
}

#[test]
fn every_function_is_documented() {
    let text = documentation();
    for name in orderly_mapping::function_names() {
        assert!(text.contains(&format!("| `{name}")), "{name} is not in docs/mapping.md");
    }
}

/// The mappings of all examples, with the line at which each begins.
pub(crate) fn mappings() -> Vec<(usize, String)> {
    let examples = fences(&documentation()).into_iter().filter(|(_, kind, _)| kind == "yaml");
    examples.map(|(line, _, text)| (line, whole(&text))).collect()
}

/// The mappings and fragments that they use, with the line at which each begins.
pub(crate) fn used() -> Vec<(usize, String)> {
    let used = fences(&documentation()).into_iter().filter(|(_, kind, _)| kind.starts_with("yaml mappings/"));
    used.map(|(line, _, text)| (line, text)).collect()
}

fn documentation() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mapping.md");
    std::fs::read_to_string(path).expect("docs/mapping.md is there")
}

/// The fenced blocks: line, what stands after the fence, text.
fn fences(text: &str) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(done)) => found.push(done),
            (Some(kind), None) => open = Some((number + 1, kind.to_owned(), String::new())),
            (None, Some((start, kind, body))) => open = Some((start, kind, format!("{body}{line}\n"))),
            (None, None) => {}
        }
    }
    found
}

/// Examples that show only rules or tables get the rest of a mapping.
fn whole(text: &str) -> String {
    let head = "mapping: example\ninput: hl7v2 2.5.1\noutput: hl7v2\n";
    match text {
        text if text.starts_with("mapping:") => text.to_owned(),
        text if text.starts_with('-') => format!("{head}rules:\n{text}"),
        text => format!("{head}{text}"),
    }
}

fn tables(name: &str) -> Result<String, String> {
    match name {
        "tables/ward.csv" => {
            Ok("facility,code,name\nNORTH,ICU,Intensive Care North\nNORTH,*,North\n*,ICU,Intensive Care\n"
                .to_owned())
        }
        _ => Err(format!("there is no {name}")),
    }
}
