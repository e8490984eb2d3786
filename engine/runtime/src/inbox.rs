//! What happens to a destination's line from outside: new deliveries, replays, results on disk, other settings, the end.
//!
//! Written by the journal's writer thread, read by the worker. News of one kind merge, so it never grows beyond the
//! results that may be unrecorded.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use orderly_queue::item::Class;
use orderly_transport::destinations::DestinationSettings;
use tokio::sync::Notify;

use crate::treatment::Treatment;

/// A destination's inbox.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    news: Mutex<News>,
    arrived: Notify,
}

/// What has happened since it was last read.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// New deliveries of these classes wait.
    pub(crate) arrived: BTreeSet<Class>,
    /// Deliveries at earlier places wait again.
    pub(crate) rewound: bool,
    /// Results on disk.
    pub(crate) recorded: Vec<u64>,
    /// Results could not be written; why.
    pub(crate) record_failed: Option<String>,
    /// The destination is reached another way from now on.
    pub(crate) changed: Option<(DestinationSettings, Treatment)>,
    /// Whether it is paused from now on, when that was said.
    pub(crate) paused: Option<bool>,
    /// Send nothing more.
    pub(crate) stop: bool,
}

impl Inbox {
    /// Adds news and wakes the worker.
    pub(crate) fn tell(&self, add: impl FnOnce(&mut News)) {
        add(&mut self.news());
        self.arrived.notify_one();
    }

    /// Takes all news.
    pub(crate) fn take(&self) -> News {
        std::mem::take(&mut self.news())
    }

    /// Waits until there is news, or returns at once when some came since the last wait.
    pub(crate) async fn wait(&self) {
        self.arrived.notified().await;
    }

    fn news(&self) -> MutexGuard<'_, News> {
        // News are plain values: one that panicked while adding has left them whole.
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
