//! What is under `build:`: maps, lists and values, with `$each`, `$let`, `$when` and `$value` among their keys.
//!
//! `$each` comes first: everything else in its map is about one of the list. `$when` asks, after the names of `$let` that it asks for; the
//! other names and the content are for what it lets through.

use super::expression::Reader;
use super::{Compiler, Here, head};
use crate::Format;
use crate::plan::{Build, Content, Form, Layout, Let, Rule, Writing};
use crate::yaml::{Entry, Kind, Node, Span};

/// The keys with a meaning of their own.
pub(crate) const DIRECTIVES: [&str; 4] = ["$each", "$let", "$when", "$value"];

impl<'p> Compiler<'p> {
    /// The whole of a mapping that builds.
    pub(super) fn built(
        &self,
        node: Option<&Node>,
        layout: Option<head::Layout>,
        rules: Vec<Rule>,
    ) -> Option<Form> {
        let build = self.build(node?, Here::Nothing);
        let writing = match layout {
            None => Writing::Json,
            Some(layout) => Writing::Csv(self.layout(node?, build.as_ref()?, &layout)?),
        };
        Some(Form::Build { rules, build: Box::new(build?), writing })
    }

    fn build(&self, node: &Node, here: Here) -> Option<Build> {
        match &node.kind {
            Kind::Map(entries) => self.map(node, entries, here),
            Kind::List(items) => {
                let parts: Vec<Option<Build>> = items.iter().map(|item| self.build(item, here)).collect();
                let parts: Option<Vec<Build>> = parts.into_iter().collect();
                self.check_builds(items.is_empty(), &node.span)?;
                Some(plain(node, Content::List(parts?)))
            }
            Kind::Text(_) => Some(plain(node, Reader::new(self, node, here).built()?)),
            Kind::Null => {
                let message = "this has no value";
                self.problems
                    .error("mapping-no-value", &node.span, message)
                    .help("write a value or remove the key; what is missing in the input leaves its key out");
                None
            }
        }
    }

    fn map(&self, node: &Node, entries: &[Entry], here: Here) -> Option<Build> {
        let known = self.names.borrow().len();
        let built = self.directed(node, entries, here);
        // What a part names ends with the part.
        self.names.borrow_mut().truncate(known);
        built
    }

    fn directed(&self, node: &Node, entries: &[Entry], here: Here) -> Option<Build> {
        let mut complete = self.directives_are_known(entries);
        let (walk, here) = match node.get("$each") {
            None => (None, here),
            Some(over) => {
                let (walk, inner) = self.walk(over, here)?;
                (Some(walk), inner)
            }
        };
        let names = match node.get("$let") {
            None => Some(Vec::new()),
            Some(named) => self.names_of(named, here),
        };
        let (test, asked) = match node.get("$when") {
            None => (None, Vec::new()),
            Some(when) => {
                let (test, asked) = self.asking(|| Reader::new(self, when, here).condition());
                complete &= test.is_some();
                (test, asked)
            }
        };
        let names = names.map(|names| asked_first(names, asked));
        let content = match node.get("$value") {
            Some(value) => self.instead(value, entries, here),
            None => self.members(node, entries, here),
        };
        let ((before, names), content) = (names?, content?);
        complete.then_some(Build { place: node.span.clone(), walk, before, names, test, content })
    }

    fn members(&self, node: &Node, entries: &[Entry], here: Here) -> Option<Content> {
        let members = entries.iter().filter(|entry| !entry.key.starts_with('$'));
        // Of delimited text, what a row needs is told where its columns are read.
        let is_empty = self.output == Format::Json
            && entries.iter().all(|entry| DIRECTIVES.contains(&entry.key.as_str()));
        self.check_builds(is_empty, &node.span)?;
        for entry in members.clone().filter(|entry| entry.key.contains("${")) {
            let message = "a key stands as it is written, and no value can be part of it";
            self.problems
                .error("mapping-build-key", &entry.key_span, message)
                .help("give the value a key of its own");
        }
        let part = |node: &Node| match self.output {
            Format::Csv => self.cell(node, here),
            Format::Hl7v2 | Format::Json => self.build(node, here),
        };
        let member = |entry: &Entry| Some((entry.key.as_str().into(), part(&entry.value)?));
        let members: Vec<Option<(Box<str>, Build)>> = members.map(member).collect();
        members.into_iter().collect::<Option<_>>().map(Content::Members)
    }

    /// What is always left empty is never written.
    fn check_builds(&self, is_empty: bool, span: &Span) -> Option<()> {
        if !is_empty {
            return Some(());
        }
        self.problems
            .error("mapping-no-value", span, "this builds nothing")
            .help("write what it is made of, or remove it");
        None
    }

    /// A column's value.
    fn cell(&self, node: &Node, here: Here) -> Option<Build> {
        match &node.kind {
            Kind::Text(_) => Some(plain(node, Content::Value(Reader::new(self, node, here).text()?))),
            Kind::Null => self.build(node, here),
            Kind::List(_) | Kind::Map(_) => {
                let message = format!("a column holds one value, not {}", node.what());
                self.problems
                    .error("mapping-row", &node.span, message)
                    .help("give each value its own column");
                None
            }
        }
    }

    /// The content that `$value` gives in the place of a map.
    fn instead(&self, value: &Node, entries: &[Entry], here: Here) -> Option<Content> {
        if let Some(other) = entries.iter().find(|entry| !entry.key.starts_with('$')) {
            let message = "beside `$value` there are no keys";
            self.problems
                .error("mapping-build-value", &other.key_span, message)
                .help("`$value` is what stands here instead of a map");
        }
        match &value.kind {
            Kind::Text(_) => Reader::new(self, value, here).built(),
            Kind::List(_) => self.build(value, here).map(|build| build.content),
            Kind::Map(_) | Kind::Null => {
                let message = format!("`$value` is a text or a list, not {}", value.what());
                self.problems
                    .error("mapping-build-value", &value.span, message)
                    .help("write the keys of a map without `$value`");
                None
            }
        }
    }

    fn directives_are_known(&self, entries: &[Entry]) -> bool {
        let mut known = true;
        for entry in entries.iter().filter(|entry| entry.key.starts_with('$')) {
            if DIRECTIVES.contains(&entry.key.as_str()) {
                continue;
            }
            known = false;
            if entry.key == "$use" {
                let message = "`$use` is not available in this version";
                self.problems.error("mapping-not-available", &entry.key_span, message);
                continue;
            }
            let message = format!("`{}` has no meaning here", entry.key);
            let help = crate::problems::did_you_mean(&entry.key, DIRECTIVES);
            let help = help.unwrap_or_else(|| format!("there are {}", DIRECTIVES.join(", ")));
            self.problems.error("mapping-build-key", &entry.key_span, message).help(help);
        }
        known
    }

    /// The columns of delimited text: what is built is one row.
    fn layout(&self, node: &Node, row: &Build, layout: &head::Layout) -> Option<Layout> {
        let Content::Members(columns) = &row.content else {
            let message = "a row is a map of columns and values";
            self.problems
                .error("mapping-row", &node.span, message)
                .help("write it like family: ${patient.name}");
            return None;
        };
        if columns.is_empty() {
            self.problems.error("mapping-row", &node.span, "a row needs at least one column");
            return None;
        }
        let columns = columns.iter().map(|(name, _)| name.clone()).collect();
        Some(Layout { columns, header: layout.header, separator: layout.separator, crlf: layout.crlf })
    }
}

/// Those of the names that are asked for, also by one another, and the others. A value can only ask for names before its own.
fn asked_first(names: Vec<Let>, mut asked: Vec<usize>) -> (Vec<Let>, Vec<Let>) {
    for named in names.iter().rev() {
        if asked.contains(&named.slot) {
            asked.extend_from_slice(&named.asks);
        }
    }
    names.into_iter().partition(|named| asked.contains(&named.slot))
}

fn plain(node: &Node, content: Content) -> Build {
    Build { place: node.span.clone(), walk: None, before: Vec::new(), names: Vec::new(), test: None, content }
}
