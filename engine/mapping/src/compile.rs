//! From what a mapping says to what it means: every path, name, table and function is resolved when the mapping is loaded.
//!
//! Nothing stops at the first error; all of them are reported, each with its place and what to do.

mod build;
mod call;
mod cda;
mod codes;
mod expression;
mod head;
mod header;
mod ignore;
mod known;
mod members;
mod never;
mod places;
mod reach;
mod record;
mod rules;
mod split;
mod tables;
mod twice;
mod unused;
mod used;
mod xml;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use orderly_hl7v2::Level;
use orderly_hl7v2::dictionary::Version;
use orderly_record::Diagnostic;

pub(crate) use self::build::{DIRECTIVES, TEXT};
use self::expression::Reader;
use self::head::Output;
pub(crate) use self::head::{OF_OUTPUT, VERSIONS};
use self::reach::Reach;
pub(crate) use self::used::FRAGMENT_PARTS;
use self::used::Tables;
use crate::functions::TableFound;
use crate::plan::{Accepts, Form, Rule, Steps, Term, Test};
use crate::problems::Problems;
use crate::wanted::Wanted;
use crate::yaml::{Document, Fields, Node, Span};
use crate::{Condition, Format, Mapping, PlacePath, Template};

/// What a mapping can name that is not in its file.
#[derive(Clone, Copy)]
pub struct Library<'l> {
    /// The text of a table's file by the path written in the mapping, or a sentence why it can't be had.
    pub table: &'l dyn Fn(&str) -> Result<String, String>,
    /// Mappings and fragments by their names, for `use` and `$use`.
    pub mappings: &'l BTreeMap<String, Document>,
}

/// Compiles a mapping.
///
/// The mapping is there when no error was found; warnings come beside it.
pub fn compile(source: &Document, library: &Library<'_>) -> (Option<Mapping>, Vec<Diagnostic>) {
    let problems = Problems::new();
    let mapping = mapping(&source.root, library, &problems);
    let mapping = mapping.filter(|_| problems.errors() == 0);
    (mapping, problems.into_vec())
}

/// Compiles a condition outside a mapping, such as a route's `when`. It sees the message as received, the record and the facts.
///
/// # Errors
/// All that is wrong with it.
pub fn compile_condition(node: &Node) -> Result<Condition, Vec<Diagnostic>> {
    let (compiled, found) = alone(node, |compiler, reader| {
        let test = reader.condition()?;
        Some((test, compiler.wanted()))
    });
    match compiled {
        Some((test, wanted)) => Ok(Condition { test, wanted, said: node.span.clone(), warnings: found }),
        None => Err(found),
    }
}

/// Compiles a text with `${...}` in it outside a mapping, such as a file name.
///
/// # Errors
/// All that is wrong with it.
pub fn compile_template(node: &Node) -> Result<Template, Vec<Diagnostic>> {
    outside(node, |compiler, reader| {
        let term = reader.text()?;
        Some(Template { term, wanted: compiler.wanted() })
    })
}

/// Compiles a path into a message outside a mapping, such as what a test expects something of. Its filters see the message alone.
///
/// # Errors
/// All that is wrong with it.
pub fn compile_path(node: &Node) -> Result<PlacePath, Vec<Diagnostic>> {
    outside(node, |_, reader| reader.message_place().map(|place| PlacePath { place }))
}

fn outside<T>(
    node: &Node,
    compile: impl FnOnce(&Compiler<'_>, &Reader<'_, '_>) -> Option<T>,
) -> Result<T, Vec<Diagnostic>> {
    let (compiled, found) = alone(node, compile);
    compiled.ok_or(found)
}

/// What was compiled, if no error was found, and all that was found.
fn alone<T>(
    node: &Node,
    compile: impl FnOnce(&Compiler<'_>, &Reader<'_, '_>) -> Option<T>,
) -> (Option<T>, Vec<Diagnostic>) {
    let problems = Problems::new();
    let library = Library { table: &|_| Err(String::new()), mappings: &BTreeMap::new() };
    let compiler = Compiler::new(&problems, library);
    let compiled = compile(&compiler, &Reader::new(&compiler, node, Here::Nothing));
    drop(compiler);
    (compiled.filter(|_| problems.errors() == 0), problems.into_vec())
}

fn mapping(root: &Node, library: &Library<'_>, problems: &Problems) -> Option<Mapping> {
    let fields = Fields::of(root, "a mapping", problems)?;
    let name = fields.required_text("mapping");
    fields.text("about");
    let head = head::read(&fields, problems);
    let output = root.get("output").map(|output| output.span.clone());
    let mut compiler = Compiler::new(problems, *library);
    compiler.accepts = head.accepts.unwrap_or(Accepts::Any);
    compiler.input_version.set(head.version);
    compiler.using.borrow_mut().extend(name.map(|name| name.text.to_owned()));
    compiler.output = head.output.as_ref().map_or(Format::Hl7v2, Output::format);
    compiler.begins_empty = matches!(head.output, Some(Output::Start(_)));
    if let Some(Output::Edit(version) | Output::Start(version)) = head.output {
        compiler.output_version = version.map(Version::nearest);
    }
    let declared = fields.optional("tables");
    if let Some(declared) = declared {
        compiler.tables.replace(tables::read(declared, library.table, problems).into());
    }
    let rules = match (&head.output, fields.has("rules")) {
        (Some(Output::Edit(_) | Output::Start(_)), _) | (None, true) => fields.required("rules"),
        (Some(Output::Build { .. }) | None, _) => fields.optional("rules"),
    };
    let steps = rules.map(|rules| compiler.steps(rules));
    let steps = steps.unwrap_or_else(|| Steps { rules: Vec::new(), split: None });
    let ignored = fields.optional("ignore").map(|node| compiler.ignored(node)).unwrap_or_default();
    let form = match head.output {
        Some(Output::Edit(version)) => Some(Form::Edit { version, charset: head.charset, steps }),
        Some(Output::Start(version)) => {
            version.map(|version| Form::Start { version, charset: head.charset, steps })
        }
        Some(Output::Build { build, form }) => compiler.built(build, form, steps.rules),
        None => None,
    };
    fields.finish();
    compiler.warn_of_unused(declared);
    Some(Mapping {
        name: name?.text.to_owned(),
        accepts: head.accepts?,
        input: head.input?,
        form: form?,
        output: output?,
        ignored,
        wanted: compiler.wanted(),
        slots: compiler.slots.get(),
    })
}

/// What is known while one mapping is compiled.
pub(crate) struct Compiler<'p> {
    problems: &'p Problems,
    library: Library<'p>,
    /// The mapping and the names of what is being inserted into it, each into the one before.
    using: RefCell<Vec<String>>,
    /// How many were inserted so far.
    uses: Cell<usize>,
    /// The tables of those that were inserted.
    used_tables: RefCell<HashMap<String, Tables>>,
    accepts: Accepts,
    output: Format,
    /// The version of the messages it takes, as it says itself.
    input_version: Cell<Option<Version>>,
    /// Whether the working message is a new one, and not a copy of the input.
    begins_empty: bool,
    /// The version of the message that is made, where the mapping says it.
    output_version: Option<Version>,
    tables: RefCell<Tables>,
    /// The namespace prefixes that are declared around what is built.
    prefixes: RefCell<Vec<String>>,
    /// The parts of the record that are taken, in the order of their slots.
    parts: RefCell<Vec<Arc<[Box<str>]>>>,
    names: RefCell<Vec<Named>>,
    slots: Cell<usize>,
    /// The slots of the named values that were asked for, in the order of asking.
    asked: RefCell<Vec<usize>>,
    /// The values that were named, by their slots, and where.
    lets: RefCell<Vec<(usize, Span)>>,
    /// The tables that were looked something up in.
    looked_up: RefCell<HashSet<String>>,
}

/// A name in scope.
#[derive(Debug, Clone)]
struct Named {
    name: String,
    slot: usize,
    kind: NameKind,
}

impl Named {
    fn is_each(&self) -> bool {
        !matches!(self.kind, NameKind::Value { .. })
    }

    fn is_in_message(&self) -> bool {
        matches!(self.kind, NameKind::Segment | NameKind::Repetition)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameKind {
    /// A `let`; whether it names a list, and the schema of the objects of the record that it names.
    Value { several: bool, object: Option<&'static serde_json::Value> },
    /// An `each` over segments.
    Segment,
    /// An `each` over repetitions.
    Repetition,
    /// An `each` over a list of the record, by the schema of its members.
    Member(&'static serde_json::Value),
}

/// What relative paths start from, where an expression stands.
#[derive(Debug, Clone, Copy)]
enum Here {
    Nothing,
    Segment,
    Repetition,
    /// A member of a list of the record, by its schema.
    Member(&'static serde_json::Value),
    /// An element of a document.
    Element,
}

impl Here {
    /// The level of what stands here, for copying structure.
    fn level(self) -> Option<Level> {
        match self {
            Here::Repetition => Some(Level::Repetition),
            Here::Nothing | Here::Segment | Here::Member(_) | Here::Element => None,
        }
    }
}

impl<'p> Compiler<'p> {
    fn new(problems: &'p Problems, library: Library<'p>) -> Compiler<'p> {
        Compiler {
            problems,
            library,
            using: RefCell::default(),
            uses: Cell::new(0),
            used_tables: RefCell::default(),
            accepts: Accepts::Any,
            output: Format::Hl7v2,
            input_version: Cell::new(None),
            begins_empty: false,
            output_version: None,
            tables: RefCell::default(),
            prefixes: RefCell::default(),
            parts: RefCell::default(),
            names: RefCell::default(),
            slots: Cell::new(0),
            asked: RefCell::default(),
            lets: RefCell::default(),
            looked_up: RefCell::default(),
        }
    }

    /// The version of the message received, or of the one that is made, where the mapping says it.
    fn version_of(&self, received: bool) -> Option<Version> {
        match received || (self.output_version.is_none() && !self.begins_empty) {
            true => self.input_version.get(),
            false => self.output_version,
        }
    }

    fn rules(&self, node: &Node, here: Here) -> Vec<Rule> {
        let known = self.names.borrow().len();
        let rules = self.block(node.items(), here, &mut Reach::default());
        // What a block names ends with the block.
        self.names.borrow_mut().truncate(known);
        rules
    }

    /// Rules whose names stay for what follows them.
    fn block(&self, nodes: &[Node], here: Here, reach: &mut Reach) -> Vec<Rule> {
        let mut rules = Vec::new();
        for node in nodes {
            let rule = self.rule(node, here);
            reach.see(self, node, rule.as_ref());
            rules.extend(rule);
        }
        rules
    }

    /// A slot for a new name.
    fn name(&self, name: &str, kind: NameKind) -> usize {
        let slot = self.slots.get();
        self.slots.set(slot + 1);
        self.names.borrow_mut().push(Named { name: name.to_owned(), slot, kind });
        slot
    }

    /// Compiles something, and tells which named values it asks for.
    fn asking<T>(&self, compile: impl FnOnce() -> T) -> (T, Vec<usize>) {
        let before = self.asked.borrow().len();
        let compiled = compile();
        let asked = self.asked.borrow().get(before..).map(<[usize]>::to_vec);
        (compiled, asked.unwrap_or_default())
    }

    fn named(&self, name: &str) -> Option<Named> {
        self.names.borrow().iter().rev().find(|named| named.name == name).cloned()
    }

    fn table(&self, name: &str) -> TableFound {
        self.looked_up.borrow_mut().insert(name.to_owned());
        let tables = self.tables.borrow();
        match tables.get(name) {
            Some(Some(table)) => TableFound::Table(table.clone()),
            Some(None) => TableFound::Broken,
            None => TableFound::Unknown(tables.keys().cloned().collect()),
        }
    }

    /// The parts of the record that are taken.
    fn wanted(&self) -> Wanted {
        Wanted::of(&self.parts.borrow())
    }

    /// The slot of a part of the record, shared by all paths that take the same part.
    fn part(&self, root: Arc<[Box<str>]>) -> usize {
        let mut parts = self.parts.borrow_mut();
        match parts.iter().position(|part| *part == root) {
            Some(slot) => slot,
            None => {
                parts.push(root);
                parts.len() - 1
            }
        }
    }
}

/// A compiled value and what is known of it.
struct Typed {
    term: Term,
    /// Whether it may be a list.
    several: bool,
    /// Whether it is a lone path, and of which level (`None` is a segment).
    lone: Option<Option<Level>>,
    /// The schema, where it is an object of the record as a whole, or a list of them.
    object: Option<&'static serde_json::Value>,
}

impl Typed {
    fn one(term: Term) -> Typed {
        Typed { term, several: false, lone: None, object: None }
    }
}

/// A compiled test, for signatures that read better with a name.
type Tested = Option<Test>;
