//! The mapping language: what an analyst declares in YAML, compiled when it is loaded and applied to messages and documents. Pure.
//!
//! The way through: `yaml` reads a file into a located tree → `rule` and `expression` say what is written → `compile` resolves every
//! path, name, table and function, and reports all that is wrong at once → `plan` is the result → `execute` edits or builds by it,
//! `evaluate` computes its expressions in a `scope` → `functions` and `table` are what expressions can use.
//!
//! A mapping always ends, reads nothing but its input, and gives the same output for the same input. Fields that no rule touches keep
//! their bytes. `docs/mapping.md` in the repository is the language for its users.

mod comparison;
mod compile;
mod evaluate;
mod execute;
mod expression;
mod functions;
mod member;
mod plan;
pub mod problems;
mod rule;
mod scope;
mod structure;
mod table;
mod time;
mod trace;
mod value;
pub mod yaml;

use std::fmt;

use jiff::Timestamp;
use orderly_hl7v2::Message;
use orderly_record::{Diagnostic, Record};

pub use compile::{compile, compile_condition, compile_template};
pub use trace::{Trace, Traced};

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
#[derive(Debug, Clone, Copy)]
pub struct Input<'m> {
    /// Where it came from, and when.
    pub facts: &'m Facts<'m>,
    /// The message as received; none when it is a document, which the record alone tells of.
    pub message: Option<&'m Message<'m>>,
    /// The record made of it.
    pub record: &'m Record,
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
    /// How many parts of the record its paths take.
    parts: usize,
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
            plan::Form::Edit(_) | plan::Form::Start { .. } => Format::Hl7v2,
            plan::Form::Build { writing: plan::Writing::Json, .. } => Format::Json,
            plan::Form::Build { writing: plan::Writing::Csv(_), .. } => Format::Csv,
        }
    }

    /// Applies it to a message or a document.
    pub fn execute(&self, input: &Input<'_>) -> Outcome {
        execute::execute(self, input, None)
    }

    /// The same, telling what each rule did.
    pub fn execute_traced(&self, input: &Input<'_>) -> (Outcome, Trace) {
        let mut trace = Trace::new();
        let outcome = execute::execute(self, input, Some(&mut trace));
        (outcome, trace)
    }
}

/// What a mapping writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An HL7 v2 message.
    Hl7v2,
    /// One JSON document in one line.
    Json,
    /// Delimited text, one row a line.
    Csv,
}

/// As a sentence names it.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Hl7v2 => "HL7 v2",
            Format::Json => "JSON",
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
    parts: usize,
}

impl Condition {
    /// Whether it holds for this message. A condition that meets a limit does not.
    pub fn holds(&self, input: &Input<'_>) -> bool {
        let case = scope::Case::new(input, self.parts);
        evaluate::holds(&self.test, &scope::Scope::of(&case)).unwrap_or(false)
    }
}

/// A compiled text with `${...}` in it.
#[derive(Debug)]
pub struct Template {
    term: plan::Term,
    parts: usize,
}

impl Template {
    /// The text for this message; what is empty or null in it is nothing.
    ///
    /// # Errors
    /// A limit that was met.
    pub fn text(&self, input: &Input<'_>) -> Result<String, Diagnostic> {
        let case = scope::Case::new(input, self.parts);
        let scalar = evaluate::scalar(&self.term, &scope::Scope::of(&case));
        let text = scalar.map_err(|refusal| refusal.diagnostic)?.present();
        Ok(text.map(std::borrow::Cow::into_owned).unwrap_or_default())
    }
}
