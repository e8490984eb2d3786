//! Sealing of settled files and removal of old ones, whole, off the feed's path.
//!
//! A file is judged settled while the writer cannot write it, so nothing comes into it afterwards. Removal is first catalogued, then
//! done, so that a crash in between is finished at the next start.

use std::sync::{Arc, PoisonError};

use crate::catalog::{Catalog, FileEntry, FileState};
use crate::error::JournalError;
use crate::journal::{Shared, now_us};
use crate::key_index::{self, remove_file};
use crate::layout;
use crate::options::Options;
use crate::segment::SegmentFile;

/// Seals and removes.
pub(crate) struct Retention {
    shared: Arc<Shared>,
    catalog: Option<Catalog>,
}

impl Retention {
    pub(crate) fn new(shared: Arc<Shared>) -> Retention {
        Retention { shared, catalog: None }
    }

    /// Looks at all files that are not current once.
    pub(crate) fn turn(&mut self) -> Result<(), JournalError> {
        let files = self.shared.files.list()?;
        let Some((_, earlier)) = files.split_last() else { return Ok(()) };
        for file in earlier.iter().filter(|file| file.state == FileState::Open) {
            self.seal_when_settled(file)?;
        }
        if let Some(keep) = self.shared.options.keep {
            let keep_us = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
            self.remove_older_than(now_us().saturating_sub(keep_us))?;
        }
        Ok(())
    }

    fn seal_when_settled(&mut self, file: &FileEntry) -> Result<(), JournalError> {
        let open = SegmentFile::open(&self.shared.options, file.number)?;
        let sealed = {
            let _nothing_comes_in = self.shared.older.lock().unwrap_or_else(PoisonError::into_inner);
            if !open.is_settled()? {
                return Ok(());
            }
            let sealed = FileEntry {
                state: FileState::Sealed,
                sealed_at_us: Some(now_us()),
                next_delivery: open.numbers()?.delivery.max(file.next_delivery),
                ..file.clone()
            };
            self.show(&sealed);
            sealed
        };
        self.catalog()?.put(&sealed)?;
        open.compact()
    }

    fn remove_older_than(&mut self, limit_us: i64) -> Result<(), JournalError> {
        let files = self.shared.files.list()?;
        let old = |file: &&FileEntry| {
            file.state == FileState::Sealed && file.sealed_at_us.is_some_and(|sealed| sealed < limit_us)
        };
        for file in files.iter().filter(old) {
            if self.is_held(file.number)? {
                continue;
            }
            self.catalog()?.put(&FileEntry { state: FileState::Removing, ..file.clone() })?;
            self.shared.files.change(|files| files.retain(|other| other.number != file.number));
            let folder = &self.shared.options.folder;
            let (segment, keys) = (layout::segment(folder, file.number), layout::keys(folder, file.number));
            self.shared.pool.forget(&[&segment, &keys]);
            remove_files(&self.shared.options, file.number)?;
            self.catalog()?.forget(file.number)?;
        }
        Ok(())
    }

    /// True when a replay in another file still names a message of this one.
    fn is_held(&self, number: u32) -> Result<bool, JournalError> {
        for file in self.shared.files.list()?.iter().filter(|file| file.number > number) {
            let holds = self.shared.pool.segment(file.number)?.run(|connection| {
                connection.prepare_cached("SELECT 1 FROM processing WHERE home = ?1")?.exists([number])
            })?;
            if holds {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn show(&self, entry: &FileEntry) {
        self.shared.files.change(|files| {
            for file in files.iter_mut().filter(|file| file.number == entry.number) {
                *file = entry.clone();
            }
        });
    }

    fn catalog(&mut self) -> Result<&Catalog, JournalError> {
        let catalog = match self.catalog.take() {
            Some(catalog) => catalog,
            None => Catalog::open(&self.shared.options)?,
        };
        Ok(self.catalog.insert(catalog))
    }
}

/// Finishes what a crash interrupted.
pub(crate) fn finish_removals(options: &Options, catalog: &Catalog) -> Result<(), JournalError> {
    for file in catalog.files()?.iter().filter(|file| file.state == FileState::Removing) {
        remove_files(options, file.number)?;
        catalog.forget(file.number)?;
    }
    Ok(())
}

/// Removes a segment file and everything that belongs to it.
pub(crate) fn remove_files(options: &Options, number: u32) -> Result<(), JournalError> {
    key_index::remove(options, number)?;
    let bodies = layout::bodies(&options.folder, number);
    if let Ok(entries) = std::fs::read_dir(&bodies) {
        for entry in entries.flatten() {
            remove_file(options, entry.path())?;
        }
        // An empty folder that stays costs nothing.
        let _ = std::fs::remove_dir(&bodies);
    }
    for path in layout::database_files(&layout::segment(&options.folder, number)) {
        remove_file(options, path)?;
    }
    Ok(())
}
