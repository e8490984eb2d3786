//! The JSON Schema of mappings, for editors: what may stand where, and what it means.
//!
//! Draft 07, which every YAML language server understands. What the loader lists (versions, actions, functions, segments) is taken from
//! there; that the keys are those of the loader, and what it takes is not refused, tests hold. An editor sees the form only: names,
//! paths and functions are checked by `orderly check`.

mod parts;
mod rule;

use serde_json::{Map, Value as Json, json};

pub use self::parts::{choice, condition, flag, list, map_of, object, text, with};
use crate::Format;
use crate::compile::{OF_OUTPUT, VERSIONS};

/// The schema of a mapping's file.
#[must_use]
pub fn mapping() -> Json {
    let keys = object(
        "A mapping: how a message or a document becomes what one destination wants. The language: docs/mapping.md",
        &["mapping", "input", "output"],
        json!({
            "mapping": text("The name that routes use; the file is called like it"),
            "about": text("What it is for, in a sentence for people"),
            "input": input(),
            "output": output(),
            "start": choice("How a new message begins", &[
                ("empty", "with a header only, all else is set by rules; without `start` rules work on a copy of the input"),
            ]),
            "tables": map_of("Code tables by name, for `| lookup(name)`", ".", &table()),
            "rules": rule::rules("What is done, from top to bottom. Above `build:` rules only decide: let, when, stop, fail, park"),
            // What may stand below depends on the output.
            "build": { "description": "What the output is made of: each key with its value, in the order written" },
            "header": flag("Whether the first line has the names of the columns (default true)"),
            "separator": {
                "description": "What stands between two cells (default ','): one character in quotes, a tab as \"\\t\"",
                "type": "string",
                "pattern": "^[\\x00-\\x09\\x0B\\x0C\\x0E-\\x21\\x23-\\x7F]$",
            },
            "line_end": choice("What ends a line", &[("lf", "LF, as most programs write it (default)"), ("crlf", "CRLF, as Windows does")]),
        }),
    );
    let more = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "An Orderly mapping",
        "allOf": of_output(),
        "definitions": { "rule": rule::rule(), "part": part(), "row": row() },
    });
    with(keys, more)
}

fn input() -> Json {
    let versions = VERSIONS.iter().map(|version| format!("hl7v2 {version}"));
    let values: Vec<String> = versions.chain(["ccda".to_owned(), "any".to_owned()]).collect();
    json!({
        "description": "What it takes: HL7 v2 with the version that its paths are checked against, C-CDA documents (ccda), or any",
        "enum": values,
    })
}

fn output() -> Json {
    let versions = VERSIONS.iter().map(|version| format!("hl7v2 {version}"));
    let values: Vec<String> =
        ["hl7v2".to_owned(), "json".to_owned(), "csv".to_owned()].into_iter().chain(versions).collect();
    json!({
        "description": "What it writes. hl7v2: a copy of the message, changed by rules. hl7v2 with a version and `start: empty`: a new \
            message. json and csv: what `build` says",
        "enum": values,
    })
}

/// For each output, the keys that have no meaning with it, and those that it needs.
fn of_output() -> Json {
    let of = |format: Format, pattern: &str, needed: &str| {
        let others = OF_OUTPUT.iter().filter(|(_, formats)| !formats.contains(&format));
        let mut keys: Map<String, Json> = others.map(|(key, _)| ((*key).to_owned(), json!(false))).collect();
        let build = match format {
            Format::Hl7v2 => None,
            Format::Json => Some("#/definitions/part"),
            Format::Csv => Some("#/definitions/row"),
        };
        keys.extend(build.map(|definition| ("build".to_owned(), json!({ "$ref": definition }))));
        json!({
            "if": { "required": ["output"], "properties": { "output": { "pattern": pattern } } },
            "then": { "required": [needed], "properties": keys },
        })
    };
    json!([
        of(Format::Hl7v2, "^hl7v2", "rules"),
        of(Format::Json, "^json$", "build"),
        of(Format::Csv, "^csv$", "build"),
        {
            "if": { "required": ["output"], "properties": { "output": { "pattern": "^hl7v2 " } } },
            "then": { "required": ["start"] },
        },
        { "if": { "required": ["start"] }, "then": { "properties": { "output": { "pattern": "^hl7v2 " } } } },
    ])
}

fn table() -> Json {
    let columns = |about: &str| json!({ "description": about, "anyOf": [text(""), list("", &text(""))] });
    let keys = object(
        "A table: its rows written here, or a CSV file with headers",
        &["unmapped"],
        json!({
            "unmapped": {
                "description": "What a value without a row becomes: keep (stays), empty, fail (the delivery fails), park (it waits for \
                    a person), or a text in quotes",
                "anyOf": [{ "enum": ["keep", "empty", "fail", "park"] }, { "type": "string" }],
            },
            "rows": map_of("The rows: each value and what it becomes", "", &text("What the value becomes")),
            "file": text("A CSV file with headers, UTF-8, its path below mappings/: tables/wards.csv"),
            "key": columns("The column, or the columns, by which a row is found; a cell * fits anything"),
            "value": columns("The column, or the columns, that a look-up gives: lookup(ward.name) names one of several"),
        }),
    );
    let alternatives = json!([
        { "required": ["rows"], "properties": { "key": false, "value": false } },
        { "required": ["file", "key", "value"] },
    ]);
    with(keys, json!({ "oneOf": alternatives }))
}

/// A part of JSON: a value, a list or a map, with the keys that have a meaning of their own.
fn part() -> Json {
    let part = json!({ "$ref": "#/definitions/part" });
    let map = json!({
        "type": "object",
        "minProperties": 1,
        "properties": parts::directives(&part),
        "patternProperties": { parts::BUILT_KEY: part },
        "additionalProperties": false,
    });
    let list = with(list("", &part), json!({ "minItems": 1 }));
    json!({
        "description": "A value, a list or a map. A value that is exactly one ${...} keeps its type; what is missing leaves its key out",
        "anyOf": [parts::value(""), list, map],
    })
}

/// A row of delimited text.
fn row() -> Json {
    json!({
        "description": "One row, or with $each one for each: columns and their values",
        "type": "object",
        "properties": parts::directives(&json!(false)),
        "patternProperties": { parts::BUILT_KEY: parts::value("The column's value; what is missing is an empty cell") },
        "additionalProperties": false,
    })
}
