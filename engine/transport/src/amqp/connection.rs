//! One connection to a broker, and its state.

use super::consumer::{Consumer, ConsumerSettings};
use super::error::BrokerError;
use super::publisher::Publisher;
use super::socket::Hearing;
use futures_core::Stream;
use lapin::options::ConfirmSelectOptions;
use lapin::{ErrorKind, Event};
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long the broker may take for a request: opening a channel, declaring a queue. It takes milliseconds, and a quorum queue without
/// a majority never comes.
pub(super) const REQUEST_TIME_MAX: Duration = Duration::from_secs(15);

/// How long closing may take, before the connection is cut instead.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(2);

/// What is known of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// It can be used.
    Open,
    /// The broker is short of memory or disk, says why, and reads nothing from this connection until that is over.
    Blocked(String),
    /// It has ended, for this reason.
    Lost(String),
}

/// A connection to a broker. When it is dropped, it is closed, and so are all its channels.
pub struct Connection {
    lapin: lapin::Connection,
    address: String,
    hearing: Arc<Hearing>,
    /// Follows what lapin tells; ends with this.
    _events: JoinSet<()>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(lapin: lapin::Connection, address: String, hearing: Arc<Hearing>) -> Self {
        let mut events = JoinSet::new();
        events.spawn(follow(lapin.events_listener(), lapin.status().clone(), hearing.clone()));
        // An alarm that was raised before is told while logging in.
        if lapin.status().blocked() {
            hearing.blocked(Some("an alarm is in force at the broker".to_owned()));
        }
        let heartbeat = Duration::from_secs(u64::from(lapin.configuration().heartbeat()));
        if !heartbeat.is_zero() {
            // The broker may leave out the heartbeat after something else that it sent.
            hearing.limit_silence(heartbeat * 3 / 2);
        }
        Self { lapin, address, hearing, _events: events }
    }

    /// Which of the broker's addresses it leads to.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The same as a socket's address; none when the connection is gone.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.hearing.peer()
    }

    /// Its state now, and each change of it.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.hearing.state()
    }

    /// Whether it can be used, as far as this side knows.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.lapin.status().connected() && !self.hearing.is_lost()
    }

    /// Whether the broker has an alarm and reads nothing from this connection.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        matches!(*self.state().borrow(), LinkState::Blocked(_))
    }

    /// How long ago something came from the broker: a heartbeat, a confirm, a message.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.hearing.silence()
    }

    /// Whether it is open and the broker was heard within one and a half heartbeats: it sends each half of one, and may leave one of these out after
    /// something else that it sent (seen with RabbitMQ 3.10). The broker gives a silent peer up after two heartbeats, so
    /// whoever asks this right before a send knows that nobody else was given the same work meanwhile. Of a process that was frozen
    /// and wakes, all connections are not fresh any more, and never will be.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.is_open() && self.hearing.is_fresh()
    }

    /// A publisher with at most `window` unconfirmed messages, on a channel of its own.
    pub async fn publisher(&self, window: usize) -> Result<Publisher, BrokerError> {
        let channel = self.channel().await?;
        answered(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(Publisher::new(channel, window))
    }

    /// A consumer of `queue`, on a channel of its own.
    pub async fn consumer(&self, queue: &str, settings: ConsumerSettings) -> Result<Consumer, BrokerError> {
        Consumer::open(self.channel().await?, queue, settings).await
    }

    /// A channel. An error that the broker answers closes the channel it came on.
    pub(super) async fn channel(&self) -> Result<lapin::Channel, BrokerError> {
        answered(self.lapin.create_channel()).await
    }

    /// Closes it in good order, or cuts it when that takes too long (a broker in need reads nothing).
    pub async fn close(self) {
        let closing = self.lapin.close(lapin::protocol::constants::REPLY_SUCCESS, "done".into());
        let closed = timeout(CLOSE_TIME_MAX, closing).await;
        self.cut(if closed.is_ok() { "closed by us" } else { "closing it took too long" });
    }

    /// Ends it at once. The broker gives what was not acknowledged to others, in its old order; what was not confirmed may have arrived
    /// or not, and what was not sent yet is never sent.
    pub fn cut(&self, why: &str) {
        self.hearing.cut(why);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // lapin closes it in good order, for which it waits for all that the broker has not answered yet. A queue without a leader answers nothing; when
        // it has one again, it would count a consumer that was asked for here, and give it what others should have.
        let hearing = self.hearing.clone();
        let cut = move || hearing.cut("closing it took too long");
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                sleep(CLOSE_TIME_MAX).await;
                cut();
            })),
            Err(_) => cut(),
        }
    }
}

/// What the broker answers, within the time for a request.
pub(super) async fn answered<T>(request: impl Future<Output = lapin::Result<T>>) -> Result<T, BrokerError> {
    match timeout(REQUEST_TIME_MAX, request).await {
        Ok(answer) => answer.map_err(|error| BrokerError::of(&error)),
        Err(_) => Err(BrokerError::NoAnswer(REQUEST_TIME_MAX.as_secs_f32())),
    }
}

/// Tells what lapin tells. Why a connection ended is the broker's word, where it gave one before.
async fn follow(events: impl Stream<Item = Event>, status: lapin::ConnectionStatus, hearing: Arc<Hearing>) {
    let mut events = Box::pin(events);
    loop {
        let event = tokio::select! {
            biased;
            event = poll_fn(|context| Pin::new(&mut events).poll_next(context)) => event,
            why = hearing.ended() => return hearing.lost(why),
        };
        match event {
            Some(Event::ConnectionBlocked(reason)) => hearing.blocked(Some(reason)),
            Some(Event::ConnectionUnblocked) => hearing.blocked(None),
            // A channel's error leaves the connection as it is.
            Some(Event::Error(error)) if !status.connected() => {
                if let ErrorKind::ProtocolError(said) = error.kind() {
                    hearing.lost(said.get_message().as_str());
                }
            }
            Some(_) => {}
            None => return hearing.lost("the connection was closed"),
        }
    }
}
