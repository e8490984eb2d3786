//! Reading one map key by key, with all that is wrong in it collected.
//!
//! Each getter names its key; [`Fields::finish`] then reports the keys that nobody asked for, so that the keys a reader
//! knows are written down once, where they are read.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::Deref;
use std::time::Duration;

use super::units::{duration, size};
use super::{Entry, Kind, Node, Span};
use crate::problems::{Problems, did_you_mean};

/// A map being read. Missing and ill-formed values are reported and come back as `None`.
pub struct Fields<'n, 'p> {
    what: &'static str,
    span: &'n Span,
    entries: &'n [Entry],
    asked: RefCell<Vec<&'static str>>,
    problems: &'p Problems,
}

/// A scalar's text with its place; it can be used as a `&str`.
#[derive(Debug, Clone, Copy)]
pub struct Scalar<'n> {
    /// The text as written.
    pub text: &'n str,
    /// The value it was read from.
    pub node: &'n Node,
}

impl Deref for Scalar<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.text
    }
}

impl<'n, 'p> Fields<'n, 'p> {
    /// Reads `node` as a map. `what` names the thing it describes, for messages: "a source". `None`, and reported, when
    /// it is not a map.
    pub fn of(node: &'n Node, what: &'static str, problems: &'p Problems) -> Option<Fields<'n, 'p>> {
        let Some(entries) = node.entries() else {
            let message = format!("{what} is a map of keys and values, not {}", node.what());
            problems.error("config-not-a-map", &node.span, message);
            return None;
        };
        Some(Fields { what, span: &node.span, entries, asked: RefCell::default(), problems })
    }

    /// The value of `key`; reported when it is missing.
    pub fn required(&self, key: &'static str) -> Option<&'n Node> {
        let value = self.optional(key);
        if value.is_none() && !self.entries.iter().any(|entry| entry.key == key) {
            let message = format!("{} needs `{key}`", self.what);
            self.problems.error("config-missing-key", self.span, message).help(format!("add `{key}:`"));
        }
        value
    }

    /// The value of `key`, if it is there; a key without a value is reported.
    pub fn optional(&self, key: &'static str) -> Option<&'n Node> {
        self.asked.borrow_mut().push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        if matches!(entry.value.kind, Kind::Null) {
            self.problems
                .error("config-no-value", &entry.key_span, format!("`{key}` has no value"))
                .help("write a value or remove the key");
            return None;
        }
        Some(&entry.value)
    }

    /// The text of `key`; reported when it is missing or not a scalar.
    pub fn required_text(&self, key: &'static str) -> Option<Scalar<'n>> {
        self.scalar(key, self.required(key)?)
    }

    /// The text of `key`, if it is there.
    pub fn text(&self, key: &'static str) -> Option<Scalar<'n>> {
        self.scalar(key, self.optional(key)?)
    }

    /// The texts of `key`, which is a list of scalars or one scalar; empty when the key is not there.
    pub fn texts(&self, key: &'static str) -> Vec<Scalar<'n>> {
        let items = self.optional(key).map(Node::items).unwrap_or_default();
        items.iter().filter_map(|item| self.scalar(key, item)).collect()
    }

    /// The whole number of `key`, if it is there.
    pub fn number(&self, key: &'static str) -> Option<u64> {
        self.parsed(key, "a whole number, such as 10", |text| text.parse().ok())
    }

    /// `true` or `false`, if the key is there.
    pub fn flag(&self, key: &'static str) -> Option<bool> {
        self.parsed(key, "true or false", |text| text.parse().ok())
    }

    /// The duration of `key`, if it is there: `500ms`, `10s`, `5m`, `2h`, `30d`. A day has 24 hours.
    pub fn duration(&self, key: &'static str) -> Option<Duration> {
        self.parsed(key, "a duration with its unit, such as 500ms, 10s, 5m, 2h or 30d", duration)
    }

    /// The durations of `key`, which is a list of them or one; empty when the key is not there.
    pub fn durations(&self, key: &'static str) -> Vec<Duration> {
        let mut read = Vec::new();
        for written in self.texts(key) {
            match duration(&written) {
                Some(value) => read.push(value),
                None => {
                    let message =
                        format!("`{key}` takes durations with their units, such as 500ms, 10s or 5m");
                    self.problems.error("config-value", &written.node.span, message);
                }
            }
        }
        read
    }

    /// The size of `key` in bytes, if it is there: `64MiB`, `256KiB`, `1GiB`, `512B`.
    pub fn size(&self, key: &'static str) -> Option<u64> {
        self.parsed(key, "a size with its unit, such as 512B, 256KiB, 64MiB or 1GiB", size)
    }

    /// One of the named choices of `key`, if it is there.
    pub fn choice<T: Clone>(&self, key: &'static str, choices: &[(&'static str, T)]) -> Option<T> {
        let written = self.text(key)?;
        let found = choices.iter().find(|(name, _)| *name == written.text);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let message = format!("`{key}` is one of {}", names.join(", "));
            self.problems.error("config-choice", &written.node.span, message).suggest(&written, names);
        }
        found.map(|(_, value)| value.clone())
    }

    /// The place of the map.
    pub fn span(&self) -> &'n Span {
        self.span
    }

    /// The place of a key that is there.
    pub fn key_span(&self, key: &str) -> Option<&'n Span> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.key_span)
    }

    /// Whether the key is there, asked for or not.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// Reports every key that was not asked for, with the closest one that was, or all of them. Call it last.
    pub fn finish(self) {
        let mut known = self.asked.into_inner();
        // A reader may ask for a key more than once.
        let mut seen = HashSet::new();
        known.retain(|key| seen.insert(*key));
        for entry in self.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let message = format!("{} has no key `{}`", self.what, entry.key);
            let near = did_you_mean(&entry.key, known.iter().copied());
            let help = near.unwrap_or_else(|| format!("there are {}", known.join(", ")));
            self.problems.error("config-unknown-key", &entry.key_span, message).help(help);
        }
    }

    fn scalar(&self, key: &str, node: &'n Node) -> Option<Scalar<'n>> {
        let Some(text) = node.text() else {
            let message = format!("`{key}` takes a text, not {}", node.what());
            let told = self.problems.error("config-not-a-text", &node.span, message);
            if let (Kind::List(items), Some(first)) = (&node.kind, node.items().first().and_then(Node::text))
            {
                let what = if items.len() == 1 { "it without the brackets" } else { "one of them" };
                told.help(format!("write {what}: `{key}: {first}`"));
            }
            return None;
        };
        Some(Scalar { text, node })
    }

    fn parsed<T>(&self, key: &'static str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let written = self.text(key)?;
        let value = parse(&written);
        if value.is_none() {
            let message = format!("`{key}` takes {expected}");
            self.problems.error("config-value", &written.node.span, message);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse;

    fn messages(problems: Problems) -> Vec<String> {
        let shown = |found: orderly_record::Diagnostic| match found.help {
            Some(help) => format!("{} | {help}", found.message),
            None => found.message,
        };
        problems.into_vec().into_iter().map(shown).collect()
    }

    #[test]
    fn reads_what_is_there() {
        let text = "listen: 127.0.0.1:2575\nidle: 10s\nframe: 64MiB\nlimit: 7\nfast: true\nfrom: [a, b]\nmode: fifo\n";
        let document = parse("orderly.yaml", text).unwrap();
        let problems = Problems::new();
        let fields = Fields::of(&document.root, "a source", &problems).unwrap();
        assert_eq!(fields.required_text("listen").unwrap().text, "127.0.0.1:2575");
        assert_eq!(fields.duration("idle"), Some(Duration::from_secs(10)));
        assert_eq!(fields.size("frame"), Some(64 * 1024 * 1024));
        assert_eq!(fields.number("limit"), Some(7));
        assert_eq!(fields.flag("fast"), Some(true));
        assert_eq!(fields.texts("from").iter().map(|text| text.text).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(fields.choice("mode", &[("fifo", 1), ("per_patient", 2)]), Some(1));
        assert_eq!(fields.text("charset").map(|text| text.text), None);
        fields.finish();
        assert_eq!(messages(problems), Vec::<String>::new());
    }

    #[test]
    fn reports_everything_at_once() {
        let document =
            parse("orderly.yaml", "lisen: x\nidle: 10\nframe: [1]\nmode: fiffo\ncharset:\n").unwrap();
        let problems = Problems::new();
        let fields = Fields::of(&document.root, "a source", &problems).unwrap();
        fields.required_text("listen");
        fields.duration("idle");
        fields.size("frame");
        fields.choice("mode", &[("fifo", 1), ("per_patient", 2)]);
        fields.text("charset");
        fields.finish();
        let expected = [
            "a source needs `listen` | add `listen:`",
            "`idle` takes a duration with its unit, such as 500ms, 10s, 5m, 2h or 30d",
            "`frame` takes a text, not a list | write it without the brackets: `frame: 1`",
            "`mode` is one of fifo, per_patient | did you mean `fifo`?",
            "`charset` has no value | write a value or remove the key",
            "a source has no key `lisen` | did you mean `listen`?",
        ];
        assert_eq!(messages(problems), expected);
    }
}
