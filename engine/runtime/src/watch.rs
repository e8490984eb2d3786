//! Watching the configuration's files: looking every so often is what finds a change, the system's hints only make it sooner.
//!
//! What always holds: files that somebody is still writing are left alone until they look the same twice, so that a save is one reload; what
//! was looked at once and is wrong is told once.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Config, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use orderly_pipeline::plan::Reload;
use tokio::sync::Notify;

use crate::configuration::Configuration;
use crate::house::House;
use crate::reload::reload;

/// How often the files are looked at without a hint.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long files must look the same: editors write within a fraction of it, and nobody notices that it passes.
const SETTLED_AFTER: Duration = Duration::from_millis(250);

/// The shortest time between two looks, however many hints come.
const LOOK_PAUSE_MIN: Duration = Duration::from_millis(50);

/// What the files looked like: path, size, time of the last change of any kind in seconds and nanoseconds, place on the disk of each.
type Look = Vec<(PathBuf, u64, i64, i64, u64)>;

/// Reloads whenever the files have changed, unless the plan in force says that somebody asks for it.
pub(crate) async fn watch(house: Arc<House>, configuration: Arc<dyn Configuration>) {
    let hint = Hint::of(configuration.as_ref());
    // What came into force at the start was read a moment ago: whether it has changed since, only reading tells.
    let mut seen: Option<Look> = None;
    loop {
        let reload_when = house.plans.hold().await.plan.reload;
        if reload_when == Reload::Watch {
            let found = look(&configuration).await;
            if seen.as_ref() != Some(&found) {
                seen = Some(settled(&configuration, found).await);
                // The log has it, whichever way it went.
                let _ = reload(house.clone()).await;
            }
        }
        hint.rest().await;
    }
}

/// Waits until the files look the same twice.
async fn settled(configuration: &Arc<dyn Configuration>, mut found: Look) -> Look {
    loop {
        tokio::time::sleep(SETTLED_AFTER).await;
        let again = look(configuration).await;
        if again == found {
            return found;
        }
        found = again;
    }
}

async fn look(configuration: &Arc<dyn Configuration>) -> Look {
    let configuration = configuration.clone();
    let look = move || {
        let of = |path: PathBuf| {
            let found = fs::metadata(&path).ok()?;
            Some((path, found.len(), found.ctime(), found.ctime_nsec(), found.ino()))
        };
        configuration.files().into_iter().filter_map(of).collect()
    };
    // It does not panic; were it to, the next look would tell.
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

/// The system's word that one of the files may have changed.
struct Hint {
    changed: Arc<Notify>,
    /// Kept for as long as it is to speak; nothing where the system gives no hints.
    _watcher: Option<RecommendedWatcher>,
}

impl Hint {
    fn of(configuration: &dyn Configuration) -> Hint {
        let changed = Arc::new(Notify::new());
        let told = changed.clone();
        let hear = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            // That a file was looked at, which listing it does too, says nothing new, nor do files of other kinds beside ours.
            if !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| is_ours(path)) {
                told.notify_one();
            }
        };
        let mut watcher = RecommendedWatcher::new(hear, Config::default()).ok();
        for (folder, below) in configuration.folders() {
            let mode = if below { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            // A folder that is not there is found by looking, when it comes.
            let _ = watcher.as_mut().map(|watcher| watcher.watch(&folder, mode));
        }
        Hint { changed, _watcher: watcher }
    }

    /// Waits for a hint or until it is time to look.
    async fn rest(&self) {
        tokio::time::sleep(LOOK_PAUSE_MIN).await;
        // Whichever is first: either way the files are looked at.
        let _ = tokio::time::timeout(LOOK_EVERY, self.changed.notified()).await;
    }
}

/// Whether the configuration may be made of a file like this.
fn is_ours(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ["yaml", "yml", "csv"].iter().any(|ours| ending == *ours))
}
