//! Making exchanges, queues and bindings, and asking what is there.

use super::connection::{Connection, answered};
use super::error::BrokerError;
use super::value::{HeaderValue, short, table};
use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;

/// Something that the broker is to have. All of it outlives the broker's restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declaration {
    /// An exchange.
    Exchange {
        /// Its name.
        name: String,
        /// How it finds queues.
        kind: ExchangeKind,
    },
    /// A queue.
    Queue {
        /// Its name.
        name: String,
        /// How it is kept.
        kind: QueueKind,
        /// Its arguments, without the one that says its kind.
        arguments: Vec<(String, HeaderValue)>,
    },
    /// A way from an exchange to a queue.
    Binding {
        /// From here.
        exchange: String,
        /// To there.
        queue: String,
        /// For messages with this routing key, or pattern of keys.
        routing_key: String,
    },
}

/// How an exchange finds queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeKind {
    /// By the same routing key.
    Direct,
    /// All of them.
    Fanout,
    /// By patterns of routing keys.
    Topic,
}

/// How a queue is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    /// On the disks of several nodes.
    Quorum,
    /// On one node.
    Classic,
    /// On one node, for the connection that makes it, with which it ends.
    OfConnection,
}

/// What a queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// How many messages wait; those that are handed out and not acknowledged don't count.
    pub messages_count: u32,
    /// How many consume it.
    pub consumers_count: u32,
}

impl Connection {
    /// Makes what is not there yet. What is there already and is declared in another way is an error that says in which.
    pub async fn declare(&self, declarations: &[Declaration]) -> Result<(), BrokerError> {
        for declaration in declarations {
            // An error closes the channel, so that each has its own.
            let channel = self.channel().await?;
            match declaration {
                Declaration::Exchange { name, kind } => {
                    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
                    let name = short("exchange's name", name)?;
                    answered(channel.exchange_declare(name, kind.known(), options, FieldTable::default()))
                        .await?;
                }
                Declaration::Queue { name, kind, arguments } => {
                    let mut arguments = table(arguments)?;
                    arguments
                        .insert(QUEUE_TYPE.into(), lapin::types::AMQPValue::LongString(kind.name().into()));
                    let ends = *kind == QueueKind::OfConnection;
                    let options =
                        QueueDeclareOptions { durable: !ends, exclusive: ends, ..Default::default() };
                    answered(channel.queue_declare(short("queue's name", name)?, options, arguments)).await?;
                }
                Declaration::Binding { exchange, queue, routing_key } => {
                    let (exchange, queue) =
                        (short("exchange's name", exchange)?, short("queue's name", queue)?);
                    let key = short("routing key", routing_key)?;
                    let options = QueueBindOptions::default();
                    answered(channel.queue_bind(queue, exchange, key, options, FieldTable::default()))
                        .await?;
                }
            }
        }
        Ok(())
    }

    /// Takes away queues, with all that is in them, and exchanges; bindings go with these. What is not there is no error.
    pub async fn remove(&self, declarations: &[Declaration]) -> Result<(), BrokerError> {
        for declaration in declarations {
            let channel = self.channel().await?;
            let removed = match declaration {
                Declaration::Exchange { name, .. } => {
                    let name = short("exchange's name", name)?;
                    answered(channel.exchange_delete(name, ExchangeDeleteOptions::default())).await
                }
                Declaration::Queue { name, .. } => {
                    let name = short("queue's name", name)?;
                    answered(channel.queue_delete(name, QueueDeleteOptions::default())).await.map(drop)
                }
                Declaration::Binding { .. } => Ok(()),
            };
            match removed {
                Err(BrokerError::Missing(_)) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What a queue holds; an error when there is none of that name.
    pub async fn queue_state(&self, name: &str) -> Result<QueueState, BrokerError> {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let channel = self.channel().await?;
        let asked = channel.queue_declare(short("queue's name", name)?, options, FieldTable::default());
        let queue = answered(asked).await?;
        Ok(QueueState { messages_count: queue.message_count(), consumers_count: queue.consumer_count() })
    }

    /// Whether there is an exchange of that name; an error when there is none.
    pub async fn exchange_exists(&self, name: &str) -> Result<(), BrokerError> {
        let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
        let channel = self.channel().await?;
        let name = short("exchange's name", name)?;
        answered(channel.exchange_declare(name, lapin::ExchangeKind::Direct, options, FieldTable::default()))
            .await
    }
}

/// The argument that says how a queue is kept.
const QUEUE_TYPE: &str = "x-queue-type";

impl ExchangeKind {
    fn known(self) -> lapin::ExchangeKind {
        match self {
            Self::Direct => lapin::ExchangeKind::Direct,
            Self::Fanout => lapin::ExchangeKind::Fanout,
            Self::Topic => lapin::ExchangeKind::Topic,
        }
    }
}

impl QueueKind {
    fn name(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Classic | Self::OfConnection => "classic",
        }
    }
}
