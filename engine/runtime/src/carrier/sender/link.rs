//! A sender's way to the broker: a connection of its own, and what is published on it and not confirmed.
//!
//! What always holds: nothing is published to a destination's queue before the channel is proved, and nothing by a process that does not have its
//! node's name for itself.

use std::collections::VecDeque;
use std::time::Duration;

use orderly_queue::outbox::{Id, WINDOW_MAX};
use orderly_transport::amqp::{Broker, BrokerError, Connection, Publisher, Verdict};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};

use crate::carrier::CarrierSettings;
use crate::carrier::envelope::{ENVELOPE, publication};

/// Beside the window of envelopes: so many controls may be on their way,
pub(super) const CONTROLS_MAX: usize = 256;
/// and so many questions and releases.
const OTHERS_MAX: usize = 64;

/// How long it may take until it is known whether the way to the queue is there.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);

/// A way to the broker.
pub(super) struct Link {
    // The channel before its connection.
    pub(super) publisher: Publisher,
    _connection: Connection,
    /// What is published, in order.
    pub(super) published: VecDeque<Published>,
    /// So many of them are controls.
    pub(super) controls: usize,
    /// When the last of it was.
    pub(super) published_at: Instant,
}

/// What is published.
pub(super) enum Published {
    Envelope(Id),
    /// The first of the controls.
    Control,
    Release,
    Question,
}

impl Link {
    /// Whether a question is on its way.
    pub(super) fn is_asking(&self) -> bool {
        self.published.iter().any(|published| matches!(published, Published::Question))
    }

    pub(super) fn note(&mut self, published: Published) {
        self.controls += usize::from(matches!(published, Published::Control));
        self.published.push_back(published);
        self.published_at = Instant::now();
    }
}

/// What came of opening a way.
pub(super) enum Opened {
    Ready(Box<Link>),
    QueueGone,
    Failed(BrokerError),
}

/// What is waited for before a way is opened.
pub(super) struct First {
    /// What went wrong is left alone for so long.
    pub(super) pause: Duration,
    /// What the broker does not take is to be set aside.
    pub(super) parked: Option<oneshot::Receiver<()>>,
    /// This process is to have its node's name for itself.
    pub(super) owned: watch::Receiver<bool>,
}

/// Opens a way; with `anew` also this node's way to the destination's queue.
pub(super) async fn open(
    broker: &mut Broker,
    settings: &CarrierSettings,
    destination: &str,
    anew: bool,
    mut first: First,
) -> Opened {
    let opened = async {
        tokio::time::sleep(first.pause).await;
        if let Some(parked) = first.parked {
            // Whatever came of it: it is tried again then.
            let _ = parked.await;
        }
        if first.owned.wait_for(|owned| *owned).await.is_err() {
            return Err(BrokerError::Lost("the engine ends".to_owned()));
        }
        let connection = broker.connect().await?;
        connection.declare(&settings.destination(destination)).await?;
        if anew {
            connection.declare(&[settings.way(destination)]).await?;
        }
        let mut publisher = connection.publisher(WINDOW_MAX + CONTROLS_MAX + OTHERS_MAX).await?;
        let key = settings.routing_key(destination);
        let is_there = asks_for_queue(&connection, &mut publisher, &settings.exchange(), &key).await?;
        let (published, published_at) = (VecDeque::new(), Instant::now());
        let link = Link { publisher, _connection: connection, published, controls: 0, published_at };
        Ok::<_, BrokerError>(is_there.then_some(link))
    };
    match opened.await {
        Ok(Some(link)) => Opened::Ready(Box::new(link)),
        Ok(None) => Opened::QueueGone,
        Err(problem) => Opened::Failed(problem),
    }
}

/// Whether this node's way to the queue is there: an empty message goes it, which consumers pass over. It also proves the channel: of a queue
/// whose leader is not found yet, the broker may refuse the first message and take the second.
async fn asks_for_queue(
    connection: &Connection,
    publisher: &mut Publisher,
    exchange: &str,
    key: &str,
) -> Result<bool, BrokerError> {
    publisher.publish(&publication(exchange, key, "question", ENVELOPE, &[]))?;
    let confirmed = loop {
        match timeout(ANSWER_TIME_MAX, publisher.next()).await {
            Ok(confirmed) => break confirmed,
            // Of a broker with an alarm, that time does not count.
            Err(_) if connection.is_blocked() => {}
            Err(_) => return Err(BrokerError::NoAnswer(ANSWER_TIME_MAX.as_secs_f32())),
        }
    };
    match confirmed.map(|confirmed| confirmed.verdict) {
        Some(Verdict::Acknowledged) => Ok(true),
        Some(Verdict::Returned(..)) => Ok(false),
        Some(Verdict::Refused) => Err(BrokerError::Lost("the broker refused a message".to_owned())),
        Some(Verdict::Lost(loss)) => Err(BrokerError::Lost(loss.to_string())),
        None => Err(BrokerError::Lost("nothing was confirmed".to_owned())),
    }
}
