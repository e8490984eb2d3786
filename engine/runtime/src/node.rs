//! A node: one of several engines with the same configuration that share a broker.
//!
//! What always holds: as long as deliveries of a journal are with a broker, it is the journal of the node that published them: what becomes of
//! them is told to that name, and nobody else may deliver them.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use orderly_journal::{Journal, JournalError, NodeNote};
use tracing::info;

use crate::carrier::CarrierSettings;

/// How an engine takes part among others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name, unlike any other's at the same broker.
    pub name: Arc<str>,
    /// What it does.
    pub duty: Duty,
    /// After so long a destination's channel is closed and opened anew while something is not acknowledged: sooner than the broker's consumer
    /// timeout, which is 30 minutes where nothing else is set.
    pub hand_over_after: Duration,
    /// So long after the last thing that was published to a destination it is asked whether its queue is still there, while something is in it.
    pub ask_after: Duration,
}

impl Default for Node {
    fn default() -> Node {
        Node {
            name: Arc::from("main"),
            duty: Duty::Both,
            hand_over_after: Duration::from_secs(600),
            ask_after: Duration::from_secs(15),
        }
    }
}

/// What a node does. All publish what waits in their journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// It takes in, and it delivers.
    Both,
    /// It takes in, and others deliver.
    Sources,
    /// It delivers what others take in.
    Destinations,
}

impl Duty {
    pub(crate) fn takes_in(self) -> bool {
        self != Duty::Destinations
    }

    pub(crate) fn delivers(self) -> bool {
        self != Duty::Sources
    }
}

/// Deliveries of this journal are with a broker, and this engine would not hear what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "deliveries of this journal are with the broker ({count}), published by the node `{}` with the prefix `{}`; start it with {wanted} \
     until what became of them is known (with `--only destinations` nothing new comes in meanwhile)",
    .published_by.name,
    .published_by.prefix
)]
pub struct OtherNode {
    /// How many deliveries.
    pub count: u64,
    /// The node that published them.
    pub published_by: NodeNote,
    /// How it has to be started.
    pub wanted: String,
}

/// Why a journal cannot be taken over by a node.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    #[error("{0}")]
    Journal(#[from] JournalError),
    #[error("{0}")]
    Other(#[from] OtherNode),
}

/// Makes this the journal of a node, or of none when the journal itself carries deliveries.
pub(crate) fn claim(journal: &Journal, mut carrier: Option<&mut CarrierSettings>) -> Result<(), ClaimError> {
    let reader = journal.reader();
    let before = reader.node()?;
    let own = before.as_ref().map_or_else(name_of_journal, |note| note.journal.clone());
    let now = carrier.as_mut().map(|of| {
        of.identity = format!("{}@{own}", of.node).into();
        NodeNote { name: of.node.to_string(), prefix: of.prefix.clone(), journal: own }
    });
    if before == now {
        return Ok(());
    }
    if let Some(before) = &before {
        let count = reader.carried_count()?;
        if count > 0 {
            return Err(OtherNode {
                count,
                wanted: wanted(before, now.as_ref()),
                published_by: before.clone(),
            }
            .into());
        }
    }
    let Some(now) = now else { return Ok(()) };
    if let Some(NodeNote { name, prefix, .. }) = before {
        info!(
            "the journal was that of the node {name}; its queue {prefix}.results.{name} at the broker can be \
             deleted"
        );
    }
    Ok(journal.note_node(&now)?)
}

/// Unlike any other's, as far as chance can say.
fn name_of_journal() -> String {
    format!("{:016x}", RandomState::new().hash_one(Timestamp::now().as_nanosecond()))
}

/// How an engine has to be started for what is with the broker.
fn wanted(before: &NodeNote, now: Option<&NodeNote>) -> String {
    let mut wanted = Vec::new();
    if now.is_none() {
        wanted.push("`carrier: amqp`".to_owned());
    }
    if now.is_none_or(|now| now.prefix != before.prefix) {
        wanted.push(format!("`prefix: {}`", before.prefix));
    }
    if now.is_none_or(|now| now.name != before.name) {
        wanted.push(format!("`--node {}`", before.name));
    }
    wanted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_how_to_start() {
        let note = |name: &str, prefix: &str| NodeNote {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            journal: "1f".to_owned(),
        };
        let before = note("north", "orderly");
        let cases = [
            (None, "`carrier: amqp`, `prefix: orderly`, `--node north`"),
            (Some(note("south", "orderly")), "`--node north`"),
            (Some(note("north", "hub")), "`prefix: orderly`"),
            (Some(note("south", "hub")), "`prefix: orderly`, `--node north`"),
        ];
        for (now, told) in cases {
            assert_eq!(wanted(&before, now.as_ref()), told);
        }
    }
}
