//! Who did what when in a round: for the person who reads why it failed.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::{Duration, Instant};

use super::check::Failure;

/// The end of what is not mended yet.
const FAR: Duration = Duration::from_secs(1 << 32);

/// What happened since the round began. Clones share it.
#[derive(Debug, Clone)]
pub struct History {
    begun: Instant,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Debug, Default)]
struct Inside {
    lines: Vec<(Duration, String)>,
    failures: Vec<Failure>,
    elections: usize,
}

/// A failure that goes on.
#[derive(Debug, Clone, Copy)]
pub struct Going(usize);

impl History {
    /// An empty one, beginning at this moment.
    #[must_use]
    pub fn new(begun: Instant) -> History {
        History { begun, inside: Arc::default() }
    }

    /// When the round began.
    #[must_use]
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// The time since then.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Notes that something happened now.
    pub fn note(&self, what: impl Into<String>) {
        let at = self.now();
        self.inside(|inside| inside.lines.push((at, what.into())));
    }

    /// Notes that something fails from now on.
    pub fn fails(&self, name: &'static str, what: impl Into<String>) -> Going {
        let (what, from) = (what.into(), self.now());
        self.note(&*what);
        self.inside(|inside| {
            inside.failures.push(Failure { name, what, from, until: FAR });
            Going(inside.failures.len() - 1)
        })
    }

    /// Notes that it is mended now.
    pub fn mended(&self, going: Going) {
        let until = self.now();
        let what = self.inside(|inside| {
            let failure = &mut inside.failures[going.0];
            failure.until = until;
            failure.what.clone()
        });
        self.note(format!("mended: {what}"));
    }

    /// Notes that the broker had to be told to elect a leader of a queue.
    pub fn elects(&self, queue: &str) {
        self.note(format!("the broker is told to elect a leader of {queue}"));
        self.inside(|inside| inside.elections += 1);
    }

    /// How many times it had to be told.
    #[must_use]
    pub fn elections(&self) -> usize {
        self.inside(|inside| inside.elections)
    }

    /// What failed so far.
    #[must_use]
    pub fn failures(&self) -> Vec<Failure> {
        self.inside(|inside| inside.failures.clone())
    }

    /// As text, with more lines of others, all in the order of time.
    #[must_use]
    pub fn told(&self, others: Vec<(Duration, String)>) -> String {
        let mut lines = self.inside(|inside| inside.lines.clone());
        lines.extend(others);
        lines.sort();
        lines.iter().fold(String::new(), |mut text, (at, what)| {
            writeln!(text, "{:>8.3} s  {what}", at.as_secs_f64()).expect("text");
            text
        })
    }

    fn inside<T>(&self, look: impl FnOnce(&mut Inside) -> T) -> T {
        look(&mut self.inside.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
