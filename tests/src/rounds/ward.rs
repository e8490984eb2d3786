//! A receiving system of a round: it notes what comes and what it said to that, refuses some messages by their seed, says nothing to others, is
//! killed and frozen.
//!
//! What always holds: what is refused is refused whenever it comes, until [`Ward::be_kind`]; what comes is noted before it is answered.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use orderly_hl7v2::AckCode;
use orderly_transport::listeners::{
    Answer, ConnectionEvent, FrameProblem, Handler, MllpListener, MllpListenerSettings, Received,
};
use orderly_transport::mllp_frame::Tally;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep};

use super::check::{Arrival, Said};
use crate::peers::{PATIENCE, acknowledgement, control_id};

/// How long to wait until an address is tried again that is not free yet.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// A receiving system.
pub struct Ward {
    /// Where it listens.
    pub address: SocketAddr,
    desk: Arc<Desk>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Desk {
    begun: Instant,
    seed: u64,
    refused_percent: u64,
    silent_percent: u8,
    arrivals: Mutex<Vec<Arrival>>,
    whims: Mutex<fastrand::Rng>,
    mood: watch::Sender<Mood>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mood {
    is_frozen: bool,
    /// It refuses nothing any more and always answers.
    is_kind: bool,
}

impl Ward {
    /// Opens on a free port. Of a hundred messages it refuses so many and says nothing to so many.
    pub async fn open(begun: Instant, seed: u64, refused_percent: u64, silent_percent: u8) -> Ward {
        let desk = Arc::new(Desk {
            begun,
            seed,
            refused_percent,
            silent_percent,
            arrivals: Mutex::default(),
            whims: Mutex::new(fastrand::Rng::with_seed(seed)),
            mood: watch::Sender::default(),
        });
        let (address, task) = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), desk.clone()).await;
        Ward { address, desk, task: Mutex::new(Some(task)) }
    }

    /// Ends it with all its connections.
    pub async fn kill(&self) {
        let task = lock(&self.task).take();
        if let Some(task) = task {
            task.abort();
            // That it was ended is what was wanted.
            task.await.ok();
        }
    }

    /// Opens it again at its address.
    pub async fn come_back(&self) {
        let (_, task) = listen(self.address, self.desk.clone()).await;
        *lock(&self.task) = Some(task);
    }

    /// It takes what comes and says nothing, until [`Ward::thaw`]; then it closes those connections.
    pub fn freeze(&self) {
        self.desk.mood.send_modify(|mood| mood.is_frozen = true);
    }

    /// It answers again.
    pub fn thaw(&self) {
        self.desk.mood.send_modify(|mood| mood.is_frozen = false);
    }

    /// It takes everything from now on.
    pub fn be_kind(&self) {
        self.desk.mood.send_modify(|mood| mood.is_kind = true);
    }

    /// What came so far.
    #[must_use]
    pub fn arrivals(&self) -> Vec<Arrival> {
        lock(&self.desk.arrivals).clone()
    }
}

impl Drop for Ward {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}

async fn listen(address: SocketAddr, desk: Arc<Desk>) -> (SocketAddr, JoinHandle<()>) {
    let until = Instant::now() + PATIENCE;
    loop {
        match MllpListener::bind(MllpListenerSettings::new(address)).await {
            Ok(listener) => {
                let address = listener.local_addr();
                return (address, tokio::spawn(listener.run(desk, std::future::pending())));
            }
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        sleep(AGAIN_AFTER).await;
    }
}

impl Desk {
    fn note(&self, id: &str, said: Said) {
        let mut arrivals = lock(&self.arrivals);
        arrivals.push(Arrival { at: self.begun.elapsed(), id: id.to_owned(), said });
    }

    /// What it says to a message when all is well.
    fn says(&self, id: &str, mood: Mood) -> Said {
        let mut hasher = DefaultHasher::new();
        (self.seed, id).hash(&mut hasher);
        if mood.is_kind {
            return Said::Yes;
        }
        if lock(&self.whims).u8(0..100) < self.silent_percent {
            return Said::Nothing;
        }
        if hasher.finish() % 100 < self.refused_percent { Said::No } else { Said::Yes }
    }
}

impl Handler for Desk {
    async fn message(&self, received: Received) -> Answer {
        let id = control_id(&received.bytes);
        let silence = Answer { frames: Vec::new(), close: true };
        let mood = *self.mood.borrow();
        if mood.is_frozen {
            self.note(&id, Said::Nothing);
            let mut moods = self.mood.subscribe();
            // The sender lives as long as this desk.
            moods.wait_for(|mood| !mood.is_frozen).await.ok();
            return silence;
        }
        let said = self.says(&id, mood);
        self.note(&id, said);
        match said {
            Said::Nothing => silence,
            Said::No if id.len().is_multiple_of(2) => acknowledgement(&received.bytes, AckCode::AR),
            Said::No => acknowledgement(&received.bytes, AckCode::AE),
            Said::Yes => acknowledgement(&received.bytes, AckCode::AA),
        }
    }

    async fn problem(&self, _: FrameProblem) -> Option<Vec<u8>> {
        None
    }

    fn deviations(&self, _: SocketAddr, _: u64, _: &Tally) {}

    fn connection(&self, _: ConnectionEvent) {}
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
