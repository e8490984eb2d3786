//! What was found wrong while something is loaded: everything is collected, nothing stops at the first error.
//!
//! One list is shared by all readers of a file. Each entry points into a file and is the configuration's fault.

use std::cell::RefCell;

use orderly_record::{Diagnostic, Fault, Severity};

use crate::yaml::Span;

/// The list of what is wrong so far.
#[derive(Debug, Default)]
pub struct Problems {
    found: RefCell<Vec<Diagnostic>>,
}

impl Problems {
    /// An empty list.
    pub fn new() -> Problems {
        Problems::default()
    }

    /// Adds an error: what was loaded cannot be used. `code` is stable, `message` one sentence without a full stop.
    pub fn error(&self, code: &'static str, span: &Span, message: impl Into<String>) -> Reported<'_> {
        self.add(error(code, span, message))
    }

    /// Adds a warning: it can be used, but is probably not what was meant.
    pub fn warning(&self, code: &'static str, span: &Span, message: impl Into<String>) -> Reported<'_> {
        self.add(Diagnostic { severity: Severity::Warning, ..error(code, span, message) })
    }

    /// Adds a diagnostic that was made elsewhere.
    pub fn add(&self, diagnostic: Diagnostic) -> Reported<'_> {
        let mut found = self.found.borrow_mut();
        found.push(diagnostic);
        Reported { problems: self, index: found.len() - 1 }
    }

    /// Whether nothing was found at all.
    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// How many errors were found; warnings do not count.
    pub fn errors(&self) -> usize {
        self.found.borrow().iter().filter(|found| matches!(found.severity, Severity::Error)).count()
    }

    /// Everything that was found, in the order of finding.
    pub fn into_vec(self) -> Vec<Diagnostic> {
        self.found.into_inner()
    }
}

/// A diagnostic just added, to which a line of help may be given.
pub struct Reported<'p> {
    problems: &'p Problems,
    index: usize,
}

impl Reported<'_> {
    /// Says what to do about it.
    pub fn help(self, help: impl Into<String>) {
        if let Some(diagnostic) = self.problems.found.borrow_mut().get_mut(self.index) {
            diagnostic.help = Some(help.into());
        }
    }

    /// "did you mean `x`?" when one of the candidates is close to `word`, else nothing.
    pub fn suggest<'c>(self, word: &str, candidates: impl IntoIterator<Item = &'c str>) {
        if let Some(help) = did_you_mean(word, candidates) {
            self.help(help);
        }
    }
}

/// An error of the configuration at `span`.
pub(crate) fn error(code: &'static str, span: &Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic {
        code,
        severity: Severity::Error,
        fault: Fault::Configuration,
        place: span.place(),
        message: message.into(),
        help: None,
    }
}

/// "did you mean `x`?" for the closest candidate, `None` when none is close.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    nearest(word, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

/// The closest candidate, `None` when none is close.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let scored = candidates.into_iter().map(|candidate| {
        let score = strsim::jaro_winkler(&word.to_lowercase(), &candidate.to_lowercase());
        (score, candidate)
    });
    let (score, candidate) = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    // Below 0.8 a suggestion is more often a riddle than a help.
    (score >= 0.8).then_some(candidate)
}
