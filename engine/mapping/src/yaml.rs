//! YAML as a located tree: every key and every value knows its place in its file.
//!
//! What always holds: a scalar is the text of the source as written (`0123`, `NO` and `2.50` stay so, because HL7 values
//! and table cells are text); a document that was read has no tags and no key twice in one map; a null stays visible as
//! a null, so that its reader can refuse it where a value is expected.
//!
//! The tree comes from serde-saphyr through a hand-written [`Deserialize`], because derived untagged types lose the places.
//! Mappings, routes and `orderly.yaml` are all read through it; [`Fields`] reads one of its maps key by key.

mod fields;
mod units;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use orderly_record::Diagnostic;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_yaml::{Location, Spanned, Tagged};

pub use self::fields::{Fields, Scalar};
pub use self::units::duration;
use crate::problems::{self, Problems};

/// Reads one YAML document. `file` is the name that diagnostics show; nothing is opened.
///
/// # Errors
/// One diagnostic for a syntax error (the reader cannot go on after it), or all duplicate keys, tags and keys that are
/// not text.
pub fn parse(file: &str, text: &str) -> Result<Document, Vec<Diagnostic>> {
    let source = Arc::new(Source { file: file.into(), text: text.into() });
    let raw: Placed = serde_yaml::from_str_with_options(text, options())
        .map_err(|error| vec![syntax_error(&source, &error)])?;
    let problems = Problems::new();
    let root = Builder { source: &source, problems: &problems }.node(raw);
    match problems.is_empty() {
        true => Ok(Document { root, source }),
        false => Err(problems.into_vec()),
    }
}

/// One file's tree.
#[derive(Debug, Clone)]
pub struct Document {
    /// The outermost value: usually a map; [`Kind::Null`] when the file is empty.
    pub root: Node,
    /// The file it was read from.
    pub source: Arc<Source>,
}

/// A file's name and text, shared by all places in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The name that diagnostics show.
    pub file: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
}

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it stands. A map's place is that of its first key, a list's that of its first sign, that of nothing is its key's.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar's text as written: without quotes, escapes of double quotes resolved, folded lines joined.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the file; each key once.
    Map(Vec<Entry>),
}

/// One line of a map.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key's text as written.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// The text of a scalar; `None` for a null, a list or a map.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a map, `None` for anything else.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of `key`, when this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The members of a list; any other value that is there counts as a list of itself, a null as an empty list.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            Kind::Null => &[],
            Kind::Text(_) | Kind::Map(_) => std::slice::from_ref(self),
        }
    }

    /// What kind of value this is, for messages: "a list".
    pub fn what(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// The place in the file of `part`, a byte range of this scalar's text; of the whole value where quotes, escapes or
    /// folding make that unclear.
    pub fn part(&self, part: Range<usize>) -> Span {
        self.exact_part(part).unwrap_or_else(|| self.span.clone())
    }

    fn exact_part(&self, part: Range<usize>) -> Option<Span> {
        let (text, written) = (self.text()?, self.span.text());
        let inner = text.get(part.clone())?;
        let shift = match written.find(text) {
            Some(shift) => shift,
            None if inner.is_empty() => return None,
            None => {
                let (first, last) = (written.find(inner)?, written.rfind(inner)?);
                return (first == last).then(|| self.span.shifted(first..first + inner.len()));
            }
        };
        Some(self.span.shifted(part.start + shift..part.end + shift))
    }

    /// Whether YAML ended this scalar before its line did, at a ` #` or, in a flow map, at a comma.
    pub fn is_cut(&self) -> bool {
        let rest = self.span.source.text.get(self.span.range.end..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default().trim_start();
        let quoted = self.span.text().starts_with(['"', '\'']);
        !quoted && line.starts_with(['#', ',', '}', ']'])
    }

    /// Warns where YAML ended this scalar at a ` #` that looks like a part of it: `Room #3`, unlike `Room # the third`.
    pub(crate) fn warn_of_comment(&self, problems: &Problems) {
        let (file, end) = (&self.span.source.text, self.span.range.end);
        let quoted = self.span.text().starts_with(['"', '\'']);
        let is_block = file.get(..end).is_none_or(|before| before.ends_with('\n'));
        let line = file.get(end..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let comment = line.trim_start();
        let begins = comment.strip_prefix('#').is_some_and(|rest| rest.starts_with(char::is_alphanumeric));
        if quoted || is_block || !begins {
            return;
        }
        let start = end + line.len() - comment.len();
        let span = Span::new(&self.span.source, start..start + comment.trim_end().len());
        problems
            .warning("yaml-comment", &span, "YAML cut this value: what begins with ` #` is a comment")
            .help("put the value in quotes; a comment that is meant has a blank behind its #");
    }
}

/// A place in a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Span {
    /// The file.
    pub source: Arc<Source>,
    /// Bytes of the file's text, always on character boundaries.
    pub range: Range<usize>,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
}

impl Span {
    /// The place of a byte range of the file.
    pub fn new(source: &Arc<Source>, range: Range<usize>) -> Span {
        let text = &source.text;
        let start = floor_char_boundary(text, range.start);
        let end = floor_char_boundary(text, range.end).max(start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let line = before.matches('\n').count() + 1;
        Span { source: source.clone(), range: start..end, line, column }
    }

    /// The text at this place, as written in the file.
    pub fn text(&self) -> &str {
        self.source.text.get(self.range.clone()).unwrap_or_default()
    }

    /// The place for a [`Diagnostic`].
    pub fn place(&self) -> orderly_record::Place {
        orderly_record::Place::File {
            file: self.source.file.clone(),
            span: self.range.clone(),
            line: self.line,
            column: self.column,
        }
    }

    fn shifted(&self, part: Range<usize>) -> Span {
        Span::new(&self.source, self.range.start + part.start..self.range.start + part.end)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source.file, self.line, self.column)
    }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(node: &Node) -> String {
        let at = format!("{}:{}", node.span.line, node.span.column);
        match &node.kind {
            Kind::Null => format!("{at} null"),
            Kind::Text(text) => format!("{at} {text:?}"),
            Kind::List(items) => format!("{at} [{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
            Kind::Map(entries) => {
                let entries = entries.iter().map(|entry| format!("{}: {}", entry.key, shown(&entry.value)));
                format!("{at} {{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }

    #[test]
    fn scalars_stay_as_written_and_know_their_place() {
        let cases = [
            ("0123", "1:1 \"0123\""),
            ("NO", "1:1 \"NO\""),
            ("2.50", "1:1 \"2.50\""),
            (".nan", "1:1 \".nan\""),
            ("0x1F", "1:1 \"0x1F\""),
            (
                "99999999999999999999999999999999999999999",
                "1:1 \"99999999999999999999999999999999999999999\"",
            ),
            ("'it''s'", "1:1 \"it's\""),
            ("\"a\\tb\"", "1:1 \"a\\tb\""),
            ("a: 1 # no\nb:\n", "1:1 {a: 1:4 \"1\", b: 2:1 null}"),
            ("é: é", "1:1 {é: 1:4 \"é\"}"),
            ("- a\n- [b, 'c']\n", "1:1 [1:3 \"a\", 2:3 [2:4 \"b\", 2:7 \"c\"]]"),
            ("1: one\ny: two", "1:1 {1: 1:4 \"one\", y: 2:4 \"two\"}"),
            ("a: &x 07\nb: *x", "1:1 {a: 1:7 \"07\", b: 1:7 \"07\"}"),
            ("", "1:1 null"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(&parse("a.yaml", text).unwrap().root), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_says_where_and_what_to_do() {
        let cases = [
            (
                "a: 1\na: 2\nb: 1\nb: 2",
                "2:1 yaml-duplicate-key `a` stands twice in this map, first in line 1; 4:1 yaml-duplicate-key `b` stands twice in this map, first in line 3",
            ),
            ("a: !!str 12", "1:10 yaml-tag YAML tags have no meaning here"),
            ("? [a]\n: b", "1:3 yaml-key a key is a text, not a list"),
            (
                "a: ${b: c}",
                "1:7 yaml-syntax this is not YAML: mapping values are not allowed in this context",
            ),
            ("a: \"b", "1:4 yaml-syntax this is not YAML: unclosed quote"),
        ];
        for (text, expected) in cases {
            let found = parse("a.yaml", text).unwrap_err();
            let lines: Vec<String> = found
                .iter()
                .map(|found| match &found.place {
                    orderly_record::Place::File { line, column, .. } => {
                        format!("{line}:{column} {} {}", found.code, found.message)
                    }
                    _ => "no place".to_owned(),
                })
                .collect();
            assert_eq!(lines.join("; "), expected, "{text}");
        }
    }

    #[test]
    fn a_syntax_error_underlines_its_own_line() {
        let found = parse("a.yaml", "a: b\nc: [1, 2\nd: e\n").unwrap_err();
        let orderly_record::Place::File { span, line, column, .. } = &found[0].place else {
            panic!("no place")
        };
        assert_eq!((span.clone(), *line, *column), (15..16, 3, 2));
    }

    #[test]
    fn a_flow_map_that_cuts_an_expression_says_so() {
        let found = parse("a.yaml", "rules:\n  - set:\n      PID-3: ${PID-3}\n\t\tPID-5: x\n").unwrap_err();
        assert_eq!(found[0].help.as_deref(), Some("indent with spaces, never with tabs"));
        let found = parse("a.yaml", "set: { PID-3: ${PID-3, x} }").unwrap_err();
        assert_eq!(found[0].help.as_deref(), Some("YAML cut this value; put it in quotes"));
    }

    #[test]
    fn a_part_of_a_scalar_has_its_own_place() {
        let cases = [
            ("a: é ${b}", 3..7, "1:6 ${b}"),
            ("a: 'é ${b}'", 3..7, "1:7 ${b}"),
            ("a: |\n  x\n  ${b}\n", 2..6, "3:3 ${b}"),
            ("a: \"\\u00e9 ${b}\"", 3..7, "1:12 ${b}"),
            ("a: \"\\u00e9b b\"", 2..3, "1:4 \"\\u00e9b b\""),
        ];
        for (text, part, expected) in cases {
            let document = parse("a.yaml", text).unwrap();
            let span = document.root.get("a").unwrap().part(part);
            assert_eq!(format!("{}:{} {}", span.line, span.column, span.text()), expected, "{text}");
        }
    }

    #[test]
    fn a_value_that_yaml_cut_is_known() {
        let cut = |text: &str| parse("a.yaml", text).unwrap().root.get("a").unwrap().is_cut();
        assert!(cut("a: ${x # y}"));
        assert!(!cut("a: ${x"));
        assert!(!cut("a: '${x' # y}"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\n\té]{0,80}") {
            let _ = parse("a.yaml", &text);
        }

        #[test]
        fn text_made_of_yaml_is_read_or_refused(
            pieces in prop::collection::vec(
                prop::sample::select(vec!["a", ": ", "- ", "\n", "  ", "[", "]", "{", "}", ",", "'", "\"", "|", ">", "&x ", "*x", "!t ", "# ", "${", "}", "~", "12", "<<", "?", "---\n", "é"]),
                0..30,
            ),
        ) {
            let text = pieces.concat();
            if let Ok(document) = parse("a.yaml", &text) {
                let _ = shown(&document.root);
            }
        }
    }
}
