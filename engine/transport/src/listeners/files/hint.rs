//! The operating system's word that something changed in the watched folder: a hint to look sooner, nothing more.
//!
//! Where there is none (network shares, exhausted limits), looking every so often finds everything all the same.

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Notify;

/// Wakes whoever waits for changes of a folder.
pub(super) struct Hint {
    changed: Arc<Notify>,
    /// Kept for as long as it is to speak; nothing where the system gives no hints.
    watcher: Option<RecommendedWatcher>,
}

impl Hint {
    /// Listens to a folder. Without the system's help it never speaks.
    pub(super) fn of(folder: &Path, subfolders: bool) -> Hint {
        let changed = Arc::new(Notify::new());
        let told = changed.clone();
        let hear = move |event: notify::Result<notify::Event>| {
            // That a file was looked at, which listing it does too, says nothing new.
            if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
                told.notify_one();
            }
        };
        let mode = if subfolders { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        let watcher = notify::recommended_watcher(hear).ok();
        let watcher = watcher.and_then(|mut watcher| watcher.watch(folder, mode).ok().map(|()| watcher));
        Hint { changed, watcher }
    }

    /// Whether the system speaks at all.
    pub(super) fn speaks(&self) -> bool {
        self.watcher.is_some()
    }

    /// Ready when something changed since the last time.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}
