//! What happens in a round, by its seed alone.
//!
//! Rounds go on together in groups that share a broker, so what the broker suffers belongs to the group: the same for each of its rounds. A round
//! that is run alone suffers the same.

use std::ops::Range;
use std::time::Duration;

/// How many rounds go on together.
pub const GROUP: u64 = 8;

/// The destinations of every round, and whether each keeps the order of each patient only.
pub const DESTINATIONS: [(&str, bool); 3] = [("ehr", false), ("lab", true), ("registry", true)];

/// When things happen, in milliseconds since the senders began.
const BEGINS_MS: Range<u64> = 300..4_000;

/// What happens in a round.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The round.
    pub seed: u64,
    /// Whether a third node delivers and takes nothing in; the first then takes in only.
    pub has_deliverer: bool,
    /// How many messages each sender has.
    pub messages_each: u64,
    /// How many patients they are about.
    pub patients: u64,
    /// How long a sender thinks between two messages.
    pub pause_ms_max: u64,
    /// Of a hundred messages, how many receivers say nothing to.
    pub silent_percent: u8,
    /// Of a hundred messages, how many each receiver refuses, until everything is healed.
    pub refused_percent: [u64; DESTINATIONS.len()],
    /// For so long from the start receivers say nothing at all, so that much waits when things go wrong.
    pub backlog: Option<Duration>,
    /// What goes wrong in this round alone.
    pub troubles: Vec<Trouble>,
    /// What the group's broker suffers.
    pub weather: Vec<Trouble>,
    /// What an operator does.
    pub acts: Vec<Act>,
}

/// Something that goes wrong for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// From when.
    pub at: Duration,
    /// For how long; of something that happens at once, zero.
    pub lasts: Duration,
    /// What.
    pub harm: Harm,
}

/// What goes wrong. Numbers are of a round's nodes, of its destinations, or of the broker's nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// A node is killed, and started again on its journal.
    NodeKilled(usize),
    /// A node is stopped in good order, and started again.
    NodeStopped(usize),
    /// A node is frozen.
    NodeFrozen(usize),
    /// All of a node's connections to the broker are cut.
    ConnectionsCut(usize),
    /// What a node and the broker send each other is held.
    ConnectionsHeld(usize),
    /// A node cannot reach the broker.
    BrokerUnreachable(usize),
    /// A destination's queue is deleted; where the broker's nodes end, after that: the copy of a deleted queue on a node that was away joins those of
    /// the one that is made anew under its name, and may lead them (RabbitMQ's issue 12366). `docs/clustering.md` tells operators so.
    QueueDeleted(usize),
    /// A node's queue of results is deleted, at such a time too.
    ResultsDeleted(usize),
    /// Another node of the broker leads a destination's queue.
    LeaderMoved(usize),
    /// A receiver is killed, and opened again.
    ReceiverKilled(usize),
    /// A receiver says nothing.
    ReceiverFrozen(usize),
    /// A node of the broker is killed, and started again.
    BrokerNodeKilled(usize),
    /// A node of the broker is stopped in good order, and started again.
    BrokerNodeStopped(usize),
    /// A node of the broker is frozen.
    BrokerNodeFrozen(usize),
    /// All nodes of the broker are stopped in good order at once, and started again. (Killed at once, RabbitMQ 3.10 can forget the members of queues that
    /// were made a moment before, and such a queue has no leader any more.)
    BrokerRestarted,
    /// The broker is short of memory: it takes nothing.
    MemoryAlarm,
    /// The broker is not there when the nodes start.
    BrokerAbsentAtStart,
}

impl Harm {
    /// Whether it deletes a queue.
    #[must_use]
    pub fn deletes(self) -> bool {
        matches!(self, Harm::QueueDeleted(_) | Harm::ResultsDeleted(_))
    }

    /// Whether nodes of the broker are away in it.
    #[must_use]
    pub fn ends_broker_nodes(self) -> bool {
        matches!(
            self,
            Harm::BrokerNodeKilled(_)
                | Harm::BrokerNodeStopped(_)
                | Harm::BrokerNodeFrozen(_)
                | Harm::BrokerRestarted
                | Harm::BrokerAbsentAtStart
        )
    }

    /// Its name, the same for all nodes and destinations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Harm::NodeKilled(_) => "node_killed",
            Harm::NodeStopped(_) => "node_stopped",
            Harm::NodeFrozen(_) => "node_frozen",
            Harm::ConnectionsCut(_) => "connections_cut",
            Harm::ConnectionsHeld(_) => "connections_held",
            Harm::BrokerUnreachable(_) => "broker_unreachable",
            Harm::QueueDeleted(_) => "queue_deleted",
            Harm::ResultsDeleted(_) => "results_deleted",
            Harm::LeaderMoved(_) => "leader_moved",
            Harm::ReceiverKilled(_) => "receiver_killed",
            Harm::ReceiverFrozen(_) => "receiver_frozen",
            Harm::BrokerNodeKilled(_) => "broker_node_killed",
            Harm::BrokerNodeStopped(_) => "broker_node_stopped",
            Harm::BrokerNodeFrozen(_) => "broker_node_frozen",
            Harm::BrokerRestarted => "broker_restarted",
            Harm::MemoryAlarm => "memory_alarm",
            Harm::BrokerAbsentAtStart => "broker_absent_at_start",
        }
    }
}

/// Something that an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// When.
    pub at: Duration,
    /// By which node's commands.
    pub node: usize,
    /// For which destination.
    pub destination: usize,
    /// What.
    pub kind: ActKind,
}

/// What an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActKind {
    /// Pauses it.
    Pause,
    /// Resumes it.
    Resume,
    /// Takes back a delivery that waits.
    Cancel,
    /// Sends again what is parked.
    Resend,
}

impl Plan {
    /// The plan of a round by a broker with so many nodes.
    #[must_use]
    pub fn of(seed: u64, broker_nodes: usize) -> Plan {
        let mut random = fastrand::Rng::with_seed(seed);
        let weather = weather(seed / GROUP, broker_nodes);
        let has_deliverer = random.u8(0..4) == 0;
        let nodes = if has_deliverer { 3 } else { 2 };
        let most = if weather.is_empty() { 3 } else { 2 };
        let troubles = (0..random.usize(1..=most)).map(|_| trouble(&mut random, nodes)).collect();
        Plan {
            seed,
            has_deliverer,
            messages_each: random.u64(8..32),
            patients: random.u64(2..6),
            pause_ms_max: random.u64(100..400),
            silent_percent: if random.bool() { 0 } else { 2 },
            refused_percent: [random.u64(0..4), 0, random.u64(2..10)],
            backlog: (random.u8(0..3) == 0).then(|| Duration::from_millis(random.u64(1_500..5_000))),
            troubles,
            weather,
            acts: acts(&mut random, nodes),
        }
    }

    /// How many nodes it has.
    #[must_use]
    pub fn nodes_count(&self) -> usize {
        if self.has_deliverer { 3 } else { 2 }
    }
}

/// Every other group has a broker that suffers.
fn weather(group: u64, broker_nodes: usize) -> Vec<Trouble> {
    if group.is_multiple_of(2) {
        return Vec::new();
    }
    let mut random = fastrand::Rng::with_seed(group.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let node = random.usize(0..broker_nodes);
    let harm = match (group / 2) % 6 {
        0 => Harm::BrokerNodeKilled(node),
        1 => Harm::MemoryAlarm,
        2 => Harm::BrokerNodeFrozen(node),
        3 => Harm::BrokerRestarted,
        4 => Harm::BrokerNodeStopped(node),
        _ => Harm::BrokerAbsentAtStart,
    };
    let at = if harm == Harm::BrokerAbsentAtStart { 0 } else { random.u64(BEGINS_MS) };
    // Longer than anything waits for the broker's answer.
    let lasts_ms_max = if harm == Harm::MemoryAlarm { 24_000 } else { 6_000 };
    vec![Trouble {
        at: Duration::from_millis(at),
        lasts: Duration::from_millis(random.u64(500..lasts_ms_max)),
        harm,
    }]
}

fn trouble(random: &mut fastrand::Rng, nodes: usize) -> Trouble {
    let (node, destination) = (random.usize(0..nodes), random.usize(0..DESTINATIONS.len()));
    let at = random.u64(BEGINS_MS);
    let (harm, lasts) = match random.u8(0..20) {
        0..3 => (Harm::NodeKilled(node), random.u64(0..5_000)),
        3 => (Harm::NodeStopped(node), random.u64(0..3_000)),
        4..7 => (Harm::NodeFrozen(node), random.u64(500..8_000)),
        7..10 => (Harm::ConnectionsCut(node), 0),
        10..12 => (Harm::ConnectionsHeld(node), random.u64(500..8_000)),
        12 => (Harm::BrokerUnreachable(node), random.u64(500..6_000)),
        13 => (Harm::QueueDeleted(destination), 0),
        14 => (Harm::ResultsDeleted(node), 0),
        15..17 => (Harm::LeaderMoved(destination), 0),
        17..19 => (Harm::ReceiverKilled(destination), random.u64(100..4_000)),
        _ => (Harm::ReceiverFrozen(destination), random.u64(500..5_000)),
    };
    Trouble { at: Duration::from_millis(at), lasts: Duration::from_millis(lasts), harm }
}

/// In every third round an operator pauses a destination and resumes it, cancels and sends again.
fn acts(random: &mut fastrand::Rng, nodes: usize) -> Vec<Act> {
    if random.u8(0..3) > 0 {
        return Vec::new();
    }
    let paused = random.usize(0..DESTINATIONS.len());
    let (begin, end) = (random.u64(200..2_000), random.u64(2_500..5_000));
    let kinds = [
        (begin, ActKind::Pause, paused),
        (random.u64(begin + 200..end), ActKind::Cancel, paused),
        (random.u64(begin..end), ActKind::Resend, 2),
        (end, ActKind::Resume, paused),
    ];
    let mut acts: Vec<Act> = kinds
        .into_iter()
        .map(|(at, kind, destination)| Act {
            at: Duration::from_millis(at),
            node: random.usize(0..nodes),
            destination,
            kind,
        })
        .collect();
    acts.sort_by_key(|act| act.at);
    acts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_plan_is_its_seeds_alone_and_a_group_has_one_weather() {
        for seed in 0..100 {
            let (plan, again) = (Plan::of(seed, 3), Plan::of(seed, 3));
            assert_eq!(format!("{plan:?}"), format!("{again:?}"));
            assert_eq!(plan.weather, Plan::of(seed / GROUP * GROUP, 3).weather);
            assert!((1..=3).contains(&(plan.troubles.len() + plan.weather.len())), "{plan:?}");
        }
    }

    #[test]
    fn two_hundred_rounds_have_everything() {
        let plans = (0..200).map(|seed| Plan::of(seed, 3));
        let names: BTreeSet<_> = plans
            .flat_map(|plan| [plan.troubles, plan.weather].concat())
            .map(|trouble| trouble.harm.name())
            .collect();
        assert_eq!(names.len(), 17, "{names:?}");
    }
}
