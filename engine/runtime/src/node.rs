//! A node: one of several engines with the same configuration that share a broker.

use std::sync::Arc;

/// How an engine takes part among others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name, unlike any other's at the same broker.
    pub name: Arc<str>,
    /// What it does.
    pub duty: Duty,
}

impl Default for Node {
    fn default() -> Node {
        Node { name: Arc::from("main"), duty: Duty::Both }
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
