//! A file on its way in: what tells it from every other, and its content in chunks.
//!
//! What always holds: identity and content are those of one opened file, whatever happens to its name meanwhile; the end of the content is
//! told only when the file still looks as it did when it was opened, so that nothing half written is taken for whole.

use super::scan::{Found, Stat};
use super::{After, FilesListenerSettings, Identify};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;

/// How much is read at once: enough that reading costs little, little enough that memory stays flat however large the file is.
const CHUNK_BYTES: usize = 256 * 1024;

/// A file that is complete and not taken in yet.
#[derive(Debug)]
pub struct Arrival {
    /// What tells it from every other file that ever had its name.
    pub identity: Arc<str>,
    /// Its path below the watched folder, for people. It may hold patient data.
    pub name: Arc<str>,
    /// So many of its messages are stored already.
    pub stored: u64,
    /// What is in it.
    pub content: Content,
}

/// A file's content, read once from beginning to end.
#[derive(Debug)]
pub struct Content {
    file: File,
    stat: Stat,
    read_bytes: u64,
    buffer: Vec<u8>,
    stop: watch::Receiver<bool>,
}

/// Why a file could not be read to its end.
#[derive(Debug)]
pub enum ContentError {
    /// It changed while it was being read.
    Changed,
    /// The listener is about to stop.
    Stopping,
    /// The system could not read it.
    Unreadable(io::Error),
}

impl Content {
    /// Opens a file, when it still is the one that was found.
    pub(super) fn open(found: &Found, stop: watch::Receiver<bool>) -> Result<Content, ContentError> {
        let file = File::open(&found.path).map_err(ContentError::Unreadable)?;
        let stat = Stat::of(&file.metadata().map_err(ContentError::Unreadable)?);
        if !stat.same_content(&found.stat) {
            return Err(ContentError::Changed);
        }
        Ok(Content { file, stat, read_bytes: 0, buffer: vec![0; CHUNK_BYTES], stop })
    }

    /// The next bytes; none at the end. It blocks on the disk.
    ///
    /// # Errors
    /// It changed, the system cannot read it, or the listener is about to stop.
    pub fn chunk(&mut self) -> Result<Option<&[u8]>, ContentError> {
        if *self.stop.borrow() {
            return Err(ContentError::Stopping);
        }
        let count = read(&mut self.file, &mut self.buffer).map_err(ContentError::Unreadable)?;
        self.read_bytes = self.read_bytes.saturating_add(count as u64);
        if count == 0 && self.has_changed().map_err(ContentError::Unreadable)? {
            return Err(ContentError::Changed);
        }
        Ok(self.buffer.get(..count).filter(|chunk| !chunk.is_empty()))
    }

    fn has_changed(&self) -> io::Result<bool> {
        let stat = Stat::of(&self.file.metadata()?);
        Ok(self.read_bytes != self.stat.size || !stat.same_content(&self.stat))
    }

    /// What tells this file from every other. The file is read for it only when content decides.
    pub(super) fn identity(
        &mut self,
        settings: &FilesListenerSettings,
        below: &Path,
    ) -> io::Result<Arc<str>> {
        match settings.identify {
            Identify::Inode => Ok(inode_identity(&self.stat, settings)),
            Identify::Content => {
                let identity = content_identity(&mut self.file, &mut self.buffer, below)?;
                self.file.seek(SeekFrom::Start(0))?;
                Ok(identity)
            }
        }
    }
}

fn read(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Device, inode, size and time of change. A file that is moved away also counts as another one when anything about it changed (an inode
/// and a time that a program sets may come again, the time of the last change cannot); of one that is left where it lies, or is known
/// by its content, only the content counts, because backups and permissions touch it too.
pub(super) fn inode_identity(stat: &Stat, settings: &FilesListenerSettings) -> Arc<str> {
    let Stat { device, inode, size, modified_ns, changed_ns } = stat;
    let mut identity = format!("{device:x}-{inode:x}-{size:x}-{modified_ns:x}");
    if settings.after != After::Leave && settings.identify == Identify::Inode {
        // Writing to a String does not fail.
        let _ = write!(identity, "-{changed_ns:x}");
    }
    identity.into()
}

/// Name and hash of the content: for network shares, whose inodes and times are not to be trusted.
fn content_identity(file: &mut File, buffer: &mut [u8], below: &Path) -> io::Result<Arc<str>> {
    let mut hash = Sha256::new();
    hash.update(below.as_os_str().as_encoded_bytes());
    hash.update([0]);
    loop {
        let count = read(file, buffer)?;
        if count == 0 {
            break;
        }
        hash.update(buffer.get(..count).unwrap_or_default());
    }
    let mut identity = String::from("content-");
    for byte in hash.finalize() {
        // Writing to a String does not fail.
        let _ = write!(identity, "{byte:02x}");
    }
    Ok(identity.into())
}
