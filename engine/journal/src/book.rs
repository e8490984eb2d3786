//! `plans.db`: what is kept beside the messages: plans, pauses, repairs, whose journal it is, and who did what.
//!
//! Written a few times a day, so the file is opened for each use: only the process that holds the journal's lock writes it, one change
//! at a time.

use std::sync::PoisonError;

use crate::catalog::make_empty;
use crate::error::JournalError;
use crate::hand;
use crate::journal::Journal;
use crate::layout;
use crate::node;
use crate::options::Options;
use crate::plans;
use crate::repairs;
use crate::sqlite::{Database, Purpose, renew_log};

impl Journal {
    /// Makes one change, durable when it returns.
    pub(crate) fn write_book<T>(
        &self,
        change: impl FnOnce(&Database) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let _one_at_a_time = self.book().lock().unwrap_or_else(PoisonError::into_inner);
        let options = self.options();
        let path = layout::plans(&options.folder);
        renew_log(options, &path)?;
        if !path.exists() {
            make_empty(options, &path)?;
        }
        let database = Database::open(options, &path, Purpose::Durable)?;
        database.prepare(plans::SCHEMA, &[hand::UPGRADE, repairs::UPGRADE, node::UPGRADE])?;
        let transaction = database.transaction()?;
        let changed = change(&database)?;
        transaction.commit().map_err(|source| JournalError::Database { path, source })?;
        Ok(changed)
    }
}

/// The file for reading; nothing where it was not made yet, or has not this version of its schema.
pub(crate) fn opened(options: &Options, version: usize) -> Result<Option<Database>, JournalError> {
    let path = layout::plans(&options.folder);
    if !path.exists() {
        return Ok(None);
    }
    let database = Database::open(options, &path, Purpose::Reading)?;
    // A crash may have come between making the file and its tables.
    let is_made = database.schema_version()? >= version;
    Ok(is_made.then_some(database))
}
