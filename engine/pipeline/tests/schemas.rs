//! The JSON Schemas against the loader: they have the same keys and the same words, what the samples and the documentation show fits, and
//! the files in `schemas` are what this version says.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use orderly_pipeline::suite::{TestText, Tested, compile_suites};
use orderly_pipeline::{Diagnostic, Text, Texts, compile, schema};
use serde_json::{Value as Json, json};

/// What a file is: the name of its schema.
type Kind = &'static str;

/// Those whose loader is compared with.
const KINDS: [Kind; 4] = ["site", "route", "mapping", "test"];

fn schema_of(kind: Kind) -> Json {
    match kind {
        "site" => schema::site(),
        "route" => schema::route(),
        "mapping" => orderly_mapping::schema::mapping(),
        "test" => schema::test(),
        other => panic!("there is no schema of {other}"),
    }
}

#[test]
fn the_files_are_up_to_date() {
    for kind in KINDS {
        let path = repository().join(format!("schemas/{kind}.json"));
        let is = std::fs::read_to_string(&path).unwrap_or_default();
        let should = format!("{}\n", serde_json::to_string_pretty(&schema_of(kind)).unwrap());
        assert!(is == should, "write it anew: orderly schema {kind} > schemas/{kind}.json");
    }
}

#[test]
fn every_sample_fits_and_names_its_schema() {
    for kind in KINDS {
        let validator = jsonschema::draft7::new(&schema_of(kind)).expect("a schema");
        for (file, text) in samples(kind) {
            let up = "../".repeat(file.matches('/').count());
            let first = format!("# yaml-language-server: $schema={up}schemas/{kind}.json");
            assert_eq!(text.lines().next(), Some(first.as_str()), "the first line of {file}");
            let wrong: Vec<String> = validator
                .iter_errors(&read(&text))
                .map(|error| format!("{file}: {}: {error}", error.instance_path()))
                .collect();
            assert_eq!(wrong, Vec::<String>::new());
        }
    }
}

#[test]
fn the_route_of_the_documentation_fits() {
    let page = std::fs::read_to_string(repository().join("docs/site.md")).unwrap();
    let lines =
        page.lines().skip_while(|line| !line.starts_with("    route: ")).take_while(|line| !line.is_empty());
    let route: String = lines.map(|line| format!("{line}\n")).collect();
    let validator = jsonschema::draft7::new(&schema::route()).expect("a schema");
    assert!(validator.is_valid(&read(&route)), "{route}");
}

/// The keys of the loader are asked for with one that it does not know in every map of every document: its help lists them all. Keys of one
/// place may differ by what stands beside them, so all documents together must have met all of them.
#[test]
fn the_loader_and_the_schemas_have_the_same_keys() {
    for kind in KINDS {
        let schema = schema_of(kind);
        let (mut loader, mut editor) = (BTreeMap::new(), BTreeMap::new());
        shapes(&schema, "", &mut editor);
        for document in documents(kind) {
            for (place, shape) in maps(&schema, &document) {
                let mut probed = document.clone();
                probed.pointer_mut(&place).unwrap()["zzz"] = json!("x");
                let found: BTreeSet<String> = told(kind, &probed)
                    .into_iter()
                    .filter(|(message, _)| message.ends_with("has no key `zzz`"))
                    .flat_map(|(_, help)| words(&help, "there are "))
                    .collect();
                assert!(!found.is_empty(), "{kind}{place} has any key, says the loader");
                loader.entry(shape).or_insert_with(BTreeSet::new).extend(found);
            }
        }
        assert_eq!(
            loader, editor,
            "left: what the loader of a {kind} knows; right: what its schema describes"
        );
    }
}

/// The same for words to choose from: a wrong one is answered with all.
#[test]
fn the_loader_and_the_schemas_have_the_same_words() {
    let mut compared = 0;
    for kind in KINDS {
        let schema = schema_of(kind);
        for document in documents(kind) {
            for (place, shape) in maps(&schema, &document) {
                let properties = schema.pointer(&shape).unwrap()["properties"].as_object().unwrap();
                for (key, words_of) in properties.iter().filter_map(|(key, of)| Some((key, of.get("enum")?)))
                {
                    let mut probed = document.clone();
                    probed.pointer_mut(&place).unwrap()[key] = json!("zzz");
                    let told = told(kind, &probed);
                    let known = told.iter().find_map(|(message, _)| {
                        message.split_once(&format!("`{key}` is one of ")).map(|(_, words)| words.to_owned())
                    });
                    // Other keys with words of their own are made of the loader's lists.
                    let Some(known) = known else { continue };
                    let editor: BTreeSet<&str> =
                        words_of.as_array().unwrap().iter().filter_map(Json::as_str).collect();
                    assert_eq!(known.split(", ").collect::<BTreeSet<_>>(), editor, "{kind}{place}/{key}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 10, "only {compared} lists of words were compared");
}

/// Each place of a schema that has keys of its own, and no others.
fn shapes(schema: &Json, place: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    match schema {
        Json::Object(members) => {
            let is_open =
                members.contains_key("patternProperties") || !members.contains_key("additionalProperties");
            if let (Some(properties), false) = (members.get("properties").and_then(Json::as_object), is_open)
            {
                found.insert(place.to_owned(), properties.keys().cloned().collect());
            }
            members.iter().for_each(|(key, value)| shapes(value, &below(place, key), found));
        }
        Json::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| shapes(item, &below(place, &index.to_string()), found));
        }
        _ => {}
    }
}

/// The maps of a document whose keys the schema lists: where each stands in the document, and in the schema.
fn maps(schema: &Json, document: &Json) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), String::new())];
    let known = {
        let mut known = BTreeMap::new();
        shapes(schema, "", &mut known);
        known
    };
    while let Some((place, shape)) = open.pop() {
        let value = document.pointer(&place).unwrap();
        found.extend(closed(schema, &known, &shape, value).map(|shape| (place.clone(), shape)));
        let inner: Vec<String> = match value {
            Json::Object(members) => members.keys().cloned().collect(),
            Json::Array(items) => (0..items.len()).map(|index| index.to_string()).collect(),
            _ => continue,
        };
        for key in inner {
            let place = below(&place, &key);
            if document.pointer(&place).is_some_and(|value| value.is_object() || value.is_array())
                && let Some(shape) = describing(schema, &shape, &key)
            {
                open.push((place, shape));
            }
        }
    }
    found
}

/// Where the schema lists the keys of a map: at this shape, or at that of its alternatives which has all keys of the map.
fn closed(
    schema: &Json,
    known: &BTreeMap<String, BTreeSet<String>>,
    shape: &str,
    value: &Json,
) -> Option<String> {
    let at = schema.pointer(shape)?;
    if let Some(reference) = at.get("$ref").and_then(Json::as_str) {
        return closed(schema, known, reference.strip_prefix('#')?, value);
    }
    if let (Some(keys), Some(map)) = (known.get(shape), value.as_object()) {
        return map.keys().all(|key| keys.contains(key)).then(|| shape.to_owned());
    }
    let count = at.get("anyOf").and_then(Json::as_array).map_or(0, Vec::len);
    (0..count).find_map(|index| closed(schema, known, &format!("{shape}/anyOf/{index}"), value))
}

/// Where the schema describes the value of a key, or the member of a list.
fn describing(schema: &Json, shape: &str, key: &str) -> Option<String> {
    let at = schema.pointer(shape)?;
    let mut ways = vec![format!("{}/{}", below(shape, "properties"), escaped(key)), below(shape, "items")];
    if let Some(patterns) = at.get("patternProperties").and_then(Json::as_object) {
        ways.extend(patterns.keys().map(|pattern| below(&below(shape, "patternProperties"), pattern)));
    }
    for several in ["anyOf", "oneOf"] {
        let count = at.get(several).and_then(Json::as_array).map_or(0, Vec::len);
        let inner =
            (0..count).filter_map(|index| describing(schema, &format!("{shape}/{several}/{index}"), key));
        ways.extend(inner);
    }
    let way = ways.into_iter().find(|way| schema.pointer(way).is_some_and(Json::is_object))?;
    match schema.pointer(&way)?.get("$ref").and_then(Json::as_str) {
        Some(reference) => reference.strip_prefix('#').map(str::to_owned),
        None => Some(way),
    }
}

fn below(place: &str, key: &str) -> String {
    format!("{place}/{}", escaped(key))
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The samples of a kind, and those that have what they lack. Of tests only the latter: the samples are about mappings that they need.
fn documents(kind: Kind) -> Vec<Json> {
    let rest = match kind {
        "site" => vec![json!({
            "reload": "manual",
            "queue": { "carrier": "amqp", "brokers": ["h"], "user": "u", "password": "${env:P}", "tls": {} },
            "sources": { "s": { "repeats": { "within": "1h" }, "mllp": {
                "listen": "127.0.0.1:1",
                "tls": { "certificate": "a.pem", "key": "a.key" },
            } }, "h": { "http": {
                "listen": "127.0.0.1:2",
                "basic": { "user": "u", "password": "${env:P}" },
                "tls": { "certificate": "a.pem", "key": "a.key" },
            } }, "q": { "amqp": {
                "brokers": "h", "user": "u", "password": "${env:P}", "queue": "q", "tls": {},
            } } },
            "destinations": {
                "q": { "amqp": {
                    "brokers": ["h"], "user": "u", "password": "${env:P}", "routing_key": "q", "tls": {},
                } },
                "d": { "retry": { "then": "1s" }, "mllp": { "address": "h:1", "tls": {} } },
                "h": { "http": {
                    "url": "https://h/",
                    "basic": { "user": "u", "password": "${env:P}" },
                    "oauth": { "token_url": "https://h/token", "client_id": "c", "key": "k.pem", "tls": {} },
                    "tls": {},
                } },
                "f": { "fhir": {
                    "base": "https://h/r4",
                    "basic": { "user": "u", "password": "${env:P}" },
                    "oauth": { "token_url": "https://h/token", "client_id": "c", "key": "k.pem", "tls": {} },
                    "tls": {},
                } },
            },
        })],
        "route" => vec![json!({
            "route": "r", "from": "s", "priority": { "stat": "PV1-2 = 'E'" }, "to": [{ "destination": "d" }],
        })],
        "mapping" => vec![
            json!({
                "mapping": "m", "input": "hl7v2 2.5.1", "output": "hl7v2",
                "tables": { "t": { "rows": { "a": "b" }, "unmapped": "keep" } },
                "rules": [
                    { "set": { "PID-8": "U" } },
                    { "insert": "ZPI", "after": "PID", "fields": { "1": "x" } },
                    { "move": "PID", "after": "PV1" },
                    { "each": "OBX", "do": [{ "delete": "OBX" }] },
                ],
            }),
            json!({
                "fragment": "f",
                "tables": { "t": { "rows": { "a": "b" }, "unmapped": "keep" } },
                "rules": [{ "delete": "PID-19" }],
            }),
        ],
        _ => {
            let case = json!({ "name": "n", "input": "x", "expect": { "failed": "no", "line": 1 } });
            return vec![
                json!({ "test": "m", "cases": [case] }),
                json!({
                    "test": "m",
                    "cases": [{ "name": "n", "input": "x", "expect": [{ "PID-8": "U" }, { "failed": "no" }] }],
                }),
            ];
        }
    };
    samples(kind).iter().map(|(_, text)| read(text)).chain(rest).collect()
}

/// What the loader says of a document: messages and help.
fn told(kind: Kind, document: &Json) -> Vec<(String, String)> {
    let text = |file: &str, text: String| Text { file: file.to_owned(), text };
    let site = "sources: {s: {mllp: {listen: '127.0.0.1:1'}}}\ndestinations: {d: {mllp: {address: 'h:1'}}}\n"
        .to_owned();
    let mut texts = Texts { site: text("orderly.yaml", site), ..Texts::default() };
    // A fragment is read where it is used; a test needs what it tests.
    let needed = match kind {
        "mapping" if document.get("fragment").is_some() => Some("- use: f"),
        "test" => Some("- fail: no"),
        _ => None,
    };
    let needed =
        needed.map(|rule| format!("mapping: m\ninput: hl7v2 2.5.1\noutput: hl7v2\nrules:\n  {rule}\n"));
    texts.mappings.extend(needed.map(|mapping| text("needed.yaml", mapping)));
    // JSON is YAML too.
    let document = text("probe.yaml", document.to_string());
    match kind {
        "site" => texts.site = document,
        "route" => texts.routes.push(document),
        "mapping" => texts.mappings.push(document),
        _ => return said(suites(&texts, document)),
    }
    said(compile(&texts).diagnostics)
}

/// What the reader of tests says; every file that a test names is the same message.
fn suites(texts: &Texts, test: Text) -> Vec<Diagnostic> {
    let plan = compile(texts).plan.unwrap();
    let message = |_: &str| Ok(b"MSH|^~\\&|A||||||ADT^A01|1|P|2.5.1\rPID|1\r".to_vec());
    compile_suites(&[TestText { of: Tested::Mapping, text: test }], &plan, &message).1
}

fn said(found: Vec<Diagnostic>) -> Vec<(String, String)> {
    found.into_iter().map(|found| (found.message, found.help.unwrap_or_default())).collect()
}

fn words(help: &str, before: &str) -> Vec<String> {
    let list = help.strip_prefix(before).unwrap_or_else(|| panic!("`{help}` does not begin with `{before}`"));
    list.split(", ").map(str::to_owned).collect()
}

/// A file as an editor reads it.
fn read(text: &str) -> Json {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// The samples of a kind by their paths in the repository.
fn samples(kind: Kind) -> Vec<(String, String)> {
    let folders: &[&str] = match kind {
        "site" => &[".", "examples/cookbook"],
        "route" => &["routes", "examples/cookbook/routes"],
        "mapping" => &["mappings", "examples/cookbook/mappings"],
        _ => &["mappings", "routes", "examples/cookbook/mappings"],
    };
    let is_one = |name: &str| match kind {
        "site" => name == "orderly.yaml",
        "test" => name.ends_with(".test.yaml"),
        _ => name.ends_with(".yaml") && !name.ends_with(".test.yaml"),
    };
    let mut found = Vec::new();
    for folder in folders {
        for entry in std::fs::read_dir(repository().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if is_one(&name) {
                let file = format!("{folder}/{name}").trim_start_matches("./").to_owned();
                let text = std::fs::read_to_string(repository().join(&file)).unwrap();
                found.push((file, text));
            }
        }
    }
    found
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
