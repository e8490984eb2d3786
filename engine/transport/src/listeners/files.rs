//! Files that laboratories and clinics drop in a folder.
//!
//! What always holds: a file is handed over only when it is complete; it is put out of the way only after everything in it is stored, and
//! is said to be out of the way only after that is durable; a file that is stored already (a crash came before it was put away) is put away
//! and not taken again. Looking every so often is what finds files; the system's hints only make it sooner.

mod arrival;
mod disposal;
mod handler;
mod hint;
mod scan;
mod settings;
mod standings;

use self::disposal::{Disposal, Done};
use self::hint::Hint;
use self::scan::{Found, Listing, Patience};
use self::standings::Standings;
pub use arrival::{Arrival, Content, ContentError};
pub use handler::{FileEvent, FileHandler, Outcome, Standing, Taken, Taking};
pub use settings::{After, Complete, FilesListenerSettings, Identify, Order};
use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

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
            standings: Standings::new(self.settings.identify),
            patience: Patience::default(),
            hint: None,
            was_there: false,
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
    standings: Standings,
    patience: Patience,
    hint: Option<Hint>,
    /// Whether the folder was there since the start.
    was_there: bool,
    /// Whether it could not be looked at the last time.
    is_away: bool,
    /// Files of which an operator was told that they cannot be read or put out of the way, or that they stay with their reason elsewhere.
    failing: HashSet<(Trouble, Arc<str>)>,
}

/// What an operator was told of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Trouble {
    Unreadable,
    Stuck,
    Stays,
}

/// A file that is stored, or never will be, and what is to be done with it.
struct Certain {
    found: Found,
    identity: Option<Arc<str>>,
    taken: Taken,
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

/// Its path below the watched folder, for people.
fn name_of(found: &Found) -> Arc<str> {
    found.below.to_string_lossy().into()
}

/// Why a file is put aside that was written to after it was read.
fn changed_afterwards(taken: &Taken) -> String {
    match taken {
        Taken::Stored => "it was written to after it was taken in: what was in it before is stored\nDrop again what came later, \
                          without what was there before."
            .to_owned(),
        // The reason says by itself what is stored of it.
        Taken::PutAside(reason) | Taken::Torn(reason) => format!("{reason}\nIt was written to again since."),
    }
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

impl<H: FileHandler> Round<'_, H> {
    /// Looks at the folder once and takes in what is complete.
    async fn turn(&mut self) -> Pause {
        if !self.standings.are_known() && !self.learn().await {
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
        if !self.standings.are_known() {
            return Pause::EXACTLY_STORE;
        }
        let most = survey.soonest.unwrap_or(self.settings.poll).min(self.settings.poll);
        Pause { least, most: most.max(least) }
    }

    async fn learn(&mut self) -> bool {
        match self.handler.standings().await {
            Ok(standings) => {
                self.standings.learn(standings);
                true
            }
            Err(problem) => {
                self.handler.file_event(FileEvent::StoreUnreadable(problem));
                false
            }
        }
    }

    fn survey(&mut self) -> io::Result<Survey> {
        let listing = self.look()?;
        self.forget_those_gone(&listing);
        let (mut stored, mut others) = (Vec::new(), Vec::new());
        for found in listing.files {
            match self.standings.taken(&found) {
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

    fn look(&mut self) -> io::Result<Listing> {
        // A folder that goes is not made again: in the place of a share that is away it would hide that it is.
        if !self.was_there {
            std::fs::create_dir_all(&self.settings.folder)?;
            self.was_there = true;
        }
        let hint = self.hint.get_or_insert_with(|| Hint::of(self.settings));
        let listing = scan::list(self.settings)?;
        if !hint.speaks() {
            // It may another time: the limit on watches is the whole system's.
            self.hint = None;
        }
        if std::mem::take(&mut self.is_away) {
            self.handler.file_event(FileEvent::FolderReadable);
        }
        if !self.failing.is_empty() {
            // Another file of the same name is told of anew.
            let there: HashSet<&Arc<str>> = listing.files.iter().map(|found| &found.key).collect();
            self.failing.retain(|(_, key)| there.contains(key));
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

    fn forget_those_gone(&mut self, listing: &Listing) {
        let gone = self.standings.gone(listing);
        // That they are gone may itself be forgotten by a power cut, unless it is flushed.
        if !gone.is_empty() && disposal::flush_all(&self.settings.folder).is_ok() {
            self.release(gone);
        }
    }

    fn release(&mut self, identities: Vec<Arc<str>>) {
        for identity in identities {
            if let Some(stored) = self.standings.forget(&identity) {
                self.handler.file_event(FileEvent::GoneHalfTaken { stored });
            }
            self.handler.released(&identity);
        }
    }

    /// Takes files in, in their order; those whose fate is certain are put away in groups.
    async fn take(&mut self, files: Vec<Found>) {
        let mut in_flight: VecDeque<(Found, Arc<str>, Taking)> = VecDeque::new();
        let mut certain = Vec::new();
        for found in files {
            if *self.stopped.borrow() || !self.standings.are_known() {
                break;
            }
            match self.arrive(&found) {
                Ok(Some(arrival)) => {
                    let identity = arrival.identity.clone();
                    let taking = self.handler.file(arrival).await;
                    in_flight.push_back((found, identity, taking));
                }
                Ok(None) => {}
                Err(taken) => certain.push(Certain { found, identity: None, taken }),
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
                Outcome::NotStored => self.standings.doubt(),
                Outcome::Later { stored, problem } => {
                    self.standings.store_some(identity, name_of(&found), stored);
                    if let Some(problem) = problem {
                        self.complain(Trouble::Unreadable, &found, FileEvent::Unreadable(problem));
                    }
                }
                Outcome::Taken(taken) => {
                    self.standings.store(identity.clone(), name_of(&found), taken.clone());
                    certain.push(Certain { found, identity: Some(identity), taken });
                }
            }
        }
        self.put_away(std::mem::take(certain));
    }

    /// Opens a complete file. Nothing when it is not to be taken now, a reason when it cannot be taken at all.
    fn arrive(&mut self, found: &Found) -> Result<Option<Arrival>, Taken> {
        if self.failing.contains(&(Trouble::Stays, found.key.clone())) {
            return Ok(None);
        }
        let mut content = match Content::open(found, self.stopped.clone()) {
            Ok(content) => content,
            Err(ContentError::Changed | ContentError::Stopping) => return Ok(None),
            Err(ContentError::Unreadable(error)) => return self.unreadable(found, error),
        };
        let identity = match content.identity(self.settings.identify, found) {
            Ok(identity) => identity,
            Err(error) => return self.unreadable(found, error),
        };
        self.standings.remember(found, &identity);
        let (stored, is_all) = self.standings.stored(&identity);
        if is_all {
            // Its content had to be read to know it; the next look puts it away.
            return Ok(None);
        }
        if let Some(reason) = self.standings.torn(found, &identity) {
            return Err(Taken::Torn(reason));
        }
        Ok(Some(Arrival { identity, name: name_of(found), stored, content }))
    }

    fn unreadable(&mut self, found: &Found, error: io::Error) -> Result<Option<Arrival>, Taken> {
        match error.kind() {
            io::ErrorKind::NotFound => Ok(None),
            io::ErrorKind::PermissionDenied => {
                let reason =
                    "the engine's user may not read it; give it the right to, and drop the file again";
                Err(Taken::PutAside(reason.to_owned()))
            }
            // A share or a disk that fails now may not later.
            _ => {
                self.complain(Trouble::Unreadable, found, FileEvent::Unreadable(Arc::new(error)));
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
            Ok(()) => self.release(gone),
            // They count as stored until the folder shows, and the disk is known to keep, that they are gone.
            Err(error) => self.handler.file_event(FileEvent::Stuck(error)),
        }
    }

    /// Gives the file's identity when it is gone from the folder.
    fn put_one_away(&mut self, disposal: &mut Disposal<'_>, file: Certain) -> Option<Arc<str>> {
        let Certain { found, identity, taken } = file;
        let done = match &taken {
            Taken::Stored => disposal.taken(&found),
            Taken::PutAside(reason) | Taken::Torn(reason) => disposal.failed(&found, reason),
        };
        let (done, aside) = match done {
            Ok(Done::Changed) => {
                let reason = changed_afterwards(&taken);
                (disposal.changed(&found, &reason), Some(reason))
            }
            done => (
                done,
                match taken {
                    Taken::PutAside(reason) | Taken::Torn(reason) => Some(reason),
                    Taken::Stored => None,
                },
            ),
        };
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                self.complain(Trouble::Stuck, &found, FileEvent::Stuck(error));
                return None;
            }
        };
        // What stays without having an identity would be met again at each look.
        let stays_unread = done == Done::Left && identity.is_none();
        let is_news = match stays_unread {
            true => self.failing.insert((Trouble::Stays, found.key.clone())),
            false => !matches!(done, Done::Replaced | Done::Changed),
        };
        if done == Done::Changed {
            // Somebody writes to it all the time. It is put aside at another look, and not taken anew by then.
            if let (Some(identity), Some(reason)) = (identity, aside) {
                self.standings.store(identity, name_of(&found), Taken::Torn(reason));
            }
            return None;
        }
        if let Some(reason) = aside.filter(|_| is_news) {
            self.handler.file_event(FileEvent::PutAside { reason });
        }
        identity.filter(|_| done != Done::Left)
    }

    /// Once for each file, until it is gone.
    fn complain(&mut self, trouble: Trouble, found: &Found, event: FileEvent) {
        if self.failing.insert((trouble, found.key.clone())) {
            self.handler.file_event(event);
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
