//! How a folder is watched: what is taken, when it is complete, and what happens to it then.

use globset::GlobSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

/// How a folder is watched.
#[derive(Debug, Clone)]
pub struct FilesListenerSettings {
    /// The folder; made when it is not there.
    pub folder: PathBuf,
    /// Which names are taken.
    pub pattern: GlobSet,
    /// Whether folders below it are watched too.
    pub subfolders: bool,
    /// When a file is complete.
    pub complete: Complete,
    /// Which file comes first.
    pub order: Order,
    /// What happens to a file that was taken in.
    pub after: After,
    /// Where files go that could not be taken in, each with its reason beside it.
    pub failed: PathBuf,
    /// What tells a file from another.
    pub identify: Identify,
    /// How often the folder is looked at without a hint from the system.
    pub poll: Duration,
}

/// When a file is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complete {
    /// As soon as it has its name: senders write under another one and rename.
    Renamed,
    /// When its size and time have not changed for so long.
    Stable(Duration),
    /// When a marker lies beside it, called like the file (with or without its ending) with this ending.
    Marker(String),
}

/// Which file comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By path, byte by byte.
    Name,
    /// By the time it was last written, then by path.
    Time,
}

/// What happens to a file that was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// It is moved to the same place below this folder.
    Archive(PathBuf),
    /// It is deleted.
    Delete,
    /// It stays where it is.
    Leave,
}

/// What tells a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identify {
    /// Device, inode, size and time.
    Inode,
    /// Name and a hash of the content: on network shares, whose inodes and times are not to be trusted.
    Content,
}

impl FilesListenerSettings {
    /// The folders that files are put away in, or were before the configuration changed, which are not watched.
    pub(super) fn own_folders(&self) -> Vec<PathBuf> {
        let archive = match &self.after {
            After::Archive(archive) => Some(archive.clone()),
            After::Delete | After::Leave => None,
        };
        let usual = ["archive", "failed"].map(|name| self.folder.join(name));
        let all = usual.into_iter().chain([self.failed.clone()]).chain(archive);
        // One that is not there yet is not watched either.
        all.filter_map(|folder| folder.canonicalize().ok()).collect()
    }
}

impl Complete {
    pub(super) fn is_marker(&self, name: &OsStr) -> bool {
        let Complete::Marker(ending) = self else { return false };
        name.as_encoded_bytes().ends_with(ending.as_bytes())
    }
}
