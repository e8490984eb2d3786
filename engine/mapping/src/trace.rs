//! What each rule did to one message, for people who ask why. It holds patient data and is never logged.

use orderly_record::Place;

/// Everything that happened, in order.
pub type Trace = Vec<Traced>;

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
    /// What stands there now, of a write.
    pub after: Option<String>,
}
