//! AMQP 0-9-1 as RabbitMQ speaks it: connections, publishing with confirms, consuming, declaring.
//!
//! How it is used:
//!
//! 1. [`Broker::new`] takes the settings; [`Broker::connect`] gives a [`Connection`], trying all addresses in turn from the one that
//!    answered last. Nothing connects again by itself: whoever has lost a connection decides when to ask for the next.
//! 2. [`Connection::publisher`] opens a channel with confirms. [`Publisher::publish`] waits for nothing and gives a tag;
//!    [`Publisher::next`] gives the outcomes, one for each tag, in the order of the tags.
//! 3. [`Connection::consumer`] opens a channel that consumes a queue. [`Consumer::next`] gives what comes, [`Consumer::acknowledge`]
//!    takes it off the queue. A consumer hands over by closing its channel, also when it is dropped; it never cancels.
//! 4. [`Connection::declare`] makes exchanges, queues and bindings, or says how existing ones differ.
//! 5. [`Connection::state`] tells alarms ([`LinkState::Blocked`]) and the end ([`LinkState::Lost`]); [`Connection::is_fresh`] says
//!    whether the broker was heard within one and a half heartbeats, which is to be asked before each send that must not be made twice.
//!
//! What always holds: publishing and consuming want a connection each, because a broker in need blocks connections that publish, and
//! with them all their channels; a connection on which the broker was silent for longer is cut and never trusted
//! again, whatever comes later; each wait that this module makes has an end; passwords and what messages hold are in no error text and
//! in no log (lapin logs returned messages whole: its log must be switched off wherever one is made).

mod broker;
mod connection;
mod consumer;
mod declare;
mod error;
mod publisher;
mod socket;
mod url;
mod value;

pub use broker::{Broker, BrokerCredentials, BrokerSettings, HEARTBEAT_DEFAULT};
pub use connection::{Connection, LinkState};
pub use consumer::{Consumer, ConsumerSettings, Incoming};
pub use declare::{Declaration, ExchangeKind, QueueKind, QueueState};
pub use error::BrokerError;
pub use publisher::{Confirmed, Loss, Publication, Publisher, Verdict};
pub use url::BrokerUrl;
pub use value::HeaderValue;
