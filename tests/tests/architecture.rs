//! A test about the code: the crates' arrows as drawn in the README, every file introduced, nothing forbidden.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Who may import whom, directly. A new arrow is drawn here on purpose, or it is a mistake.
const ARROWS: &[(&str, &[&str])] = &[
    ("parsers/record", &[]),
    ("parsers/hl7v2", &["orderly-record"]),
    ("parsers/ccda", &["orderly-record"]),
    ("engine/mapping", &["orderly-ccda", "orderly-hl7v2", "orderly-record"]),
    ("engine/pipeline", &["orderly-ccda", "orderly-hl7v2", "orderly-mapping", "orderly-record"]),
    ("engine/journal", &[]),
    ("engine/queue", &[]),
    ("engine/transport", &[]),
    ("engine/runtime", &["orderly-journal", "orderly-pipeline", "orderly-queue", "orderly-transport"]),
    (
        "engine/cli",
        &[
            "orderly-ccda",
            "orderly-hl7v2",
            "orderly-journal",
            "orderly-mapping",
            "orderly-pipeline",
            "orderly-record",
            "orderly-runtime",
            "orderly-transport",
        ],
    ),
];

/// Pure crates have no clock, no file, no socket, no SQL: whatever brings those is not theirs to import.
const PURE: &[&str] =
    &["parsers/record", "parsers/hl7v2", "parsers/ccda", "engine/mapping", "engine/pipeline", "engine/queue"];
const IMPURE: &[&str] = &["tokio", "rusqlite", "rustix", "tempfile", "socket2", "tracing"];
const IMPURE_PATHS: &[&str] = &[
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "std::env",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn manifest(folder: &str) -> toml::Table {
    let path = root().join(folder).join("Cargo.toml");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).parse().unwrap()
}

fn dependencies(folder: &str) -> BTreeSet<String> {
    let manifest = manifest(folder);
    let table = manifest.get("dependencies").and_then(|table| table.as_table());
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

fn source_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name() != Some("target".as_ref()) {
            source_files(&path, files);
        } else if path.extension() == Some("rs".as_ref()) {
            files.push(path);
        }
    }
}

fn all_sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["parsers", "engine", "tests"] {
        source_files(&root().join(folder), &mut files);
    }
    let text = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        (name, fs::read_to_string(path).unwrap())
    };
    files.into_iter().map(text).collect()
}

#[test]
fn the_arrows_are_as_drawn() {
    for (folder, allowed) in ARROWS {
        let ours: BTreeSet<_> =
            dependencies(folder).into_iter().filter(|name| name.starts_with("orderly")).collect();
        let allowed: BTreeSet<_> = allowed.iter().map(ToString::to_string).collect();
        assert_eq!(ours, allowed, "{folder}: imports on the left, arrows drawn on the right");
    }
}

#[test]
fn every_crate_is_drawn() {
    let drawn: BTreeSet<&str> = ARROWS.iter().map(|(folder, _)| *folder).collect();
    for wing in ["parsers", "engine"] {
        for entry in fs::read_dir(root().join(wing)).unwrap() {
            let folder = format!("{wing}/{}", entry.unwrap().file_name().to_string_lossy());
            assert!(drawn.contains(folder.as_str()), "{folder} has no arrows in this test");
        }
    }
}

#[test]
fn pure_crates_stay_pure() {
    for folder in PURE {
        let impure: Vec<_> =
            dependencies(folder).into_iter().filter(|name| IMPURE.contains(&name.as_str())).collect();
        assert!(impure.is_empty(), "{folder} is pure and imports {impure:?}");
    }
    for (name, text) in all_sources() {
        if PURE.iter().any(|folder| name.starts_with(&format!("{folder}/src"))) {
            let product = text.split("#[cfg(test)]").next().unwrap_or_default();
            for path in IMPURE_PATHS {
                assert!(!product.contains(path), "{name} is pure and uses {path}");
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is() {
    for (name, text) in all_sources() {
        assert!(text.starts_with("//! "), "{name} does not open with what it is");
    }
}

#[test]
fn nothing_is_left_unfinished() {
    let marks =
        ["todo!(", "unimplemented!(", concat!("FIX", "ME"), concat!("TO", "DO:"), concat!("XX", "X:")];
    for (name, text) in all_sources() {
        if name == "tests/tests/architecture.rs" {
            continue;
        }
        for mark in marks {
            assert!(!text.contains(mark), "{name} holds {mark}");
        }
    }
}

#[test]
fn only_the_runtime_spawns_for_good() {
    // Scoped and joined tasks live elsewhere too; a detached one is the runtime's alone.
    for (name, text) in all_sources() {
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        let is_product =
            name.contains("/src/") && name.starts_with("engine/") && !name.ends_with("/tests.rs");
        if !is_product || name.starts_with("engine/runtime/") {
            continue;
        }
        for call in ["tokio::spawn(", "thread::spawn(", "thread::Builder"] {
            assert!(!product.contains(call), "{name} spawns with {call}");
        }
    }
}

#[test]
fn every_dependency_has_its_reason() {
    for (folder, _) in ARROWS {
        let path = root().join(folder).join("Cargo.toml");
        let text = fs::read_to_string(&path).unwrap();
        let mut section = "";
        let mut before = "";
        for line in text.lines() {
            if line.starts_with('[') {
                section = line;
            }
            let dependency =
                section.contains("dependencies") && line.contains('=') && !line.starts_with("orderly");
            let explained = before.starts_with('#') || line.contains(" # ");
            assert!(
                !dependency || explained || line.starts_with('#'),
                "{folder}/Cargo.toml: no reason for `{line}`"
            );
            before = line;
        }
    }
}

#[test]
fn every_sample_has_its_fate_written_down() {
    let written = fs::read_to_string(root().join("samples/network.yaml")).unwrap();
    let mut samples = BTreeMap::new();
    for folder in ["hl7v2", "ccda"] {
        for entry in fs::read_dir(root().join("samples").join(folder)).unwrap() {
            let name = format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy());
            let used = written.matches(&format!("{name}\n")).count();
            samples.insert(name, used);
        }
    }
    let unused: Vec<_> = samples.iter().filter(|(_, used)| **used != 1).collect();
    assert!(unused.is_empty(), "not exactly once in samples/network.yaml: {unused:?}");
}
