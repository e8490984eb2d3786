//! Messages over MLLP: the listener that legacy systems connect to.
//!
//! What always holds: answers leave in the order of the frames, each after the handler gave it; while the handler works the
//! connection is not read, so that a slow store slows the sender and fills no memory; a failed accept never ends the listener;
//! on shutdown the message in flight is finished and its answer written, and what was not yet handed over is left unanswered,
//! which tells the sender to send it again.

mod connection;
#[cfg(test)]
mod tests;

use super::{BindError, ConnectionEvent, Handler};
use crate::mllp_frame::Tolerances;
use connection::Connection;
use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::sleep;

/// How an MLLP listener behaves. Each limit says why it stands where it does.
#[derive(Debug, Clone)]
pub struct MllpListenerSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The largest message in bytes. 64 MiB: embedded PDFs and images of tens of megabytes are common.
    pub frame_bytes_max: usize,
    /// How many peers at once. 64: a feed needs one, a sender gone wrong must not take the files of all others.
    pub connections_max: usize,
    /// How long a connection may be silent between messages. 10 minutes: longer than any sender waits between its keep-alives,
    /// and connections whose peer vanished do not pile up.
    pub idle_timeout: Duration,
    /// How long the next 1,024 bytes of a frame, or its end, may take. 30 s: a stalled sender is found, a slow line is not cut,
    /// and a byte now and then does not hold a connection for ever.
    pub frame_timeout: Duration,
    /// How long a peer may take to read its answer. 30 s, as for a frame.
    pub write_timeout: Duration,
    /// The deviations that are not taken. None: what can be understood without guessing is.
    pub refused: Tolerances,
}

impl MllpListenerSettings {
    /// The defaults, on an address.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            frame_bytes_max: 64 * 1024 * 1024,
            connections_max: 64,
            idle_timeout: Duration::from_secs(600),
            frame_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            refused: Tolerances::NONE,
        }
    }
}

/// An address that is held, also while no listener runs at it: peers that connect then wait.
#[derive(Debug, Clone)]
pub struct TakenAddress(Arc<TcpListener>);

/// An MLLP listener with its address taken.
#[derive(Debug)]
pub struct MllpListener {
    socket: Arc<TcpListener>,
    address: SocketAddr,
    settings: MllpListenerSettings,
}

impl MllpListener {
    /// Takes the address, so that peers can connect; they are served from [`run`](Self::run) on.
    pub async fn bind(settings: MllpListenerSettings) -> Result<Self, BindError> {
        let wrap = |source| BindError::new(settings.listen, source);
        let socket = TcpListener::bind(settings.listen).await.map_err(wrap)?;
        Self::at(TakenAddress(Arc::new(socket)), settings)
    }

    /// Listens where another listener does or did; who connects in between is served by this one.
    pub fn at(taken: TakenAddress, settings: MllpListenerSettings) -> Result<Self, BindError> {
        let address = taken.0.local_addr().map_err(|source| BindError::new(settings.listen, source))?;
        Ok(Self { socket: taken.0, address, settings })
    }

    /// Its address, to be handed on.
    pub fn taken(&self) -> TakenAddress {
        TakenAddress(self.socket.clone())
    }

    /// Where it listens; with port 0 in the settings, the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is ready; then takes in no more, finishes what is in flight, and returns.
    pub async fn run<H: Handler>(self, handler: Arc<H>, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = pin!(shutdown);
        let (stop, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut peers = HashMap::new();
        let mut number = 0;
        let mut pause = ACCEPT_PAUSE_MIN;
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = connections.join_next_with_id() => {
                    tell_ended(&*handler, &mut peers, ended);
                    continue;
                }
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((_, peer)) if connections.len() >= self.settings.connections_max => {
                    let connections_max = self.settings.connections_max;
                    handler.connection(ConnectionEvent::Refused { peer, connections_max });
                }
                Ok((stream, peer)) => {
                    pause = ACCEPT_PAUSE_MIN;
                    number += 1;
                    let connection =
                        Connection::new(stream, peer, number, handler.clone(), self.settings.clone());
                    let task = connections.spawn(connection.serve(stopped.clone()));
                    peers.insert(task.id(), peer);
                }
                Err(error) => {
                    let (kind, text) = (error.kind(), error.to_string());
                    handler.connection(ConnectionEvent::AcceptFailed { kind, text });
                    tokio::select! {
                        () = &mut shutdown => break,
                        () = sleep(pause) => pause = (pause * 2).min(ACCEPT_PAUSE_MAX),
                    }
                }
            }
        }
        drop(self.socket);
        // No connection may be left that could hear it: then there is nothing to stop.
        stop.send(true).ok();
        while let Some(ended) = connections.join_next_with_id().await {
            tell_ended(&*handler, &mut peers, ended);
        }
    }
}

/// A connection that ended by itself has said so; one whose handler panicked could not.
fn tell_ended<H: Handler>(
    handler: &H,
    peers: &mut HashMap<Id, SocketAddr>,
    ended: Result<(Id, ()), JoinError>,
) {
    let (id, failed) = match ended {
        Ok((id, ())) => (id, false),
        Err(error) => (error.id(), true),
    };
    if let Some(peer) = peers.remove(&id)
        && failed
    {
        handler.connection(ConnectionEvent::HandlerFailed { peer });
    }
}

/// The first and the longest pause after a failed accept: files may be free again soon, and a spinning loop helps nobody.
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);
