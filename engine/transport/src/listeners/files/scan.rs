//! What lies in a watched folder: the files that match, what is known of each, and which of them are complete.
//!
//! What always holds: only regular files are looked at, never what a link points to; names that begin with a dot or end like a transfer
//! under way are passed over; a folder that cannot be listed gives an error and not an empty list, because an empty list means that
//! files are gone.

use super::arrival::inode_identity;
use super::{Complete, FilesListenerSettings, Order};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How deep subfolders are followed: far deeper than anybody sorts results, and no made-up tree holds up the others.
const DEPTH_MAX: usize = 16;

/// Endings that copying programs give to a file while it is on its way.
const ENDINGS_UNDER_WAY: [&str; 4] = [".tmp", ".part", ".partial", ".filepart"];

/// What the file system says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) size: u64,
    pub(super) modified_ns: i128,
    pub(super) changed_ns: i128,
}

impl Stat {
    pub(super) fn of(metadata: &fs::Metadata) -> Stat {
        let ns = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Stat {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether it is the same file with the same content, as far as anyone can tell without reading it.
    pub(super) fn same_content(&self, other: &Stat) -> bool {
        (self.device, self.inode, self.size, self.modified_ns)
            == (other.device, other.inode, other.size, other.modified_ns)
    }
}

/// A file in the folder.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Its path below the watched folder.
    pub(super) below: PathBuf,
    pub(super) stat: Stat,
    /// What the file system tells it from others by: its identity, unless its content decides.
    pub(super) key: Arc<str>,
}

/// All files of the folder that match, in the order in which they are to be taken, and the names of the markers among them.
pub(super) struct Listing {
    pub(super) files: Vec<Found>,
    pub(super) markers: HashSet<PathBuf>,
    /// The device that the folder is on.
    pub(super) device: u64,
}

/// Lists the folder.
pub(super) fn list(settings: &FilesListenerSettings) -> io::Result<Listing> {
    let device = fs::metadata(&settings.folder)?.dev();
    let mut listing = Listing { files: Vec::new(), markers: HashSet::new(), device };
    list_below(settings, &settings.folder, Path::new(""), 0, &mut listing)?;
    match settings.order {
        Order::Name => listing.files.sort_unstable_by(|a, b| a.below.cmp(&b.below)),
        Order::Time => listing
            .files
            .sort_unstable_by(|a, b| (a.stat.modified_ns, &a.below).cmp(&(b.stat.modified_ns, &b.below))),
    }
    Ok(listing)
}

fn list_below(
    settings: &FilesListenerSettings,
    folder: &Path,
    below: &Path,
    depth: usize,
    listing: &mut Listing,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if settings.subfolders && depth < DEPTH_MAX && !is_hidden(&name) && !settings.is_own(&path) {
                list_below(settings, &path, &below.join(&name), depth + 1, listing)?;
            }
        } else if kind.is_file() {
            if settings.complete.is_marker(&name) {
                listing.markers.insert(path);
            } else if is_wanted(settings, &name) {
                // A file that is gone by now was somebody's temporary one.
                let Ok(metadata) = entry.metadata() else { continue };
                let stat = Stat::of(&metadata);
                let key = inode_identity(&stat, settings);
                listing.files.push(Found { path, below: below.join(&name), stat, key });
            }
        }
    }
    Ok(())
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn is_wanted(settings: &FilesListenerSettings, name: &OsStr) -> bool {
    let lower = name.to_string_lossy().to_lowercase();
    let under_way = ENDINGS_UNDER_WAY.iter().any(|ending| lower.ends_with(ending));
    !is_hidden(name) && !under_way && settings.pattern.is_match(name)
}

/// Who remembers since when files look as they do, so that those still being written are not taken.
#[derive(Debug, Default)]
pub(super) struct Patience {
    seen: HashMap<PathBuf, (Stat, Instant)>,
}

impl Patience {
    /// The files that are complete, in the order given, and how long to wait at least until another may be.
    pub(super) fn complete(
        &mut self,
        rule: &Complete,
        files: Vec<Found>,
        markers: &HashSet<PathBuf>,
    ) -> (Vec<Found>, Option<Duration>) {
        match rule {
            Complete::Renamed => (files, None),
            Complete::Marker(ending) => {
                let has_marker = |file: &Found| {
                    markers_of(&file.path, ending).iter().any(|marker| markers.contains(marker))
                };
                (files.into_iter().filter(has_marker).collect(), None)
            }
            Complete::Stable(time) => self.stable(*time, files),
        }
    }

    fn stable(&mut self, time: Duration, files: Vec<Found>) -> (Vec<Found>, Option<Duration>) {
        let now = Instant::now();
        let mut seen = HashMap::with_capacity(files.len());
        let (mut complete, mut soonest) = (Vec::new(), None::<Duration>);
        for file in files {
            // Only what was seen counts: the clock of a network share may be another one, and programs set times as they please.
            let since = match self.seen.get(&file.path) {
                Some((stat, since)) if stat.same_content(&file.stat) => *since,
                _ => now,
            };
            seen.insert(file.path.clone(), (file.stat, since));
            match time.checked_sub(now.duration_since(since)) {
                Some(rest) if !rest.is_zero() => {
                    soonest = Some(soonest.map_or(rest, |soonest| soonest.min(rest)));
                }
                _ => complete.push(file),
            }
        }
        self.seen = seen;
        (complete, soonest)
    }
}

/// The names that a file's marker may have: `x.hl7.done` and `x.done` for `x.hl7`.
pub(super) fn markers_of(file: &Path, ending: &str) -> [PathBuf; 2] {
    let with_ending = |path: &Path| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    [with_ending(file), with_ending(&file.with_extension(""))]
}
