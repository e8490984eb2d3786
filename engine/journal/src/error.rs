//! What can go wrong with a journal, who must act, and what to do.
//!
//! No error carries a value from a message: files, codes and numbers only.

use std::io;
use std::path::PathBuf;

/// A journal could not be opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Another process has it.
    #[error("the journal {folder} is in use by process {holder}; stop that engine, or give this one another folder", folder = folder.display())]
    InUse {
        /// The journal's folder.
        folder: PathBuf,
        /// The holder's process id.
        holder: String,
    },
    /// A file could not be made, read or removed.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file was made by a later version of this program.
    #[error("{path} has schema version {found}, this program knows up to {known}; use the newer program", path = path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The newest version known.
        known: usize,
    },
    /// The catalog names a segment file that is not there.
    #[error("{path} is missing: messages were accepted into it; restore it from a backup", path = path.display())]
    Missing {
        /// The file that should be there.
        path: PathBuf,
    },
    /// A row does not hold what this program writes.
    #[error("{path} is damaged: {what}; restore it from a backup", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// SQLite refused.
    #[error("{path}: {source}", path = path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl JournalError {
    /// True when a key index cannot be trusted as it is and must be built anew: also after a failed write or flush, because nobody knows
    /// what of it reached the disk.
    pub(crate) fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode as Code;
        match self {
            JournalError::Damaged { .. } | JournalError::NewerSchema { .. } => true,
            JournalError::Database { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(Code::DatabaseCorrupt | Code::NotADatabase | Code::SystemIoFailure)
            ),
            _ => false,
        }
    }
}

/// A commit failed: nothing in its group may be answered positively. It may be on disk all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// No space left. The engine goes on and tries again with the next message.
    #[error("the journal's disk is full ({file}); free space or remove old segment files by retention")]
    DiskFull {
        /// The file that could not grow.
        file: String,
    },
    /// The disk failed to read, write or flush.
    #[error("the journal's disk failed ({file}: {what}); check the disk and the system log")]
    Disk {
        /// The file.
        file: String,
        /// What SQLite or the operating system said.
        what: String,
    },
    /// The file or its folder must not be written.
    #[error(
        "the journal must not be written ({file}: {what}); check owner, permissions and mount of the folder"
    )]
    NotWritable {
        /// The file.
        file: String,
        /// What SQLite or the operating system said.
        what: String,
    },
    /// A file does not hold what it should.
    #[error("the journal is damaged ({file}: {what}); restore the file from a backup")]
    Damaged {
        /// The file.
        file: String,
        /// What was found.
        what: String,
    },
    /// Another process keeps the file locked.
    #[error("the journal is locked by another program ({file}); end that program")]
    Busy {
        /// The file.
        file: String,
    },
    /// More waits for the disk than the limits allow.
    #[error("too much waits for the journal's disk ({waiting} messages); the sender should try again later")]
    Overloaded {
        /// Messages waiting.
        waiting: usize,
    },
    /// The journal was closed.
    #[error("the journal is closed; the engine is shutting down")]
    Closed,
    /// No such delivery, or its file is sealed.
    #[error("the journal has no open delivery {delivery}")]
    NoSuchDelivery {
        /// Its sequence number.
        delivery: u64,
    },
    /// A message of a file that is stored already: nothing was stored, and nothing is lost.
    #[error("message {member} of this file is stored already")]
    AlreadyStored {
        /// Which of the file's messages, from 0.
        member: u64,
    },
    /// A message of a file before which another one is not stored.
    #[error(
        "message {member} of this file came before the one ahead of it was stored; go on where the journal stands"
    )]
    OutOfTurn {
        /// Which of the file's messages, from 0.
        member: u64,
    },
    /// No such message.
    #[error("the journal has no message {id}")]
    NoSuchMessage {
        /// Its id.
        id: u64,
    },
    /// This program asked SQLite for something wrong.
    #[error("the engine made a mistake in its journal ({file}: {what}); report it")]
    Engine {
        /// The file.
        file: String,
        /// What SQLite said.
        what: String,
    },
}

impl CommitError {
    /// True when the journal's disk is at fault and not the request: the same request may succeed later.
    pub fn is_disk(&self) -> bool {
        matches!(
            self,
            CommitError::DiskFull { .. }
                | CommitError::Disk { .. }
                | CommitError::NotWritable { .. }
                | CommitError::Damaged { .. }
                | CommitError::Busy { .. }
        )
    }

    pub(crate) fn from_io(file: String, error: &io::Error) -> CommitError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => CommitError::DiskFull { file },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                CommitError::NotWritable { file, what: error.to_string() }
            }
            _ => CommitError::Disk { file, what: error.to_string() },
        }
    }

    fn from_sqlite(file: String, error: &rusqlite::Error) -> CommitError {
        use rusqlite::ErrorCode as Code;
        let what = error.to_string();
        match error.sqlite_error_code() {
            Some(Code::DiskFull) => CommitError::DiskFull { file },
            Some(Code::SystemIoFailure) => CommitError::Disk { file, what },
            Some(Code::CannotOpen | Code::ReadOnly | Code::PermissionDenied) => {
                CommitError::NotWritable { file, what }
            }
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => CommitError::Damaged { file, what },
            Some(Code::DatabaseBusy | Code::DatabaseLocked | Code::FileLockingProtocolFailed) => {
                CommitError::Busy { file }
            }
            _ => CommitError::Engine { file, what },
        }
    }
}

impl From<&JournalError> for CommitError {
    fn from(error: &JournalError) -> CommitError {
        let name = |path: &PathBuf| path.display().to_string();
        match error {
            JournalError::File { path, source } => CommitError::from_io(name(path), source),
            JournalError::Database { path, source } => CommitError::from_sqlite(name(path), source),
            JournalError::InUse { folder, .. } => CommitError::Busy { file: name(folder) },
            JournalError::NewerSchema { path, .. }
            | JournalError::Missing { path }
            | JournalError::Damaged { path, .. } => {
                CommitError::Damaged { file: name(path), what: error.to_string() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operating_system_names_the_culprit() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let other = io::Error::other("cable");
        assert_eq!(CommitError::from_io("f".into(), &full), CommitError::DiskFull { file: "f".into() });
        assert!(matches!(CommitError::from_io("f".into(), &denied), CommitError::NotWritable { .. }));
        assert!(matches!(CommitError::from_io("f".into(), &other), CommitError::Disk { .. }));
        assert!(!CommitError::Closed.is_disk());
    }
}
