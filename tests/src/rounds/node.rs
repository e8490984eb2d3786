//! A node of a round: the real binary on a journal of its own, with ways to the broker that can be harmed.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use orderly_journal::{DeliveryState, Query, Reader};
use orderly_queue::planted::Fault;
use tokio::sync::watch;
use tokio::time::Duration;

use super::check::{Failure, Journal, Stored};
use super::history::History;
use super::plan::{DESTINATIONS, Plan};
use super::ward::Ward;
use crate::broker::{Broker, PASSWORD, USER};
use crate::proxy::Proxy;
use crate::running::Running;
use crate::site::Site;

/// What the nodes are called.
pub const NAMES: [&str; 3] = ["north", "south", "east"];

/// The source of every node.
const SOURCE: &str = "clinic";

/// A node.
pub struct Node {
    /// Its name.
    pub name: &'static str,
    /// Its folder.
    pub site: Site,
    /// Its ways to the broker.
    pub ways: Vec<Proxy>,
    /// What it is to do, when not everything.
    only: Option<&'static str>,
    fault: Option<Fault>,
    running: Mutex<Option<Running>>,
    address: watch::Sender<Option<SocketAddr>>,
    logs: Mutex<Vec<String>>,
}

impl Node {
    /// A node that does not run yet.
    pub async fn new(
        number: usize,
        plan: &Plan,
        prefix: &str,
        broker: &Broker,
        wards: &[Ward],
        fault: Option<Fault>,
    ) -> Node {
        let mut ways = Vec::new();
        for address in broker.addresses() {
            ways.push(Proxy::to(&address).await);
        }
        let brokers: Vec<String> = ways.iter().map(Proxy::address).collect();
        let main = orderly_yaml(&brokers, prefix, wards);
        let site =
            Site::of(&[("orderly.yaml", &main), ("routes/feed.yaml", &route()), ("password", PASSWORD)]);
        let only = match (plan.has_deliverer, number) {
            (true, 0) => Some("sources"),
            (true, 2) => Some("destinations"),
            _ => None,
        };
        Node {
            name: NAMES[number],
            site,
            ways,
            only,
            fault,
            running: Mutex::default(),
            address: watch::Sender::default(),
            logs: Mutex::default(),
        }
    }

    /// Whether it takes messages in.
    #[must_use]
    pub fn takes_in(&self) -> bool {
        self.only != Some("destinations")
    }

    /// Starts it, and waits until it listens.
    pub async fn start(&self) {
        let mut arguments = vec!["--node", self.name];
        arguments.extend(self.only.iter().flat_map(|only| ["--only", only]));
        let running = Running::start_planted(&self.site, &arguments, self.fault).await;
        if self.takes_in() {
            self.address.send_replace(Some(running.address(SOURCE)));
        }
        *lock(&self.running) = Some(running);
    }

    /// Where it listens, once it does; nothing while it is killed.
    #[must_use]
    pub fn address(&self) -> watch::Receiver<Option<SocketAddr>> {
        self.address.subscribe()
    }

    /// Freezes it, unless it is killed.
    pub fn freeze(&self) {
        lock(&self.running).iter().for_each(Running::freeze);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        lock(&self.running).iter().for_each(Running::thaw);
    }

    /// Ends it as a crash would.
    pub async fn kill(&self) {
        self.address.send_replace(None);
        if let Some(running) = self.take() {
            running.kill().await;
        }
    }

    /// Ends it in good order; says how, when that was not so.
    pub async fn stop(&self) -> Option<String> {
        self.address.send_replace(None);
        let status = self.take()?.stop().await;
        (!status.success()).then(|| format!("{} ended with {status}", self.name))
    }

    fn take(&self) -> Option<Running> {
        let running = lock(&self.running).take()?;
        lock(&self.logs).extend(running.log());
        Some(running)
    }

    /// A view into its journal.
    #[must_use]
    pub fn journal(&self) -> Reader {
        self.site.journal()
    }

    /// Its journal, as it is checked.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn stored(&self) -> Result<Journal, String> {
        let all = Query { limit: 1 << 40, ..Query::default() };
        let mut found = self.journal().search(&all).map_err(|error| error.to_string())?;
        found.sort_by_key(|summary| summary.seq);
        let messages = found.into_iter().map(|summary| Stored {
            id: summary.control_id,
            deliveries: summary
                .deliveries
                .into_iter()
                .map(|delivery| (delivery.destination, delivery.state))
                .collect(),
        });
        Ok(Journal { messages: messages.collect() })
    }

    /// What still waits here, in words; nothing when all is done.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn unfinished(&self) -> Result<Option<String>, String> {
        let journal = self.journal();
        let counts = journal.counts().map_err(|error| error.to_string())?;
        let waiting: Vec<String> = counts
            .deliveries
            .iter()
            .filter(|count| count.state == DeliveryState::Waiting && count.count > 0)
            .map(|count| format!("{} to {}", count.count, count.destination))
            .collect();
        let carried = journal.carried_count().map_err(|error| error.to_string())?;
        let words = format!("{}: {} wait, {carried} with the broker", self.name, waiting.join(", "));
        Ok((!waiting.is_empty() || carried > 0).then_some(words))
    }

    /// The lines that it has logged, of all its lives, with the time since the round began.
    #[must_use]
    pub fn log(&self, history: &History) -> Vec<(Duration, String)> {
        let mut lines = lock(&self.logs).clone();
        lines.extend(lock(&self.running).iter().flat_map(Running::log));
        let began_us = jiff::Timestamp::now().as_microsecond()
            - i64::try_from(history.now().as_micros()).unwrap_or(i64::MAX);
        lines.iter().filter_map(|line| told(self.name, line, began_us)).collect()
    }
}

/// What the broker says when it fails by itself: when two nodes declare a queue at the same moment, or its leader is not chosen yet.
const BROKER_FAILS: [&str; 2] = ["INTERNAL_ERROR", "the broker refused a result"];

/// When the broker failed by itself, as a node's log has it.
#[must_use]
pub fn broker_failures(log: &[(Duration, String)]) -> Vec<Failure> {
    let fails = |line: &&(Duration, String)| BROKER_FAILS.iter().any(|sign| line.1.contains(sign));
    let failure = |(at, what): &(Duration, String)| Failure {
        name: "broker_error",
        what: what.clone(),
        from: *at,
        until: *at,
    };
    log.iter().filter(fails).map(failure).collect()
}

/// A line of the log, when it is of interest.
fn told(name: &str, line: &str, began_us: i64) -> Option<(Duration, String)> {
    let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else {
        return Some((Duration::ZERO, format!("{name}: {line}")));
    };
    let at: jiff::Timestamp = line["timestamp"].as_str()?.parse().ok()?;
    let at_us = u64::try_from(at.as_microsecond() - began_us).unwrap_or(0);
    let destination = line["destination"].as_str().map(|name| format!(" [{name}]")).unwrap_or_default();
    let text = format!("{name}{destination}: {}", line["message"].as_str().unwrap_or_default());
    Some((Duration::from_micros(at_us), text))
}

fn orderly_yaml(brokers: &[String], prefix: &str, wards: &[Ward]) -> String {
    let mut text = format!(
        "queue:\n  carrier: amqp\n  brokers: [{}]\n  user: {USER}\n  password: ${{file:password}}\n  heartbeat: 2s\n  prefix: {prefix}\n\
         sources:\n  {SOURCE}:\n    mllp:\n      listen: 127.0.0.1:0\ndestinations:\n",
        brokers.join(", ")
    );
    for ((name, per_patient), ward) in DESTINATIONS.iter().zip(wards) {
        let order = if *per_patient { "order: per_patient\n    lanes: 4" } else { "order: fifo" };
        text.push_str(&format!(
            "  {name}:\n    {order}\n    retry:\n      then: 50ms\n    mllp:\n      address: {}\n      answer_timeout: 2s\n",
            ward.address
        ));
    }
    text
}

fn route() -> String {
    let mut text = format!("route: feed\nfrom: {SOURCE}\nto:\n");
    for (name, _) in DESTINATIONS {
        text.push_str(&format!("  - destination: {name}\n"));
    }
    text
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
