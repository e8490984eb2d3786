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
use crate::compile::{FRAGMENT_PARTS, OF_OUTPUT, TEXT, VERSIONS};

/// The name of an element or an attribute, with or without a prefix; `compile::xml` tells what names are made of.
const XML_NAME: &str = "(?:[A-Za-z_][A-Za-z0-9_.-]*:)?[A-Za-z_][A-Za-z0-9_.-]*$";

/// The schema of a mapping's file, or a fragment's.
#[must_use]
pub fn mapping() -> Json {
    let keys = object(
        "A mapping: how a message or a document becomes what one destination wants; or a fragment, a part that mappings use. The \
            language: docs/mapping.md",
        &[],
        json!({
            "mapping": text("The name that routes use; the file is called like it"),
            "fragment": text("In the place of mapping, input and output: the name by which mappings use it, with `use` or `$use`"),
            "about": text("What it is for, in a sentence for people"),
            "input": input(),
            "output": output(),
            "ignore": ignored(),
            "start": choice("How a new message begins", &[
                ("empty", "with a header only, all else is set by rules; without `start` rules work on a copy of the input"),
            ]),
            "charset": text("In which charset a message is written, with MSH-18 set to it: UNICODE UTF-8, ASCII, 8859/1, any name of HL7 table \
                0211. Without it an edited message stays in its own, a new one is UTF-8"),
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
        "if": { "required": ["fragment"] },
        "then": of_fragment(&keys),
        "else": { "required": ["mapping", "input", "output"] },
        "allOf": of_output(),
        "definitions": { "rule": rule::rule(), "part": part(), "element": element(), "root": root(), "row": row() },
    });
    with(keys, more)
}

/// A fragment does not say what it takes and writes, so that what it builds may be part of JSON or of XML.
fn of_fragment(keys: &Json) -> Json {
    let all = keys.get("properties").and_then(Json::as_object).into_iter().flatten();
    let is_own = |key: &str| matches!(key, "fragment" | "about") || FRAGMENT_PARTS.contains(&key);
    let others = all.filter(|(key, _)| !is_own(key));
    let mut properties: Map<String, Json> = others.map(|(key, _)| (key.clone(), json!(false))).collect();
    let build = json!({ "anyOf": [{ "$ref": "#/definitions/part" }, { "$ref": "#/definitions/element" }] });
    properties.insert("build".to_owned(), build);
    json!({ "properties": properties, "anyOf": [{ "required": ["rules"] }, { "required": ["build"] }] })
}

fn ignored() -> Json {
    let reason = with(text("Why it is left aside"), json!({ "pattern": r"\S" }));
    let about = "Places of the input that are left aside on purpose, in all their occurrences, each with the reason: ZRV, PV1-7, \
        social_history";
    map_of(about, r"^[^\[]+$", &reason)
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
        ["hl7v2", "json", "xml", "csv"].map(str::to_owned).into_iter().chain(versions).collect();
    json!({
        "description": "What it writes. hl7v2: a copy of the message, changed by rules; with a version, of that version, and with `start: empty` a new \
            message. json, xml and csv: what `build` says",
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
            Format::Xml => Some("#/definitions/root"),
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
        of(Format::Xml, "^xml$", "build"),
        of(Format::Csv, "^csv$", "build"),
        { "if": { "required": ["start"] }, "then": { "properties": { "output": { "pattern": "^hl7v2 " } } } },
    ])
}

fn table() -> Json {
    let columns = |about: &str| json!({ "description": about, "anyOf": [text(""), list("", &text(""))] });
    let pairs = map_of("Each value and what it becomes", parts::ANY_KEY, &text("What the value becomes"));
    let row = map_of("A row: the names of its columns and what stands in them", parts::ANY_KEY, &text(""));
    let keys = object(
        "A table: its rows written here, or a CSV file with headers",
        &["unmapped"],
        json!({
            "unmapped": {
                "description": "What a value without a row becomes: keep (stays), empty, fail (the delivery fails), park (it waits for \
                    a person), or a text in quotes",
                "anyOf": [{ "enum": ["keep", "empty", "fail", "park"] }, { "type": "string" }],
            },
            "rows": {
                "description": "The rows: each value and what it becomes; or a list of rows with the columns of `key` and `value`",
                "anyOf": [pairs, list("The rows, each with its columns", &row)],
            },
            "file": text("A CSV file with headers, UTF-8, its path below mappings/: tables/wards.csv"),
            "key": columns("The column, or the columns, by which a row is found; a cell * fits anything"),
            "value": columns("The column, or the columns, that a look-up gives: lookup(ward.name) names one of several"),
        }),
    );
    let alternatives = json!([
        { "required": ["rows"], "properties": { "rows": { "type": "object" }, "file": false, "key": false, "value": false } },
        { "required": ["rows", "key", "value"], "properties": { "rows": { "type": "array" }, "file": false } },
        { "required": ["file", "key", "value"], "properties": { "rows": false } },
    ]);
    with(keys, json!({ "oneOf": alternatives }))
}

/// A part of JSON.
fn part() -> Json {
    let part = json!({ "$ref": "#/definitions/part" });
    let members = json!({ parts::BUILT_KEY: part });
    built(&part, parts::directives(&part), members)
}

/// An element of XML: as a part of JSON, with attributes and text.
fn element() -> Json {
    let element = json!({ "$ref": "#/definitions/element" });
    let mut properties = parts::directives(&element);
    let text = parts::value("The text of the element, beside its attributes");
    properties.insert(TEXT.to_owned(), text);
    let attribute = parts::value("The attribute's value; what is missing leaves it out");
    let members = json!({ format!("^@{XML_NAME}"): attribute, format!("^{XML_NAME}"): element });
    built(&element, properties, members)
}

/// A value, a list of such, or a map: of keys with a meaning of their own, and of its members.
fn built(own: &Json, properties: Map<String, Json>, members: Json) -> Json {
    let list = with(list("", own), json!({ "minItems": 1 }));
    let map = json!({
        "type": "object",
        "minProperties": 1,
        "properties": properties,
        "patternProperties": members,
        "additionalProperties": false,
        "dependencies": parts::alone(),
    });
    json!({
        "description": "A value, a list or a map. A value that is exactly one ${...} keeps its type; what is missing leaves its key out",
        "anyOf": [parts::value(""), list, map],
    })
}

/// The root of an XML document: one element, which is there once and is no text.
fn root() -> Json {
    let once = json!({ "$each": false, "$value": false });
    let element = json!({ "$ref": "#/definitions/element" });
    let one = json!({ "allOf": [element, { "type": "object", "properties": once }] });
    let mut properties = parts::directives(&json!(false));
    properties.extend(once.as_object().cloned().unwrap_or_default());
    // Besides its name there may be what else is said of it.
    let count = json!([
        { "maxProperties": 1 },
        { "required": ["$let"], "maxProperties": 2 },
        { "required": ["$when"], "maxProperties": 2 },
        { "required": ["$let", "$when"], "maxProperties": 3 },
    ]);
    json!({
        "description": "One key, the name of the root element. In elements '@name' is an attribute, $text the text beside attributes",
        "type": "object",
        "minProperties": 1,
        "properties": properties,
        "patternProperties": { format!("^{XML_NAME}"): one },
        "additionalProperties": false,
        "anyOf": count,
    })
}

/// A row of delimited text.
fn row() -> Json {
    let mut columns = parts::directives(&json!(false));
    columns.insert("$use".to_owned(), json!(false));
    json!({
        "description": "One row, or with $each one for each: columns and their values",
        "type": "object",
        "properties": columns,
        "patternProperties": { parts::BUILT_KEY: parts::value("The column's value; what is missing is an empty cell") },
        "additionalProperties": false,
    })
}
