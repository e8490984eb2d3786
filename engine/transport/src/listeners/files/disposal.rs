//! What happens to a file once it is taken in, or cannot be: archived, deleted, or put aside with the reason beside it.
//!
//! What always holds: nothing is overwritten; a file is gone from its folder, durably, before it is said to be; a marker goes before its
//! file does, so that no marker is ever left to vouch for the next file of that name.

use super::scan::{Found, markers_of};
use super::{After, Complete, FilesListenerSettings};
use jiff::Timestamp;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How many names are tried until a free one is found. The second already holds the time.
const NAMES_MAX: u32 = 100;

/// Puts files out of the way, and remembers the folders that must be flushed for it to last.
#[derive(Debug)]
pub(super) struct Disposal<'s> {
    settings: &'s FilesListenerSettings,
    touched: BTreeSet<PathBuf>,
}

impl<'s> Disposal<'s> {
    pub(super) fn new(settings: &'s FilesListenerSettings) -> Disposal<'s> {
        Disposal { settings, touched: BTreeSet::new() }
    }

    /// Does what is to be done after a file was taken in.
    pub(super) fn taken(&mut self, found: &Found) -> io::Result<()> {
        match &self.settings.after {
            After::Leave => Ok(()),
            After::Delete => {
                self.remove_markers(&found.path)?;
                gone_is_fine(fs::remove_file(&found.path))?;
                self.touch(&found.path);
                Ok(())
            }
            After::Archive(folder) => self.carry(found, folder).map(drop),
        }
    }

    /// Puts a file aside that could not be taken in, and the reason beside it. Where files are left, only the reason goes there.
    pub(super) fn failed(&mut self, found: &Found, reason: &str) -> io::Result<()> {
        let path = match self.settings.after {
            After::Leave => Some(self.settings.failed.join(&found.below)),
            After::Archive(_) | After::Delete => self.carry(found, &self.settings.failed)?,
        };
        let Some(path) = path else { return Ok(()) };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut beside = path.into_os_string();
        beside.push(".reason.txt");
        let mut file = File::create(PathBuf::from(beside))?;
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        writeln!(file, "{reason}\nput aside: {now}")?;
        file.sync_all()
    }

    /// Flushes the folders concerned: from now on what was done is not undone by a power cut.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        for folder in std::mem::take(&mut self.touched) {
            File::open(&folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Moves a file to the same place below another folder; where it lies then, nothing when it was gone already.
    fn carry(&mut self, found: &Found, folder: &Path) -> io::Result<Option<PathBuf>> {
        self.remove_markers(&found.path)?;
        let wanted = folder.join(&found.below);
        if let Some(parent) = wanted.parent() {
            fs::create_dir_all(parent)?;
        }
        for attempt in 0..NAMES_MAX {
            let target = if attempt == 0 { wanted.clone() } else { dated(&wanted, attempt) };
            match move_to(&found.path, &target) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound && !found.path.exists() => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
                Ok(()) => {
                    self.touch(&found.path);
                    self.touch(&target);
                    return Ok(Some(target));
                }
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "no free name was found"))
    }

    fn remove_markers(&mut self, file: &Path) -> io::Result<()> {
        let Complete::Marker(ending) = &self.settings.complete else { return Ok(()) };
        for marker in markers_of(file, ending) {
            gone_is_fine(fs::remove_file(marker))?;
        }
        Ok(())
    }

    fn touch(&mut self, file: &Path) {
        self.touched.extend(file.parent().map(Path::to_owned));
    }
}

/// Flushes all that was done on the folder's file system, by whomever.
pub(super) fn flush_all(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

fn gone_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// `x.hl7` → `x-20260305T141500.123456Z.hl7`; after the first attempt with a number too.
fn dated(path: &Path, attempt: u32) -> PathBuf {
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%S%.6fZ");
    let mut name: OsString = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{now}"));
    if attempt > 1 {
        name.push(format!("-{attempt}"));
    }
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Moves a file without overwriting another, also to another file system.
fn move_to(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::XDEV) => copy_to(from, to),
        // File systems that cannot rename in this way at all; a second writer of the target is not expected there.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !to.exists() => fs::rename(from, to),
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) => Err(error.into()),
    }
}

/// Copies under a name that no one takes for whole, flushes, renames, and only then removes the original.
fn copy_to(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut name = OsString::from(".");
    name.push(to.file_name().unwrap_or_default());
    name.push(".partial");
    let partial = to.with_file_name(name);
    fs::copy(from, &partial)?;
    File::open(&partial)?.sync_all()?;
    fs::rename(&partial, to)?;
    if let Some(folder) = to.parent() {
        File::open(folder)?.sync_all()?;
    }
    fs::remove_file(from)
}
