//! The handle to an open journal, and opening one.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::amend::{Amended, Amendment, Resend};
use crate::carried::Carry;
use crate::catalog::{Catalog, FileEntry, FileState};
use crate::error::{CommitError, JournalError};
use crate::file_store::make_folder;
use crate::files::Files;
use crate::inbox::{Done, Inbox, Request};
use crate::indexer::{Indexer, Nudge};
use crate::intake::{Intake, IntakeStanding};
use crate::layout;
use crate::lock::Lock;
use crate::message::{Accepted, AttemptRecord, NewMessage, Reprocessed};
use crate::options::Options;
use crate::pool::Pool;
use crate::reader::Reader;
use crate::retention;
use crate::segment::{Numbers, SegmentFile};
use crate::sqlite::renew_log;
use crate::writer::{Strays, Writer};

/// Opens a journal: takes the folder's lock, recovers what a crash left, and makes the first segment file where there is none.
/// The caller runs [`Writer::run`] and [`Indexer::run`] on threads of their own; both return after the last [`Journal`] is
/// dropped or [`Journal::close`] was called.
pub fn open(options: Options) -> Result<(Journal, Writer, Indexer), JournalError> {
    let options = Arc::new(options);
    make_private_folder(&options.folder)?;
    make_private_folder(&layout::segments(&options.folder))?;
    let lock = Arc::new(Lock::take(&options.folder)?);
    renew_log(&options, &layout::catalog(&options.folder))?;
    let catalog = Catalog::open(&options)?;
    retention::finish_removals(&options, &catalog)?;
    let mut files = recover_files(&options, &catalog)?;
    for file in files.iter().filter(|file| file.state == FileState::Open) {
        renew_log(&options, &layout::segment(&options.folder, file.number))?;
    }
    let current = open_current(&options, &catalog, &mut files)?;
    let (numbers, strays) = take_stock(&options, &files, &current)?;
    let shared = Arc::new(Shared {
        inbox: Inbox::new(),
        files: Files::live(files),
        pool: Arc::new(Pool::new(Arc::clone(&options))),
        older: std::sync::Mutex::new(()),
        book: std::sync::Mutex::new(()),
        nudge: Nudge::new(),
        next_id: AtomicU64::new(numbers.id),
        subscribers: RwLock::default(),
        options,
    });
    let writer = Writer::new(Arc::clone(&shared), Arc::clone(&lock), catalog, current, numbers, strays);
    let indexer = Indexer::new(Arc::clone(&shared), lock);
    Ok((Journal { handle: Arc::new(Handle { shared }) }, writer, indexer))
}

/// A handle to an open journal; clones are the same journal.
#[derive(Clone)]
pub struct Journal {
    handle: Arc<Handle>,
}

impl Journal {
    /// A fresh message id: larger than every id stored, also after a restart.
    pub fn next_id(&self) -> u64 {
        self.handle.shared.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Stores a message and its deliveries. Returns at once; `done` is called on the writer's thread after the flush, or with the
    /// error (on this thread, when the message is refused at once). It must be short: the next group waits for it.
    pub fn accept(
        &self,
        message: NewMessage,
        done: impl FnOnce(Result<Accepted, CommitError>) + Send + 'static,
    ) {
        self.put(Request::Accept(message, Done::new(done)));
    }

    /// Stores the result of an attempt. Lazy: it rides with a large group of acceptances, or waits [`Options::results_linger`], or until
    /// [`Options::results_max`] of them wait. `done` as for [`Journal::accept`].
    pub fn record(
        &self,
        attempt: AttemptRecord,
        done: impl FnOnce(Result<(), CommitError>) + Send + 'static,
    ) {
        self.put(Request::Record(attempt, Done::new(done)));
    }

    /// Stores what is known of an envelope with the broker; lazily, in one order with [`Journal::record`]. `done` as for
    /// [`Journal::accept`]; it gets whether the delivery is there, and of [`Carry::Sent`] as it was sent.
    pub fn carry(&self, carry: Carry, done: impl FnOnce(Result<bool, CommitError>) + Send + 'static) {
        self.put(Request::Carry(carry, Done::new(done)));
    }

    /// Stores a replay: see [`Reprocessed`]. Of a message in a sealed file it becomes a new processing in the current file, which
    /// holds the sealed one. `done` as for [`Journal::accept`].
    /// It gets how many deliveries wait because of the replay.
    pub fn reprocess(
        &self,
        replay: Reprocessed,
        done: impl FnOnce(Result<usize, CommitError>) + Send + 'static,
    ) {
        self.put(Request::Reprocess(replay, Done::new(done)));
    }

    /// Stores what a person does to a delivery. `done` as for [`Journal::accept`].
    pub fn amend(
        &self,
        amendment: Amendment,
        done: impl FnOnce(Result<Amended, CommitError>) + Send + 'static,
    ) {
        self.put(Request::Amend(amendment, Done::new(done)));
    }

    /// Stores that a delivery is sent again, as a new one at the end of its destination's order; of a message in a sealed file it stands in
    /// the current file, which holds the sealed one. `done` as for [`Journal::accept`]; it gets the new one's number.
    pub fn resend(&self, resend: Resend, done: impl FnOnce(Result<u64, CommitError>) + Send + 'static) {
        self.put(Request::Resend(resend, Done::new(done)));
    }

    /// Stores that a file is out of the way, so that a file which looks the same is a new one, from what is accepted after this on.
    /// `done` as for [`Journal::accept`]; after a crash before, the file counts as taken in.
    pub fn release(&self, intake: Arc<Intake>, done: impl FnOnce(Result<(), CommitError>) + Send + 'static) {
        self.put(Request::Release(intake, Done::new(done)));
    }

    /// Has `hear` called after each commit that left something to deliver, on the writer's thread; it must be short.
    pub fn subscribe(&self, hear: impl Fn(&Commit) + Send + Sync + 'static) {
        let mut subscribers = self.handle.shared.subscribers.write().unwrap_or_else(PoisonError::into_inner);
        subscribers.push(Box::new(hear));
    }

    /// Reads beside the writer.
    pub fn reader(&self) -> Reader {
        self.handle.shared.reader()
    }

    /// Takes in no more; what waits is committed, then [`Writer::run`] and [`Indexer::run`] return.
    pub fn close(&self) {
        self.handle.shared.close();
    }

    pub(crate) fn options(&self) -> &Options {
        &self.handle.shared.options
    }

    pub(crate) fn book(&self) -> &std::sync::Mutex<()> {
        &self.handle.shared.book
    }

    /// What seals and removes, for a test to say when.
    #[cfg(test)]
    pub(crate) fn retention(&self) -> retention::Retention {
        retention::Retention::new(Arc::clone(&self.handle.shared))
    }

    /// While it is held, no file is judged and none loses its seal.
    #[cfg(test)]
    pub(crate) fn older(&self) -> &std::sync::Mutex<()> {
        &self.handle.shared.older
    }

    fn put(&self, request: Request) {
        self.handle.shared.inbox.put(&self.handle.shared.options, request);
    }
}

/// A commit that left deliveries waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Each destination concerned, once a class.
    pub waiting: Vec<Fresh>,
}

/// What is new for a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// The destination.
    pub destination: Arc<str>,
    /// The class of what waits ([`crate::Place::class`]).
    pub class: u8,
    /// Deliveries at places that a worker may have passed wait again: a replay replaced them, or a failed commit may have held
    /// after all. The worker must read from the start.
    pub rewound: bool,
}

/// What the handle, the writer, the indexer and the readers have in common.
pub(crate) struct Shared {
    pub(crate) options: Arc<Options>,
    pub(crate) inbox: Inbox,
    pub(crate) files: Files,
    pub(crate) pool: Arc<Pool>,
    /// Held while a file that is not current is written, and while one is judged settled: so nothing comes into a file after it
    /// was judged.
    pub(crate) older: std::sync::Mutex<()>,
    /// Held while `plans.db` is written.
    pub(crate) book: std::sync::Mutex<()>,
    pub(crate) nudge: Nudge,
    next_id: AtomicU64,
    subscribers: RwLock<Vec<Subscriber>>,
}

type Subscriber = Box<dyn Fn(&Commit) + Send + Sync>;

impl Shared {
    pub(crate) fn reader(&self) -> Reader {
        Reader::beside(self.files.clone(), Arc::clone(&self.pool))
    }

    /// No id given out from now on is smaller.
    pub(crate) fn ids_from(&self) -> u64 {
        self.next_id.load(Ordering::Relaxed)
    }

    pub(crate) fn publish(&self, commit: &Commit) {
        if commit.waiting.is_empty() {
            return;
        }
        for hear in self.subscribers.read().unwrap_or_else(PoisonError::into_inner).iter() {
            hear(commit);
        }
    }

    fn close(&self) {
        self.inbox.close();
        self.nudge.close();
    }
}

/// Closes the journal when the last [`Journal`] goes.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Now, in microseconds since 1970-01-01T00:00:00Z; for the age of files, never for the order of messages.
pub(crate) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn make_private_folder(folder: &Path) -> Result<(), JournalError> {
    make_folder(folder).map_err(|source| JournalError::File { path: folder.to_path_buf(), source })
}

/// Brings catalog and folder together. A file on disk that the catalog does not name was made just before a crash, and nothing was
/// accepted into it: it is taken away. A catalogued file that is missing is a loss that must be seen.
fn recover_files(options: &Options, catalog: &Catalog) -> Result<Vec<FileEntry>, JournalError> {
    let files = catalog.files()?;
    for file in &files {
        let path = layout::segment(&options.folder, file.number);
        if !path.exists() {
            return Err(JournalError::Missing { path });
        }
    }
    for number in segment_files_on_disk(options)? {
        if !files.iter().any(|file| file.number == number) {
            retention::remove_files(options, number)?;
        }
    }
    Ok(files)
}

fn segment_files_on_disk(options: &Options) -> Result<Vec<u32>, JournalError> {
    let folder = layout::segments(&options.folder);
    let failed = |source| JournalError::File { path: folder.clone(), source };
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        numbers.extend(entry.map_err(failed)?.file_name().to_str().and_then(layout::segment_number));
    }
    Ok(numbers)
}

fn open_current(
    options: &Arc<Options>,
    catalog: &Catalog,
    files: &mut Vec<FileEntry>,
) -> Result<SegmentFile, JournalError> {
    match files.last() {
        Some(last) if last.state == FileState::Open => SegmentFile::open(options, last.number),
        _ => {
            let first = Numbers { id: 1, seq: 1, delivery: 1 };
            let (file, entry) = add_file(options, catalog, 1, first, &[])?;
            files.push(entry);
            Ok(file)
        }
    }
}

/// Makes a segment file, with the files that are not out of the way, and then catalogues it.
pub(crate) fn add_file(
    options: &Arc<Options>,
    catalog: &Catalog,
    number: u32,
    first: Numbers,
    intakes: &[IntakeStanding],
) -> Result<(SegmentFile, FileEntry), JournalError> {
    let created_at_us = now_us();
    // What an attempt that failed half way may have left: its log must not be taken for this file's.
    retention::remove_files(options, number)?;
    let file = SegmentFile::create(options, number, created_at_us, first, intakes)?;
    let entry = FileEntry {
        number,
        state: FileState::Open,
        created_at_us,
        sealed_at_us: None,
        first_delivery: first.delivery,
        next_delivery: first.delivery,
    };
    catalog.put(&entry)?;
    Ok((file, entry))
}

/// The next free numbers, and which deliveries stand in a file earlier than their number says (appended there by a replay).
fn take_stock(
    options: &Arc<Options>,
    files: &[FileEntry],
    current: &SegmentFile,
) -> Result<(Numbers, Strays), JournalError> {
    let mut numbers = current.numbers()?;
    let mut strays = Strays::default();
    for (file, next) in files.iter().zip(files.iter().skip(1)) {
        numbers.delivery = numbers.delivery.max(file.next_delivery);
        if file.state == FileState::Open {
            let open = SegmentFile::open(options, file.number)?;
            for seq in open.deliveries_from(next.first_delivery)? {
                strays.insert(seq, file.number);
                numbers.delivery = numbers.delivery.max(seq + 1);
            }
        }
    }
    Ok((numbers, strays))
}
