//! `queue:` of `orderly.yaml`: what carries deliveries from the journal to whoever delivers them.

use super::{At, BrokerAccess};

/// What carries deliveries. It equals another one that is written elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// By which way.
    pub carrier: Carrier,
    /// Where it stands; where the site begins, when nothing is said.
    pub at: At,
}

/// By which way deliveries go.
#[derive(Debug, Clone, PartialEq)]
pub enum Carrier {
    /// None: the engine that accepted them delivers them.
    Journal,
    /// By queues of a broker, from which several nodes deliver.
    Amqp(Box<AmqpCarrier>),
}

/// Deliveries by queues of a broker.
#[derive(Debug, Clone, PartialEq)]
pub struct AmqpCarrier {
    /// Where the queues are.
    pub broker: BrokerAccess,
    /// What all names there begin with.
    pub prefix: String,
    /// So many deliveries a destination may be with the broker, of each node.
    pub ahead_max: usize,
}
