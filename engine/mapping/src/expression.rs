//! What an expression says: the tree of one expression, of a text with `${...}` in it, of what an `each` walks over.
//!
//! Nothing is resolved here: names of functions, tables and values are text until `compile`. Every node keeps its byte range in
//! the scalar it stands in, so that what is found wrong later can be underlined. Any text gives a tree or an error, in bounded depth.

mod grammar;

use std::ops::Range;

use orderly_hl7v2::path::{Path, Select};

pub(crate) use self::grammar::{condition, each, group_name, path, template};

/// An expression, or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression {
    /// Bytes of the scalar's text.
    pub(crate) range: Range<usize>,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// `'text'`
    Text(String),
    /// `12`, `-0.5`: kept as written.
    Number(String),
    /// `/[0-9]+/`, as an argument.
    Pattern(Word),
    /// `null`
    Null,
    /// `['M', 'F']`
    List(Vec<Expression>),
    /// What a path or a name means.
    Reference(Reference),
    /// `hl7('A^B')`, or `value | upper` with its value.
    Call {
        value: Option<Box<Expression>>,
        function: Word,
        arguments: Vec<Expression>,
    },
    /// `a = b`
    Compare {
        operator: Operator,
        left: Box<Expression>,
        right: Box<Expression>,
    },
    /// `a in b`
    In {
        value: Box<Expression>,
        list: Box<Expression>,
        negated: bool,
    },
    /// `a matches /b/`
    Matches {
        value: Box<Expression>,
        pattern: Word,
    },
    /// `a is present`
    Is {
        value: Box<Expression>,
        presence: Presence,
        negated: bool,
    },
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
}

/// A name or a pattern with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Word {
    pub(crate) range: Range<usize>,
    pub(crate) text: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reference {
    /// `PID-3[2].1`; with `input.` before it, in the message as received.
    Hl7 { received: bool, path: Box<Path<Expression>> },
    /// `.5.1`: fields, components or subcomponents below the innermost each, filter or target repetition.
    Below(Vec<Step>),
    /// `.type`: members below the innermost filter of a record path.
    Member(Vec<Member>),
    /// `$result-5.1`, `$id.1`: below the segment or the repetition of a named `each`.
    NamedBelow { name: String, steps: Vec<Step> },
    /// `$report.code.display`: members below the member of the record of a named `each`.
    NamedMember { name: String, members: Vec<Member> },
    /// `$mrn`
    Named(String),
    /// `patient.name.family`, `message.type`.
    Record(Vec<Member>),
    /// `/ClinicalDocument/code/@code`; `./@root` is below the innermost filter of such a path.
    Document { below: bool, steps: Vec<Member>, attribute: Option<String> },
}

/// One number of a path below a segment or a repetition: `-5[2]`, `.1`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub(crate) number: usize,
    pub(crate) select: Option<Box<Select<Expression>>>,
}

/// One name of a record path: `identifiers[where .type = 'MR']`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) range: Range<usize>,
    pub(crate) select: Option<Box<Select<Expression>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Empty,
    Null,
    Present,
}

/// A piece of a text with `${...}` in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    Literal(Word),
    Expression(Expression),
}

/// `OBX as result where OBX-2 = 'NM'`
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Each {
    pub(crate) over: Over,
    pub(crate) name: Option<Word>,
    pub(crate) filter: Option<Expression>,
}

/// What stands first in an `each`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Over {
    /// `ORDER_OBSERVATION`
    Group(String),
    Path(Expression),
}

/// Why a text is not an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// The bytes to underline.
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// Whether a `${` has no end, perhaps because YAML cut the value.
    pub(crate) unclosed: bool,
}
