//! Files that laboratories and clinics drop in a folder.
//!
//! What always holds: a file is handed over only when it is complete; it is put out of the way only after everything in it is stored, and
//! is said to be out of the way only after that is durable; a file that is stored already (a crash came before it was put away) is put away
//! and not taken again. Looking every so often is what finds files; the system's hints only make it sooner.

mod arrival;
mod disposal;
mod hint;
mod scan;

use self::disposal::Disposal;
use self::hint::Hint;
use self::scan::{Found, Listing, Patience};
pub use arrival::{Arrival, Content, ContentError};
use globset::GlobSet;
use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How a folder is watched.
#[derive(Debug, Clone)]
pub struct FilesListenerSettings {
    /// The folder; made when it is not there.
    pub folder: PathBuf,
    /// Which names are taken.
    pub pattern: GlobSet,
    /// Whether folders below it are watched too.
    pub subfolders: bool,
    /// When a file is complete.
    pub complete: Complete,
    /// Which file comes first.
    pub order: Order,
    /// What happens to a file that was taken in.
    pub after: After,
    /// Where files go that could not be taken in, each with its reason beside it.
    pub failed: PathBuf,
    /// What tells a file from another.
    pub identify: Identify,
    /// How often the folder is looked at without a hint from the system.
    pub poll: Duration,
}

/// When a file is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complete {
    /// As soon as it has its name: senders write under another one and rename.
    Renamed,
    /// When its size and time have not changed for so long.
    Stable(Duration),
    /// When a marker lies beside it, called like the file (with or without its ending) with this ending.
    Marker(String),
}

/// Which file comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By path, byte by byte.
    Name,
    /// By the time it was last written, then by path.
    Time,
}

/// What happens to a file that was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// It is moved to the same place below this folder.
    Archive(PathBuf),
    /// It is deleted.
    Delete,
    /// It stays where it is.
    Leave,
}

/// What tells a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identify {
    /// Device, inode, size and time.
    Inode,
    /// Name and a hash of the content: on network shares, whose inodes and times are not to be trusted.
    Content,
}

impl FilesListenerSettings {
    /// Whether this is one of the folders that files are put away in, which are not watched.
    fn is_own(&self, folder: &Path) -> bool {
        let archive = matches!(&self.after, After::Archive(archive) if archive == folder);
        archive || self.failed == folder
    }
}

impl Complete {
    fn is_marker(&self, name: &OsStr) -> bool {
        let Complete::Marker(ending) = self else { return false };
        name.as_encoded_bytes().ends_with(ending.as_bytes())
    }
}

/// What a folder's owner does with the files.
pub trait FileHandler: Send + Sync + 'static {
    /// The files that are not out of the way, as far as they are stored. Asked at the start, and after a file could not be stored.
    fn standings(&self) -> impl Future<Output = Result<Vec<Standing>, String>> + Send;

    /// Takes a file in. It is called for one file after the other; the future it gives says what became of the file, once that is
    /// certain, while the next files are already handed over.
    fn file(&self, arrival: Arrival) -> impl Future<Output = Taking> + Send;

    /// A file is out of the way, for good: the next one that looks like it is a new one.
    fn released(&self, identity: &Arc<str>);

    /// Something that an operator should know.
    fn file_event(&self, event: FileEvent);
}

/// How far a file is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which file.
    pub identity: Arc<str>,
    /// So many of its messages are stored: the first ones.
    pub stored: u64,
    /// What became of it, when it is stored to its end.
    pub taken: Option<Taken>,
}

/// What will have become of a file; nothing when not all of it could be stored now, and the rest is to be tried later.
pub type Taking = Pin<Box<dyn Future<Output = Option<Taken>> + Send>>;

/// What became of a file that needs to be read no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// All of it is stored.
    Stored,
    /// It is to be put aside, for this reason; what of it could be stored is.
    PutAside(String),
}

/// Something that an operator should know. Names of files are not in it: they may name patients.
#[derive(Debug)]
pub enum FileEvent {
    /// The folder cannot be looked at; this is tried again.
    FolderUnreadable(io::Error),
    /// The folder can be looked at again.
    FolderReadable,
    /// A file was put aside.
    PutAside {
        /// Why.
        reason: String,
    },
    /// A file cannot be put out of the way; this is tried again, and it is not taken in again.
    Stuck(io::Error),
    /// What is stored cannot be found out; this is tried again.
    StoreUnreadable(String),
}

/// How many files are handed over before the first of them is certain: with one flush for many of them, hundreds of small ones a second
/// need no more.
const FILES_IN_FLIGHT: usize = 64;

/// How long to wait after a file could not be stored: the disk may have room again soon.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How long the folder is left alone after it was looked at, however many hints come; also at least twice as long as looking took.
const LOOK_PAUSE_MIN: Duration = Duration::from_millis(20);

/// A watched folder.
#[derive(Debug)]
pub struct FilesListener {
    settings: FilesListenerSettings,
}

impl FilesListener {
    /// A listener with these settings. It begins with [`run`](Self::run), and a folder that is not there is no reason not to: a share
    /// may be mounted later.
    pub fn new(settings: FilesListenerSettings) -> FilesListener {
        FilesListener { settings }
    }

    /// The folder that it watches.
    pub fn folder(&self) -> &Path {
        &self.settings.folder
    }

    /// Watches until `shutdown` is ready; then finishes what is in flight, and returns. It blocks on the disk: it wants a thread of its
    /// own.
    pub async fn run<H: FileHandler>(self, handler: Arc<H>, shutdown: impl Future<Output = ()> + Send) {
        let (stop, stopped) = watch::channel(false);
        let mut round = Round {
            settings: &self.settings,
            handler,
            stopped,
            known: HashMap::new(),
            is_known: false,
            hashed: HashMap::new(),
            patience: Patience::default(),
            hint: None,
            is_away: false,
            failing: HashSet::new(),
        };
        let mut shutdown = pin!(shutdown);
        loop {
            let pause = {
                let mut turn = pin!(round.turn());
                tokio::select! {
                    pause = &mut turn => pause,
                    () = &mut shutdown => {
                        stop.send_replace(true);
                        turn.await;
                        return;
                    }
                }
            };
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = round.rest(pause) => {}
            }
        }
    }
}

/// What is known from one look at the folder to the next.
struct Round<'s, H> {
    settings: &'s FilesListenerSettings,
    handler: Arc<H>,
    stopped: watch::Receiver<bool>,
    /// Files that are not out of the way, by identity.
    known: HashMap<Arc<str>, Known>,
    /// Whether `known` is what is stored.
    is_known: bool,
    /// Identities that are made from content, by what the file system says, so that a file that stays is read once.
    hashed: HashMap<Arc<str>, Arc<str>>,
    patience: Patience,
    hint: Option<Hint>,
    /// Whether the folder could not be looked at the last time.
    is_away: bool,
    /// Files of which an operator was told that they cannot be put out of the way.
    failing: HashSet<PathBuf>,
}

#[derive(Debug, Clone)]
struct Known {
    stored: u64,
    taken: Option<Taken>,
}

/// A file that is stored, and what is to be done with it.
struct Certain {
    found: Found,
    identity: Option<Arc<str>>,
    taken: Taken,
}

/// How long to rest after a turn.
struct Pause {
    /// The shortest, whatever the hints.
    least: Duration,
    most: Duration,
}

impl Pause {
    const EXACTLY_STORE: Pause = Pause { least: STORE_PAUSE, most: STORE_PAUSE };
}

/// What one look at the folder gave.
struct Survey {
    /// Files that are stored and still lie there.
    stored: Vec<Certain>,
    /// Files to be taken in.
    complete: Vec<Found>,
    /// When another one may be complete.
    soonest: Option<Duration>,
}

impl<H: FileHandler> Round<'_, H> {
    /// Looks at the folder once and takes in what is complete.
    async fn turn(&mut self) -> Pause {
        if !self.is_known && !self.learn().await {
            return Pause::EXACTLY_STORE;
        }
        let began = Instant::now();
        let survey = match self.survey() {
            Ok(survey) => survey,
            Err(error) => return self.away(error),
        };
        let least = LOOK_PAUSE_MIN.max(began.elapsed() * 2);
        self.put_away(survey.stored);
        self.take(survey.complete).await;
        if !self.is_known {
            return Pause::EXACTLY_STORE;
        }
        let most = survey.soonest.unwrap_or(self.settings.poll).min(self.settings.poll);
        Pause { least: least.min(most), most }
    }

    fn survey(&mut self) -> io::Result<Survey> {
        let listing = self.look()?;
        self.forget_those_gone(&listing);
        let (mut stored, mut others) = (Vec::new(), Vec::new());
        for found in listing.files {
            match self.taken(&found) {
                None => others.push(found),
                Some(_) if self.settings.after == After::Leave => {}
                // Files that were stored before a crash, or could not be put away before.
                Some((identity, taken)) => {
                    let (identity, taken) = (Some(identity.clone()), taken.clone());
                    stored.push(Certain { found, identity, taken });
                }
            }
        }
        let (complete, soonest) = self.patience.complete(&self.settings.complete, others, &listing.markers);
        Ok(Survey { stored, complete, soonest })
    }

    /// What became of the file, when it is stored.
    fn taken<'f>(&'f self, found: &'f Found) -> Option<(&'f Arc<str>, &'f Taken)> {
        let identity = self.identity_without_reading(found)?;
        Some((identity, self.known.get(identity)?.taken.as_ref()?))
    }

    async fn learn(&mut self) -> bool {
        match self.handler.standings().await {
            Ok(standings) => {
                let known = |standing: Standing| {
                    (standing.identity, Known { stored: standing.stored, taken: standing.taken })
                };
                self.known = standings.into_iter().map(known).collect();
                self.is_known = true;
                true
            }
            Err(problem) => {
                self.handler.file_event(FileEvent::StoreUnreadable(problem));
                false
            }
        }
    }

    fn look(&mut self) -> io::Result<Listing> {
        std::fs::create_dir_all(&self.settings.folder)?;
        let hint = self.hint.get_or_insert_with(|| Hint::of(&self.settings.folder, self.settings.subfolders));
        let listing = scan::list(self.settings)?;
        if !hint.speaks() {
            // It may another time: the limit on watches is the whole system's.
            self.hint = None;
        }
        if std::mem::take(&mut self.is_away) {
            self.handler.file_event(FileEvent::FolderReadable);
        }
        Ok(listing)
    }

    fn away(&mut self, error: io::Error) -> Pause {
        self.hint = None;
        if !std::mem::replace(&mut self.is_away, true) {
            self.handler.file_event(FileEvent::FolderUnreadable(error));
        }
        Pause { least: self.settings.poll, most: self.settings.poll }
    }

    /// A file that is stored, or in part, and no longer there was put out of the way: by us before a crash, or by a person.
    fn forget_those_gone(&mut self, listing: &Listing) {
        let by_content = self.settings.identify == Identify::Content;
        if by_content && !listing.files.iter().all(|found| self.hashed.contains_key(&found.key)) {
            // One of those that are not read yet may be it.
            return;
        }
        let there: HashSet<&Arc<str>> =
            listing.files.iter().filter_map(|found| self.identity_without_reading(found)).collect();
        // When the folder is on another device than before, its own may just not be mounted.
        let device = if by_content { String::new() } else { format!("{:x}-", listing.device) };
        let is_gone = |identity: &&Arc<str>| !there.contains(*identity) && identity.starts_with(&device);
        let gone: Vec<Arc<str>> = self.known.keys().filter(is_gone).cloned().collect();
        // That they are gone may itself be forgotten by a power cut, unless it is flushed.
        if !gone.is_empty() && disposal::flush_all(&self.settings.folder).is_ok() {
            for identity in gone {
                self.known.remove(&identity);
                self.handler.released(&identity);
            }
        }
        if by_content {
            let there: HashSet<&Arc<str>> = listing.files.iter().map(|found| &found.key).collect();
            self.hashed.retain(|key, _| there.contains(key));
        }
    }

    fn identity_without_reading<'f>(&'f self, found: &'f Found) -> Option<&'f Arc<str>> {
        match self.settings.identify {
            Identify::Inode => Some(&found.key),
            Identify::Content => self.hashed.get(&found.key),
        }
    }

    /// Takes files in, in their order; those whose fate is certain are put away in groups.
    async fn take(&mut self, files: Vec<Found>) {
        let mut in_flight: VecDeque<(Found, Arc<str>, Taking)> = VecDeque::new();
        let mut certain = Vec::new();
        for found in files {
            if *self.stopped.borrow() || !self.is_known {
                break;
            }
            match self.arrive(&found) {
                Ok(Some(arrival)) => {
                    let identity = arrival.identity.clone();
                    let taking = self.handler.file(arrival).await;
                    in_flight.push_back((found, identity, taking));
                }
                Ok(None) => {}
                Err(reason) => {
                    certain.push(Certain { found, identity: None, taken: Taken::PutAside(reason) })
                }
            }
            if in_flight.len() >= FILES_IN_FLIGHT {
                self.settle(&mut in_flight, FILES_IN_FLIGHT / 2, &mut certain).await;
            }
        }
        self.settle(&mut in_flight, 0, &mut certain).await;
    }

    /// Waits until no more than `most` files are uncertain, and puts away those that are not.
    async fn settle(
        &mut self,
        in_flight: &mut VecDeque<(Found, Arc<str>, Taking)>,
        most: usize,
        certain: &mut Vec<Certain>,
    ) {
        while in_flight.len() > most {
            let Some((found, identity, taking)) = in_flight.pop_front() else { break };
            match taking.await {
                None => self.is_known = false,
                Some(taken) => {
                    self.known.insert(identity.clone(), Known { stored: 0, taken: Some(taken.clone()) });
                    certain.push(Certain { found, identity: Some(identity), taken });
                }
            }
        }
        self.put_away(std::mem::take(certain));
    }

    /// Opens a complete file. Nothing when it is not to be taken now, a reason when it cannot be taken at all.
    fn arrive(&mut self, found: &Found) -> Result<Option<Arrival>, String> {
        let mut content = match Content::open(found, self.stopped.clone()) {
            Ok(content) => content,
            Err(ContentError::Changed | ContentError::Stopping) => return Ok(None),
            Err(ContentError::Unreadable(error)) => return self.unreadable(found, error),
        };
        let settings = self.settings;
        let identity = match content.identity(settings, &found.below) {
            Ok(identity) => identity,
            Err(error) => return self.unreadable(found, error),
        };
        if settings.identify == Identify::Content {
            self.hashed.insert(found.key.clone(), identity.clone());
        }
        let known = self.known.get(&identity);
        if known.is_some_and(|known| known.taken.is_some()) {
            // Its content had to be read to know it; the next turn puts it away.
            return Ok(None);
        }
        let stored = known.map_or(0, |known| known.stored);
        let name = found.below.to_string_lossy().into();
        Ok(Some(Arrival { identity, name, stored, content }))
    }

    fn unreadable(&mut self, found: &Found, error: io::Error) -> Result<Option<Arrival>, String> {
        match error.kind() {
            io::ErrorKind::NotFound => Ok(None),
            io::ErrorKind::PermissionDenied => {
                Err("the engine's user may not read it; give it the right to, and drop the file again"
                    .to_owned())
            }
            // A share or a disk that fails now may not later.
            _ => {
                self.stuck(found, error);
                Ok(None)
            }
        }
    }

    /// Puts files out of the way, makes that durable, and says so.
    fn put_away(&mut self, files: Vec<Certain>) {
        if files.is_empty() {
            return;
        }
        let mut disposal = Disposal::new(self.settings);
        let mut gone = Vec::with_capacity(files.len());
        for file in files {
            gone.extend(self.put_one_away(&mut disposal, file));
        }
        match disposal.flush() {
            Ok(()) => {
                for identity in gone {
                    self.known.remove(&identity);
                    self.handler.released(&identity);
                }
            }
            // They count as stored until the folder shows, and the disk is known to keep, that they are gone.
            Err(error) => self.handler.file_event(FileEvent::Stuck(error)),
        }
    }

    /// Gives the file's identity when it is gone from the folder.
    fn put_one_away(&mut self, disposal: &mut Disposal<'_>, file: Certain) -> Option<Arc<str>> {
        let Certain { found, identity, taken } = file;
        let done = match &taken {
            Taken::Stored => disposal.taken(&found),
            Taken::PutAside(reason) => disposal.failed(&found, reason),
        };
        if let Err(error) = done {
            self.stuck(&found, error);
            return None;
        }
        if let Taken::PutAside(reason) = taken
            && self.failing.insert(found.path.clone())
        {
            self.handler.file_event(FileEvent::PutAside { reason });
        }
        if self.settings.after == After::Leave {
            return None;
        }
        self.failing.remove(&found.path);
        identity
    }

    fn stuck(&mut self, found: &Found, error: io::Error) {
        if self.failing.insert(found.path.clone()) {
            self.handler.file_event(FileEvent::Stuck(error));
        }
    }

    /// Waits for a hint or until it is time.
    async fn rest(&mut self, pause: Pause) {
        tokio::time::sleep(pause.least).await;
        let rest = pause.most.saturating_sub(pause.least);
        let hint = async {
            match &self.hint {
                Some(hint) => hint.changed().await,
                None => std::future::pending().await,
            }
        };
        // Whichever is first: either way the folder is looked at.
        let _ = tokio::time::timeout(rest, hint).await;
    }
}
