//! Where two payloads differ, field by field: what a destination was sent beside what it would be sent now.

use orderly_hl7v2::{Settings, parse};
use serde_json::Value;

use crate::format::Format;
use crate::suite::{json, message};

/// A place where two payloads differ. Both texts may hold patient data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The place: a field's path with its name, a member's path, or a line.
    pub place: String,
    /// What stood there; nothing where there was no such place.
    pub before: Option<String>,
    /// What stands there now.
    pub after: Option<String>,
}

/// Where two payloads differ: HL7 v2 by fields, JSON by members, anything else by lines.
#[must_use]
pub fn differences(before: &[u8], after: &[u8]) -> Vec<Difference> {
    if before == after {
        return Vec::new();
    }
    by_fields(before, after).or_else(|| by_members(before, after)).unwrap_or_else(|| by_lines(before, after))
}

/// Nothing when both are the same in other bytes: then the lines tell.
fn by_fields(before: &[u8], after: &[u8]) -> Option<Vec<Difference>> {
    if Format::of(before) != Format::Hl7v2 || Format::of(after) != Format::Hl7v2 {
        return None;
    }
    let reading = Settings::default();
    let (before, after) = (parse(before, &reading).ok()?, parse(after, &reading).ok()?);
    let found = message::differences(&before, &after).into_iter();
    let found = found.map(|one| Difference { place: one.what, before: one.expected, after: one.got });
    Some(found.collect()).filter(|found: &Vec<_>| !found.is_empty())
}

fn by_members(before: &[u8], after: &[u8]) -> Option<Vec<Difference>> {
    let (before, after): (Value, Value) =
        (serde_json::from_slice(before).ok()?, serde_json::from_slice(after).ok()?);
    let found = json::differences(&before, &after).into_iter();
    let found = found.map(|one| Difference { place: one.path, before: one.expected, after: one.got });
    Some(found.collect()).filter(|found: &Vec<_>| !found.is_empty())
}

fn by_lines(before: &[u8], after: &[u8]) -> Vec<Difference> {
    let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
    let (mut one, mut other) = (before.split(['\r', '\n']), after.split(['\r', '\n']));
    let mut found = Vec::new();
    for number in 1.. {
        let (before, after) = match (one.next(), other.next()) {
            (None, None) => break,
            pair => pair,
        };
        if before != after {
            let (before, after) = (before.map(str::to_owned), after.map(str::to_owned));
            found.push(Difference { place: format!("line {number}"), before, after });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str) -> Vec<String> {
        let word = |text: Option<String>| text.unwrap_or("-".to_owned());
        let line = |one: Difference| format!("{}: {} {}", one.place, word(one.before), word(one.after));
        differences(before.as_bytes(), after.as_bytes()).into_iter().map(line).collect()
    }

    #[test]
    fn each_format_by_its_own_places() {
        let message = |ward: &str| format!("MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5\rPV1|1|I|{ward}\r");
        assert_eq!(told(&message("W1"), &message("W2")), ["PV1-3 Assigned Patient Location: W1 W2"]);
        assert_eq!(
            told("{\"a\": {\"b\": 1}, \"c\": [1]}", "{\"a\": {\"b\": 2}, \"c\": []}"),
            ["a.b: 1 2", "c[1]: 1 -"]
        );
        assert_eq!(told("a;b\n1;2\n", "a;b\n1;3\n4;5\n"), ["line 2: 1;2 1;3", "line 3:  4;5", "line 4: - "]);
        assert_eq!(told("{\"a\":1}", "{\"a\": 1}"), ["line 1: {\"a\":1} {\"a\": 1}"], "bytes differ");
        assert_eq!(told("same", "same"), [""; 0]);
    }
}
