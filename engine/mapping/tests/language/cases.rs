//! Runs the cases in `tests/cases`: a mapping, messages, and what must become of them.

use std::path::Path;

use orderly_mapping::yaml::{self, Document, Node};

use crate::{records, support};

#[test]
fn every_case_gives_what_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let document =
            yaml::parse(&name, &text).unwrap_or_else(|found| panic!("{name}: {}", support::lines(&found)));
        for group in document.root.items() {
            count += run(&name, group, &document, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(count > 60, "only {count} cases were found");
}

fn run(file: &str, group: &Node, document: &Document, wrong: &mut Vec<String>) -> usize {
    let about = format!("{file}: {}", text(group, "about"));
    let tables = |name: &str| {
        let tables = group.get("files").ok_or("no files")?;
        tables.get(name).and_then(Node::text).map(str::to_owned).ok_or_else(|| format!("there is no {name}"))
    };
    let mapping = match support::mapping_with("case.yaml", &mapping_text(group), &tables, &others(group)) {
        Ok(mapping) => mapping,
        Err(found) => {
            wrong.push(format!("{about}: does not compile\n{found}"));
            return 1;
        }
    };
    let cases = group.get("cases").unwrap_or(&document.root).items();
    for case in cases {
        let found = match case.get("record").and_then(Node::text) {
            Some(name) => support::map_record(&mapping, &records::named(name)),
            None if case.get("document").is_some() => support::map_document(&mapping, text(case, "document")),
            None => support::map(&mapping, text(case, "in")),
        };
        let expected = text(case, "out").trim_end();
        if found != expected {
            let line = case.span.line;
            wrong.push(format!("{about} (line {line})\n--- expected\n{expected}\n--- found\n{found}"));
        }
    }
    cases.len()
}

/// The mappings and fragments that a case's mapping uses, by their files.
pub(crate) fn others(group: &Node) -> Vec<(String, String)> {
    let entries = group.get("others").and_then(Node::entries).unwrap_or_default();
    entries.iter().filter_map(|entry| Some((entry.key.clone(), entry.value.text()?.to_owned()))).collect()
}

/// The mapping is written out, or only its tables and rules.
pub(crate) fn mapping_text(group: &Node) -> String {
    if let Some(whole) = group.get("mapping").and_then(Node::text) {
        return whole.to_owned();
    }
    let indented = |key: &str| {
        let text = group.get(key).and_then(Node::text)?;
        let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
        Some(format!("{key}:\n{}\n", lines.join("\n")))
    };
    let parts = [indented("tables"), indented("rules")];
    let head = "mapping: case\ninput: hl7v2 2.5.1\noutput: hl7v2\n".to_owned();
    parts.into_iter().flatten().fold(head, |text, part| text + &part)
}

fn text<'n>(node: &'n Node, key: &str) -> &'n str {
    node.get(key)
        .and_then(Node::text)
        .unwrap_or_else(|| panic!("{}:{}: no text `{key}`", node.span.line, node.span.column))
}
