//! Tests that analysts write beside their mappings and routes: `x.test.yaml`, cases with an input and what is expected of it.
//!
//! [`compile_suites`] reads the files, with everything that is wrong in them at once; [`Suite::run`] takes a case through its mapping or
//! through [`process`](crate::process()) and tells every place that is not as expected. Equal inputs give equal results: a case has its
//! own time of acceptance. What is compared is what receivers read: of HL7 v2 the fields, of JSON what it says, of other text its lines.

mod compare;
mod expectation;
pub(crate) mod json;
pub(crate) mod message;
mod read;
mod repair;
mod run;

use std::sync::Arc;

use jiff::Timestamp;
use orderly_mapping::Mapping;
use orderly_mapping::yaml::Span;
use orderly_record::Place;

use self::expectation::Expectation;
pub(crate) use self::expectation::FATES;
use crate::compile::Text;

pub use self::read::compile_suites;
pub use self::repair::{Repair, repaired};
pub use self::run::CaseResult;

/// A test file's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestText {
    /// What it tests, by the folder it lies in.
    pub of: Tested,
    /// The text.
    pub text: Text,
}

/// What a test file tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tested {
    /// A mapping.
    Mapping,
    /// A route, with all its destinations.
    Route,
}

/// A test file.
#[derive(Debug)]
pub struct Suite {
    /// Its file.
    pub file: String,
    /// The name of the mapping or route that it tests.
    pub name: String,
    /// Its cases, in the order of the file.
    pub cases: Vec<TestCase>,
    subject: Subject,
}

impl Suite {
    /// The mapping that it tests; none of a route's.
    #[must_use]
    pub fn mapping(&self) -> Option<&Arc<Mapping>> {
        match &self.subject {
            Subject::Mapping(mapping) => Some(mapping),
            Subject::Route(_) => None,
        }
    }
}

#[derive(Debug, Clone)]
enum Subject {
    Mapping(Arc<Mapping>),
    Route(Arc<str>),
}

/// One case.
#[derive(Debug)]
pub struct TestCase {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// The file that has the message; none when the case itself has it.
    pub input_file: Option<String>,
    /// The message.
    input: Vec<u8>,
    /// The source that it comes in by.
    source: String,
    /// Its number in the journal.
    id: u64,
    accepted_at: Timestamp,
    expects: Expects,
}

/// What a case expects.
#[derive(Debug)]
enum Expects {
    /// Of a mapping: one output, or each of those that a split makes.
    Outputs(Vec<Expectation>),
    /// Of a route, by destination.
    Deliveries { all: Span, of: Vec<(String, Vec<Expectation>)> },
    /// That the route does not take it; where that is said.
    NotTaken(Span),
}

/// Something that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Where it is expected.
    pub place: Place,
    /// Whose, of a route's.
    pub destination: Option<String>,
    /// What: a path with its name in the standard, a member, a line; the fate.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What there is.
    pub got: String,
}

/// In a line, as people say it.
impl std::fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(destination) = &self.destination {
            write!(formatter, "{destination}: ")?;
        }
        write!(formatter, "{}: expected {}, got {}", self.what, self.expected, self.got)
    }
}
