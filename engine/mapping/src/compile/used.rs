//! What a mapping takes from another one or from a fragment: `use` inserts its rules, `$use` what it builds.
//!
//! Everything is inserted when the mapping is loaded, as if it stood at that place: relative paths and names mean what they mean there. Its
//! tables are its own, and what it names ends with it. What is wrong in it is told with its own file and line.

use std::collections::HashMap;
use std::sync::Arc;

use super::expression::Reader;
use super::head::{self, Output};
use super::{Compiler, Here, tables};
use crate::Format;
use crate::plan::{Accepts, Action, Build, Test};
use crate::problems::Problems;
use crate::table::Table;
use crate::yaml::{Document, Fields, Node};

/// How many mappings and fragments may be inserted into one: far more than anybody reads, and few enough that some that use each other
/// several times over don't fill the memory.
const USES_MAX: usize = 1000;

/// The tables that a mapping or a fragment declares, by their names.
pub(super) type Tables = Arc<HashMap<String, Option<Arc<Table>>>>;

/// The key that a fragment has in the place of those of a mapping's head.
const FRAGMENT: &str = "fragment";

/// The keys of a fragment besides its name and what it is for. It says neither what it takes nor what it writes: that is said where it is
/// used.
pub(crate) const FRAGMENT_PARTS: [&str; 3] = ["tables", "rules", "build"];

impl Compiler<'_> {
    /// The rules of another, as one action.
    pub(super) fn used_rules(&self, said: &Node, here: Here) -> Option<Action> {
        let then = self.used(said, here, "rules", |rules| Some(self.rules(rules, here)))?;
        Some(Action::When { test: Test::All(Vec::new()), then, otherwise: Vec::new() })
    }

    /// What another builds.
    pub(super) fn used_build(&self, said: &Node, here: Here) -> Option<Build> {
        self.used(said, here, "build", |build| self.build(build, here))
    }

    /// Compiles the part of another that has this key, with that other's tables and version.
    fn used<T>(
        &self,
        said: &Node,
        here: Here,
        key: &str,
        compile: impl FnOnce(&Node) -> Option<T>,
    ) -> Option<T> {
        let name = Reader::new(self, said, here).scalar("the name of a mapping or a fragment")?;
        self.check_counts(name, said)?;
        let document = self.find(name, said)?;
        let is_fragment = document.root.get(FRAGMENT).is_some();
        if is_fragment {
            self.check_fragment(&document.root);
        } else {
            self.check_kind(&document.root, said)?;
        }
        let Some(part) = document.root.get(key) else {
            let message = format!("`{name}` has no `{key}`");
            self.problems.error("mapping-use", &said.span, message);
            return None;
        };
        self.check_only_builds(&document.root, key, said)?;
        let version = if is_fragment { self.input_version.get() } else { version(&document.root) };
        let tables = self.tables_of(name, &document.root);
        let outer = (self.tables.replace(tables), self.input_version.replace(version));
        self.using.borrow_mut().push(name.to_owned());
        let compiled = compile(part);
        self.using.borrow_mut().pop();
        self.tables.replace(outer.0);
        self.input_version.set(outer.1);
        compiled
    }

    fn find(&self, name: &str, said: &Node) -> Option<&Document> {
        let found = self.library.mappings.get(name);
        if found.is_none() {
            let message = format!("there is no mapping or fragment `{name}`");
            let known = self.library.mappings.keys().map(String::as_str);
            self.problems.error("mapping-use", &said.span, message).suggest(name, known);
        }
        found
    }

    /// A part of an output is there or not; rules would decide about all of it.
    fn check_only_builds(&self, root: &Node, key: &str, said: &Node) -> Option<()> {
        let Some(rules) = root.get("rules").filter(|_| key == "build") else { return Some(()) };
        let (file, line) = (&rules.span.source.file, rules.span.line);
        let message = "a mapping with `rules` can't be part of another's output";
        self.problems
            .error("mapping-use", &said.span, message)
            .help(format!("write what {file}:{line} says with $let and $when under its `build:`"));
        None
    }

    fn check_counts(&self, name: &str, said: &Node) -> Option<()> {
        let using = self.using.borrow();
        if let Some(start) = using.iter().position(|other| other == name) {
            let circle: Vec<&str> = using.iter().skip(start).map(String::as_str).chain([name]).collect();
            let message = format!("`{name}` would be inserted into itself: {}", circle.join(" → "));
            self.problems.error("mapping-use", &said.span, message).help("remove one of these `use`");
            return None;
        }
        self.uses.set(self.uses.get() + 1);
        if self.uses.get() > USES_MAX {
            let message = format!("more than {USES_MAX} mappings and fragments are inserted into this one");
            self.problems.error("mapping-use", &said.span, message).help("use fewer of them");
            return None;
        }
        Some(())
    }

    /// A fragment has few keys, and all of them a meaning.
    fn check_fragment(&self, root: &Node) {
        let Some(fields) = Fields::of(root, "a fragment", self.problems) else { return };
        fields.required_text(FRAGMENT);
        fields.text("about");
        FRAGMENT_PARTS.iter().for_each(|key| _ = fields.optional(key));
        fields.finish();
    }

    /// Whether another mapping takes and writes what this one does.
    fn check_kind(&self, root: &Node, said: &Node) -> Option<()> {
        // What is wrong with its head is told where it is compiled for itself.
        let aside = Problems::new();
        let head = Fields::of(root, "a mapping", &aside).map(|fields| head::read(&fields, &aside))?;
        let (accepts, output) = (head.accepts?, head.output?);
        let is_new = matches!(output, Output::Start(_));
        if accepts != Accepts::Any && accepts != self.accepts {
            let message = "this takes another input than the mapping that uses it";
            self.problems.error("mapping-use", &said.span, message).help("use one with the same `input`");
            return None;
        }
        if output.format() != self.output || is_new != self.begins_empty || self.output == Format::Csv {
            let message = "this writes another output than the mapping that uses it";
            let help = "use one with the same `output` and `start`, or a fragment, which leaves both open";
            self.problems.error("mapping-use", &said.span, message).help(help);
            return None;
        }
        Some(())
    }

    /// The tables of one that is used, read once.
    fn tables_of(&self, name: &str, root: &Node) -> Tables {
        if let Some(known) = self.used_tables.borrow().get(name) {
            return known.clone();
        }
        let declared = root.get("tables");
        let read = declared.map(|node| tables::read(node, self.library.table, self.problems));
        let read = Tables::from(read.unwrap_or_default());
        self.used_tables.borrow_mut().insert(name.to_owned(), read.clone());
        read
    }
}

/// The version of the messages that another mapping takes.
fn version(root: &Node) -> Option<orderly_hl7v2::dictionary::Version> {
    let aside = Problems::new();
    let fields = Fields::of(root, "a mapping", &aside)?;
    head::read(&fields, &aside).version
}
