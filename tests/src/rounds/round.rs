//! One round: opened, lived through, healed until nothing waits, and checked.

mod operator;
mod troubles;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};

use orderly_journal::DeliveryState;
use orderly_queue::planted::Fault;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::check::{Arrivals, Deed, DeedKind, Failure, Repeats, Said, Seen, check};
use super::feed::Feed;
use super::history::History;
use super::node::{Node, broker_failures};
use super::plan::{Act, ActKind, DESTINATIONS, Plan};
use super::ward::Ward;
use crate::broker::Broker;
use crate::running::orderly;

/// How often it is looked whether anything still waits.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long the senders may take until everything is answered positively.
const FEED_TIME_MAX: Duration = Duration::from_secs(90);

/// A round that goes on.
pub struct Round {
    /// What happens in it.
    pub plan: Plan,
    /// What happened so far.
    pub history: History,
    /// What the names at the broker begin with.
    pub prefix: String,
    broker: Arc<Broker>,
    nodes: Vec<Node>,
    wards: Vec<Ward>,
    /// Who kills a node, or runs a command beside it, is alone with it.
    lives: Vec<Mutex<()>>,
    /// The same of receivers.
    openings: Vec<Mutex<()>>,
    answered: SyncMutex<Vec<(String, String)>>,
    deeds: SyncMutex<Vec<Deed>>,
}

/// What a round that kept every promise has shown.
#[derive(Debug, Clone)]
pub struct Done {
    /// Its seed.
    pub seed: u64,
    /// How many messages were answered positively.
    pub answered: usize,
    /// How many are stored.
    pub stored: usize,
    /// How many deliveries there are in each state.
    pub deliveries: BTreeMap<&'static str, usize>,
    /// How many messages came to the receivers.
    pub arrived: usize,
    /// What failed.
    pub failures: Vec<Failure>,
    /// What came again, and after which of them.
    pub repeats: Repeats,
    /// How many times a person changed a delivery.
    pub deeds: usize,
    /// How many times the broker had to be told to elect a queue's leader.
    pub elections: usize,
    /// How long it took.
    pub took: Duration,
}

/// A round that broke a promise.
#[derive(Debug, Clone)]
pub struct Red {
    /// Its seed.
    pub seed: u64,
    /// Which promises.
    pub why: Vec<String>,
    /// Who did what when.
    pub history: String,
}

impl fmt::Display for Red {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "round {} broke a promise:", self.seed)?;
        self.why.iter().try_for_each(|why| writeln!(f, "  {why}"))?;
        write!(f, "who did what when:\n{}", self.history)
    }
}

impl Round {
    /// Opens receivers and starts the nodes.
    pub async fn open(seed: u64, broker: Arc<Broker>, fault: Option<Fault>) -> Round {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let history = History::new(Instant::now());
        let plan = Plan::of(seed, broker.nodes().len());
        let prefix = format!("r{seed}-{}", OPENED.fetch_add(1, Ordering::Relaxed));
        history.note(format!("{plan:?}"));
        let mut wards = Vec::new();
        for (number, percent) in (0..).zip(plan.refused_percent) {
            let ward = Ward::open(history.begun(), seed * 10 + number, percent, plan.silent_percent).await;
            if plan.backlog.is_some() {
                ward.freeze();
            }
            wards.push(ward);
        }
        let mut nodes = Vec::new();
        for number in 0..plan.nodes_count() {
            nodes.push(Node::new(number, &plan, &prefix, &broker, &wards, fault).await);
        }
        for node in &nodes {
            node.start().await;
            history.note(format!("{} has started", node.name));
        }
        let (lives, openings) = (
            nodes.iter().map(|_| Mutex::default()).collect(),
            wards.iter().map(|_| Mutex::default()).collect(),
        );
        let (answered, deeds) = (SyncMutex::default(), SyncMutex::default());
        Round { plan, history, prefix, broker, nodes, wards, lives, openings, answered, deeds }
    }

    /// The queues that its nodes make.
    #[must_use]
    pub fn queues(&self) -> Vec<String> {
        let of_destinations =
            DESTINATIONS.iter().flat_map(|(name, _)| [format!("to.{name}"), format!("control.{name}")]);
        let of_nodes = self.nodes.iter().map(|node| format!("results.{}", node.name));
        let names = of_destinations.chain(of_nodes).chain(["unreadable".to_owned()]);
        names.map(|name| format!("{}.{name}", self.prefix)).collect()
    }

    /// Sends, harms, heals, and waits until nothing waits any more; `calm` says when the broker is well again. After that it may take `patience`
    /// to come to rest.
    ///
    /// # Errors
    /// What still waits.
    pub async fn live(
        self: &Arc<Round>,
        calm: watch::Receiver<bool>,
        patience: Duration,
    ) -> Result<(), String> {
        let mut going = JoinSet::new();
        for trouble in self.plan.troubles.clone() {
            let (round, calm) = (self.clone(), calm.clone());
            going.spawn(async move { round.suffer(trouble, calm).await });
        }
        let round = self.clone();
        going.spawn(async move { round.operate().await });
        if let Some(backlog) = self.plan.backlog {
            let round = self.clone();
            going.spawn(async move {
                sleep(backlog).await;
                round.wards.iter().for_each(Ward::thaw);
                round.history.note("the receivers answer");
            });
        }
        let feeding = timeout(FEED_TIME_MAX, self.feed()).await;
        going.join_all().await;
        let mut calm = calm;
        // Its sender lives until all rounds have ended.
        calm.wait_for(|calm| *calm).await.ok();
        if feeding.is_err() {
            return Err(format!("the senders do not end within {FEED_TIME_MAX:?}"));
        }
        self.history.note("everything is healed");
        self.rest(patience).await
    }

    /// Stops the nodes and checks what was seen; `left` is what the broker still holds of this round.
    ///
    /// # Errors
    /// What was broken.
    pub async fn close(&self, rested: Result<(), String>, left: Vec<String>) -> Result<Done, Red> {
        let mut why: Vec<String> = rested.err().into_iter().collect();
        why.extend(left);
        for node in &self.nodes {
            why.extend(node.stop().await);
            let balance = orderly(&node.site, ["balance"]).await;
            if balance.code != 0 {
                why.push(format!(
                    "the ledgers of {} do not balance: {}{}",
                    node.name, balance.out, balance.err
                ));
            }
        }
        let seen = match self.seen() {
            Ok(seen) => seen,
            Err(error) => return Err(self.red(vec![error])),
        };
        match check(&seen) {
            Ok(repeats) if why.is_empty() => Ok(self.done(&seen, repeats)),
            Ok(_) => Err(self.red(why)),
            Err(broken) => {
                why.extend(broken);
                Err(self.red(why))
            }
        }
    }

    fn done(&self, seen: &Seen, repeats: Repeats) -> Done {
        let mut deliveries = BTreeMap::new();
        for stored in seen.journals.values().flat_map(|journal| &journal.messages) {
            for (_, state) in &stored.deliveries {
                *deliveries.entry(state.name()).or_default() += 1;
            }
        }
        Done {
            seed: self.plan.seed,
            answered: seen.answered.len(),
            stored: seen.journals.values().map(|journal| journal.messages.len()).sum(),
            deliveries,
            arrived: seen.arrivals.values().map(|arrivals| arrivals.arrivals.len()).sum(),
            failures: seen.failures.clone(),
            repeats,
            deeds: seen.deeds.len(),
            elections: self.history.elections(),
            took: self.history.now(),
        }
    }

    /// That it broke promises, and its history.
    #[must_use]
    pub fn red(&self, why: Vec<String>) -> Red {
        let mut others: Vec<_> = self.nodes.iter().flat_map(|node| node.log(&self.history)).collect();
        for ((name, _), ward) in DESTINATIONS.iter().zip(&self.wards) {
            let told = |said| match said {
                Said::Yes => "takes",
                Said::No => "refuses",
                Said::Nothing => "says nothing to",
            };
            let arrivals = ward.arrivals().into_iter();
            others.extend(arrivals.map(|one| (one.at, format!("{name} {} {}", told(one.said), one.id))));
        }
        Red { seed: self.plan.seed, why, history: self.history.told(others) }
    }

    fn seen(&self) -> Result<Seen, String> {
        let mut seen = Seen {
            answered: lock(&self.answered).clone(),
            deeds: lock(&self.deeds).clone(),
            failures: self.history.failures(),
            ..Seen::default()
        };
        for node in &self.nodes {
            seen.journals.insert(node.name.to_owned(), node.stored()?);
            seen.failures.extend(broker_failures(&node.log(&self.history)));
        }
        for ((name, per_patient), ward) in DESTINATIONS.iter().zip(&self.wards) {
            let arrivals = Arrivals { per_patient: *per_patient, arrivals: ward.arrivals() };
            seen.arrivals.insert((*name).to_owned(), arrivals);
        }
        Ok(seen)
    }

    /// One sender at each node that takes in.
    async fn feed(self: &Arc<Round>) {
        let mut feeds = JoinSet::new();
        for (name, node) in ('A'..).zip(self.nodes.iter().filter(|node| node.takes_in())) {
            let feed = Feed {
                name,
                messages: self.plan.messages_each,
                patients: self.plan.patients,
                pause_ms_max: self.plan.pause_ms_max,
                seed: self.plan.seed.wrapping_mul(31) + u64::from(u32::from(name)),
            };
            let (round, address, node) = (self.clone(), node.address(), node.name);
            feeds.spawn(async move {
                let answered = feed.run(address, round.history.clone()).await;
                lock(&round.answered).extend(answered.into_iter().map(|id| (node.to_owned(), id)));
            });
        }
        feeds.join_all().await;
    }

    /// Waits until nothing waits; what is parked of a patient is sent again or taken back, because it holds others.
    async fn rest(self: &Arc<Round>, patience: Duration) -> Result<(), String> {
        self.wards.iter().for_each(Ward::be_kind);
        for act in self.plan.acts.iter().filter(|act| act.kind == ActKind::Pause) {
            // Whoever resumed it may have been heard before whoever paused it.
            self.act(Act { kind: ActKind::Resume, ..*act }).await;
        }
        let until = Instant::now() + patience;
        loop {
            let unfinished = self.unfinished().await?;
            if unfinished.is_empty() {
                self.history.note("nothing waits");
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!(
                    "not everything has an end within {patience:?}: {}",
                    unfinished.join("; ")
                ));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn unfinished(&self) -> Result<Vec<String>, String> {
        let mut unfinished = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            unfinished.extend(node.unfinished()?);
            for (destination, _) in DESTINATIONS.iter().filter(|(_, per_patient)| *per_patient) {
                let held = node.journal().held(destination, &[DeliveryState::Parked]);
                let held = held.map_err(|error| error.to_string())?;
                let Some(first) = held.first() else { continue };
                unfinished.push(format!("{}: {} to {destination} are parked", node.name, held.len()));
                let mut hasher = DefaultHasher::new();
                (self.plan.seed, first.message_id).hash(&mut hasher);
                let kind =
                    if hasher.finish().is_multiple_of(3) { DeedKind::Cancelled } else { DeedKind::Resent };
                self.change(number, destination, DeliveryState::Parked, kind, usize::MAX).await;
            }
        }
        Ok(unfinished)
    }
}

fn lock<T>(mutex: &SyncMutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
