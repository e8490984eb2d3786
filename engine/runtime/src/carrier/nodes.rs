//! What nodes know of each other beside the deliveries: that they are there, where they deliver and what is paused there; and the answers to each
//! other's searches.
//!
//! What always holds: nothing that is delivered depends on it; nothing of it stays at the broker when its reader is gone.

mod talk;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orderly_journal::{Act, Journal, JournalError, Reader};
use orderly_queue::item::Micros;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{error, info};

use super::CarrierSettings;
use super::control::Pausing;
use super::standing::{BrokerStanding, BrokerStatus};
use crate::find::{Find, Found};
pub(crate) use talk::talk;
use talk::{To, Turn, Word};

/// How often a node says that it is there.
const EVERY: Duration = Duration::from_secs(2);

/// A node that was not heard for so long is silent.
const SILENT_AFTER: Duration = Duration::from_secs(10);

/// How long a search may take.
const SEARCH_TIME_MAX: Duration = Duration::from_secs(10);

/// What a node found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFound {
    /// The node.
    pub node: String,
    /// The messages, the newest first.
    pub found: Vec<Found>,
    /// Why it could not search.
    pub problem: Option<String>,
}

/// What all nodes found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllFound {
    /// Of each that answered, by name.
    pub answers: Vec<NodeFound>,
    /// Those that were asked by name, or are known, and did not answer.
    pub silent: Vec<String>,
    /// Why no other node can be asked, when the way to the broker is not there.
    pub alone: Option<String>,
}

/// A node, as this one knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub node: String,
    /// How long ago it was heard, in seconds.
    pub heard_s: u64,
    /// Whether that is too long.
    pub is_silent: bool,
    /// The destinations that it delivers to; none of a silent one, whose turn others may have by now.
    pub delivers: Vec<String>,
}

/// This node among the others.
pub(crate) struct Nodes {
    settings: Arc<CarrierSettings>,
    /// How the way to the broker stands.
    broker: Arc<BrokerStanding>,
    journal: Journal,
    inside: Mutex<Inside>,
    words: mpsc::UnboundedSender<(To, Word)>,
}

/// What this node is to say.
pub(crate) type ToSay = mpsc::UnboundedReceiver<(To, Word)>;

#[derive(Debug, Default)]
struct Inside {
    /// Where this node delivers, with the latest word about a pause.
    turns: BTreeMap<Arc<str>, Option<Pausing>>,
    /// When the latest word about a pause was said, as far as is known here.
    words: HashMap<String, Micros>,
    /// All nodes that were heard and have not said that they end.
    seen: BTreeMap<String, Seen>,
    /// Since when others can be heard.
    since: Option<Instant>,
    /// Searches under way.
    searches: HashMap<u64, mpsc::UnboundedSender<NodeFound>>,
    searches_count: u64,
}

#[derive(Debug)]
struct Seen {
    at: Instant,
    delivers: BTreeSet<String>,
}

impl Seen {
    fn is_silent(&self) -> bool {
        self.at.elapsed() > SILENT_AFTER
    }
}

impl Nodes {
    /// This node, and what it is to say.
    pub(crate) fn new(settings: Arc<CarrierSettings>, journal: Journal) -> (Arc<Nodes>, ToSay) {
        let (words, to_say) = mpsc::unbounded_channel();
        (
            Arc::new(Nodes {
                settings,
                broker: Arc::new(BrokerStanding::new()),
                journal,
                inside: Mutex::default(),
                words,
            }),
            to_say,
        )
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Plain values: one that panicked while changing them has left them whole.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the way to the broker stands.
    pub(crate) fn broker(&self) -> BrokerStatus {
        self.broker.status(&self.settings.node)
    }

    /// This node is the one that delivers to a destination, with the latest word about a pause there.
    pub(crate) fn begins(&self, destination: &Arc<str>, pausing: Option<&Pausing>) {
        let before = self.inside().turns.insert(destination.clone(), pausing.cloned());
        if before.is_none() {
            info!(%destination, "this node delivers");
        }
        if let Some(pausing) = pausing {
            self.keep(destination, pausing);
        }
        self.say(To::All, self.here());
    }

    /// The time of a word about a pause that is said now: later than all that are known, whatever other nodes' clocks say.
    pub(crate) fn next_word(&self, destination: &str, now: Micros) -> Micros {
        let mut inside = self.inside();
        let known = inside.words.entry(destination.to_owned()).or_insert(Micros::MIN);
        *known = now.max(known.saturating_add(1));
        *known
    }

    /// A word about a pause was said at this time, before this node was started.
    pub(crate) fn know_word(&self, destination: &str, at_us: Micros) {
        let mut inside = self.inside();
        let known = inside.words.entry(destination.to_owned()).or_insert(Micros::MIN);
        *known = at_us.max(*known);
    }

    /// It is not any more.
    pub(crate) fn ends(&self, destination: &str) {
        if self.inside().turns.remove(destination).is_some() {
            self.say(To::All, self.here());
        }
    }

    fn here(&self) -> Word {
        let turns = self.inside().turns.clone();
        let turns = turns.into_iter().map(|(destination, pausing)| Turn { destination, pausing });
        Word::Here { node: self.settings.node.to_string(), delivers: turns.collect() }
    }

    fn say(&self, to: To, word: Word) {
        // Whoever says it has ended: so does the engine.
        let _ = self.words.send((to, word));
    }

    /// The nodes that are known, this one among them.
    pub(crate) fn known(&self) -> Vec<NodeStatus> {
        let inside = self.inside();
        let seen = inside.seen.iter().map(|(node, seen)| NodeStatus {
            node: node.clone(),
            heard_s: seen.at.elapsed().as_secs(),
            is_silent: seen.is_silent(),
            delivers: seen.delivers.iter().filter(|_| !seen.is_silent()).cloned().collect(),
        });
        seen.collect()
    }

    /// The other node that delivers to a destination, if one does.
    pub(crate) fn other_at(&self, destination: &str) -> Option<String> {
        let inside = self.inside();
        if inside.turns.contains_key(destination) {
            return None;
        }
        let delivers = |seen: &Seen| seen.delivers.contains(destination) && !seen.is_silent();
        let mut others = inside.seen.iter().filter(|(node, _)| ***node != *self.settings.node);
        others.find(|(_, seen)| delivers(seen)).map(|(node, _)| node.clone())
    }

    /// Has all nodes search, or those of these names: this one itself, also when the broker is away.
    pub(crate) async fn find(&self, nodes: Vec<String>, find: Find) -> AllFound {
        let is_asked = nodes.is_empty() || nodes.iter().any(|node| **node == *self.settings.node);
        let own = is_asked.then(|| tokio::task::block_in_place(|| self.search(&find)));
        let mut found: Vec<NodeFound> = own.into_iter().collect();
        let (answers, mut heard) = mpsc::unbounded_channel();
        let number = {
            let mut inside = self.inside();
            inside.searches_count += 1;
            let number = inside.searches_count;
            inside.searches.insert(number, answers);
            number
        };
        let asker = self.settings.node.to_string();
        self.say(To::All, Word::Find { number, nodes: nodes.clone(), find: Box::new(find), asker });
        let until = Instant::now() + SEARCH_TIME_MAX;
        while Instant::now() < until && self.are_others_heard() && !self.is_answered(&nodes, &found) {
            let soon = until.min(Instant::now() + EVERY);
            if let Ok(Some(answer)) = tokio::time::timeout_at(soon, heard.recv()).await {
                found.push(answer);
            }
        }
        self.inside().searches.remove(&number);
        found.sort_by(|one, other| one.node.cmp(&other.node));
        let silent = self.asked(&nodes).into_iter().filter(|node| !has_answered(&found, node)).collect();
        let are_others_asked = nodes.is_empty() || nodes.iter().any(|node| **node != *self.settings.node);
        let alone = if are_others_asked { self.broker.trouble() } else { None };
        AllFound { answers: found, silent, alone }
    }

    fn are_others_heard(&self) -> bool {
        self.inside().since.is_some()
    }

    /// Whether there is nobody to wait for: all that are not silent have answered, and there was time to hear who is there.
    fn is_answered(&self, nodes: &[String], found: &[NodeFound]) -> bool {
        let knows_all =
            !nodes.is_empty() || self.inside().since.is_some_and(|since| since.elapsed() > EVERY * 2);
        let is_due = |node: &String| self.inside().seen.get(node).is_none_or(|seen| !seen.is_silent());
        knows_all
            && self.asked(nodes).iter().filter(|node| is_due(node)).all(|node| has_answered(found, node))
    }

    fn asked(&self, nodes: &[String]) -> Vec<String> {
        match nodes {
            [] => self.inside().seen.keys().cloned().collect(),
            nodes => nodes.to_vec(),
        }
    }

    /// Searches this node's journal, which takes a while.
    fn search(&self, find: &Find) -> NodeFound {
        let node = self.settings.node.to_string();
        let search = |reader: Reader| {
            Ok::<_, JournalError>(find.search(&reader)?.into_iter().map(Found::of).collect())
        };
        match search(self.journal.reader()) {
            Ok(found) => NodeFound { node, found, problem: None },
            Err(problem) => NodeFound { node, found: Vec::new(), problem: Some(problem.to_string()) },
        }
    }

    fn hear(&self, node: String, turns: &[Turn]) {
        let delivers = turns.iter().map(|turn| turn.destination.to_string()).collect();
        let is_own = *node == *self.settings.node;
        self.inside().seen.insert(node, Seen { at: Instant::now(), delivers });
        if !is_own {
            let said = turns.iter().filter_map(|turn| Some((&turn.destination, turn.pausing.as_ref()?)));
            // It reads the disk.
            tokio::task::block_in_place(|| {
                said.for_each(|(destination, pausing)| self.keep(destination, pausing));
            });
        }
    }

    /// Keeps what a person has said to another node about a pause, when it is newer than what is kept here.
    fn keep(&self, destination: &Arc<str>, pausing: &Pausing) {
        let Pausing { paused, at_us, who, reason } = pausing;
        {
            let mut inside = self.inside();
            let known = inside.words.entry(destination.to_string()).or_insert(Micros::MIN);
            if *known >= *at_us {
                return;
            }
            *known = *at_us;
        }
        let kept = self.journal.reader().last_word_on(destination).and_then(|latest| {
            if latest.is_some_and(|latest| latest.at_us >= *at_us) {
                return Ok(false);
            }
            let act = Act {
                at_us: *at_us,
                who: who.clone(),
                what: if *paused { "pause" } else { "resume" }.to_owned(),
                whom: destination.to_string(),
                count: 1,
                reason: reason.clone(),
            };
            match paused {
                true => self.journal.pause(destination, &act),
                false => self.journal.resume(destination, &act),
            }
        });
        if let Err(problem) = kept {
            error!(%destination, "that it is paused or resumed could not be kept: {problem}");
        }
    }
}

fn has_answered(found: &[NodeFound], node: &str) -> bool {
    found.iter().any(|answer| answer.node == *node)
}
