//! Messages out of a queue of a broker.
//!
//! What always holds: a message is taken off the queue after its handler has said that it is stored, and in the order of the queue; what
//! is not stored goes back to the queue, in its old order, because the channel is closed and a new one opened later; on shutdown what was
//! handed over is finished first.

use crate::amqp::{Broker, BrokerError, BrokerSettings, Connection, Consumer, ConsumerSettings, Incoming};
use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How long to wait after a failure, and after how many more at most.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How a queue is taken in.
#[derive(Debug, Clone)]
pub struct AmqpListenerSettings {
    /// Where the queue is.
    pub broker: BrokerSettings,
    /// The queue.
    pub queue: String,
    /// How many messages the broker hands out before the first is acknowledged.
    pub prefetch: u16,
    /// Whether what is kept and cannot be read is rejected, to the queue's dead letters.
    pub rejects_unreadable: bool,
}

/// A queue that is consumed.
#[derive(Debug)]
pub struct AmqpListener {
    settings: AmqpListenerSettings,
}

/// What a queue's owner does with what comes out of it.
pub trait QueueHandler: Send + Sync + 'static {
    /// Takes a message in, from this address of the broker. It is called for one message after the other; the future it gives says what
    /// became of the message, once that is certain, while the next ones are already handed over.
    fn incoming(&self, message: Incoming, broker: SocketAddr) -> impl Future<Output = Taking> + Send;

    /// Something that an operator should know.
    fn queue_event(&self, event: QueueEvent);
}

/// What will have become of a message.
pub type Taking = Pin<Box<dyn Future<Output = Taken> + Send>>;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is stored.
    Stored,
    /// It is stored as what cannot be read.
    Unreadable,
    /// It is not stored, and is to come again.
    NotStored,
}

/// Something that an operator should know.
#[derive(Debug)]
pub enum QueueEvent {
    /// The queue is consumed at this address of the broker.
    Consuming {
        /// Where.
        broker: SocketAddr,
    },
    /// It is consumed no more; this is tried again, unless the listener was stopped.
    Ended {
        /// Where it was.
        broker: SocketAddr,
        /// Why, when it was not stopped.
        problem: Option<BrokerError>,
    },
    /// It cannot be consumed; this is tried again.
    Unreachable(BrokerError),
}

/// How consuming ended.
enum Ended {
    Stopped,
    Broken(BrokerError),
    NotStored,
}

impl AmqpListener {
    pub(super) fn new(settings: AmqpListenerSettings) -> Self {
        Self { settings }
    }

    /// The queue's name.
    pub fn queue(&self) -> &str {
        &self.settings.queue
    }

    /// Consumes until `shutdown` is ready.
    pub async fn run<H: QueueHandler>(self, handler: Arc<H>, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = pin!(shutdown);
        let mut broker = Broker::new(self.settings.broker.clone());
        let mut pause = PAUSE_FIRST;
        loop {
            let opened = tokio::select! {
                opened = self.open(&mut broker) => opened,
                () = shutdown.as_mut() => return,
            };
            match opened {
                Ok((connection, at, consumer)) => {
                    handler.queue_event(QueueEvent::Consuming { broker: at });
                    let mut line = Line { settings: &self.settings, at, consumer, taking: VecDeque::new() };
                    let ended = line.consume(&*handler, shutdown.as_mut()).await;
                    let is_stopped = matches!(ended, Ended::Stopped);
                    line.end().await;
                    connection.close().await;
                    let problem = if let Ended::Broken(problem) = ended { Some(problem) } else { None };
                    handler.queue_event(QueueEvent::Ended { broker: at, problem });
                    if is_stopped {
                        return;
                    }
                    pause = PAUSE_FIRST;
                }
                Err(problem) => handler.queue_event(QueueEvent::Unreachable(problem)),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.as_mut() => return,
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn open(&self, broker: &mut Broker) -> Result<(Connection, SocketAddr, Consumer), BrokerError> {
        let connection = broker.connect().await?;
        let settings =
            ConsumerSettings { prefetch: self.settings.prefetch, exclusive: false, arguments: Vec::new() };
        let consumer = connection.consumer(&self.settings.queue, settings).await?;
        let at = connection.peer().ok_or_else(|| BrokerError::Lost("the connection has ended".to_owned()))?;
        Ok((connection, at, consumer))
    }
}

/// One consumer, and what is on its way to the journal.
struct Line<'l> {
    settings: &'l AmqpListenerSettings,
    at: SocketAddr,
    consumer: Consumer,
    /// In the order of the queue: how it is acknowledged, and what will have become of it.
    taking: VecDeque<(u64, Taking)>,
}

impl Line<'_> {
    async fn consume<H: QueueHandler>(
        &mut self,
        handler: &H,
        mut shutdown: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Ended {
        loop {
            let has_room = self.taking.len() < usize::from(self.settings.prefetch);
            let taken = tokio::select! {
                biased;
                () = shutdown.as_mut() => break,
                taken = oldest(&mut self.taking) => taken,
                incoming = self.consumer.next(), if has_room => match incoming {
                    Ok(message) => {
                        let tag = message.tag;
                        self.taking.push_back((tag, handler.incoming(message, self.at).await));
                        continue;
                    }
                    Err(problem) => return Ended::Broken(problem),
                },
            };
            if let Err(ended) = self.settle(taken).await {
                return ended;
            }
        }
        while !self.taking.is_empty() {
            let taken = oldest(&mut self.taking).await;
            if let Err(ended) = self.settle(taken).await {
                return ended;
            }
        }
        Ended::Stopped
    }

    /// Tells the broker of a message, and with it of those behind that are stored too.
    async fn settle(&mut self, (tag, taken): (u64, Taken)) -> Result<(), Ended> {
        let (mut last, mut next) = (None, Some((tag, taken)));
        while let Some((tag, taken)) = next.take() {
            match taken {
                Taken::Unreadable if self.settings.rejects_unreadable => {
                    self.acknowledge(last.take()).await?;
                    self.consumer.reject(tag).map_err(Ended::Broken)?;
                }
                Taken::Stored | Taken::Unreadable => last = Some(tag),
                Taken::NotStored => {
                    self.acknowledge(last.take()).await?;
                    return Err(Ended::NotStored);
                }
            }
            next = self.next_known();
        }
        self.acknowledge(last).await
    }

    async fn acknowledge(&mut self, up_to: Option<u64>) -> Result<(), Ended> {
        let Some(tag) = up_to else { return Ok(()) };
        self.consumer.acknowledge(tag, true).map_err(Ended::Broken)
    }

    /// The oldest message when it is known now what became of it.
    fn next_known(&mut self) -> Option<(u64, Taken)> {
        let (tag, taking) = self.taking.front_mut()?;
        // When it is not, whoever waits for it next looks again.
        let Poll::Ready(taken) = taking.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            return None;
        };
        let known = (*tag, taken);
        self.taking.pop_front();
        Some(known)
    }

    /// Hands back what is not acknowledged. When the connection is gone, so is all of it already.
    async fn end(self) {
        self.consumer.close().await.ok();
    }
}

/// Waits until it is known what became of the oldest message; for ever when there is none. Giving it up loses nothing.
async fn oldest(taking: &mut VecDeque<(u64, Taking)>) -> (u64, Taken) {
    let Some((tag, oldest)) = taking.front_mut() else { return std::future::pending().await };
    let known = (*tag, oldest.await);
    taking.pop_front();
    known
}
