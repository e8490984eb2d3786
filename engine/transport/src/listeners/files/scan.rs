//! What lies in a watched folder: the files that match, what is known of each, and which of them are complete.
//!
//! What always holds: only regular files are looked at, never what a link points to; names that begin with a dot or end like a transfer
//! under way are passed over; what cannot be listed or looked at gives an error, or makes the listing less than whole, because what is
//! not in a whole listing is gone.

use super::disposal::HIDDEN;
use super::{After, Complete, FilesListenerSettings, Identify, Order};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How deep subfolders are followed: far deeper than anybody sorts results, and no made-up tree holds up the others.
const DEPTH_MAX: usize = 16;

/// Endings that copying programs give to a file while it is on its way.
const ENDINGS_UNDER_WAY: [&str; 4] = [".tmp", ".part", ".partial", ".filepart"];

/// What the file system says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    device: u64,
    inode: u64,
    pub(super) size: u64,
    modified: (i64, i64),
    /// When it was made, where the file system knows it: an inode and a time that a program sets may come again, this cannot.
    made: Option<SystemTime>,
}

impl Stat {
    pub(super) fn of(metadata: &fs::Metadata) -> Stat {
        Stat {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            made: metadata.created().ok(),
        }
    }

    /// Whether it is the same file, whatever is in it now.
    pub(super) fn is_same_file(&self, other: &Stat) -> bool {
        (self.device, self.inode, self.made) == (other.device, other.inode, other.made)
    }

    /// The device that it is on.
    pub(super) fn device(&self) -> u64 {
        self.device
    }

    /// What the file system tells it from every other file by. `volume` is what the device is called over restarts.
    pub(super) fn key(&self, volume: &str) -> String {
        let Stat { device: _, inode, size, modified: (seconds, nanoseconds), made } = self;
        let made = made.and_then(|made| made.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        format!("{volume}{inode:x}-{size:x}-{seconds:x}.{nanoseconds:x}-{:x}", made.as_nanos())
    }
}

/// Whether two keys are of one file, whatever was written to it between: of the same volume, inode and time of birth.
pub(super) fn is_same_file(one: &str, other: &str) -> bool {
    fn parts(key: &str) -> (Option<&str>, Option<&str>, Option<&str>) {
        let mut parts = key.split('-');
        (parts.next(), parts.next(), parts.nth(2))
    }
    parts(one) == parts(other)
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

/// The files of the folder that match, in the order in which they are to be taken, and the markers among them with their times.
pub(super) struct Listing {
    pub(super) files: Vec<Found>,
    pub(super) markers: HashMap<PathBuf, (i64, i64)>,
    /// The folder itself, as device and inode.
    pub(super) place: (u64, u64),
    /// How identities of files on the folder's file system begin.
    pub(super) volume: String,
    /// Whether all folders below could be listed.
    pub(super) is_whole: bool,
}

/// Lists the folder.
pub(super) fn list(settings: &FilesListenerSettings) -> io::Result<Listing> {
    let metadata = fs::metadata(&settings.folder)?;
    let (place, volume) = ((metadata.dev(), metadata.ino()), volume(&settings.folder, metadata.dev()));
    let mut listing = Listing { files: Vec::new(), markers: HashMap::new(), place, volume, is_whole: true };
    let mut walk = Walk { settings, own: settings.own_folders(), listing: &mut listing };
    walk.list(&settings.folder, Path::new(""), 0)?;
    match settings.order {
        Order::Name => listing.files.sort_unstable_by(|a, b| a.below.cmp(&b.below)),
        Order::Time => listing
            .files
            .sort_unstable_by(|a, b| (a.stat.modified, &a.below).cmp(&(b.stat.modified, &b.below))),
    }
    Ok(listing)
}

/// What a file system is called: the id that it keeps over restarts, where it has one; a device's number may be another one's then.
fn volume(folder: &Path, device: u64) -> String {
    match rustix::fs::statvfs(folder).map(|found| found.f_fsid) {
        Ok(id) if id != 0 => format!("v{id:x}-"),
        _ => format!("d{device:x}-"),
    }
}

struct Walk<'w> {
    settings: &'w FilesListenerSettings,
    own: Vec<PathBuf>,
    listing: &'w mut Listing,
}

impl Walk<'_> {
    fn list(&mut self, folder: &Path, below: &Path, depth: usize) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let kind = match entry.file_type() {
                // It was somebody's temporary one.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                kind => kind?,
            };
            if kind.is_dir() {
                if self.settings.subfolders && depth < DEPTH_MAX && !is_hidden(&name) {
                    self.list_subfolder(&entry.path(), &below.join(&name), depth + 1)?;
                }
            } else if kind.is_file() && !self.gives_back(&entry) {
                self.file(&entry, below)?;
            }
        }
        Ok(())
    }

    /// What a crash left under the hidden name of its deletion gets its own name again, and is seen at the next look.
    fn gives_back(&mut self, entry: &fs::DirEntry) -> bool {
        let name = entry.file_name();
        let Some(own) = name.as_encoded_bytes().strip_prefix(HIDDEN.as_bytes()) else { return false };
        if self.settings.after == After::Delete && !own.is_empty() {
            // It is there, and not seen under its name yet: what is not in this listing may not be gone.
            self.listing.is_whole = false;
            let own = entry.path().with_file_name(OsStr::from_bytes(own));
            // When its name is taken or the folder cannot be written, it stays, whole, for the next look.
            let _ = renameat_with(CWD, entry.path(), CWD, own, RenameFlags::NOREPLACE);
        }
        true
    }

    fn list_subfolder(&mut self, folder: &Path, below: &Path, depth: usize) -> io::Result<()> {
        if fs::canonicalize(folder).is_ok_and(|folder| self.own.contains(&folder)) {
            return Ok(());
        }
        match self.list(folder, below, depth) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            // It is somebody else's; the others are watched all the same.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.listing.is_whole = false;
                Ok(())
            }
            other => other,
        }
    }

    fn file(&mut self, entry: &fs::DirEntry, below: &Path) -> io::Result<()> {
        let name = entry.file_name();
        let is_marker = self.settings.complete.is_marker(&name);
        if !is_marker && !is_wanted(self.settings, &name) {
            return Ok(());
        }
        let metadata = match entry.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // An error is no sign that the file is gone.
            metadata => metadata?,
        };
        let (path, stat) = (entry.path(), Stat::of(&metadata));
        if is_marker {
            self.listing.markers.insert(path, stat.modified);
        } else {
            let below = below.join(&name);
            let key = key(self.settings, &self.listing.volume, &below, &stat);
            self.listing.files.push(Found { path, below, stat, key });
        }
        Ok(())
    }
}

/// What the file system tells a file from others by. Where that is not trusted to be enough, its path goes with it.
pub(super) fn key(settings: &FilesListenerSettings, volume: &str, below: &Path, stat: &Stat) -> Arc<str> {
    let mut key = stat.key(volume);
    if settings.identify == Identify::Content {
        key.push_str(&below.to_string_lossy());
    }
    key.into()
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
        markers: &HashMap<PathBuf, (i64, i64)>,
    ) -> (Vec<Found>, Option<Duration>) {
        match rule {
            Complete::Renamed => (files, None),
            Complete::Marker(ending) => {
                // One that is older than its file was left by the file's predecessor of the same name.
                let vouches = |file: &Found, marker: &PathBuf| {
                    markers.get(marker).is_some_and(|made| *made >= file.stat.modified)
                };
                let has_marker =
                    |file: &Found| markers_of(&file.path, ending).iter().any(|marker| vouches(file, marker));
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
                Some((stat, since)) if *stat == file.stat => *since,
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
