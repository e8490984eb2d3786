//! What an editor makes of the schemas: the YAML language server of npm, which is behind most of them, checks all samples and completes.

use std::fs;
use std::path::{Path, PathBuf};

use orderly_tests::foreign::Foreign;
use orderly_tests::site::Site;
use serde_json::Value;

/// All files below a folder of the repository that name their schema.
fn samples(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            samples(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml")
            && fs::read_to_string(&path).unwrap().contains("yaml-language-server: $schema=")
        {
            found.push(path);
        }
    }
}

#[tokio::test]
async fn an_editor_underlines_nothing_in_the_samples_and_what_is_wrong_elsewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = vec![root.join("orderly.yaml")];
    for folder in ["mappings", "routes", "examples"] {
        samples(&root.join(folder), &mut files);
    }
    assert!(files.len() > 60, "only {} samples were found", files.len());
    let site = site();
    let wrong = site.path("mappings/wrong.yaml");
    files.push(wrong);
    let files = files.iter().map(|file| file.to_str().unwrap());
    let mut told = Foreign::node("yaml_editor.js", std::iter::once("check").chain(files)).ended().await;
    let wrong = told.pop().unwrap();
    assert!(wrong["found"].to_string().contains("9: Property st is not allowed"), "{wrong}");
    let underlined: Vec<&Value> = told.iter().filter(|file| file["found"] != serde_json::json!([])).collect();
    assert!(underlined.is_empty(), "{underlined:?}");
}

/// Where something is to be completed: the file, the line and the column; words that are offered there.
const COMPLETED: [(&str, &str, &str, &[&str]); 5] = [
    ("mappings/wrong.yaml", "3", "8", &["hl7v2 2.3", "hl7v2 2.5.1", "ccda", "any"]),
    ("mappings/wrong.yaml", "7", "5", &["unmapped", "rows", "file", "key", "value"]),
    ("mappings/wrong.yaml", "11", "5", &["set", "insert", "each", "park", "do"]),
    ("routes/route.yaml", "5", "5", &["destination", "when", "mapping"]),
    ("orderly.yaml", "4", "5", &["processing", "charset", "mllp", "files", "http", "amqp"]),
];

#[tokio::test]
async fn an_editor_offers_what_can_stand_there() {
    let site = site();
    let files = COMPLETED.map(|(file, ..)| site.path(file).to_str().unwrap().to_owned());
    let places = files.iter().zip(&COMPLETED).flat_map(|(file, (_, line, column, _))| [file, *line, *column]);
    let told = Foreign::node("yaml_editor.js", std::iter::once("complete").chain(places)).ended().await;
    for (told, (file, line, _, words)) in told.iter().zip(&COMPLETED) {
        let offered: Vec<&str> =
            told["offered"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        for word in *words {
            assert!(offered.contains(word), "{file}:{line} offers {offered:?}");
        }
        // What is offered has its own name, and not that of the whole schema.
        assert!(!offered.iter().any(|label| label.contains("Orderly")), "{file}:{line} offers {offered:?}");
    }
    assert_eq!(told.len(), COMPLETED.len());
}

/// Files that are being written, with the schemas beside them.
fn site() -> Site {
    let site = Site::of(&[
        ("mappings/wrong.yaml", WRONG),
        (
            "routes/route.yaml",
            "# yaml-language-server: $schema=../schemas/route.json\nroute: a\nfrom: b\nto:\n  - \n",
        ),
        ("orderly.yaml", "# yaml-language-server: $schema=schemas/site.json\nsources:\n  a:\n    \n"),
    ]);
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas");
    for kind in ["mapping", "route", "site"] {
        let name = format!("{kind}.json");
        site.write(&format!("schemas/{name}"), fs::read_to_string(schemas.join(name)).unwrap());
    }
    site
}

const WRONG: &str = "\
# yaml-language-server: $schema=../schemas/mapping.json
mapping: wrong
input: 
output: hl7v2
tables:
  codes:
    
rules:
  - st:
      PID-3: x
  - 
";
