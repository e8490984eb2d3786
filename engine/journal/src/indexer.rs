//! Off the feed's path: writes search keys in sorted batches, seals settled files, removes old ones.
//!
//! Whatever fails here is tried again at the next turn; a search stays complete meanwhile, because it looks through the messages
//! that are not indexed yet itself.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::JournalError;
use crate::journal::Shared;
use crate::key_block;
use crate::key_index::{self, KeyIndex};
use crate::keys;
use crate::lock::Lock;
use crate::retention::Retention;
use crate::sqlite::{int, unsigned};

/// Messages in one batch: enough that sorted neighbours share pages, and a few MB of memory.
const BATCH_MESSAGES_MAX: usize = 20_000;

/// Indexes, seals and removes; run by [`Indexer::run`] on a thread of its own.
pub struct Indexer {
    shared: Arc<Shared>,
    _lock: Arc<Lock>,
    retention: Retention,
    /// All earlier files are indexed to their end.
    indexing: u32,
    index: Option<KeyIndex>,
}

impl Indexer {
    pub(crate) fn new(shared: Arc<Shared>, lock: Arc<Lock>) -> Indexer {
        let retention = Retention::new(Arc::clone(&shared));
        Indexer { shared, _lock: lock, retention, indexing: 0, index: None }
    }

    /// Works until the journal is closed.
    pub fn run(mut self) {
        let mut retention_at = Instant::now();
        let shared = Arc::clone(&self.shared);
        while shared.nudge.wait(shared.options.index_interval) {
            if self.index_new().is_err() {
                // Opened anew at the next turn, and rebuilt when it was damaged.
                self.index = None;
            }
            if Instant::now() >= retention_at {
                retention_at = Instant::now() + shared.options.retention_interval;
                // A file that cannot be sealed or removed now is looked at again.
                let _ = self.retention.turn();
            }
        }
    }

    /// Indexes whatever was committed and is not indexed yet.
    fn index_new(&mut self) -> Result<(), JournalError> {
        let files = self.shared.files.list()?;
        let first = self.indexing;
        for file in files.iter().filter(|file| file.number >= first) {
            if let Err(error) = self.index_file(file.number) {
                if error.is_damage() {
                    self.index = None;
                    key_index::remove(&self.shared.options, file.number)?;
                }
                return Err(error);
            }
            self.indexing = file.number;
        }
        Ok(())
    }

    fn index_file(&mut self, number: u32) -> Result<(), JournalError> {
        let index = match self.index.take() {
            Some(index) if index.number == number => index,
            _ => KeyIndex::open(&self.shared.options, number)?,
        };
        let index = self.index.insert(index);
        let mut cursor = index.cursor()?;
        loop {
            let batch = read_batch(&self.shared, number, cursor)?;
            if batch.messages == 0 {
                return Ok(());
            }
            index.add(batch.entries, batch.last)?;
            cursor = batch.last;
            if batch.messages < BATCH_MESSAGES_MAX {
                return Ok(());
            }
        }
    }
}

/// What one turn takes from a segment file.
struct Batch {
    entries: Vec<Box<[u8]>>,
    messages: usize,
    last: u64,
}

/// The keys of the messages after the cursor.
fn read_batch(shared: &Shared, number: u32, cursor: u64) -> Result<Batch, JournalError> {
    let mut batch = Batch { entries: Vec::new(), messages: 0, last: cursor };
    shared.pool.segment(number)?.run(|connection| {
        let mut statement = connection
            .prepare_cached("SELECT seq, keys FROM message WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
        let mut rows = statement.query([int(cursor), int(BATCH_MESSAGES_MAX as u64)])?;
        while let Some(row) = rows.next()? {
            let seq = unsigned(row, 0)?;
            let keys = keys::read(row.get_ref(1)?.as_blob()?);
            batch.entries.extend(keys.map(|(kind, value)| key_block::entry(kind, value, seq)));
            batch.last = seq;
            batch.messages += 1;
        }
        Ok(())
    })?;
    Ok(batch)
}

/// Paces the indexer and ends it.
pub(crate) struct Nudge {
    closed: Mutex<bool>,
    wake: Condvar,
}

impl Nudge {
    pub(crate) fn new() -> Nudge {
        Nudge { closed: Mutex::new(false), wake: Condvar::new() }
    }

    /// Waits; false when the journal was closed.
    fn wait(&self, pause: Duration) -> bool {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let (closed, _) = self
            .wake
            .wait_timeout_while(closed, pause, |closed| !*closed)
            .unwrap_or_else(PoisonError::into_inner);
        !*closed
    }

    pub(crate) fn close(&self) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_all();
    }
}
