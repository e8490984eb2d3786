//! YAML as a located tree: every key and every value knows its place in its file.
//!
//! What always holds: a scalar is the text of the source as written (`0123`, `NO` and `2.50` stay so, because HL7 values
//! and table cells are text); a document that was read has no tags and no key twice in one map; a null stays visible as
//! a null, so that its reader can refuse it where a value is expected.
//!
//! Mappings, routes and `orderly.yaml` are all read through it (`read` makes the tree); [`Fields`] reads one of its maps key by key.

mod fields;
mod read;
mod units;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use orderly_record::Diagnostic;

pub use self::fields::{Fields, Scalar};
pub use self::units::duration;
use crate::problems::Problems;

/// Reads one YAML document. `file` is the name that diagnostics show; nothing is opened.
///
/// # Errors
/// One diagnostic for a syntax error (the reader cannot go on after it), or all duplicate keys, tags and keys that are
/// not text.
pub fn parse(file: &str, text: &str) -> Result<Document, Vec<Diagnostic>> {
    let source = Arc::new(Source { file: file.into(), text: text.into() });
    let root = read::root(&source)?;
    Ok(Document { root, source })
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
