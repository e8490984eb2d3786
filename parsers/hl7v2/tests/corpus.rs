//! Public test messages, when they are at hand beside the workspace (`../shared/corpus`): all are read, given back byte for byte, and
//! normalized without a panic.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use orderly_hl7v2::{Groups, Message, Settings, View, normalize, parse, read_reply, split};

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
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        let _ = read_reply(&bytes);
        for member in split(&bytes).members {
            let member = &bytes[member];
            match parse(member, &Settings::default()) {
                Ok(message) => check(&message, member, file),
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
    for (file, diagnostic) in &unreadable {
        println!("{}: {diagnostic}", file.display());
    }
    assert!(unreadable.len() * 50 < messages, "too many are unreadable");
}

fn check(message: &Message<'_>, bytes: &[u8], file: &Path) {
    assert_eq!(message.encode(), bytes, "{}", file.display());
    assert_eq!(message.rebuild(), bytes, "{}", file.display());
    let record = normalize(message);
    serde_json::to_value(&record).unwrap();
    let groups = Groups::of(message);
    for (index, segment) in message.segments().iter().enumerate() {
        assert!(groups.enclosing(index).all(|range| range.contains(&index)), "{}", file.display());
        for field in 1..=segment.last_field() {
            walk(message.field(index, field));
        }
    }
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
