//! A node: one of several engines with the same configuration that share a broker.

use std::sync::Arc;
use std::time::Duration;

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
