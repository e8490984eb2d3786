//! The mapping language: what an analyst declares in YAML, compiled when it is loaded and applied to messages and documents. Pure.
//!
//! The way through: `yaml` reads a file into a located tree → `rule` and `expression` say what is written → `compile` resolves every
//! path, name, table and function, and reports all that is wrong at once → `plan` is the result → `execute` edits or builds by it,
//! `evaluate` computes its expressions in a `scope` → `functions` and `table` are what expressions can use.
//!
//! A mapping always ends, reads nothing but its input, and gives the same output for the same input. Fields that no rule touches keep
//! their bytes. `docs/mapping.md` in the repository is the language for its users.

mod cda;
mod comparison;
mod compile;
mod decimal;
mod evaluate;
mod execute;
mod expression;
mod fired;
mod functions;
mod lineage;
mod member;
mod pattern;
mod plan;
pub mod problems;
mod recorder;
mod refusal;
mod rule;
pub mod schema;
mod scope;
mod structure;
mod table;
mod time;
mod trace;
mod value;
mod wanted;
pub mod yaml;

use std::cell::OnceCell;
use std::fmt;

use jiff::Timestamp;
use orderly_ccda::Document;
use orderly_hl7v2::{Message, Position};
use orderly_record::{Diagnostic, Record};

pub use compile::{Library, compile, compile_condition, compile_path, compile_template};
pub use fired::{Fired, Idle};
pub use lineage::{InputField, InputPlace, Lineage, OutputField, populated};
pub use trace::{Read, Trace, Traced};

/// The names of all functions, for documentation and editors.
pub fn function_names() -> impl Iterator<Item = &'static str> {
    functions::FUNCTIONS.iter().map(|function| function.name)
}

/// What is known of a message or a document besides its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'x> {
    /// Its number in the journal.
    pub id: u64,
    /// The source it came in by.
    pub source: &'x str,
    /// When it was accepted.
    pub accepted_at: Timestamp,
}

/// What a mapping or a condition looks at.
#[derive(Debug)]
pub struct Input<'m> {
    facts: &'m Facts<'m>,
    content: Content<'m>,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and a box would cost each message more than it saves"
)]
enum Content<'m> {
    /// Its record is made when something asks for it: many routes and mappings get along with the message's own fields.
    Message {
        message: &'m Message<'m>,
        record: OnceCell<Record>,
    },
    Document {
        document: Option<&'m Document>,
        record: &'m Record,
    },
}

impl<'m> Input<'m> {
    /// A message as received.
    pub fn of_message(facts: &'m Facts<'m>, message: &'m Message<'m>) -> Self {
        Self { facts, content: Content::Message { message, record: OnceCell::new() } }
    }

    /// A document as received, and its record.
    pub fn of_document(facts: &'m Facts<'m>, document: &'m Document, record: &'m Record) -> Self {
        Self { facts, content: Content::Document { document: Some(document), record } }
    }

    /// A document of which there is only the record: paths into it are empty.
    pub fn of_record(facts: &'m Facts<'m>, record: &'m Record) -> Self {
        Self { facts, content: Content::Document { document: None, record } }
    }

    /// Where it came from, and when.
    pub fn facts(&self) -> &'m Facts<'m> {
        self.facts
    }

    /// The message as received; none when it is a document.
    pub fn message(&self) -> Option<&'m Message<'m>> {
        match &self.content {
            Content::Message { message, .. } => Some(message),
            Content::Document { .. } => None,
        }
    }

    /// The document as received; none when it is a message, or when only its record is known.
    pub fn document(&self) -> Option<&'m Document> {
        match &self.content {
            Content::Message { .. } => None,
            Content::Document { document, .. } => *document,
        }
    }

    /// The record made of it.
    pub fn record(&self) -> &Record {
        match &self.content {
            Content::Message { message, record } => record.get_or_init(|| orderly_hl7v2::normalize(message)),
            Content::Document { record, .. } => record,
        }
    }

    /// The record, if there is one without making it.
    pub fn known_record(&self) -> Option<&Record> {
        match &self.content {
            Content::Message { record, .. } => record.get(),
            Content::Document { record, .. } => Some(record),
        }
    }
}

/// A compiled mapping.
#[derive(Debug)]
pub struct Mapping {
    name: String,
    /// What it takes.
    accepts: plan::Accepts,
    /// Where that is said.
    input: yaml::Span,
    form: plan::Form,
    /// Where is said what it writes.
    output: yaml::Span,
    /// What of its input it leaves aside on purpose.
    ignored: Vec<Ignored>,
    /// The parts of the record that its paths take.
    wanted: wanted::Wanted,
    /// How many names its rules give.
    slots: usize,
}

impl Mapping {
    /// The name that routes use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it writes.
    pub fn output(&self) -> Format {
        match &self.form {
            plan::Form::Edit { .. } | plan::Form::Start { .. } => Format::Hl7v2,
            plan::Form::Build { writing: plan::Writing::Json, .. } => Format::Json,
            plan::Form::Build { writing: plan::Writing::Xml, .. } => Format::Xml,
            plan::Form::Build { writing: plan::Writing::Csv(_), .. } => Format::Csv,
        }
    }

    /// The reason why it leaves a place of its input aside on purpose, when it says so. `path` is one whatever the occurrence:
    /// [`InputField::general`].
    pub fn ignores(&self, path: &str) -> Option<&str> {
        let is_it = |ignored: &&Ignored| {
            path.strip_prefix(&ignored.path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
        };
        self.ignored.iter().find(is_it).map(|ignored| ignored.reason.as_str())
    }

    /// Applies it to a message or a document. It gives one outcome, or one for each output of a `split`, in order.
    pub fn execute(&self, input: &Input<'_>) -> Vec<Outcome> {
        execute::execute(self, input, None)
    }

    /// The same, telling what each rule did.
    pub fn execute_traced(&self, input: &Input<'_>) -> (Vec<Outcome>, Trace) {
        let mut trace = Trace::default();
        let outcomes = execute::execute(self, input, Some(&mut trace));
        (outcomes, trace)
    }
}

/// A place of the input that a mapping leaves aside on purpose.
#[derive(Debug)]
struct Ignored {
    path: String,
    reason: String,
}

/// What a mapping writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An HL7 v2 message.
    Hl7v2,
    /// One JSON document in one line.
    Json,
    /// One XML document.
    Xml,
    /// Delimited text, one row a line.
    Csv,
}

/// As a sentence names it.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Hl7v2 => "HL7 v2",
            Format::Json => "JSON",
            Format::Xml => "XML",
            Format::Csv => "delimited text",
        })
    }
}

/// What a mapping made of its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Something to deliver.
    Output(Output),
    /// Not for this destination.
    Filtered {
        /// The rule that said so, as file and line.
        rule: String,
        /// Its reason.
        reason: String,
    },
    /// The mapping can't be applied to this message.
    Failed(Diagnostic),
    /// A person has to decide.
    Parked {
        /// Why.
        diagnostic: Diagnostic,
        /// The code that a row of a table would release.
        unmapped: Option<UnmappedCode>,
    },
}

/// A code without a row in a table that parks such messages. It comes out of a message: it is for people who mend the table, and not for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmappedCode {
    /// The table's name in its mapping.
    pub table: String,
    /// The code; of a table with several keys all of them, with `, ` between. What is longer than 64 characters is cut: no code is, and
    /// what else was looked up by mistake is not to be repeated whole.
    pub code: String,
}

/// Something to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What is sent.
    pub bytes: Vec<u8>,
    /// By which the receiver's answer names it: of a message its MSH-10, of anything else the input's control id.
    pub control_id: String,
    /// What was odd on the way and did not stop it.
    pub diagnostics: Vec<Diagnostic>,
}

/// A compiled condition.
#[derive(Debug)]
pub struct Condition {
    test: plan::Test,
    wanted: wanted::Wanted,
    warnings: Vec<Diagnostic>,
    /// Where it is written.
    said: yaml::Span,
}

impl Condition {
    /// What is probably not meant so, and did not keep it from being compiled.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Whether it holds for this message. A condition that meets a limit does not.
    pub fn holds(&self, input: &Input<'_>) -> bool {
        let case = scope::Case::new(input, &self.wanted);
        evaluate::holds(&self.test, &scope::Scope::of(&case)).unwrap_or(false)
    }

    /// The same, with what it looked at.
    pub fn ask(&self, input: &Input<'_>) -> Question {
        let case = scope::Case::watched(input, &self.wanted);
        let holds = evaluate::holds(&self.test, &scope::Scope::of(&case)).unwrap_or(false);
        let text = self.said.text().trim_end().to_owned();
        Question { place: self.said.place(), text, holds, reads: case.reads() }
    }
}

/// A condition that was asked. It holds patient data and is never logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Where the condition is written.
    pub place: orderly_record::Place,
    /// As it is written.
    pub text: String,
    /// Whether it holds.
    pub holds: bool,
    /// What it looked at.
    pub reads: Vec<Read>,
}

/// A compiled text with `${...}` in it.
#[derive(Debug)]
pub struct Template {
    term: plan::Term,
    wanted: wanted::Wanted,
}

impl Template {
    /// The text for this message; what is empty or null in it is nothing.
    ///
    /// # Errors
    /// A limit that was met.
    pub fn text(&self, input: &Input<'_>) -> Result<String, Diagnostic> {
        let case = scope::Case::new(input, &self.wanted);
        let scalar = evaluate::scalar(&self.term, &scope::Scope::of(&case));
        let text = scalar.map_err(|refusal| refusal.into_inner().diagnostic)?.present();
        Ok(text.map(std::borrow::Cow::into_owned).unwrap_or_default())
    }
}

/// A compiled path into a message, such as `PID-3[where .5 = 'MR'].1`.
#[derive(Debug)]
pub struct PlacePath {
    place: plan::Place,
}

impl PlacePath {
    /// What it names in this message, which may be nothing. A path to a segment as a whole gives its position with the field 0.
    ///
    /// # Errors
    /// A limit that was met.
    pub fn positions(&self, message: &Message<'_>) -> Result<Vec<Position>, Diagnostic> {
        let facts = Facts { id: 0, source: "", accepted_at: Timestamp::UNIX_EPOCH };
        let input = Input::of_message(&facts, message);
        let case = scope::Case::new(&input, &wanted::Wanted::default());
        let scope = scope::Scope::of(&case);
        scope.positions(&self.place, false).map_err(|refusal| refusal.into_inner().diagnostic)
    }
}
