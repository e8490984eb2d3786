//! `files:` of a source and of a destination.

use serde_json::{Value as Json, json};

use super::{choice, duration, flag, list, object, size, text, with};

/// A folder in which files are dropped.
pub(super) fn source() -> Json {
    let names =
        "Which names are taken, upper and lower case alike: '*.hl7', or a list of patterns (default: all)";
    let keys = object(
        "A folder in which files are dropped",
        &["folder"],
        json!({
            "folder": text("The folder that is watched, relative to orderly.yaml; it is made where missing"),
            "pattern": { "description": names, "anyOf": [pattern(), list("", &pattern())] },
            "subfolders": flag("Whether folders below it are watched too (default false)"),
            "complete": choice("When a file is complete", &[
                ("renamed", "as soon as it has a name that fits `pattern`: for senders that write under another name and rename"),
                ("stable", "when size and time have not changed for `stable_for` (default)"),
                ("marker", "when a file with the ending `marker` lies beside it"),
            ]),
            "stable_for": duration("With `complete: stable`: for how long nothing must have changed (default 2s)"),
            "marker": text("With `complete: marker`: the ending of the marker's name: .done"),
            "order": choice("Which file comes first", &[("name", "by name (default)"), ("time", "by the time it was last written")]),
            "after": choice("What happens to a file that was taken in", &[
                ("archive", "it is moved to `archive` (default)"),
                ("delete", "it is deleted"),
                ("leave", "it stays where it is"),
            ]),
            "archive": text("Where to (default: archive in the folder)"),
            "failed": text("Where files go of which nothing could be read, each with its reason beside it (default: failed in the folder)"),
            "identify_by": choice("What tells a file from another", &[
                ("inode", "its place on the disk, size and times (default)"),
                ("content", "its name and content: for network shares"),
            ]),
            "poll": duration("How often the folder is looked at without a hint from the system (default 2s, at least 10ms)"),
            "message_size_max": size("The largest message in a file; the file itself may have any size (default 64MiB, at least 1KiB)"),
        }),
    );
    let together = json!([
        only_with("complete", "stable", true, "stable_for", false),
        only_with("complete", "marker", false, "marker", true),
        only_with("after", "archive", true, "archive", false),
    ]);
    with(keys, json!({ "allOf": together }))
}

/// A key that goes with one word of another key only, and whether that word needs it.
fn only_with(choice: &str, word: &str, is_default: bool, key: &str, needed: bool) -> Json {
    let is_word = json!({ "properties": { choice: { "enum": [word] } } });
    let is_chosen = if is_default { is_word } else { with(is_word, json!({ "required": [choice] })) };
    let chosen = if needed { json!({ "required": [key] }) } else { json!({}) };
    json!({ "if": is_chosen, "then": chosen, "else": { "properties": { key: false } } })
}

fn pattern() -> Json {
    with(text("A pattern of names, not of paths: *.hl7, ORU_*.txt"), json!({ "pattern": "^[^/]+$" }))
}

/// A folder into which each message is written.
pub(super) fn destination() -> Json {
    object(
        "One file a message",
        &["folder"],
        json!({
            "folder": text("Where the files go, relative to orderly.yaml"),
            "name": text("The file's name, made of the message: ${message.type}_${message.control_id}.hl7; the delivery's number is added"),
        }),
    )
}
