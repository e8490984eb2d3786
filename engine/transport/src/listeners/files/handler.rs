//! What a folder's owner does with the files, and what it is told.

use super::Arrival;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

/// What a folder's owner does with the files.
pub trait FileHandler: Send + Sync + 'static {
    /// The files that are not out of the way, as far as they are stored. Asked at the start, and after a file could not be stored.
    fn standings(&self) -> impl Future<Output = Result<Vec<Standing>, String>> + Send;

    /// Takes a file in. It is called for one file after the other; the future it gives says what became of the file, once that is
    /// certain, while the next files are already handed over.
    fn file(&self, arrival: Arrival) -> impl Future<Output = Taking> + Send;

    /// A file is out of the way, for good: the next one that looks like it is a new one.
    fn released(&self, identity: &Arc<str>);

    /// Something that an operator should know.
    fn file_event(&self, event: FileEvent);
}

/// How far a file is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which file.
    pub identity: Arc<str>,
    /// Its path below the watched folder.
    pub name: Arc<str>,
    /// So many of its messages are stored: the first ones.
    pub stored: u64,
    /// What became of it, when it is stored to its end.
    pub taken: Option<Taken>,
}

/// What will have become of a file.
pub type Taking = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What became of a file that was handed over.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It needs to be read no more.
    Taken(Taken),
    /// It could not be read to its end now. So many of its messages are stored, and it is gone on with at another look.
    Later {
        /// How many of its messages are stored: the first ones.
        stored: u64,
        /// Why, when somebody should know.
        problem: Option<Arc<io::Error>>,
    },
    /// Not all of it could be stored, and the rest is to be tried later.
    NotStored,
}

/// What became of a file that needs to be read no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// All of it is stored.
    Stored,
    /// It is to be put aside, for this reason; what of it could be stored is.
    PutAside(String),
    /// The same, because it changed after its first messages were stored: it is not to be taken as a new file either.
    Torn(String),
}

/// Something that an operator should know. Names of files are not in it: they may name patients.
#[derive(Debug)]
pub enum FileEvent {
    /// The folder cannot be looked at; this is tried again.
    FolderUnreadable(io::Error),
    /// The folder can be looked at again.
    FolderReadable,
    /// A file was put aside.
    PutAside {
        /// Why.
        reason: String,
    },
    /// A file cannot be read now; this is tried again.
    Unreadable(Arc<io::Error>),
    /// A file went out of the folder before all of it was taken in.
    GoneHalfTaken {
        /// How many of its messages are stored: the first ones.
        stored: u64,
    },
    /// A file that is stored cannot be put out of the way; this is tried again, and it is not taken in again.
    Stuck(io::Error),
    /// What is stored cannot be found out; this is tried again.
    StoreUnreadable(String),
}
