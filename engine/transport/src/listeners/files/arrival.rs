//! A file on its way in: what tells it from every other, and its content in chunks.
//!
//! What always holds: identity and content are those of one opened file, whatever happens to its name meanwhile; the end of the content is
//! told only when the file still looks as it did when it was opened, so that nothing half written is taken for whole.

use super::Identify;
use super::scan::{Found, Stat};
use rustix::fs::OFlags;
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
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
        // What has taken its place may be a link, or a pipe that would be waited for.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut options = File::options();
        options.read(true).custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
        let file = match options.open(&found.path) {
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                return Err(ContentError::Changed);
            }
            opened => opened.map_err(ContentError::Unreadable)?,
        };
        let stat = Stat::of(&file.metadata().map_err(ContentError::Unreadable)?);
        if stat != found.stat {
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
        Ok(self.read_bytes != self.stat.size || stat != self.stat)
    }

    /// What tells this file from every other: what the file system says, or, on network shares, whose inodes and times are not to be
    /// trusted, its name and a hash of its content.
    pub(super) fn identity(&mut self, identify: Identify, found: &Found) -> io::Result<Arc<str>> {
        match identify {
            Identify::Inode => Ok(found.key.clone()),
            Identify::Content => {
                let identity = content_identity(&mut self.file, &mut self.buffer, &found.below)?;
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
