//! The segment files as the running engine's threads see them: one list, replaced as a whole.

use std::sync::{Arc, RwLock};

use crate::catalog::{Catalog, FileEntry, FileState};
use crate::error::JournalError;
use crate::options::Options;

/// Where the list of files comes from.
#[derive(Clone)]
pub(crate) enum Files {
    /// Shared with the writer of this process.
    Live(Arc<RwLock<Arc<Vec<FileEntry>>>>),
    /// Read from the catalog each time: another process may be writing.
    Catalogued(Arc<Options>),
}

impl Files {
    pub(crate) fn live(files: Vec<FileEntry>) -> Files {
        Files::Live(Arc::new(RwLock::new(Arc::new(files))))
    }

    /// All files that hold messages, oldest first.
    pub(crate) fn list(&self) -> Result<Arc<Vec<FileEntry>>, JournalError> {
        match self {
            Files::Live(list) => {
                Ok(Arc::clone(&list.read().unwrap_or_else(std::sync::PoisonError::into_inner)))
            }
            Files::Catalogued(options) => {
                let mut files = Catalog::open_reading(options)?.files()?;
                files.retain(|file| file.state != FileState::Removing);
                Ok(Arc::new(files))
            }
        }
    }

    /// Changes the live list.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Vec<FileEntry>)) {
        if let Files::Live(list) = self {
            let mut list = list.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut files = list.as_ref().clone();
            change(&mut files);
            *list = Arc::new(files);
        }
    }
}
