//! Public test messages, when they are at hand beside the workspace (`../shared/corpus`): all are read, given back byte for byte, and
//! normalized without a panic.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orderly_hl7v2::{Groups, Message, Settings, View, normalize, parse, read_reply, split};
use serde_json::Value;

#[test]
fn every_message_is_read_and_given_back() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/hl7v2");
    if !corpus.is_dir() {
        println!("the corpus is not here ({}): nothing was checked", corpus.display());
        return;
    }
    let mut files = Vec::new();
    collect(&corpus, &mut files);
    assert!(files.len() > 500, "the corpus has only {} files", files.len());
    let (mut messages, mut unreadable) = (0, Vec::new());
    let mut told = Told::new();
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        let _ = read_reply(&bytes);
        for member in split(&bytes).members {
            let member = &bytes[member];
            match parse(member, &Settings::default()) {
                Ok(message) => {
                    let record = check(&message, member, file);
                    count(&message, &record, &mut told);
                }
                Err(refused) => {
                    // What is broken on purpose cannot be processed, but its segments are there.
                    let tree =
                        refused.tree.unwrap_or_else(|| panic!("{}: {}", file.display(), refused.diagnostic));
                    check(&tree, member, file);
                    unreadable.push((file, refused.diagnostic));
                }
            }
            messages += 1;
        }
    }
    println!("{messages} messages in {} files, {} unreadable", files.len(), unreadable.len());
    let empty: usize = told.values().map(|(_, empty)| empty).sum();
    // Those that have hardly more than a header.
    assert!(empty * 20 < messages, "{empty} of {messages} messages leave nothing in the record");
    for (kind, (all, empty)) in &told {
        println!("{kind}: {all} messages, {empty} of them leave a record of nothing but the header");
    }
    for (file, diagnostic) in &unreadable {
        println!("{}: {diagnostic}", file.display());
    }
    assert!(unreadable.len() * 50 < messages, "too many are unreadable");
}

/// By type, how many messages there are, and how many leave nothing in the record.
type Told = BTreeMap<String, (usize, usize)>;

fn count(message: &Message<'_>, record: &Value, told: &mut Told) {
    let header = message.header();
    let (all, empty) = told.entry(format!("{}^{}", header.message_type(), header.event())).or_default();
    *all += 1;
    *empty += usize::from(record.as_object().is_some_and(|members| members.len() == 1));
}

fn check(message: &Message<'_>, bytes: &[u8], file: &Path) -> Value {
    assert_eq!(message.encode(), bytes, "{}", file.display());
    assert_eq!(message.rebuild(), bytes, "{}", file.display());
    let record = normalize(message);
    let record = serde_json::to_value(&record).unwrap();
    let groups = Groups::of(message);
    for (index, segment) in message.segments().iter().enumerate() {
        assert!(groups.enclosing(index).all(|range| range.contains(&index)), "{}", file.display());
        for field in 1..=segment.last_field() {
            walk(message.field(index, field));
        }
    }
    record
}

fn walk(view: View<'_>) {
    let _ = (view.text(), view.presence());
    assert_eq!(view.children().count(), view.count());
    view.children().for_each(walk);
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
