//! What benchmarks of the real binary share: the workspace, a site whose feed goes through five rules, and the memory of a process.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crate::site::Site;

/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The workspace's folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// A site with one route, whose destinations take the mapping `five-rules`.
#[must_use]
pub fn site(orderly_yaml: &str, route: &str) -> Site {
    let site = Site::of(&[]);
    write_site(site.folder(), orderly_yaml, route);
    site
}

/// Writes a site with one route, whose destinations take the mapping `five-rules`.
pub fn write_site(folder: &Path, orderly_yaml: &str, route: &str) {
    for name in ["routes", "mappings"] {
        fs::create_dir(folder.join(name)).expect("a folder");
    }
    fs::write(folder.join("orderly.yaml"), orderly_yaml).expect("orderly.yaml");
    fs::write(folder.join("routes/feed.yaml"), route).expect("the route");
    let mapping = root().join("samples/load/five-rules.yaml");
    fs::copy(mapping, folder.join("mappings/five-rules.yaml")).expect("the mapping");
}

/// The most memory that a process has had resident, looked at every 50 ms until it ends.
pub struct Peak {
    kilobytes: Arc<AtomicU64>,
}

impl Peak {
    /// Of the process with this id.
    #[must_use]
    pub fn of(pid: u32) -> Peak {
        let kilobytes = Arc::new(AtomicU64::new(0));
        thread::spawn({
            let peak = kilobytes.clone();
            move || {
                while let Some(now) = memory_kb(pid) {
                    peak.fetch_max(now, Relaxed);
                    thread::sleep(LOOK_EVERY);
                }
            }
        });
        Peak { kilobytes }
    }

    /// The most since it was asked last, in megabytes.
    #[must_use]
    pub fn take_mb(&self) -> f64 {
        self.kilobytes.swap(0, Relaxed) as f64 * 1024.0 / 1e6
    }
}

/// The memory that a process has resident now; nothing when it has ended.
fn memory_kb(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}
