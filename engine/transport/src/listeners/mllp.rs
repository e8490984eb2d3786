//! Messages over MLLP: the listener that legacy systems connect to.
//!
//! What always holds: answers leave in the order of the frames, each after the handler gave it; while the handler works the
//! connection is not read, so that a slow store slows the sender and fills no memory; a failed accept never ends the listener;
//! on shutdown the message in flight is finished and its answer written, and what was not yet handed over is left unanswered,
//! which tells the sender to send it again.

mod connection;
#[cfg(test)]
mod tests;

use super::accept::{Accepted, TakenAddress, accept};
use super::{BindError, Handler};
use crate::mllp_frame::Tolerances;
use crate::tls::{TlsServer, TlsServerSettings};
use connection::Connection;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

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
    /// TLS, when peers are to speak it.
    pub tls: Option<TlsServerSettings>,
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
            tls: None,
        }
    }
}

/// An MLLP listener with its address taken.
#[derive(Debug)]
pub struct MllpListener {
    socket: TakenAddress,
    address: SocketAddr,
    settings: MllpListenerSettings,
    tls: Option<Arc<TlsServer>>,
}

impl MllpListener {
    /// Takes the address, so that peers can connect; they are served from [`run`](Self::run) on.
    pub async fn bind(settings: MllpListenerSettings) -> Result<Self, BindError> {
        let taken = TakenAddress::take(settings.listen).await?;
        Self::at(taken, settings)
    }

    /// Listens where another listener does or did; who connects in between is served by this one.
    pub fn at(taken: TakenAddress, settings: MllpListenerSettings) -> Result<Self, BindError> {
        let address = taken.local_addr(settings.listen)?;
        let tls = settings.tls.clone().map(TlsServer::new).transpose()?.map(Arc::new);
        Ok(Self { socket: taken, address, settings, tls })
    }

    /// Its address, to be handed on.
    pub fn taken(&self) -> TakenAddress {
        self.socket.clone()
    }

    /// Where it listens; with port 0 in the settings, the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is ready; then takes in no more, finishes what is in flight, and returns.
    pub async fn run<H: Handler>(self, handler: Arc<H>, shutdown: impl Future<Output = ()> + Send) {
        let Self { socket, settings, tls, .. } = self;
        let connections_max = settings.connections_max;
        let served = handler.clone();
        let connect = move |accepted: Accepted| {
            Connection::new(accepted.peer, accepted.number, served.clone(), settings.clone()).serve(
                accepted.stream,
                tls.clone(),
                accepted.stopped,
            )
        };
        accept(socket, connections_max, handler, shutdown, connect).await;
    }
}
