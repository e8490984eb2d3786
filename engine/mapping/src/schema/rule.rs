//! A rule: its one action, and the keys that go with it.

use orderly_hl7v2::dictionary;
use serde_json::{Map, Value as Json, json};

use super::parts::{choice, condition, list, map_of, names, object, text, value, walked, with};
use crate::rule::ACTIONS;

/// Where a `set` may write: a field or a part of one, of a segment (in a group), of the innermost `each` or of a named one.
const TARGET: &str = r"^(?:(?:[A-Z][A-Z0-9_]*(?:\[.+\])?\.)?[A-Z][A-Z0-9]{2}(?:\[.+\])?-[1-9][0-9]*|\.[1-9][0-9]*|\$[a-z_][a-z0-9_]*[-.][1-9][0-9]*)(?:\[.+\])?(?:\.[1-9][0-9]*(?:\[.+\])?){0,2}$";

/// What may be deleted: the same, and segments as a whole.
const DELETED: &str = r"^(?:(?:[A-Z][A-Z0-9_]*(?:\[.+\])?\.)?[A-Z][A-Z0-9]{2}(?:\[.+\])?(?:-[1-9][0-9]*)?|\.[1-9][0-9]*|\$[a-z_][a-z0-9_]*(?:[-.][1-9][0-9]*)?)(?:\[.+\])?(?:\.[1-9][0-9]*(?:\[.+\])?){0,2}$";

/// A field of a segment that is inserted.
const FIELD: &str = r"^[1-9][0-9]*(?:\[[1-9][0-9]*\])?(?:\.[1-9][0-9]*){0,2}$";

/// A segment's name; those that begin with Z are the site's own.
const SEGMENT: &str = "^[A-Z][A-Z0-9]{2}$";

/// A group's name, which is longer than a segment's.
const GROUP: &str = "^[A-Z0-9_]{4,}$";

/// A list of rules.
pub(super) fn rules(about: &str) -> Json {
    list(about, &json!({ "$ref": "#/definitions/rule" }))
}

/// A rule. It has one action; what must stand beside which is told after the keys.
pub(super) fn rule() -> Json {
    let mut keys = Map::new();
    keys.insert("when".to_owned(), condition("The rule is applied only if this holds"));
    keys.extend(ACTIONS.iter().map(|action| ((*action).to_owned(), self::action(action))));
    let beside = [
        ("do", rules("The rules that are applied if `when` holds, or for each of what `each` walks over")),
        ("else", rules("The rules that are applied if `when` does not hold")),
        ("after", anchor("What the segment is put behind")),
        ("before", anchor("What the segment is put before")),
        ("at", choice("Where the segment is put", &[("end", "behind the last segment")])),
        ("fields", map_of("The fields of the new segment by number: 3, 3.1, 3[2].1", FIELD, &value(""))),
    ];
    keys.extend(beside.into_iter().map(|(key, schema)| (key.to_owned(), schema)));
    let keys = object("A rule: one action, alone or with `when`", &[], Json::Object(keys));
    let actions = ACTIONS.iter().map(|action| json!({ "required": [action] }));
    // A rule whose action is `do` has no other.
    let only_do =
        json!({ "required": ["do", "when"], "not": { "anyOf": actions.clone().collect::<Vec<_>>() } });
    let beside = json!({
        "else": ["when"],
        "each": ["do"],
        "fields": ["insert"],
        "split": { "properties": { "else": false } },
        "after": moving(),
        "before": moving(),
        "at": moving(),
        "insert": anchored(),
        "move": anchored(),
    });
    let one = actions.chain([only_do]).collect::<Json>();
    with(keys, json!({ "oneOf": one, "dependencies": beside }))
}

fn moving() -> Json {
    json!({ "anyOf": [{ "required": ["insert"] }, { "required": ["move"] }] })
}

fn anchored() -> Json {
    json!({ "oneOf": [{ "required": ["after"] }, { "required": ["before"] }, { "required": ["at"] }] })
}

fn action(name: &str) -> Json {
    match name {
        "set" => map_of(
            "Writes values: the place in the message, and what stands there from now on. All right sides are read before any is written",
            TARGET,
            &value(""),
        ),
        "delete" => {
            let place = json!({ "type": "string", "pattern": DELETED });
            let about = "Empties a field or a component, takes out a repetition, or removes segments (a bare name: all of them)";
            json!({ "description": about, "anyOf": [place.clone(), list("", &place)] })
        }
        "keep" => {
            let about = "Removes all segments but these; the header stays";
            json!({ "description": about, "anyOf": [segment(""), list("", &segment(""))] })
        }
        "insert" => segment("Adds a segment; say where with `after`, `before` or `at: end`"),
        "move" => {
            segment_place("Puts a segment somewhere else; say where with `after`, `before` or `at: end`")
        }
        "each" => walked("Applies the rules under `do` to each of"),
        "let" => names("Names values, until the block ends; they are used as ${$name}"),
        "use" => {
            text("The name of a mapping or a fragment: its rules are applied here, as if they stood here")
        }
        "split" => {
            let about = "Makes a message of its own for each of a group (ORDER_OBSERVATION): what stands outside of the group, and this one; \
                the rules behind it are applied to each";
            json!({ "description": about, "type": "string", "pattern": GROUP })
        }
        "stop" => text(
            "The message is not for this destination (filtered); the reason, without values of the message",
        ),
        "fail" => text("Sets the delivery aside as an error; the reason, without values of the message"),
        "park" => {
            text("Sets the delivery aside for a person to decide; the reason, without values of the message")
        }
        // A new action is described here; a test finds those that are not.
        _ => json!({}),
    }
}

fn segment(about: &str) -> Json {
    let known: Vec<&str> = dictionary::segments().collect();
    json!({ "description": about, "type": "string", "anyOf": [{ "enum": known }, { "pattern": SEGMENT }] })
}

fn segment_place(about: &str) -> Json {
    json!({ "description": format!("{about}: PID, OBX[last]"), "type": "string", "pattern": DELETED })
}

/// What a segment is put beside: another, or a group as a whole.
fn anchor(about: &str) -> Json {
    let about = format!("{about}: PID, OBX[last], or a group as a whole, ORDER_OBSERVATION");
    json!({ "description": about, "type": "string", "anyOf": [{ "pattern": DELETED }, { "pattern": GROUP }] })
}
