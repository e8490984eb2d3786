//! A diagnostic is a value: what is wrong, who must act, where, and what to do about it.
//!
//! The same type serves YAML, HL7 and the engine, the command line and the console. Its texts never hold patient data: they name
//! positions, codes and configuration only, so a diagnostic may be logged, counted and sent to a peer.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The work can't be done.
    Error,
    /// The work is done, and somebody should look.
    Warning,
    /// Worth knowing.
    Note,
}

/// Who must act, so that retry and routing of the complaint never guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The system that sent the message.
    Sender,
    /// The site's configuration: a route, a mapping, `orderly.yaml`.
    Configuration,
    /// The system a message is delivered to.
    Peer,
    /// This engine or its machine.
    Engine,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Nowhere in particular.
    None,
    /// In a message.
    Input {
        /// Bytes from the start of the input.
        offset: usize,
        /// The place in the format's own words, for example `PID-3[2].1`; empty when it has none.
        path: String,
    },
    /// In a configuration file.
    File {
        /// The file's name as the user gave it.
        file: Arc<str>,
        /// The bytes concerned.
        span: Range<usize>,
        /// Line, counted from 1.
        line: usize,
        /// Column in characters, counted from 1.
        column: usize,
    },
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable name of the kind of finding, for example `hl7-no-header`; programs may depend on it.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Who must act.
    pub fault: Fault,
    /// Where it is.
    pub place: Place,
    /// One sentence that says what is wrong, without patient data.
    pub message: String,
    /// One sentence that says what to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error: the work can't be done.
    pub fn error(code: &'static str, fault: Fault, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, fault, message)
    }

    /// A warning: the work is done, and somebody should look.
    pub fn warning(code: &'static str, fault: Fault, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, fault, message)
    }

    /// A note: worth knowing.
    pub fn note(code: &'static str, fault: Fault, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Note, fault, message)
    }

    /// The same finding, placed.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// The same finding, placed in the message that came in.
    #[must_use]
    pub fn in_input(self, offset: usize, path: impl Into<String>) -> Self {
        self.at(Place::Input { offset, path: path.into() })
    }

    /// The same finding, with what to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn new(code: &'static str, severity: Severity, fault: Fault, message: impl Into<String>) -> Self {
        Self { code, severity, fault, place: Place::None, message: message.into(), help: None }
    }
}

/// One line: place, severity with code, message. The command line renders file places with their source text instead.
impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::None => {}
            Place::Input { offset, path } if path.is_empty() => write!(formatter, "byte {offset}: ")?,
            Place::Input { offset, path } => write!(formatter, "{path} (byte {offset}): ")?,
            Place::File { file, line, column, .. } => write!(formatter, "{file}:{line}:{column}: ")?,
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        write!(formatter, "{severity}[{}]: {}", self.code, self.message)
    }
}

impl std::error::Error for Diagnostic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_text_says_where_what_and_how_bad() {
        let plain = Diagnostic::error("hl7-no-header", Fault::Sender, "no MSH segment");
        assert_eq!(plain.to_string(), "error[hl7-no-header]: no MSH segment");
        let placed =
            Diagnostic::warning("hl7-trailing-bytes", Fault::Sender, "bytes after the end").in_input(812, "");
        assert_eq!(placed.to_string(), "byte 812: warning[hl7-trailing-bytes]: bytes after the end");
        let in_message = Diagnostic::note("x", Fault::Sender, "y").in_input(30, "PID-3[2].1");
        assert_eq!(in_message.to_string(), "PID-3[2].1 (byte 30): note[x]: y");
        let place = Place::File { file: "orderly.yaml".into(), span: 4..9, line: 2, column: 3 };
        let in_file = Diagnostic::error("x", Fault::Configuration, "y").at(place);
        assert_eq!(in_file.to_string(), "orderly.yaml:2:3: error[x]: y");
    }
}
