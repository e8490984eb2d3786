//! `docs/record.md` is the record as its types have it: members, kinds and meanings, for whoever writes mappings.
//!
//! After a change of the record, `ORDERLY_UPDATE_DOCS=1 cargo test -p orderly-record --test documentation` writes the page anew.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use orderly_record::Record;
use serde_json::{Map, Value};

const HEAD: &str = "\
# The record

What every message and document becomes, and what mappings read: `patient.name.family`, `results[*].code`, `${allergies}`. A member that
was not sent is not there. Asked for as text, a value with members gives its first one (of a code the `code`, of an identifier the
`value`). `orderly show FILE --record` shows the record of a message or a document.

To know before a mapping reads it:

- **Who is meant.** Documents rarely say what an identifier is for, and may name a social security number first. Choose by who gave it:
  `patient.identifiers[where .system = '2.16.840.1.113883.19.44'].value`, and `park` when it is empty.
- **What is denied.** `negated` is true where the source denies a thing: no such allergy, not taken, not done, not given. A list that does
  not ask shows it as if it were so: `allergies where .negated != 'true'`.
- **What is taken back.** HL7 v2 deletes entries by an `action` (`D`). Then `status` is `entered-in-error`, which is no denial; of an
  immunization `negated` is true: `allergies where .status != 'entered-in-error'`.
- **What has no code.** Senders write words where they have no code: `${.code.display | default(.code.text)}`.
- **How far it is.** Results may be preliminary (`status` `P`) or corrected (`C`); immunizations refused (`RE`) or not given (`NA`).
- **Which list.** `conditions` holds the problem list, the diagnoses of visits and operations, and what the patient had once (`history`);
  `category` tells them apart. So it does in `social_history` and `functional_status`.
- **What is not done yet.** What a document plans, orders or advises stands in `plans` and nowhere else, planned drugs too; `intent` tells
  how firm it is. What it hopes for stands in `goals`.
- **Documents in pieces.** Some senders cut a document in Base64 into several OBX, or repetitions of OBX-5. It is one document here, its
  `parts` name the places to put together, when that is certain: it begins as a PDF, RTF, JPEG, PNG, TIFF or ZIP file does and is declared
  to be one; the OBX (type ED) follow one another with the same OBX-3 and OBX-11, and the same OBX-4 or the next number; no later piece
  begins as a file does, and no earlier one ends with padding (`=`) or as a PDF ends. Else each piece is an observation of its own.
";

#[test]
fn the_page_says_what_the_record_has() {
    let page = page(&Record::schema().to_value());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/record.md");
    if std::env::var_os("ORDERLY_UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/record.md is not what the record has; this test's first lines say how to write it anew"
    );
}

fn page(schema: &Value) -> String {
    let mut page = HEAD.to_owned();
    section(&mut page, "The record's members", schema);
    for (name, schema) in schema["$defs"].as_object().unwrap() {
        let members: Vec<&Value> = match schema["oneOf"].as_array() {
            Some(kinds) => kinds.iter().collect(),
            None => vec![schema],
        };
        if members.iter().any(|one| one.get("properties").is_some()) {
            table(&mut page, name, schema, &members);
        } else {
            writeln!(page, "\n## {name}\n\n{}", described(schema)).unwrap();
        }
    }
    page
}

fn section(page: &mut String, title: &str, schema: &Value) {
    table(page, title, schema, &[schema]);
}

/// A table of the members of a type, or of the alternatives of which a value has one.
fn table(page: &mut String, title: &str, schema: &Value, parts: &[&Value]) {
    writeln!(page, "\n## {title}\n\n{}\n", described(schema)).unwrap();
    writeln!(page, "| member | is | what it says |\n|---|---|---|").unwrap();
    for part in parts {
        for (name, member) in part["properties"].as_object().unwrap_or(&Map::new()) {
            // An alternative is described as a whole.
            let text = if parts.len() > 1 { described(part) } else { described(member) };
            writeln!(page, "| `{name}` | {} | {text} |", kind(member)).unwrap();
        }
    }
}

fn described(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// `list of Coding`, `Coded`, `text`, `true or false`, `number`.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(several) = schema["anyOf"].as_array() {
        return several.iter().find(|one| one["type"] != "null").map(kind).unwrap_or_default();
    }
    let named = |name: &str| match name {
        "array" => format!("list of {}", kind(&schema["items"])),
        "boolean" => "true or false".to_owned(),
        "integer" => "number".to_owned(),
        "object" => {
            let names: Vec<&String> =
                schema["properties"].as_object().into_iter().flat_map(Map::keys).collect();
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        }
        _ => "text".to_owned(),
    };
    match &schema["type"] {
        Value::String(name) => named(name),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).find(|name| *name != "null").map(named).unwrap_or_default()
        }
        _ => "text".to_owned(),
    }
}
