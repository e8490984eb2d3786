//! JSON as tests look at it: members by path, and where two values differ. What it says is compared, and not how it is written.

use std::str::FromStr;

use serde_json::Value;

/// The path of a member, such as `results[1].code`. Members of lists are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MemberPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Nth(usize),
    Last,
}

impl FromStr for MemberPath {
    type Err = ();

    fn from_str(text: &str) -> Result<MemberPath, ()> {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (name, mut rest) = part.find('[').map_or((part, ""), |at| part.split_at(at));
            match name {
                "" if steps.is_empty() && !rest.is_empty() => {}
                "" => return Err(()),
                name => steps.push(Step::Member(name.to_owned())),
            }
            while !rest.is_empty() {
                let (number, behind) =
                    rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or(())?;
                steps.push(match number {
                    "last" => Step::Last,
                    number => Step::Nth(number.parse().ok().filter(|number| *number > 0).ok_or(())?),
                });
                rest = behind;
            }
        }
        Ok(MemberPath(steps))
    }
}

impl MemberPath {
    /// What stands there; null when nothing does.
    pub(super) fn find<'v>(&self, whole: &'v Value) -> &'v Value {
        let step = |value: &'v Value, step: &Step| match step {
            Step::Member(name) => value.get(name),
            Step::Nth(number) => value.get(number.wrapping_sub(1)),
            Step::Last => value.as_array()?.last(),
        };
        self.0.iter().try_fold(whole, step).unwrap_or(&Value::Null)
    }
}

/// A value as a test writes it: a text without quotes.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A place where two values differ: its path, what was expected and what there is; nothing where one of them has no such member.
pub(crate) struct Difference {
    pub(crate) path: String,
    pub(crate) expected: Option<String>,
    pub(crate) got: Option<String>,
}

/// Where two values differ.
pub(crate) fn differences(expected: &Value, got: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    differ(Some(expected), Some(got), String::new(), &mut found);
    found
}

fn differ(expected: Option<&Value>, got: Option<&Value>, path: String, found: &mut Vec<Difference>) {
    match (expected, got) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let added = other.keys().filter(|name| !one.contains_key(*name));
            for name in one.keys().chain(added) {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                differ(one.get(name), other.get(name), below, found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for index in 0..one.len().max(other.len()) {
                differ(one.get(index), other.get(index), format!("{path}[{}]", index + 1), found);
            }
        }
        (Some(one), Some(other)) if one == other => {}
        (None, None) => {}
        (expected, got) => {
            let (expected, got) = (expected.map(shown), got.map(shown));
            found.push(Difference { path, expected, got });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_finds_its_member() {
        let whole =
            json!({ "patient": { "name": "Pinder" }, "results": [{ "code": "K" }, { "code": "NA" }] });
        let found = |path: &str| path.parse::<MemberPath>().map(|path| shown(path.find(&whole)));
        assert_eq!(found("patient.name"), Ok("Pinder".to_owned()));
        assert_eq!(found("results[2].code"), Ok("NA".to_owned()));
        assert_eq!(found("results[last].code"), Ok("NA".to_owned()));
        assert_eq!(found("results[3].code"), Ok(String::new()));
        assert_eq!(found("patient"), Ok("{\"name\":\"Pinder\"}".to_owned()));
        for wrong in ["", "a..b", "a[", "a[0]", "a[x]", "a[1]b", ".a"] {
            assert_eq!(found(wrong), Err(()), "{wrong}");
        }
    }

    #[test]
    fn differences_have_paths() {
        let told = |expected: Value, got: Value| {
            let line = |found: &Difference| {
                let word = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
                format!("{} {} {}", found.path, word(&found.expected), word(&found.got))
            };
            differences(&expected, &got).iter().map(line).collect::<Vec<_>>()
        };
        let one = json!({ "a": 1, "b": [1, { "c": "x" }], "d": true });
        assert_eq!(told(one.clone(), json!({ "d": true, "b": [1, { "c": "x" }], "a": 1 })), [""; 0]);
        let other = json!({ "a": "1", "b": [1, { "c": "y" }, 3], "e": null });
        assert_eq!(told(one, other), ["a 1 1", "b[2].c x y", "b[3] - 3", "d true -", "e - "]);
    }
}
