//! How this node's way to the broker stands, for those who ask, and told in the log when it changes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orderly_transport::amqp::LinkState;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::moment::now;
use crate::standing::time;

/// A node's way to the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerStatus {
    /// This node's name.
    pub node: String,
    /// The address that it is connected to, or was last.
    pub address: Option<String>,
    /// How it stands.
    pub state: BrokerState,
    /// Since when.
    pub since: String,
    /// What the broker said of an alarm, or why it is not reached.
    pub reason: Option<String>,
}

/// How the way to the broker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BrokerState {
    /// It is there.
    Connected,
    /// The broker is short of memory or disk, and takes nothing.
    Blocked,
    /// It is not reached.
    Lost,
}

/// What is known of the way.
#[derive(Debug)]
pub(crate) struct BrokerStanding {
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    address: Option<String>,
    state: BrokerState,
    since_us: i64,
    reason: Option<String>,
}

impl BrokerStanding {
    /// Of a node that has not reached it yet.
    pub(crate) fn new() -> BrokerStanding {
        let known = Known { address: None, state: BrokerState::Lost, since_us: now(), reason: None };
        BrokerStanding { known: Mutex::new(known) }
    }

    /// It is connected to at this address.
    pub(crate) fn connected(&self, address: &str) {
        let mut known = self.known();
        known.turn(BrokerState::Connected, None);
        match known.address.replace(address.to_owned()) {
            None => info!(address, "the broker is reached"),
            Some(before) if before != address => {
                info!(address, before, "the broker is reached at another address")
            }
            Some(_) => info!(address, "the broker is reached again"),
        }
    }

    /// Why it cannot be used now, if it cannot.
    pub(crate) fn trouble(&self) -> Option<String> {
        let known = self.known();
        let what = match known.state {
            BrokerState::Connected => return None,
            BrokerState::Blocked => "the broker has an alarm",
            BrokerState::Lost => "the broker is not reached",
        };
        let reason = known.reason.as_ref().map(|reason| format!(" ({reason})"));
        Some(format!("{what}{}", reason.unwrap_or_default()))
    }

    /// It is short of something, as it says; or not any more.
    pub(crate) fn blocked(&self, reason: Option<String>) {
        match &reason {
            Some(reason) => {
                warn!("the broker has an alarm and takes nothing; deliveries wait in the journal: {reason}")
            }
            None => info!("the broker's alarm is over"),
        }
        let state = if reason.is_some() { BrokerState::Blocked } else { BrokerState::Connected };
        self.known().turn(state, reason);
    }

    /// It is not reached, for this reason.
    pub(crate) fn lost(&self, reason: &str) {
        self.known().turn(BrokerState::Lost, Some(reason.to_owned()));
    }

    /// Tells alarms of a connection for as long as it lasts.
    pub(crate) async fn follow(self: Arc<Self>, mut link: watch::Receiver<LinkState>) {
        let mut is_blocked = false;
        loop {
            let state = link.borrow_and_update().clone();
            match state {
                LinkState::Blocked(reason) if !std::mem::replace(&mut is_blocked, true) => {
                    self.blocked(Some(reason));
                }
                LinkState::Open if std::mem::take(&mut is_blocked) => self.blocked(None),
                LinkState::Open | LinkState::Blocked(_) | LinkState::Lost(_) => {}
            }
            if link.changed().await.is_err() {
                return;
            }
        }
    }

    /// For those who ask.
    pub(crate) fn status(&self, node: &str) -> BrokerStatus {
        let Known { address, state, since_us, reason } = &*self.known();
        BrokerStatus {
            node: node.to_owned(),
            address: address.clone(),
            state: *state,
            since: time(*since_us),
            reason: reason.clone(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Plain values, whole after each step.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn turn(&mut self, state: BrokerState, reason: Option<String>) {
        if self.state != state {
            (self.state, self.since_us) = (state, now());
        }
        self.reason = reason;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_follows_what_happens() {
        let standing = BrokerStanding::new();
        let told = |standing: &BrokerStanding| {
            let BrokerStatus { address, state, reason, .. } = standing.status("north");
            (address, state, reason)
        };
        assert_eq!(told(&standing), (None, BrokerState::Lost, None));
        standing.connected("mq1:5672");
        let address = Some("mq1:5672".to_owned());
        assert_eq!(told(&standing), (address.clone(), BrokerState::Connected, None));
        standing.blocked(Some("low on memory".to_owned()));
        assert_eq!(
            told(&standing),
            (address.clone(), BrokerState::Blocked, Some("low on memory".to_owned()))
        );
        standing.blocked(None);
        assert_eq!(told(&standing), (address.clone(), BrokerState::Connected, None));
        standing.lost("refused");
        assert_eq!(told(&standing), (address, BrokerState::Lost, Some("refused".to_owned())));
        standing.connected("mq2:5672");
        assert_eq!(told(&standing).0.as_deref(), Some("mq2:5672"));
    }
}
