//! What happens to a file once it is taken in, or cannot be: archived, deleted, or put aside with the reason beside it.
//!
//! What always holds: only the very file that was taken in is touched, never another one that has its name by now; nothing is overwritten;
//! a file is gone from its folder, durably, before it is said to be; the reason lies there before the file does.

use super::scan::{Found, Stat, markers_of};
use super::{After, Complete, FilesListenerSettings};
use jiff::Timestamp;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How the name begins that a file has for the moment in which it is deleted.
pub(super) const HIDDEN: &str = ".orderly-taken-";

/// How many names are tried until a free one is found. The second already holds the time.
const NAMES_MAX: u32 = 100;

/// Names have at most 255 bytes.
const NAME_BYTES_MAX: usize = 255;
const REASON: &str = ".reason.txt";

/// What came of putting a file away.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// It is out of its folder.
    Gone,
    /// It stays, as it is to.
    Left,
    /// Another file has its name, or it has changed since it was read: nothing was touched.
    Replaced,
    /// It is the same file, and there is more or something else in it than was read: nothing was touched.
    Changed,
}

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
    pub(super) fn taken(&mut self, found: &Found) -> io::Result<Done> {
        match &self.settings.after {
            After::Leave => Ok(Done::Left),
            After::Delete => self.delete(found),
            After::Archive(folder) => self.carry(found, folder, None),
        }
    }

    /// Puts a file aside that could not be taken in, and the reason beside it. Where files are left, only the reason goes there.
    pub(super) fn failed(&mut self, found: &Found, reason: &str) -> io::Result<Done> {
        if self.settings.after == After::Leave {
            write_reason(&self.settings.failed.join(&found.below), reason)?;
            return Ok(Done::Left);
        }
        self.carry(found, &self.settings.failed, Some(reason))
    }

    /// Puts a file aside that has changed since it was read.
    pub(super) fn changed(&mut self, found: &Found, reason: &str) -> io::Result<Done> {
        let now = Stat::of(&fs::symlink_metadata(&found.path)?);
        self.carry(&Found { stat: now, ..found.clone() }, &self.settings.failed, Some(reason))
    }

    /// Flushes the folders concerned: from now on what was done is not undone by a power cut.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        for folder in std::mem::take(&mut self.touched) {
            File::open(&folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Takes the file away from its name first, so that it can be seen whether it is the one. A crash in between leaves it under the
    /// hidden name, which [`scan`](super::scan) gives it back from.
    fn delete(&mut self, found: &Found) -> io::Result<Done> {
        let mut hidden = OsString::from(HIDDEN);
        hidden.push(found.path.file_name().unwrap_or_default());
        let mut hidden = found.path.with_file_name(hidden);
        if hidden.exists() {
            hidden = dated(&hidden, 1);
        }
        let done = self.take_away(found, &hidden)?;
        if done == Done::Gone {
            match fs::symlink_metadata(&hidden) {
                // Somebody who has it open wrote to it in this very moment: it is put aside at the next look.
                Ok(metadata) if Stat::of(&metadata) != found.stat => {
                    renameat_with(CWD, &hidden, CWD, &found.path, RenameFlags::NOREPLACE)?;
                    return Ok(Done::Changed);
                }
                _ => gone_is_fine(fs::remove_file(&hidden))?,
            }
        }
        Ok(done)
    }

    /// Moves a file to the same place below another folder.
    fn carry(&mut self, found: &Found, folder: &Path, reason: Option<&str>) -> io::Result<Done> {
        let wanted = folder.join(&found.below);
        if let Some(parent) = wanted.parent() {
            self.make(parent)?;
        }
        for attempt in 0..NAMES_MAX {
            let target = if attempt == 0 { wanted.clone() } else { dated(&wanted, attempt) };
            if target.exists() {
                continue;
            }
            let beside = reason.map(|reason| write_reason(&target, reason)).transpose()?;
            let done = self.take_away(found, &target);
            if let (Some(beside), Err(_) | Ok(Done::Replaced | Done::Changed)) = (beside, &done) {
                gone_is_fine(fs::remove_file(beside))?;
            }
            match done {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                done => return done,
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "no free name was found"))
    }

    /// Makes a folder that is not there, with those around it, and remembers to flush what they are made in.
    fn make(&mut self, folder: &Path) -> io::Result<()> {
        let missing = folder.ancestors().take_while(|folder| !folder.exists());
        self.touched.extend(
            missing.filter_map(Path::parent).filter(|parent| parent.parent().is_some()).map(Path::to_owned),
        );
        fs::create_dir_all(folder)
    }

    /// Moves the very file that was found to another path, which must be free, and removes its markers.
    fn take_away(&mut self, found: &Found, target: &Path) -> io::Result<Done> {
        match present(found)? {
            Present::Itself => {}
            // The move of a crash, or somebody else's: it must last before it counts.
            Present::Nothing => {
                self.touch(&found.path);
                return Ok(Done::Gone);
            }
            Present::Another => return Ok(Done::Replaced),
            Present::Changed => return Ok(Done::Changed),
        }
        move_to(found, target)?;
        if !is_the_one(found, target)? {
            // It was replaced in this very moment: back it goes, unless there is a third one by now, which then is the newer.
            match renameat_with(CWD, target, CWD, &found.path, RenameFlags::NOREPLACE) {
                Ok(()) => return Ok(Done::Replaced),
                Err(error) => return Err(error.into()),
            }
        }
        self.touch(&found.path);
        self.touch(target);
        self.remove_markers(&found.path)?;
        Ok(Done::Gone)
    }

    fn remove_markers(&self, file: &Path) -> io::Result<()> {
        let Complete::Marker(ending) = &self.settings.complete else { return Ok(()) };
        if file.exists() {
            // They may vouch for the next file of that name by now; old ones vouch for nobody.
            return Ok(());
        }
        markers_of(file, ending).into_iter().try_for_each(|marker| gone_is_fine(fs::remove_file(marker)))
    }

    fn touch(&mut self, file: &Path) {
        self.touched.extend(file.parent().map(Path::to_owned));
    }
}

/// What has a file's name now.
enum Present {
    Itself,
    Nothing,
    Another,
    Changed,
}

fn present(found: &Found) -> io::Result<Present> {
    let now = match fs::symlink_metadata(&found.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Present::Nothing),
        metadata => Stat::of(&metadata?),
    };
    Ok(match () {
        () if now == found.stat => Present::Itself,
        () if now.is_same_file(&found.stat) => Present::Changed,
        () => Present::Another,
    })
}

/// Whether what lies at the target is the file that was found. A copy on another file system is compared when it is made.
fn is_the_one(found: &Found, target: &Path) -> io::Result<bool> {
    let now = Stat::of(&fs::symlink_metadata(target)?);
    Ok(now.device() != found.stat.device() || now.is_same_file(&found.stat))
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

/// Writes why a file lies where it does, beside where it will lie.
fn write_reason(file: &Path, reason: &str) -> io::Result<PathBuf> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let (beside, mut written) = free_reason(file, reason)?;
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    writeln!(written, "{reason}\nput aside: {now}")?;
    written.sync_all()?;
    Ok(beside)
}

/// A file for the reason that no other has: one put aside before may be called like it. The same reason is not written twice.
fn free_reason(file: &Path, reason: &str) -> io::Result<(PathBuf, File)> {
    let wanted = reason_beside(file);
    for attempt in 0..NAMES_MAX {
        let beside = if attempt == 0 { wanted.clone() } else { dated(&wanted, attempt) };
        if fs::read_to_string(&beside).is_ok_and(|before| before.starts_with(reason)) {
            return Ok((beside.clone(), File::create(&beside)?));
        }
        match File::create_new(&beside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|created| (beside, created)),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "no free name was found for a reason"))
}

/// Where the reason lies: beside the file, under its name, or as much of it as leaves room for the ending and for what tells this name
/// from others that begin alike.
fn reason_beside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if name.len() + REASON.len() <= NAME_BYTES_MAX {
        return file.with_file_name(format!("{name}{REASON}"));
    }
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let ending = format!("-{:016x}{REASON}", hasher.finish());
    let room = NAME_BYTES_MAX - ending.len();
    let end = name.char_indices().map(|(start, _)| start).take_while(|start| *start <= room).last();
    file.with_file_name(format!("{}{ending}", name.get(..end.unwrap_or_default()).unwrap_or_default()))
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
fn move_to(found: &Found, to: &Path) -> io::Result<()> {
    let from = &found.path;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::XDEV) => copy_to(found, to),
        // File systems that cannot rename in this way at all; a second writer of the target is not expected there.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !to.exists() => fs::rename(from, to),
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) => Err(error.into()),
    }
}

/// Copies under a name that no one takes for whole, flushes, renames, and only then removes the original; what cannot be finished leaves
/// nothing behind, or it would be copied again at each look until the disk is full.
fn copy_to(found: &Found, to: &Path) -> io::Result<()> {
    let from = &found.path;
    let mut name = OsString::from(".");
    name.push(to.file_name().unwrap_or_default());
    name.push(".partial");
    let partial = to.with_file_name(name);
    let copied = fs::copy(from, &partial)
        .and_then(|_| File::open(&partial)?.sync_all())
        .and_then(|()| Ok(renameat_with(CWD, &partial, CWD, to, RenameFlags::NOREPLACE)?));
    if let Err(error) = copied {
        gone_is_fine(fs::remove_file(&partial))?;
        return Err(error);
    }
    if let Some(folder) = to.parent() {
        File::open(folder)?.sync_all()?;
    }
    let removed = match present(found)? {
        Present::Itself => fs::remove_file(from),
        _ => Err(io::Error::other("it was replaced while it was copied to another file system")),
    };
    removed.or_else(|error| {
        gone_is_fine(fs::remove_file(to))?;
        Err(error)
    })
}
