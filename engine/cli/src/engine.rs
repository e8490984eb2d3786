//! Asking the running engine; or, where a command may, doing it with the journal's lock when none runs.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use orderly_runtime::{ControlError, Request, Response, Settings, ask, perform_without_engine};
use tokio::runtime::Runtime;

use crate::failure::Failure;
use crate::messages::JournalArgs;
use crate::run::runtime;
use crate::site;

/// The engine of a journal, whether it runs or not.
pub(crate) struct Engine<'j> {
    journal: &'j JournalArgs,
    folder: PathBuf,
    runtime: Runtime,
    has_warned: Cell<bool>,
}

impl Engine<'_> {
    /// That of this journal.
    pub(crate) fn of(journal: &JournalArgs) -> Result<Engine<'_>, Failure> {
        let (folder, runtime) = (journal.folder()?, runtime()?);
        Ok(Engine { journal, folder, runtime, has_warned: Cell::new(false) })
    }

    /// The journal's folder.
    pub(crate) fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// What the running engine answers; nothing when none runs.
    pub(crate) fn ask(&self, request: &Request) -> Result<Option<Response>, Failure> {
        match self.runtime.block_on(ask(&self.folder, request)) {
            Ok(Response::Refused(why)) => Err(Failure::new(why)),
            Ok(response) => Ok(Some(response)),
            Err(ControlError::NoEngine(_)) => Ok(None),
            Err(error) => Err(Failure::new(error)),
        }
    }

    /// What the running engine answers. When none runs, this command takes the journal's lock and does it itself, and what is to be
    /// delivered waits for the engine's next start.
    pub(crate) fn ask_or_do(&self, request: Request) -> Result<Response, Failure> {
        if let Some(response) = self.ask(&request)? {
            return Ok(response);
        }
        let (base, plan) = site::load(self.journal.config())?.into_plan()?;
        let mut settings = Settings::new(&base, Arc::new(plan));
        settings.journal.folder = self.folder.clone();
        match self.runtime.block_on(perform_without_engine(settings, request)).map_err(Failure::new)? {
            Response::Refused(why) => Err(Failure::new(why)),
            response => Ok(response),
        }
    }

    /// When none runs, and others deliver by way of a broker: what was said about a destination is told to them later.
    pub(crate) fn warn_of_other_nodes(&self) -> Result<(), Failure> {
        if self.journal.shares_a_broker() && self.ask(&Request::Status)?.is_none() {
            eprintln!(
                "warning: no engine runs here: other nodes are told when this one starts, and go on until then; say it at a node that runs"
            );
        }
        Ok(())
    }

    /// That none runs, for commands that need one.
    pub(crate) fn runs_not(&self) -> Failure {
        Failure::new(ControlError::NoEngine(self.folder.clone()))
    }

    /// The running engine processes with the configuration that is in force in it. Says once when the files say something else.
    pub(crate) fn warn_of_another_plan(&self, running: &str) {
        if self.has_warned.replace(true) {
            return;
        }
        let files = site::load(self.journal.config()).ok().and_then(|site| site.compiled.plan);
        if files.is_none_or(|files| files.version != running) {
            eprintln!(
                "warning: the engine runs the configuration {running}, which is not what the files say now; \
                 `orderly reload` says why, or brings them into force; then do this again"
            );
        }
    }
}

/// The engine answered what was not asked.
pub(crate) fn other_version() -> Failure {
    Failure::new("the running engine answers something else: it is of another version")
}

/// The person at this command, for the audit: the user's name on this machine, and of one who works as another by sudo, both.
pub(crate) fn who() -> String {
    let id = fs::metadata("/proc/self").map(|process| process.uid());
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = id.ok().map(|id| user_named(&users, id).unwrap_or_else(|| format!("user {id}")));
    let name = name.unwrap_or_else(|| "unknown user".to_owned());
    match std::env::var("SUDO_USER") {
        Ok(person) if person != name => format!("{person} (as {name})"),
        _ => name,
    }
}

/// The user's name in the text of /etc/passwd.
fn user_named(users: &str, id: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_as_the_machine_names_it() {
        let users = "root:x:0:0:root:/root:/bin/sh\n# comment\nalma:x:1001:100::/home/alma:/bin/sh\n";
        assert_eq!(user_named(users, 1001).as_deref(), Some("alma"));
        assert_eq!(user_named(users, 0).as_deref(), Some("root"));
        assert_eq!(user_named(users, 100), None);
    }
}
