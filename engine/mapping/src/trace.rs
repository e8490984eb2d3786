//! What each rule did to one message, for people who ask why. It holds patient data and is never logged.

use std::ops::Range;

use orderly_hl7v2::Position;
use orderly_record::Place;

use crate::scope::Id;

/// Everything that happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// In order.
    pub steps: Vec<Traced>,
    /// The messages that were made; none of a built output.
    pub(crate) made: Vec<Made>,
    /// How many steps all of them have in common.
    pub(crate) common: usize,
    /// The first step that is only the next one's.
    pub(crate) begun: usize,
}

impl Trace {
    /// From here on each message that is made has steps of its own.
    pub(crate) fn split(&mut self) {
        self.common = self.steps.len();
    }

    /// The next of several messages begins here.
    pub(crate) fn begin(&mut self) {
        self.begun = self.steps.len();
    }
}

/// A message that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    /// The steps that are its own.
    pub(crate) steps: Range<usize>,
    /// What stands in it, and whether it is still what was received.
    pub(crate) leaves: Vec<Leaf>,
}

/// One thing that happened, or did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// The rule, or the line of it, in its file.
    pub place: Place,
    /// The key of the language that it is: `set`, `when`, `each`, `stop`, ...; `value` for a value under `build:`.
    pub action: &'static str,
    /// Whether it did something.
    pub fired: bool,
    /// What happened or why nothing did: a path that was written, a condition that does not hold.
    pub why: String,
    /// What stood there before, of a write.
    pub before: Option<String>,
    /// What stands there now, of a write; the value of a name.
    pub after: Option<String>,
    /// What it looked at, in order.
    pub reads: Vec<Read>,
    pub(crate) target: Option<Target>,
}

/// Something that a rule looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Its path: `PID-5.1`, `patient.identifiers[1].value`, `message.type`, `$name`.
    pub path: String,
    /// What stood there.
    pub text: String,
    /// Whether it was looked at to decide something: in a condition, in a filter. Else a value was made of it.
    pub decides: bool,
    pub(crate) from: From,
}

/// Where what was read stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    /// In the message as received, at a place that no rule has touched.
    Received(Position),
    /// In a field of the working message that rules have written to, by the identity of its segment.
    Working(Id, Position),
    /// In the record, at the read's path.
    Record,
    /// In the header of the message, by field and component; nowhere for what the message does not say itself.
    Fact(Option<(usize, usize)>),
    /// Behind a name, by its slot.
    Name(usize),
}

/// What a rule wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A part of the working message, by the identity of its segment.
    Message(Id, Position),
    /// A name, by its slot.
    Name(usize),
    /// A value of a built output, by its path there.
    Built(String),
}

/// A leaf of the message that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) id: Id,
    pub(crate) at: Position,
    pub(crate) path: String,
    pub(crate) text: String,
    /// Where it stood in the message as received, when its field was not touched.
    pub(crate) received: Option<Position>,
}
