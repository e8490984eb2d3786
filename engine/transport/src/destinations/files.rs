//! One file a delivery, in a folder.
//!
//! What always holds: a file under its final name is whole and flushed; nothing is overwritten; the same delivery attempted again
//! gives the same file, not a second one; no name leaves the folder, whatever text it is made from.
//! While a file is written it has a name that begins with a dot and ends in `.partial`; those that a crash left are removed at start.

use super::{Attempt, Delivery, Outcome};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Where a files destination writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesSettings {
    /// The folder; made when it is not there.
    pub folder: PathBuf,
}

/// A files destination.
#[derive(Debug)]
pub struct FilesDestination {
    settings: FilesSettings,
}

impl FilesDestination {
    /// Makes the folder ready and removes what a crash left unfinished. A folder that cannot be made ready now fails the attempts,
    /// not this.
    pub async fn open(settings: FilesSettings) -> Self {
        let folder = settings.folder.clone();
        // The attempts tell what is wrong with the folder, and leftovers harm nobody.
        tokio::task::spawn_blocking(move || remove_leftovers(&folder)).await.ok();
        Self { settings }
    }

    /// Writes the delivery's file.
    pub async fn attempt(&mut self, delivery: &Delivery<'_>) -> Attempt {
        let started = Instant::now();
        let folder = self.settings.folder.clone();
        let (name, payload) = (FileName::new(delivery), delivery.payload.to_vec());
        let written = tokio::task::spawn_blocking(move || write(&folder, &name, &payload)).await;
        let outcome = match written {
            Ok(Ok(())) => Outcome::Delivered,
            Ok(Err(error)) => self.failed(&error),
            Err(_) => {
                Outcome::retryable("write-interrupted", "the engine stopped while the file was written")
            }
        };
        Attempt { outcome, answer: None, duration: started.elapsed() }
    }

    fn failed(&self, error: &io::Error) -> Outcome {
        let folder = self.settings.folder.display();
        let (code, help) = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                ("folder-unwritable", "give the engine's user the right to write there")
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                ("disk-full", "make room on that disk")
            }
            io::ErrorKind::NotADirectory => ("folder-unwritable", "a file stands where the folder should be"),
            _ => ("write-failed", "see the system's reason"),
        };
        Outcome::retryable(code, format_args!("cannot write into {folder}: {error}; {help}"))
    }
}

/// How many other files may hold a delivery's name before the attempt fails.
const NAMES_MAX: u32 = 100;

/// How an unfinished file's name begins and ends.
const PARTIAL_PREFIX: &str = ".orderly-";
const PARTIAL_SUFFIX: &str = ".partial";

fn remove_leftovers(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PARTIAL_PREFIX) && name.ends_with(PARTIAL_SUFFIX) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes `payload` under a free form of `name`, unless an earlier attempt did.
fn write(folder: &Path, name: &FileName, payload: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let Some(target) = free_target(folder, name, payload)? else { return Ok(()) };
    let partial = folder.join(&name.partial);
    let written = write_flushed(&partial, payload).and_then(|()| fs::rename(&partial, &target));
    if written.is_err() {
        // What cannot be removed now is removed at the next start.
        fs::remove_file(&partial).ok();
    }
    written?;
    // The rename is on disk only when the folder is.
    File::open(folder)?.sync_all()
}

fn write_flushed(path: &Path, payload: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(payload)?;
    file.sync_all()
}

/// A path that holds no file yet; nothing when one holds this very payload already, from an attempt whose outcome was lost.
fn free_target(folder: &Path, name: &FileName, payload: &[u8]) -> io::Result<Option<PathBuf>> {
    for number in 1..=NAMES_MAX {
        let path = folder.join(name.numbered(number));
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(path)),
            Err(error) => return Err(error),
            Ok(existing) if existing.len() == payload.len() as u64 && fs::read(&path)? == payload => {
                return Ok(None);
            }
            Ok(_) => {}
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many other files have the delivery's name"))
}

/// A delivery's file name: `<stem>-<id>.<extension>`, of ASCII letters, digits, `_` and `-` only.
#[derive(Debug)]
struct FileName {
    stem: String,
    extension: String,
    partial: String,
}

/// The longest parts of a name: together with the dot, the dash and a number they stay under the 255 bytes that common file
/// systems allow.
const STEM_BYTES_MAX: usize = 120;
const ID_BYTES_MAX: usize = 80;
const EXTENSION_BYTES_MAX: usize = 16;

impl FileName {
    fn new(delivery: &Delivery<'_>) -> Self {
        let (stem, extension) = delivery.name.rsplit_once('.').unwrap_or((delivery.name, ""));
        let id = sanitise(delivery.id, ID_BYTES_MAX);
        let stem = match sanitise(stem, STEM_BYTES_MAX) {
            stem if stem.is_empty() => id.clone(),
            stem => format!("{stem}-{id}"),
        };
        let extension = match sanitise(extension, EXTENSION_BYTES_MAX) {
            extension if extension.is_empty() => extension,
            extension => format!(".{extension}"),
        };
        Self { stem, extension, partial: format!("{PARTIAL_PREFIX}{id}{PARTIAL_SUFFIX}") }
    }

    /// The name itself as number 1, and other names for when other files have it.
    fn numbered(&self, number: u32) -> String {
        let Self { stem, extension, .. } = self;
        if number == 1 { format!("{stem}{extension}") } else { format!("{stem}-{number}{extension}") }
    }
}

fn sanitise(text: &str, bytes_max: usize) -> String {
    let plain = |char: char| if char.is_ascii_alphanumeric() || char == '-' { char } else { '_' };
    text.chars().take(bytes_max).map(plain).collect()
}
