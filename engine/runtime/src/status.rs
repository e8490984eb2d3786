//! What a running engine says of itself when it is asked: names, places, counts and codes, never anything of a patient.

use serde::{Deserialize, Serialize};

use crate::carrier::nodes::NodeStatus;
use crate::carrier::standing::BrokerStatus;

/// A running engine's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the configuration that it runs.
    pub plan: String,
    /// Since when it runs: RFC 3339 to the millisecond, in UTC, as all times here.
    pub since: String,
    /// Its sources, in the order of the configuration.
    pub sources: Vec<SourceStatus>,
    /// Its destinations, in the order of the configuration; then those for which deliveries wait or are held although the
    /// configuration no longer has them.
    pub destinations: Vec<DestinationStatus>,
    /// How its way to the broker stands; nothing where no broker carries deliveries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<BrokerStatus>,
    /// The nodes with which it shares a broker, by name, itself among them; none where no broker carries deliveries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeStatus>,
}

/// A source's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// How messages come in.
    pub state: SourceState,
    /// The address that it listens at, the folder that it watches, or the queue that it consumes.
    pub place: String,
    /// Connections that are open now.
    pub connections: u64,
    /// Messages stored since the engine was started, or since it was added to the running engine, by their fate.
    pub messages: Fates,
    /// So many of them had the control id of another one, and other bytes; where the source declares repeats.
    pub reused_ids: u64,
    /// Those that were taken as new although they may be repeats.
    pub unsure: Unsure,
    /// Who connected, by address; of a queue, the brokers that it was consumed at.
    pub peers: Vec<PeerStatus>,
}

/// Messages of which nobody knows whether they are repeats, since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Unsure {
    /// How many.
    pub messages: u64,
    /// The files of the journal in which the first of them may stand, with what is wrong with each.
    pub files: Vec<String>,
}

/// How messages come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Peers can connect.
    Listening,
    /// A folder is looked at.
    Watching,
    /// A queue is consumed.
    Consuming,
    /// A queue is to be consumed, and its broker is not reached.
    Trying,
}

/// Messages by their fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fates {
    /// At least one route took them.
    pub routed: u64,
    /// Nobody wanted them.
    pub filtered: u64,
    /// They were there already.
    pub duplicate: u64,
    /// Every mapping failed.
    pub failed: u64,
    /// They could not be read, or were not to be taken.
    pub quarantined: u64,
}

/// Who sends to a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// The IP address; ports change with every connection.
    pub address: String,
    /// Connections that are open now.
    pub connections: u64,
    /// When it last connected, deviated or went.
    pub last_seen: String,
    /// What of its framing and its messages deviated, by code.
    pub tolerances: Vec<ToleranceStatus>,
}

/// How often a peer deviated in one way since the engine was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToleranceStatus {
    /// The deviation's code.
    pub code: String,
    /// How often.
    pub count: u64,
    /// Where it was met last: of framing, bytes since the connection was opened; else bytes since the message's beginning.
    pub last_offset: u64,
}

/// A destination's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationStatus {
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: DestinationState,
    /// Since when.
    pub since: String,
    /// Deliveries that wait for it.
    pub waiting: u64,
    /// So many of them are with the broker.
    #[serde(default)]
    pub with_broker: u64,
    /// The other node that delivers to it: there it is seen how it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_by: Option<String>,
    /// Deliveries that are set aside.
    pub parked: u64,
    /// Deliveries that failed.
    pub failed: u64,
    /// When the first of those that wait came in.
    pub oldest_waiting: Option<String>,
    /// When it took something last, also before the engine was started.
    pub last_delivered: Option<String>,
    /// Nothing is sent to it, and who wanted that.
    pub paused: Option<Paused>,
    /// What went wrong last since the engine was started.
    pub last_error: Option<LastError>,
    /// When it is tried again, while something waits because an attempt failed.
    pub next_attempt: Option<NextAttempt>,
}

/// When a destination is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextAttempt {
    /// When.
    pub at: String,
    /// In so many seconds, rounded up, as of when this was told.
    pub in_seconds: u64,
    /// The code of the attempt that failed; nothing when the journal does not tell it any more.
    pub code: Option<String>,
    /// What happened then, and for how long the destination asked to be left alone, if it did.
    pub text: Option<String>,
}

/// Why nothing is sent to a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Since when.
    pub since: String,
    /// Who paused it.
    pub who: String,
    /// Why, in the person's own words.
    pub reason: Option<String>,
}

/// What a destination does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DestinationState {
    /// Nothing was sent to it since the engine was started.
    Idle,
    /// It took or refused what was sent last.
    Reachable,
    /// The last attempt failed; it is tried again.
    Trying,
    /// It refused what was sent last, and gets nothing more until somebody has looked.
    Blocked,
    /// The configuration no longer has it.
    Undeclared,
    /// No engine runs.
    Stopped,
}

/// An attempt that failed or was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// When.
    pub at: String,
    /// Its code.
    pub code: String,
    /// What happened.
    pub text: String,
}
