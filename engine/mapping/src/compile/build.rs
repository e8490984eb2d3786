//! What is under `build:`: maps, lists and values, with `$each`, `$let`, `$when`, `$value` and `$use` among their keys.
//!
//! `$each` comes first: everything else in its map is about one of the list. `$when` asks, after the names of `$let` that it asks for; the
//! other names and the content are for what it lets through.

use super::expression::Reader;
use super::{Compiler, Here, head};
use crate::Format;
use crate::plan::{Build, Content, Form, Layout, Let, Rule, Writing};
use crate::yaml::{Entry, Kind, Node, Span};

/// The keys with a meaning of their own.
pub(crate) const DIRECTIVES: [&str; 5] = ["$each", "$let", "$when", "$value", "$use"];

/// The key of an element's text beside its attributes.
pub(crate) const TEXT: &str = "$text";

impl<'p> Compiler<'p> {
    /// The whole of a mapping that builds.
    pub(super) fn built(&self, node: Option<&Node>, form: head::Built, rules: Vec<Rule>) -> Option<Form> {
        let build = self.build(node?, Here::Nothing);
        let writing = match form {
            head::Built::Json => Writing::Json,
            head::Built::Xml => {
                self.check_root(node?, build.as_ref()?)?;
                Writing::Xml
            }
            head::Built::Csv(layout) => Writing::Csv(self.layout(node?, build.as_ref()?, &layout)?),
        };
        Some(Form::Build { rules, build: Box::new(build?), writing })
    }

    pub(super) fn build(&self, node: &Node, here: Here) -> Option<Build> {
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
        let content = match (node.get("$value"), node.get("$use")) {
            (Some(value), _) => self.instead("$value", value, entries, here),
            (None, Some(used)) => self.instead("$use", used, entries, here),
            (None, None) => self.members(node, entries, here),
        };
        let ((before, names), content) = (names?, content?);
        complete.then_some(Build { place: node.span.clone(), walk, before, names, test, content })
    }

    fn members(&self, node: &Node, entries: &[Entry], here: Here) -> Option<Content> {
        let is_xml = self.output == Format::Xml;
        let is_member = |entry: &&Entry| !entry.key.starts_with('$') || (is_xml && entry.key == TEXT);
        let members = entries.iter().filter(is_member);
        // Of delimited text, what a row needs is told where its columns are read.
        let is_empty = self.output != Format::Csv
            && entries.iter().all(|entry| DIRECTIVES.contains(&entry.key.as_str()));
        self.check_builds(is_empty, &node.span)?;
        for entry in members.clone().filter(|entry| entry.key.contains("${")) {
            let message = "a key stands as it is written, and no value can be part of it";
            self.problems
                .error("mapping-build-key", &entry.key_span, message)
                .help("give the value a key of its own");
        }
        if is_xml {
            return self.content(members, here);
        }
        let part = |node: &Node| match self.output {
            Format::Csv => self.cell(node, here),
            Format::Hl7v2 | Format::Json | Format::Xml => self.build(node, here),
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

    /// What holds one text: a column, an attribute.
    pub(super) fn cell(&self, node: &Node, here: Here) -> Option<Build> {
        match &node.kind {
            Kind::Text(_) => Some(plain(node, Content::Value(Reader::new(self, node, here).text()?))),
            Kind::Null => self.build(node, here),
            Kind::List(_) | Kind::Map(_) => {
                let (message, help) = match self.output {
                    Format::Csv => ("a column holds one value", "give each value its own column"),
                    _ => ("this holds one value", "give each value its own element"),
                };
                let message = format!("{message}, not {}", node.what());
                self.problems.error("mapping-row", &node.span, message).help(help);
                None
            }
        }
    }

    /// The content that `$value` or `$use` gives in the place of a map.
    fn instead(&self, key: &str, value: &Node, entries: &[Entry], here: Here) -> Option<Content> {
        let is_beside = |entry: &&Entry| match entry.key.as_str() {
            "$use" => key != "$use",
            own => own == TEXT || !own.starts_with('$'),
        };
        if let Some(other) = entries.iter().find(is_beside) {
            let message = format!("beside `{key}` there are no keys");
            self.problems
                .error("mapping-build-value", &other.key_span, message)
                .help(format!("`{key}` is what stands here instead of a map"));
        }
        if key == "$use" {
            return self.used_build(value, here).map(|build| Content::Part(Box::new(build)));
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
        let is_text = |key: &str| key == TEXT && self.output == Format::Xml;
        for entry in entries.iter().filter(|entry| entry.key.starts_with('$')) {
            if DIRECTIVES.contains(&entry.key.as_str()) || is_text(&entry.key) {
                continue;
            }
            known = false;
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
