//! Compiles the mappings in `tests/wrong`, each with the errors that it must give in the file of the same name beside it.

use std::path::Path;

use crate::support;

/// What they can use.
const OTHERS: [(&str, &str); 5] = [
    (
        "mappings/header.yaml",
        "mapping: header\ninput: hl7v2 2.3\noutput: hl7v2\nrules:\n  - set:\n      MSH-3: X\n",
    ),
    ("mappings/round.yaml", "fragment: round\nrules:\n  - use: about\n"),
    ("mappings/about.yaml", "fragment: about\nrules:\n  - use: round\n"),
    ("mappings/slip.yaml", "fragment: slip\nrule:\n  - x\nrules:\n  - set:\n      PID-8: ${.5 | uper}\n"),
    ("mappings/json.yaml", "mapping: json\ninput: any\noutput: json\nrules:\n  - stop: no\nbuild:\n  a: b\n"),
];

#[test]
fn every_wrong_mapping_says_all_that_is_wrong() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        count += 1;
        let text = std::fs::read_to_string(&path).expect("a mapping");
        let expected = std::fs::read_to_string(path.with_extension("txt")).unwrap_or_default();
        let table = |name: &str| match name {
            "tables/ward.csv" => Ok("facility,code,name\nN,ICU,Intensive\nN,ICU,Again\n".to_owned()),
            _ => Err(format!("there is no file {name}")),
        };
        let others = OTHERS.map(|(file, text)| (file.to_owned(), text.to_owned()));
        let found = match support::mapping_with("wrong.yaml", &text, &table, &others) {
            Ok(_) => String::new(),
            Err(found) => found,
        };
        if found != expected {
            wrong.push(format!("{}\n--- expected\n{expected}--- found\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 9, "only {count} wrong mappings were found");
}
