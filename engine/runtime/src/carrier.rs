//! Deliveries by way of a RabbitMQ broker, so that several nodes share them: the names at the broker, what stands there, and who does what.
//!
//! A delivery leaves the journal of the node that accepted its message through the destination's [`sender`] into the destination's queue, of which
//! one node at a time is the consumer. What became of it comes back through the accepting node's queue of results to its [`results`],
//! which write it to the journal.
//!
//! At the broker, all durable and made by whoever comes first:
//!
//! ```text
//! PREFIX               direct exchange: to the destinations' queues, by NODE/DESTINATION, and to the results' queues
//! PREFIX.to.DEST       quorum queue of a destination, with a single active consumer
//! PREFIX.control.DEST  quorum queue of what whoever delivers there must know: holds, a pause; with a single active consumer, the same
//! PREFIX.results.NODE  quorum queue of what became of a node's deliveries
//! PREFIX.unreadable    quorum queue of what no node could read, for a person
//! PREFIX.words         fanout exchange: what nodes say to each other beside deliveries
//! PREFIX.words.NODE    what a node is told so; it ends with its connection
//! ```
//!
//! What lies in a control queue stays there, unacknowledged, until it is over: so each node that begins to deliver reads all of it, also one that
//! is new or was away. It sends nothing before it has read a mark of its own from there, which comes only when the node that delivered before is
//! gone and has given everything back.
//!
//! A node's binding to a destination's queue is made by that node only, before it publishes there first. When the queue was deleted, the
//! binding went with it, and each message of that node comes back as not routed until the node has noticed and begun anew: so nothing
//! of it can come into a queue without what stood there before it.

mod acknowledging;
pub(crate) mod control;
pub(crate) mod envelope;
pub(crate) mod nodes;
pub(crate) mod report;
pub(crate) mod results;
pub(crate) mod sender;
pub(crate) mod standing;
pub(crate) mod taker;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orderly_pipeline::Plan;
use orderly_pipeline::plan::Carrier;
use orderly_transport::amqp::{
    Broker, BrokerError, BrokerSettings, Declaration, ExchangeKind, HeaderValue, QueueKind,
};

use crate::node::Node;
use crate::outside;

/// How a node takes part.
#[derive(Debug, Clone)]
pub(crate) struct CarrierSettings {
    /// The broker.
    pub(crate) broker: BrokerSettings,
    /// This node's name, unlike any other's with the same prefix.
    pub(crate) node: Arc<str>,
    /// Its name, and the journal that it has: a delivery's number means nothing beside another journal.
    pub(crate) identity: Arc<str>,
    /// What the names at the broker begin with.
    pub(crate) prefix: String,
    /// So many deliveries of a destination may be with the broker, of those that this node accepted.
    pub(crate) ahead_max: usize,
    /// Whether this node takes messages in.
    pub(crate) takes_in: bool,
    /// Whether this node delivers.
    pub(crate) delivers: bool,
    /// [`Node::hand_over_after`].
    pub(crate) hand_over_after: Duration,
    /// [`Node::ask_after`].
    pub(crate) ask_after: Duration,
}

/// How often the broker may give a delivery again: as good as for ever, because a queue without a limit loses what is in flight when its
/// leader changes (RabbitMQ 3.10), or has one of 20 (4.0).
const DELIVERY_LIMIT: i64 = 2_000_000_000;

impl CarrierSettings {
    /// As the plan has it, for this node; nothing when the journal carries deliveries. Relative files count from `base`.
    pub(crate) fn of(plan: &Plan, node: &Node, base: &Path) -> Option<CarrierSettings> {
        let Carrier::Amqp(amqp) = &plan.queue.carrier else { return None };
        Some(CarrierSettings {
            broker: outside::broker(&amqp.broker, &format!("orderly node {}", node.name), base),
            node: node.name.clone(),
            identity: node.name.clone(),
            prefix: amqp.prefix.clone(),
            ahead_max: amqp.ahead_max,
            takes_in: node.duty.takes_in(),
            delivers: node.duty.delivers(),
            hand_over_after: node.hand_over_after,
            ask_after: node.ask_after,
        })
    }

    /// A node's name in its identity.
    pub(crate) fn name_of(identity: &str) -> &str {
        identity.rsplit_once('@').map_or(identity, |(name, _)| name)
    }

    /// The exchange to all queues with a routing key.
    pub(crate) fn exchange(&self) -> String {
        self.prefix.clone()
    }

    /// The queue of what whoever delivers to a destination must know.
    pub(crate) fn control(&self, destination: &str) -> String {
        format!("{}.control.{destination}", self.prefix)
    }

    /// The queue of what no node could read.
    pub(crate) fn unreadable(&self) -> String {
        format!("{}.unreadable", self.prefix)
    }

    /// A destination's queue.
    pub(crate) fn queue(&self, destination: &str) -> String {
        format!("{}.to.{destination}", self.prefix)
    }

    /// The exchange to the queues of all nodes' words.
    pub(crate) fn words_exchange(&self) -> String {
        format!("{}.words", self.prefix)
    }

    /// The queue of what a node is told by others, beside deliveries.
    pub(crate) fn words(&self, node: &str) -> String {
        format!("{}.words.{node}", self.prefix)
    }

    /// The key under which this node publishes to a destination.
    pub(crate) fn routing_key(&self, destination: &str) -> String {
        format!("{}/{destination}", self.node)
    }

    /// A node's queue of results.
    pub(crate) fn results(&self, node: &str) -> String {
        format!("{}.results.{node}", self.prefix)
    }

    /// What stands there for a destination, but for any node's way to its queue.
    pub(crate) fn destination(&self, destination: &str) -> [Declaration; 3] {
        [
            Declaration::Exchange { name: self.exchange(), kind: ExchangeKind::Direct },
            quorum(self.control(destination), true),
            quorum(self.queue(destination), true),
        ]
    }

    /// This node's way to a destination's queue.
    pub(crate) fn way(&self, destination: &str) -> Declaration {
        Declaration::Binding {
            exchange: self.exchange(),
            queue: self.queue(destination),
            routing_key: self.routing_key(destination),
        }
    }

    /// The queue of what no node could read.
    pub(crate) fn for_unreadable(&self) -> Declaration {
        quorum(self.unreadable(), false)
    }

    /// A node's queue of results.
    pub(crate) fn results_of(&self, node: &str) -> Declaration {
        quorum(self.results(node), true)
    }

    /// What a message of this node to itself goes by: nothing of a destination's, whose routing keys have a slash behind the node.
    pub(crate) fn own_key(&self) -> String {
        self.node.to_string()
    }

    /// What stands there for this node's results, but for its own way to their queue.
    pub(crate) fn own_results(&self) -> [Declaration; 2] {
        [
            Declaration::Exchange { name: self.exchange(), kind: ExchangeKind::Direct },
            self.results_of(&self.node),
        ]
    }

    /// This node's way to its own queue of results, which only this node makes.
    pub(crate) fn own_way(&self) -> Declaration {
        Declaration::Binding {
            exchange: self.exchange(),
            queue: self.results(&self.node),
            routing_key: self.own_key(),
        }
    }
}

/// Whether the broker of this plan can be used by a node.
///
/// # Errors
///
/// Why not.
pub async fn reach_broker(plan: &Plan, node: &Node, base: &Path) -> Result<(), BrokerError> {
    match CarrierSettings::of(plan, node, base) {
        Some(settings) => Broker::new(settings.broker).connect().await.map(drop),
        None => Ok(()),
    }
}

/// Takes away all that stands at the broker for this plan and these nodes, with all that is in it: for networks that nobody needs any more.
///
/// # Errors
///
/// The broker cannot be used, or does not allow it.
pub async fn clear_broker(plan: &Plan, nodes: &[Node], base: &Path) -> Result<(), BrokerError> {
    for node in nodes {
        let Some(settings) = CarrierSettings::of(plan, node, base) else { continue };
        let connection = Broker::new(settings.broker.clone()).connect().await?;
        connection.remove(&[settings.results_of(&node.name), settings.for_unreadable()]).await?;
        for destination in &plan.destinations {
            connection.remove(&settings.destination(&destination.name)).await?;
        }
        let words = Declaration::Exchange { name: settings.words_exchange(), kind: ExchangeKind::Fanout };
        connection.remove(&[words]).await?;
    }
    Ok(())
}

fn quorum(name: String, single_active_consumer: bool) -> Declaration {
    let mut arguments = vec![("x-delivery-limit".to_owned(), HeaderValue::Number(DELIVERY_LIMIT))];
    if single_active_consumer {
        arguments.push(("x-single-active-consumer".to_owned(), HeaderValue::Flag(true)));
    }
    Declaration::Queue { name, kind: QueueKind::Quorum, arguments }
}
