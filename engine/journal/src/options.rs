//! How a journal is kept: where, how it groups commits, when it rotates, and its limits.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::file_store::{FileStore, RealFiles};

/// How a journal is kept. [`Options::new`] gives the defaults stated at each field.
#[derive(Clone)]
pub struct Options {
    /// The journal's folder; made when it does not exist.
    pub folder: PathBuf,
    /// Name of a registered SQLite VFS to use instead of the default one; lets tests fail the disk.
    pub vfs: Option<String>,
    /// Reads, writes and removes the files that SQLite does not; lets tests fail the disk. Default: the real file system.
    pub file_store: Arc<dyn FileStore>,
    /// A segment file of this size is followed by a new one. Default 1 GiB: about a day of a busy hospital, so that retention
    /// gives space back in steps of a day.
    pub segment_bytes_max: u64,
    /// A segment file of this age is followed by a new one. Default one day, so that retention works on quiet feeds too.
    pub segment_age_max: Duration,
    /// A larger content lies beside the segment file. Default 256 KiB: beyond it a file of its own is cheaper than overflow pages,
    /// and copying it twice (log and database) would hold up everybody behind it.
    pub inline_bytes_max: usize,
    /// At most so many messages share a commit. Default 256: far above what forms by itself, below what makes a sender wait.
    pub group_messages_max: usize,
    /// At most so many bytes of bodies and payloads share a commit (one message always may). Default 8 MiB: about 25 ms of disk.
    pub group_bytes_max: usize,
    /// Results ride with a commit of at least so many acceptances; a smaller one is not held up by them. Default 8.
    pub ride_messages_min: usize,
    /// A delivery's result waits so long for a commit to ride with. Default 10 ms.
    pub results_linger: Duration,
    /// So many results are committed without waiting for company. Default 32, so that at most 64 deliveries (one batch under way,
    /// one gathering) can come twice after a crash.
    pub results_max: usize,
    /// Acceptances beyond so many waiting ones are refused at once. Default 10,000.
    pub waiting_messages_max: usize,
    /// Acceptances beyond so many waiting bytes are refused at once (one message always may wait). Default 256 MiB.
    pub waiting_bytes_max: usize,
    /// How long new messages may stay out of the key index; a search looks through those itself. Default 1 s.
    pub index_interval: Duration,
    /// How often files are looked at for sealing and removal. Default 10 s: it is not urgent.
    pub retention_interval: Duration,
    /// Sealed segment files older than this are removed. Default `None`: everything is kept.
    pub keep: Option<Duration>,
}

impl Options {
    /// The defaults, for a journal in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Options {
        Options {
            folder: folder.into(),
            vfs: None,
            file_store: Arc::new(RealFiles),
            segment_bytes_max: 1 << 30,
            segment_age_max: Duration::from_secs(24 * 60 * 60),
            inline_bytes_max: 256 << 10,
            group_messages_max: 256,
            group_bytes_max: 8 << 20,
            ride_messages_min: 8,
            results_linger: Duration::from_millis(10),
            results_max: 32,
            waiting_messages_max: 10_000,
            waiting_bytes_max: 256 << 20,
            index_interval: Duration::from_secs(1),
            retention_interval: Duration::from_secs(10),
            keep: None,
        }
    }
}
