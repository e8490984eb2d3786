//! From the text of a file to its tree, through serde-saphyr and a hand-written [`Deserialize`], because derived untagged types lose the
//! places.
//!
//! What always holds: all that is wrong is told at once, but for a syntax error, after which the library can't go on.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use orderly_record::Diagnostic;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_yaml::{Location, Spanned, Tagged};

use super::{Entry, Kind, Node, Source, Span, floor_char_boundary};
use crate::problems::{self, Problems};

/// The outermost value of a file.
pub(super) fn root(source: &Arc<Source>) -> Result<Node, Vec<Diagnostic>> {
    let raw: Placed = serde_yaml::from_str_with_options(&source.text, options())
        .map_err(|error| vec![syntax_error(source, &error)])?;
    let problems = Problems::new();
    let root = Builder { source, problems: &problems }.node(raw);
    if problems.is_empty() { Ok(root) } else { Err(problems.into_vec()) }
}

/// Duplicates and `<<` come through, so that all of them are reported at once and with both places.
fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        with_snippet: false,
        emit_comments: false,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    }
}

fn syntax_error(source: &Arc<Source>, error: &serde_yaml::Error) -> Diagnostic {
    let error = error.without_snippet();
    let span = match error.location() {
        Some(location) if location.span().byte_offset().is_some() => span_of(source, location),
        // The scanner knows line and column only.
        Some(location) => {
            let at = offset_of(&source.text, location.line(), location.column());
            Span::new(source, at..at.saturating_add(1))
        }
        None => Span::new(source, 0..0),
    };
    let written = error.to_string();
    // The place is part of the diagnostic; the library's sentence repeats it at its end.
    let message = written.rsplit_once(" at line ").map_or(written.as_str(), |(message, _)| message);
    let mut diagnostic = problems::error("yaml-syntax", &span, format!("this is not YAML: {message}"));
    // The scanner may stop only after the line that is to blame, or before it.
    let mut lines = source.text.lines().skip(span.line.saturating_sub(1));
    let (line, next) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let is_tabbed = |line: &str| line.trim_start_matches(' ').starts_with('\t');
    if is_tabbed(line) || is_tabbed(next) || (line.contains('\t') && !line.contains("${")) {
        diagnostic.help = Some("indent with spaces, never with tabs".to_owned());
    } else if line.contains("${") {
        diagnostic.help = Some("YAML cut this value; put it in quotes".to_owned());
    }
    diagnostic
}

/// The byte at a line and a column in characters, both counted from 1.
fn offset_of(text: &str, line: u64, column: u64) -> usize {
    let mut rest = text;
    for _ in 1..line {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    let column = usize::try_from(column).unwrap_or(1).saturating_sub(1);
    let before = rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at);
    text.len() - rest.len() + before
}

/// Takes line and column from the library: counting them anew for each node would be quadratic.
fn span_of(source: &Arc<Source>, location: Location) -> Span {
    let (offset, length) = (location.span().byte_offset(), location.span().byte_len());
    let number = |value: Option<u64>| value.and_then(|value| usize::try_from(value).ok()).unwrap_or(0);
    let start = floor_char_boundary(&source.text, number(offset));
    let end = floor_char_boundary(&source.text, start.saturating_add(number(length))).max(start);
    let (line, column) = (number(Some(location.line())), number(Some(location.column())));
    Span { source: source.clone(), range: start..end, line: line.max(1), column: column.max(1) }
}

/// What the YAML library says, before the places and the texts of the source are taken.
enum Raw {
    Null,
    /// A plain scalar that YAML takes for a number or a truth value.
    AsWritten,
    Text(String),
    List(Vec<Placed>),
    Map(Vec<(Placed, Placed)>),
}

/// A raw value with its place and its tag.
type Placed = Spanned<Tagged<Raw>>;

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::AsWritten)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

/// Raw values to nodes. Its depth is the YAML library's (64 levels).
struct Builder<'a> {
    source: &'a Arc<Source>,
    problems: &'a Problems,
}

impl Builder<'_> {
    fn node(&self, raw: Placed) -> Node {
        let mut span = span_of(self.source, raw.defined);
        let Tagged(value, tag) = raw.value;
        if tag.is_some() {
            self.problems.error("yaml-tag", &span, "YAML tags have no meaning here").help("remove the tag");
        }
        let kind = match value {
            Raw::Null => Kind::Null,
            Raw::AsWritten => Kind::Text(span.text().to_owned()),
            Raw::Text(text) => Kind::Text(text),
            Raw::List(items) => Kind::List(items.into_iter().map(|item| self.node(item)).collect()),
            Raw::Map(entries) => {
                let entries = self.entries(entries);
                if let Some(first) = entries.first() {
                    span = first.key_span.clone();
                }
                Kind::Map(entries)
            }
        };
        Node { span, kind }
    }

    fn entries(&self, raw: Vec<(Placed, Placed)>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::with_capacity(raw.len());
        let mut lines: HashMap<String, usize> = HashMap::with_capacity(raw.len());
        for (key, value) in raw {
            let (key, mut value) = (self.node(key), self.node(value));
            if matches!(value.kind, Kind::Null) && value.span.range.is_empty() {
                value.span = key.span.clone();
            }
            let Kind::Text(text) = key.kind else {
                self.problems.error("yaml-key", &key.span, format!("a key is a text, not {}", key.what()));
                continue;
            };
            if matches!(value.kind, Kind::Null) && !entries.is_empty() && is_bare_in_flow(&key.span) {
                self.problems
                    .error("yaml-cut", &key.span, "YAML cut the value before this at its comma")
                    .help("put that value in quotes");
                continue;
            }
            if let Some(first) = lines.get(&text) {
                let message = format!("`{text}` stands twice in this map, first in line {first}");
                self.problems.error("yaml-duplicate-key", &key.span, message).help("keep one of the two");
                continue;
            }
            lines.insert(text.clone(), key.span.line);
            entries.push(Entry { key: text, key_span: key.span, value });
        }
        entries
    }
}

/// Whether a key has no colon, as the rest of a text with a comma in a flow map: `{ PID-5: Smith, John }`.
fn is_bare_in_flow(key: &Span) -> bool {
    let rest = key.source.text.get(key.range.end..).unwrap_or_default();
    rest.trim_start().starts_with([',', '}'])
}
