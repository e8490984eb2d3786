//! `files:` of a source: a folder in which files are dropped.

use std::time::Duration;

use globset::{GlobBuilder, GlobSetBuilder};
use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::{Fields, Node, Scalar};

use super::folders::as_written;
use crate::plan::{After, Complete, FileOrder, FilesSource, Identify, Patterns};

/// How long a file must look the same to be taken for complete, when nothing is said: longer than senders pause between two writes.
const STABLE_FOR: Duration = Duration::from_secs(2);

/// Reads it; nothing when something in it is wrong.
pub(super) fn read(node: &Node, problems: &Problems) -> Option<FilesSource> {
    let errors_before = problems.errors();
    let fields = Fields::of(node, "a files source", problems)?;
    let folder = fields.required_text("folder");
    let pattern = pattern(&fields, problems);
    let source = FilesSource {
        folder: folder.map(|text| text.to_string()).unwrap_or_default(),
        pattern,
        subfolders: fields.flag("subfolders").unwrap_or(false),
        complete: complete(&fields, problems),
        order: fields
            .choice("order", &[("name", FileOrder::Name), ("time", FileOrder::Time)])
            .unwrap_or(FileOrder::Name),
        after: after(&fields, folder, problems),
        failed: folder_below(&fields, "failed", folder),
        identify: fields
            .choice("identify_by", &[("inode", Identify::Inode), ("content", Identify::Content)])
            .unwrap_or(Identify::Inode),
        poll: poll(&fields, problems),
        message_bytes_max: message_bytes_max(&fields, problems),
    };
    refuse_same_folder(&fields, &source, problems);
    warn_of_half_files(&fields, &source, problems);
    fields.finish();
    (problems.errors() == errors_before).then_some(source)
}

/// File names as a shell matches them, in any case, because `.HL7` and `.hl7` are the same to whoever sends them.
fn pattern(fields: &Fields<'_, '_>, problems: &Problems) -> Patterns {
    let mut set = GlobSetBuilder::new();
    let written = fields.texts("pattern");
    let all = written.is_empty().then_some("*");
    for text in written.iter().map(|text| text.text).chain(all) {
        match GlobBuilder::new(text).case_insensitive(true).build() {
            Ok(_) if text.contains('/') => {
                let span = written.iter().find(|other| other.text == text).map(|text| &text.node.span);
                if let Some(span) = span {
                    problems
                        .error(
                            "config-pattern",
                            span,
                            "a pattern is of names, not of paths: this one never matches",
                        )
                        .help("write it like *.hl7, and `subfolders: true` for folders below");
                }
            }
            Ok(glob) => {
                set.add(glob);
            }
            Err(error) => {
                let span = written.iter().find(|other| other.text == text).map(|text| &text.node.span);
                let message = format!("this pattern can't be used: {}", error.kind());
                if let Some(span) = span {
                    problems.error("config-pattern", span, message).help("write it like *.hl7 or ORU_*.txt");
                }
            }
        }
    }
    let written = written.iter().map(|text| text.text.to_owned()).collect();
    Patterns { written, set: set.build().unwrap_or_default() }
}

/// Looking without a pause would do nothing else.
const POLL_MIN: Duration = Duration::from_millis(10);

fn poll(fields: &Fields<'_, '_>, problems: &Problems) -> Option<Duration> {
    let poll = fields.duration("poll")?;
    if let (true, Some(span)) = (poll < POLL_MIN, fields.key_span("poll")) {
        problems.error("config-value", span, "`poll` is at least 10ms").help("write `poll: 2s`");
    }
    Some(poll)
}

/// A header alone may have some hundred bytes.
const MESSAGE_BYTES_MIN: u64 = 1 << 10;

fn message_bytes_max(fields: &Fields<'_, '_>, problems: &Problems) -> Option<usize> {
    let bytes = fields.size("message_size_max")?;
    if let (true, Some(span)) = (bytes < MESSAGE_BYTES_MIN, fields.key_span("message_size_max")) {
        let message = "`message_size_max` is at least 1KiB";
        problems.error("config-value", span, message).help("write `message_size_max: 64MiB`");
    }
    Some(usize::try_from(bytes).unwrap_or(usize::MAX))
}

#[derive(Clone, Copy)]
enum CompleteWhen {
    Renamed,
    Stable,
    Marker,
}

fn complete(fields: &Fields<'_, '_>, problems: &Problems) -> Complete {
    let choices = [
        ("renamed", CompleteWhen::Renamed),
        ("stable", CompleteWhen::Stable),
        ("marker", CompleteWhen::Marker),
    ];
    let when = fields.choice("complete", &choices).unwrap_or(CompleteWhen::Stable);
    let (stable_for, marker) = (fields.duration("stable_for"), fields.text("marker"));
    let belongs = |key: &str, wanted: &str| {
        if let Some(span) = fields.key_span(key) {
            let message = format!("`{key}` is of use only with `complete: {wanted}`");
            problems
                .error("config-complete", span, message)
                .help(format!("remove it, or write `complete: {wanted}`"));
        }
    };
    if !matches!(when, CompleteWhen::Stable) {
        belongs("stable_for", "stable");
    }
    if !matches!(when, CompleteWhen::Marker) {
        belongs("marker", "marker");
    }
    match when {
        CompleteWhen::Renamed => Complete::Renamed,
        CompleteWhen::Stable => Complete::Stable(stable_for.unwrap_or(STABLE_FOR)),
        CompleteWhen::Marker => Complete::Marker(marker_ending(fields, marker, problems)),
    }
}

fn marker_ending(fields: &Fields<'_, '_>, marker: Option<Scalar<'_>>, problems: &Problems) -> String {
    let Some(ending) = marker else {
        if !fields.has("marker") {
            let span = fields.key_span("complete").unwrap_or(fields.span());
            problems
                .error(
                    "config-complete",
                    span,
                    "`complete: marker` needs `marker`, the ending of the marker's name",
                )
                .help("write `marker: .done`");
        }
        return String::new();
    };
    if ending.is_empty() || ending.contains('/') {
        problems
            .error("config-complete", &ending.node.span, "a marker's ending is a part of a file name")
            .help("write `marker: .done`");
    } else if !ending.starts_with(['.', '-', '_']) {
        let message = format!("the marker of a.hl7 is called a.hl7{} or a{}", ending.text, ending.text);
        problems
            .warning("config-complete", &ending.node.span, message)
            .help("write `marker: .done`, with the dot");
    }
    ending.to_string()
}

#[derive(Clone, Copy)]
enum AfterTaking {
    Archive,
    Delete,
    Leave,
}

fn after(fields: &Fields<'_, '_>, folder: Option<Scalar<'_>>, problems: &Problems) -> After {
    let choices =
        [("archive", AfterTaking::Archive), ("delete", AfterTaking::Delete), ("leave", AfterTaking::Leave)];
    let after = fields.choice("after", &choices).unwrap_or(AfterTaking::Archive);
    let archive = folder_below(fields, "archive", folder);
    if !matches!(after, AfterTaking::Archive)
        && let Some(span) = fields.key_span("archive")
    {
        problems
            .error("config-after", span, "`archive` is of use only with `after: archive`")
            .help("remove it, or write `after: archive`");
    }
    match after {
        AfterTaking::Archive => After::Archive(archive),
        AfterTaking::Delete => After::Delete,
        AfterTaking::Leave => After::Leave,
    }
}

/// The folder of that key; when nothing is said, a folder of that name in the watched one, where who drops the files can see it.
fn folder_below(fields: &Fields<'_, '_>, key: &'static str, folder: Option<Scalar<'_>>) -> String {
    match fields.text(key) {
        Some(text) => text.to_string(),
        None => format!("{}/{key}", folder.as_deref().map_or("", |folder| folder.trim_end_matches('/'))),
    }
}

/// Without a pattern, the name under which a sender writes is as good as the one it renames to.
fn warn_of_half_files(fields: &Fields<'_, '_>, source: &FilesSource, problems: &Problems) {
    let takes_all = fields.texts("pattern").iter().all(|pattern| pattern.text == "*");
    if source.complete == Complete::Renamed
        && takes_all
        && let Some(span) = fields.key_span("complete")
    {
        problems
            .warning(
                "config-complete",
                span,
                "without a `pattern` of names a file is taken under any name, also while it is written",
            )
            .help("add `pattern:` with the names that files have when they are complete");
    }
}

/// A file put away where it came from would be taken again for ever.
fn refuse_same_folder(fields: &Fields<'_, '_>, source: &FilesSource, problems: &Problems) {
    let same = |other: &str| as_written(other) == as_written(&source.folder);
    let archived = matches!(&source.after, After::Archive(archive) if same(archive));
    for (key, is_same) in [("archive", archived), ("failed", same(&source.failed))] {
        if let (true, Some(span)) = (is_same, fields.key_span(key)) {
            problems
                .error("config-folder", span, format!("`{key}` is the folder that is watched"))
                .help("give it a folder of its own");
        }
    }
}
