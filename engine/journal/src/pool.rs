//! Connections for reading, lent for one call and kept for the next.
//!
//! Every call is a short transaction: a reader that lingers would keep the write-ahead log from starting over.

use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::JournalError;
use crate::layout;
use crate::options::Options;
use crate::sqlite::{Database, Purpose};

/// Idle connections kept: a few threads reading a few files. Each costs about 0.7 MB at most.
const IDLE_MAX: usize = 12;

pub(crate) struct Pool {
    pub(crate) options: Arc<Options>,
    idle: Mutex<Vec<Database>>,
}

impl Pool {
    pub(crate) fn new(options: Arc<Options>) -> Pool {
        Pool { options, idle: Mutex::default() }
    }

    /// A connection to a segment file.
    pub(crate) fn segment(&self, number: u32) -> Result<Lent<'_>, JournalError> {
        self.lend(&layout::segment(&self.options.folder, number))
    }

    /// A connection to a segment file's key index.
    pub(crate) fn keys(&self, number: u32) -> Result<Lent<'_>, JournalError> {
        self.lend(&layout::keys(&self.options.folder, number))
    }

    fn lend(&self, path: &Path) -> Result<Lent<'_>, JournalError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.iter().rposition(|database| database.path == path).map(|index| idle.remove(index));
        drop(idle);
        let database = match kept {
            Some(database) => database,
            None => Database::open(&self.options, path, Purpose::Reading)?,
        };
        Ok(Lent { pool: self, database: Some(database) })
    }

    /// Closes the idle connections to files that are about to go.
    pub(crate) fn forget(&self, paths: &[&Path]) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|database| !paths.contains(&database.path.as_path()));
    }
}

/// A connection on loan; goes back when dropped.
pub(crate) struct Lent<'p> {
    pool: &'p Pool,
    database: Option<Database>,
}

impl Deref for Lent<'_> {
    type Target = Database;

    #[expect(clippy::expect_used, reason = "it is taken out by drop only")]
    fn deref(&self) -> &Database {
        self.database.as_ref().expect("a connection on loan")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(database) = self.database.take() {
            let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() >= IDLE_MAX {
                idle.remove(0);
            }
            idle.push(database);
        }
    }
}
