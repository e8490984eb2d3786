//! What a files source may say, and what is told about what it may not: each line by hand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use orderly_pipeline::plan::{After, Complete, FileOrder, FilesSource, Identify, Listener};
use orderly_pipeline::{Compiled, Text, Texts, compile};
use orderly_record::Place;

fn compiled(sources: &str) -> Compiled {
    let text = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let site = format!("sources:\n{sources}destinations:\n  out:\n    files:\n      folder: out\n");
    let route = "route: r\nfrom: lab\nto:\n  - destination: out\n";
    compile(&Texts {
        site: text("orderly.yaml", &site),
        routes: vec![text("routes/r.yaml", route)],
        ..Texts::default()
    })
}

/// A source called `lab` with these lines.
fn lab(lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("      {line}\n")).collect();
    format!("  lab:\n    files:\n{lines}")
}

fn source(lines: &[&str]) -> FilesSource {
    let compiled = compiled(&lab(lines));
    let plan = compiled.plan.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics));
    match &plan.source("lab").unwrap().listener {
        Listener::Files(files) => files.clone(),
        Listener::Mllp(_) | Listener::Http(_) | Listener::Amqp(_) => panic!("not a files source"),
    }
}

/// What is wrong in the file, as `line:column code message | help`.
fn wrong(sources: &str) -> Vec<String> {
    let told = |found: orderly_pipeline::Diagnostic| {
        let Place::File { line, column, .. } = &found.place else { return None };
        let help = found.help.map(|help| format!(" | {help}")).unwrap_or_default();
        Some(format!("{line}:{column} {} {}{help}", found.code, found.message))
    };
    compiled(sources).diagnostics.into_iter().filter_map(told).collect()
}

#[test]
fn what_is_not_said_is_careful() {
    let files = source(&["folder: inbox/lab"]);
    assert_eq!(files.complete, Complete::Stable(Duration::from_secs(2)));
    assert_eq!(files.after, After::Archive("inbox/lab/archive".to_owned()));
    assert_eq!((files.failed.as_str(), files.subfolders), ("inbox/lab/failed", false));
    assert_eq!((files.order, files.identify), (FileOrder::Name, Identify::Inode));
    assert!(files.pattern.set.is_match("anything.at.all"));
}

#[test]
fn all_of_it_can_be_said() {
    let files = source(&[
        "folder: /srv/lab",
        "pattern:",
        "  - '*.hl7'",
        "  - ORU_*.txt",
        "subfolders: true",
        "complete: marker",
        "marker: .done",
        "order: time",
        "after: leave",
        "failed: /srv/failed",
        "identify_by: content",
        "poll: 10s",
        "message_size_max: 1MiB",
    ]);
    assert_eq!((files.complete, files.after), (Complete::Marker(".done".to_owned()), After::Leave));
    assert_eq!((files.order, files.identify), (FileOrder::Time, Identify::Content));
    assert_eq!((files.poll, files.message_bytes_max), (Some(Duration::from_secs(10)), Some(1 << 20)));
    let taken = ["A.HL7", "oru_1.TXT"].map(|name| files.pattern.set.is_match(name));
    assert_eq!((taken, files.pattern.set.is_match("a.txt")), ([true, true], false), "in any case");
}

#[test]
fn each_mistake_is_told_once_with_its_place_and_what_to_do() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["pattern: '*'"], &["4:7 config-missing-key a files source needs `folder` | add `folder:`"]),
        (
            &["folder: in", "pattern: '[a'"],
            &[
                "5:16 config-pattern this pattern can't be used: unclosed character class; missing ']' | write it like *.hl7 or ORU_*.txt",
            ],
        ),
        (
            &["folder: in", "complete: marked"],
            &["5:17 config-choice `complete` is one of renamed, stable, marker | did you mean `marker`?"],
        ),
        (
            &["folder: in", "complete: marker"],
            &[
                "5:7 config-complete `complete: marker` needs `marker`, the ending of the marker's name | write `marker: .done`",
            ],
        ),
        (
            &["folder: in", "pattern: '*'", "stable_for: 5s", "complete: renamed", "marker: .ok"],
            &[
                "6:7 config-complete `stable_for` is of use only with `complete: stable` | remove it, or write `complete: stable`",
                "8:7 config-complete `marker` is of use only with `complete: marker` | remove it, or write `complete: marker`",
                "7:7 config-complete without a `pattern` of names a file is taken under any name, also while it is written | add `pattern:` with the names that files have when they are complete",
            ],
        ),
        (
            &["folder: in", "after: delete", "archive: old"],
            &[
                "6:7 config-after `archive` is of use only with `after: archive` | remove it, or write `after: archive`",
            ],
        ),
        (
            &["folder: in", "archive: in/", "failed: ./in"],
            &[
                "5:7 config-folder `archive` is the folder that is watched | give it a folder of its own",
                "6:7 config-folder `failed` is the folder that is watched | give it a folder of its own",
            ],
        ),
        (
            &["folder: in", "pattern: 'sub/*.hl7'"],
            &[
                "5:16 config-pattern a pattern is of names, not of paths: this one never matches | write it like *.hl7, and `subfolders: true` for folders below",
            ],
        ),
        (
            &["folder: in", "complete: renamed"],
            &[
                "5:7 config-complete without a `pattern` of names a file is taken under any name, also while it is written | add `pattern:` with the names that files have when they are complete",
            ],
        ),
        (
            &["folder: in", "complete: renamed", "pattern: '*'"],
            &[
                "5:7 config-complete without a `pattern` of names a file is taken under any name, also while it is written | add `pattern:` with the names that files have when they are complete",
            ],
        ),
        (
            &["folder: in", "complete: marker", "marker: done"],
            &[
                "6:15 config-complete the marker of a.hl7 is called a.hl7done or adone | write `marker: .done`, with the dot",
            ],
        ),
        (
            &["folder: in", "poll: 0s", "message_size_max: 0B"],
            &[
                "5:7 config-value `poll` is at least 10ms | write `poll: 2s`",
                "6:7 config-value `message_size_max` is at least 1KiB | write `message_size_max: 64MiB`",
            ],
        ),
        (
            &["folder: in", "patern: '*'"],
            &["5:7 config-unknown-key a files source has no key `patern` | did you mean `pattern`?"],
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(wrong(&lab(lines)), *expected, "{lines:?}");
    }
}

#[test]
fn a_folder_is_watched_by_one_source_and_a_source_is_of_one_kind() {
    let twice =
        format!("{}  clinic:\n    files:\n      folder: in/sub\n", lab(&["folder: in", "subfolders: true"]));
    assert_eq!(
        wrong(&twice),
        [
            "6:3 config-folder-twice `clinic` watches the folder that `lab` already watches | give it a folder of its own"
        ]
    );
    assert_eq!(wrong(&twice.replace("      subfolders: true\n", "")), Vec::<String>::new());
    let archived =
        format!("{}  clinic:\n    files:\n      folder: other\n      archive: in\n", lab(&["folder: in"]));
    assert_eq!(
        wrong(&archived),
        [
            "5:3 config-folder-loop `clinic` puts files away in the folder that `lab` watches | give it a folder of its own"
        ]
    );
    assert_eq!(
        wrong(&lab(&["folder: out"])),
        [
            "6:3 config-folder-loop `out` writes into the folder that `lab` watches | give it a folder of its own"
        ]
    );
    let journal = |folder: &str| {
        wrong(&format!("{}journal:\n  folder: {folder}\n", lab(&["folder: in/lab", "subfolders: true"])))
    };
    assert_eq!(
        journal("./in/lab/journal"),
        [
            "2:3 config-folder-loop `lab` watches the folder in which the journal lies | give it a folder of its own"
        ]
    );
    assert_eq!(journal("in/journal"), Vec::<String>::new());
    for own in ["./", "routes", "mappings/"] {
        assert_eq!(
            wrong(&lab(&[&format!("folder: {own}")])),
            [
                "2:3 config-folder-loop `lab` watches the folder of the configuration | give it a folder of its own"
            ],
            "{own}"
        );
    }
    let both = lab(&["folder: in"]) + "    mllp:\n      listen: 127.0.0.1:0\n";
    assert_eq!(
        wrong(&both),
        [
            "2:3 config-two-listeners a source is one of `mllp`, `files`, `http` and `amqp`, not several | make a source of each"
        ]
    );
    assert_eq!(
        wrong("  lab:\n    about: nothing\n"),
        [
            "2:3 config-no-listener nothing says where this source's messages come in | add `mllp:` or `http:` with an address to listen at, `files:` with a folder to watch, or `amqp:` with a queue"
        ]
    );
}
