//! A mapping resolved: every name, path, function and table is what it means, nothing is text any more.
//!
//! The plan is made by `compile`, read by `evaluate` and `execute`, and never changed.

use std::fmt;
use std::sync::Arc;

use orderly_hl7v2::{Charset, Level, Position, Select};
use orderly_record::{Diagnostic, Fault};
use regex::Regex;

use crate::Input;
use crate::expression::{Operator, Presence};
use crate::functions::Pipe;
use crate::refusal::Refusal;
use crate::structure::Structure;
use crate::yaml::Span;

/// Which of several, with its filter resolved.
pub(crate) type Choice = Select<Box<Test>>;

/// A value to be computed.
#[derive(Debug)]
pub(crate) enum Term {
    Text(Box<str>),
    /// A number or a truth value of JSON, as written.
    Literal(Box<str>),
    Null,
    Structure(Arc<Structure>),
    List(Vec<Term>),
    /// A text with expressions in it.
    Joined(Vec<Term>),
    Hl7(Box<Place>),
    Record(RecordPath),
    Element(ElementPath),
    Fact(Fact),
    /// What a `let` named, by its slot.
    Name(usize),
    /// Which of its list an `each` stands at, by the slot of its name.
    Position(usize),
    /// A function, applied to a value unless it needs none.
    Piped {
        value: Option<Box<Term>>,
        pipe: Box<dyn Pipe>,
    },
}

/// Where in a message something is: where to start, and what below that.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) start: Start,
    pub(crate) part: Part,
}

/// Where a path starts.
#[derive(Debug)]
pub(crate) enum Start {
    /// A segment by its name; `received` in the message as it came in, else in the working message.
    Segment { received: bool, segment: SegmentPath },
    /// The innermost each, filter or target.
    Here,
    /// A named `each`, by its slot.
    Each(usize),
}

/// Which occurrences of a segment.
#[derive(Debug)]
pub(crate) struct SegmentPath {
    pub(crate) group: Option<(Box<str>, Choice)>,
    pub(crate) name: Box<str>,
    pub(crate) occurrence: Choice,
}

impl SegmentPath {
    /// Whether it is a name alone, which means the current segment of that name.
    pub(crate) fn is_bare(&self) -> bool {
        self.group.is_none() && matches!(self.occurrence, Select::First)
    }
}

/// What below a segment or a repetition. All absent means the start itself.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) field: Option<usize>,
    pub(crate) repetition: Option<Choice>,
    pub(crate) component: Option<usize>,
    pub(crate) subcomponent: Option<usize>,
}

impl Part {
    /// What it names in a segment, where it names no repetition.
    pub(crate) fn position(&self, segment: usize) -> Position {
        let (component, subcomponent) = (self.component, self.subcomponent);
        Position { segment, field: self.field.unwrap_or(0), repetition: None, component, subcomponent }
    }

    /// The level of what it names, `None` for a segment. `start` is that of its start.
    pub(crate) fn level(&self, start: Option<Level>) -> Option<Level> {
        match self {
            Part { subcomponent: Some(_), .. } => Some(Level::Subcomponent),
            Part { component: Some(_), .. } => Some(Level::Component),
            Part { repetition: Some(_), .. } => Some(Level::Repetition),
            Part { field: Some(_), .. } => Some(Level::Field),
            _ => start,
        }
    }
}

/// Members of the record or of one of its members.
#[derive(Debug)]
pub(crate) struct RecordPath {
    pub(crate) start: RecordStart,
    pub(crate) steps: Vec<RecordStep>,
    /// Whether it gives a list.
    pub(crate) several: bool,
}

/// Where a record path starts.
#[derive(Debug)]
pub(crate) enum RecordStart {
    /// A part of the record: the names that lead to the first selection, and the slot in which the part is kept once it was taken.
    Part { slot: usize, root: Arc<[Box<str>]> },
    /// The innermost each or filter.
    Here,
    /// A named `each`, by its slot.
    Each(usize),
    /// What a `let` named, by its slot.
    Name(usize),
}

#[derive(Debug)]
pub(crate) enum RecordStep {
    Member(Box<str>),
    Select(Choice),
}

/// Elements of a document, or an attribute of them.
#[derive(Debug)]
pub(crate) struct ElementPath {
    /// Whether it starts at the innermost filter of such a path, and not at the root.
    pub(crate) below: bool,
    /// The names on the way, each with which of them; the root is the start and no step.
    pub(crate) steps: Vec<(Box<str>, Choice)>,
    pub(crate) attribute: Option<Box<str>>,
    /// Whether it gives a list.
    pub(crate) several: bool,
}

/// A fact about the message or its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    Type,
    Event,
    Structure,
    ControlId,
    Version,
    Processing,
    SendingApplication,
    SendingFacility,
    ReceivingApplication,
    ReceivingFacility,
    /// Whether it is as its version says: `yes` or `no`.
    Conforms,
    AcceptedAt,
    Id,
    SourceName,
}

/// A question with a yes or a no.
#[derive(Debug)]
pub(crate) enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Is { value: Term, presence: Presence, negated: bool },
    Equal { left: Term, right: Term, negated: bool },
    Order { operator: Operator, left: Term, right: Term, place: Span },
    In { value: Term, list: Term, negated: bool },
    Matches { value: Term, pattern: Regex },
}

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its first key.
    pub(crate) place: Span,
    pub(crate) action: Action,
}

/// What a rule does.
#[derive(Debug)]
pub(crate) enum Action {
    Set(Vec<Assignment>),
    Delete(Vec<Place>),
    Keep(Vec<Box<str>>),
    Insert(Insert),
    Move { segment: Place, anchor: Anchor },
    When { test: Test, then: Vec<Rule>, otherwise: Vec<Rule> },
    Each { walk: Walk, rules: Vec<Rule> },
    Let(Vec<Let>),
    End { end: End, reason: Box<str> },
}

/// How a mapping ends before its last rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Stop,
    Fail,
    Park,
}

/// A value that gets a name.
#[derive(Debug)]
pub(crate) struct Let {
    pub(crate) slot: usize,
    pub(crate) name: Box<str>,
    pub(crate) value: Term,
    /// The slots of the names that the value asks for.
    pub(crate) asks: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) target: Place,
    /// Whether `.5` in the value means the target's repetition or segment.
    pub(crate) here_is_target: bool,
    pub(crate) value: Term,
    /// Whether the value is a lone path of the target's level, whose structure is copied.
    pub(crate) copies: bool,
    /// The target in the file.
    pub(crate) place: Span,
}

#[derive(Debug)]
pub(crate) struct Insert {
    pub(crate) segment: Box<str>,
    pub(crate) anchor: Anchor,
    pub(crate) fields: Vec<Assignment>,
}

/// Where a segment is put.
#[derive(Debug)]
pub(crate) enum Anchor {
    Beside {
        segment: Place,
        after: bool,
    },
    /// Behind the last segment of a group, or before its first.
    BesideGroup {
        group: Box<str>,
        after: bool,
    },
    End,
}

/// What an `each` does its rules, or builds its part, for.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) over: Over,
    /// The slot of its name.
    pub(crate) slot: usize,
    pub(crate) filter: Option<Test>,
}

/// What an `each` walks over.
#[derive(Debug)]
pub(crate) enum Over {
    Segments(SegmentPath),
    Group(Box<str>),
    Repetitions(Place),
    /// A list of the record.
    Members(RecordPath),
}

/// What a mapping takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepts {
    Hl7v2,
    Ccda,
    Any,
}

impl Accepts {
    /// Refuses an input of another format; `said` is where the mapping says what it takes.
    pub(crate) fn check(self, input: &Input<'_>, said: &Span) -> Result<(), Refusal> {
        let (message, help) = match (self, input.message()) {
            (Accepts::Any, _) | (Accepts::Hl7v2, Some(_)) | (Accepts::Ccda, None) => return Ok(()),
            (Accepts::Hl7v2, None) => {
                ("this mapping takes HL7 v2, and this is a document", "when: message.type != 'CDA'")
            }
            (Accepts::Ccda, Some(_)) => {
                ("this mapping takes C-CDA documents, and this is HL7 v2", "when: message.type = 'CDA'")
            }
        };
        let diagnostic = Diagnostic::error("mapping-input-format", Fault::Configuration, message)
            .at(said.place())
            .with_help(format!("let the route choose: `{help}`"));
        Err(Refusal::new(End::Fail, diagnostic))
    }
}

/// How a mapping makes its output.
#[derive(Debug)]
pub(crate) enum Form {
    /// By rules on a copy of the input, of another version where one is said.
    Edit { version: Option<&'static str>, charset: Option<Written>, steps: Steps },
    /// By rules on a new message that has only a header, of this version of HL7 v2.
    Start { version: &'static str, charset: Option<Written>, steps: Steps },
    /// By building it, after rules that may decide against it.
    Build { rules: Vec<Rule>, build: Box<Build>, writing: Writing },
}

/// In which charset a message is written.
#[derive(Debug)]
pub(crate) struct Written {
    /// Its name, for MSH-18.
    pub(crate) name: Box<str>,
    pub(crate) charset: Charset,
    /// Whether nothing beyond ASCII may be in it.
    pub(crate) only_ascii: bool,
    /// Where the mapping says so.
    pub(crate) place: Span,
}

/// Rules that make one message, or several.
#[derive(Debug)]
pub(crate) struct Steps {
    pub(crate) rules: Vec<Rule>,
    /// What comes after these rules, on each message of its own.
    pub(crate) split: Option<Split>,
}

/// How a message becomes several.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) place: Span,
    /// Without this it stays one.
    pub(crate) test: Option<Test>,
    pub(crate) group: Box<str>,
    /// The rules after it.
    pub(crate) rules: Vec<Rule>,
}

/// In which form a built output is written.
#[derive(Debug)]
pub(crate) enum Writing {
    Json,
    /// Its root is the one member of what is built.
    Xml,
    Csv(Layout),
}

/// How delimited text is written.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The names of the columns.
    pub(crate) columns: Vec<Box<str>>,
    /// Whether the first line has the names.
    pub(crate) header: bool,
    pub(crate) separator: u8,
    pub(crate) crlf: bool,
}

/// A part of a built output.
#[derive(Debug)]
pub(crate) struct Build {
    /// Its first key, or its value.
    pub(crate) place: Span,
    /// What it is repeated for; the rest is about each.
    pub(crate) walk: Option<Walk>,
    /// The names that the test asks for, which come before it.
    pub(crate) before: Vec<Let>,
    /// The other names, for what is not left out.
    pub(crate) names: Vec<Let>,
    /// Without this it is left out.
    pub(crate) test: Option<Test>,
    pub(crate) content: Content,
}

/// What a part of a built output is.
#[derive(Debug)]
pub(crate) enum Content {
    Members(Vec<(Box<str>, Build)>),
    List(Vec<Build>),
    /// What another mapping or a fragment builds.
    Part(Box<Build>),
    Value(Term),
}

impl End {
    /// The key of the language.
    pub(crate) fn name(self) -> &'static str {
        match self {
            End::Stop => "stop",
            End::Fail => "fail",
            End::Park => "park",
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
