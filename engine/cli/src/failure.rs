//! Why a command could not run: what is wrong, and what to do. Always exit code 2.

use std::fmt::Display;
use std::process::ExitCode;

/// The command's answer is no: it ran, and what was asked does not hold.
pub(crate) const ANSWER_IS_NO: ExitCode = ExitCode::FAILURE;

/// The command could not do all that was asked.
pub(crate) fn could_not_run() -> ExitCode {
    ExitCode::from(2)
}

/// What a command ends with.
pub(crate) type CommandResult = Result<ExitCode, Failure>;

/// A command that could not run.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    help: Option<String>,
}

impl Failure {
    /// `message` says what is wrong, whose it is and where.
    pub(crate) fn new(message: impl Display) -> Self {
        Failure { message: message.to_string(), help: None }
    }

    /// Adds what to do.
    pub(crate) fn help(mut self, help: impl Display) -> Self {
        self.help = Some(help.to_string());
        self
    }

    /// What is wrong, in a line.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Says it on standard error and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("error: {}", self.message);
        if let Some(help) = &self.help {
            eprintln!("  help: {help}");
        }
        could_not_run()
    }
}
