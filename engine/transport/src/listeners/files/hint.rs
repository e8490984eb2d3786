//! The operating system's word that something changed in the watched folder: a hint to look sooner, nothing more.
//!
//! Where there is none (network shares, exhausted limits), looking every so often finds everything all the same.

use super::FilesListenerSettings;
use notify::{Config, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
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
    pub(super) fn of(settings: &FilesListenerSettings) -> Hint {
        let changed = Arc::new(Notify::new());
        let (told, own) = (changed.clone(), settings.own_folders());
        let hear = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            // That a file was looked at, which listing it does too, says nothing new, nor does what we put away ourselves.
            let is_own = |path: &std::path::PathBuf| own.iter().any(|own| path.starts_with(own));
            let is_ours = !event.paths.is_empty() && event.paths.iter().all(is_own);
            if !matches!(event.kind, EventKind::Access(_)) && !is_ours {
                told.notify_one();
            }
        };
        let mode = if settings.subfolders { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        let watcher = RecommendedWatcher::new(hear, Config::default().with_follow_symlinks(false)).ok();
        let watcher =
            watcher.and_then(|mut watcher| watcher.watch(&settings.folder, mode).ok().map(|()| watcher));
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
