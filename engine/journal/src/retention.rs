//! Sealing of settled files and removal of old ones, whole, off the feed's path.
//!
//! A file is judged, and catalogued as what it then is, while the writer can neither write it nor take its seal off: so nothing comes into
//! it afterwards, and the catalog and the running engine say the same of it. Removal is first catalogued, then done, so that a crash in
//! between is finished at the next start.

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
        {
            let shared = Arc::clone(&self.shared);
            let _nothing_comes_in = shared.older.lock().unwrap_or_else(PoisonError::into_inner);
            if !open.is_settled()? {
                return Ok(());
            }
            let sealed = FileEntry {
                state: FileState::Sealed,
                sealed_at_us: Some(now_us()),
                next_delivery: open.numbers()?.delivery.max(file.next_delivery),
                ..file.clone()
            };
            self.catalog()?.put(&sealed)?;
            self.show(&sealed);
        }
        open.compact()
    }

    fn remove_older_than(&mut self, limit_us: i64) -> Result<(), JournalError> {
        let is_old = |file: &FileEntry| {
            file.state == FileState::Sealed && file.sealed_at_us.is_some_and(|sealed| sealed < limit_us)
        };
        for file in self.shared.files.list()?.iter().filter(|file| is_old(file)) {
            if self.is_held(file.number)? || !self.give_up(file.number, is_old)? {
                continue;
            }
            let folder = &self.shared.options.folder;
            let (segment, keys) = (layout::segment(folder, file.number), layout::keys(folder, file.number));
            self.shared.pool.forget(&[&segment, &keys]);
            remove_files(&self.shared.options, file.number)?;
            self.catalog()?.forget(file.number)?;
        }
        Ok(())
    }

    /// Lets nobody find a file any more, if it still is what it was taken for: its seal may have been taken off since.
    fn give_up(&mut self, number: u32, is_old: impl Fn(&FileEntry) -> bool) -> Result<bool, JournalError> {
        let shared = Arc::clone(&self.shared);
        let _nothing_comes_in = shared.older.lock().unwrap_or_else(PoisonError::into_inner);
        let files = shared.files.list()?;
        let Some(file) = files.iter().find(|file| file.number == number && is_old(file)) else {
            return Ok(false);
        };
        self.catalog()?.put(&FileEntry { state: FileState::Removing, ..file.clone() })?;
        shared.files.change(|files| files.retain(|other| other.number != number));
        Ok(true)
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::samples::{delivery, message};
    use crate::{
        AttemptOutcome, AttemptRecord, Carry, CommitError, DeliveryState, Envelope, Journal, NewMessage, open,
    };

    /// A delivery's success, told late and again.
    fn success() -> AttemptRecord {
        AttemptRecord {
            delivery: 1,
            revision: 0,
            since_us: None,
            at_us: 2_000,
            duration_us: 1,
            outcome: Some(AttemptOutcome::Delivered),
            code: None,
            text: None,
            answer: Vec::new(),
            state: DeliveryState::Delivered,
            reason: None,
            next_attempt_at_us: None,
        }
    }

    /// The files, without when they were sealed.
    fn states(files: &[FileEntry]) -> Vec<(u32, FileState)> {
        files.iter().map(|file| (file.number, file.state)).collect()
    }

    /// Stores message 1 with a delivery, and message 2. The file that a journal begins with is followed at once: they are in files 2 and 3.
    fn two_files(journal: &Journal) {
        for id in [1, 2] {
            let (send, receive) = mpsc::channel();
            let message = NewMessage { deliveries: vec![delivery()], ..message(id) };
            journal.accept(message, move |result| send.send(result.map(drop)).unwrap());
            receive.recv().unwrap().unwrap();
        }
    }

    fn record_success(journal: &Journal) -> Result<(), CommitError> {
        let (send, receive) = mpsc::channel();
        journal.record(success(), move |result| send.send(result).unwrap());
        receive.recv().unwrap()
    }

    /// A file is old enough to go, and before it is taken away a success that comes late takes its seal off.
    #[test]
    fn a_file_that_loses_its_seal_meanwhile_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes_max: 1, ..Options::new(folder.path()) };
        let (journal, writer, _indexer) = open(options).unwrap();
        let thread = std::thread::spawn(|| writer.run());
        two_files(&journal);
        record_success(&journal).unwrap();
        let mut retention = journal.retention();
        let reader = journal.reader();
        let state = || {
            let files = reader.files.list().unwrap();
            files.iter().find(|file| file.number == 2).map(|file| file.state)
        };
        retention.turn().unwrap();
        assert_eq!(state(), Some(FileState::Sealed));
        let is_old = |file: &FileEntry| file.state == FileState::Sealed;

        record_success(&journal).unwrap();
        assert_eq!(state(), Some(FileState::Open), "the seal is off");
        assert!(!retention.give_up(2, is_old).unwrap());
        let path = layout::segment(folder.path(), 2);
        let catalogued = Catalog::open_reading(journal.options()).unwrap().files().unwrap();
        assert_eq!(states(&catalogued), states(&reader.files.list().unwrap()));
        assert_eq!((state(), path.exists()), (Some(FileState::Open), true));
        let attempts = reader.message(1).unwrap().unwrap().deliveries.remove(0).attempts.len();
        assert_eq!(attempts, 2, "what came late is kept");

        // Settled again, it goes, and what comes later still finds nothing.
        retention.turn().unwrap();
        retention.remove_older_than(i64::MAX).unwrap();
        assert_eq!((state(), path.exists(), reader.message(1).unwrap()), (None, false, None));
        assert_eq!(record_success(&journal), Err(CommitError::NoSuchDelivery { delivery: 1 }));
        let (told, said) = mpsc::channel();
        let gone = Envelope { delivery: 1, revision: 0, generation: 1 };
        journal.carry(Carry::Back(gone), move |written| told.send(written).unwrap());
        assert_eq!(said.recv().unwrap(), Ok(false), "what came of it is over: nobody is to say it again");
        journal.close();
        thread.join().unwrap();
    }

    /// Each success takes the seal off, and each turn of retention sets it again.
    #[test]
    fn the_catalog_says_what_the_engine_knows_whatever_comes_late() {
        let folder = tempfile::tempdir().unwrap();
        let (retention_interval, index_interval) = (Duration::from_millis(1), Duration::from_millis(1));
        let options = Options {
            segment_bytes_max: 1,
            retention_interval,
            index_interval,
            ..Options::new(folder.path())
        };
        let (journal, writer, indexer) = open(options).unwrap();
        let threads = [std::thread::spawn(|| writer.run()), std::thread::spawn(|| indexer.run())];
        two_files(&journal);
        let reader = journal.reader();
        let mut seals = 0;
        for round in 0..100 {
            record_success(&journal).unwrap();
            // Mostly it is looked at while the seal is being set, now and then when it is.
            let is_sealed = || states(&reader.files.list().unwrap()).contains(&(2, FileState::Sealed));
            let until = Instant::now() + Duration::from_secs(30);
            while round % 4 == 0 && !is_sealed() {
                assert!(Instant::now() < until, "it is never sealed again");
                std::thread::yield_now();
            }
            let _nothing_changes = journal.older().lock().unwrap();
            let catalogued = Catalog::open_reading(journal.options()).unwrap().files().unwrap();
            let known = states(&reader.files.list().unwrap());
            assert_eq!(states(&catalogued), known);
            seals += usize::from(known.contains(&(2, FileState::Sealed)));
        }
        assert!(seals > 0, "it was never sealed in between");
        journal.close();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
