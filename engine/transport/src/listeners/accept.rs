//! What all listeners at an address have in common: peers that connect, each served by a task of its own, and the end of it.
//!
//! What always holds: a failed accept never ends the listener; on shutdown nobody is taken in any more, and every connection comes to its
//! own end.

use super::{BindError, CloseReason, ConnectionEvent, Handler};
use crate::stream::{Stream, prepare};
use crate::tls::{HandshakeError, TlsServer};
use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::sleep;

/// An address that is held, also while no listener runs at it: peers that connect then wait.
#[derive(Debug, Clone)]
pub struct TakenAddress(Arc<TcpListener>);

impl TakenAddress {
    pub(super) async fn take(listen: SocketAddr) -> Result<Self, BindError> {
        let socket = TcpListener::bind(listen).await.map_err(|source| BindError::new(listen, source))?;
        Ok(Self(Arc::new(socket)))
    }

    /// The address itself, wanted as `listen`.
    pub(super) fn local_addr(&self, listen: SocketAddr) -> Result<SocketAddr, BindError> {
        self.0.local_addr().map_err(|source| BindError::new(listen, source))
    }
}

/// A peer that connected.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    /// Counted from 1 a listener.
    pub(super) number: u64,
    /// Becomes true when the listener shuts down.
    pub(super) stopped: watch::Receiver<bool>,
}

/// Takes peers in until `shutdown` is ready, and waits until all of them are served.
pub(super) async fn accept<H: Handler, F: Future<Output = ()> + Send + 'static>(
    socket: TakenAddress,
    connections_max: usize,
    handler: Arc<H>,
    shutdown: impl Future<Output = ()> + Send,
    serve: impl Fn(Accepted) -> F,
) {
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
            accepted = socket.0.accept() => accepted,
        };
        match accepted {
            Ok((_, peer)) if connections.len() >= connections_max => {
                handler.connection(ConnectionEvent::Refused { peer, connections_max });
            }
            Ok((stream, peer)) => {
                pause = ACCEPT_PAUSE_MIN;
                number += 1;
                let accepted = Accepted { stream, peer, number, stopped: stopped.clone() };
                peers.insert(connections.spawn(serve(accepted)).id(), peer);
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
    drop(socket);
    // No connection may be left that could hear it: then there is nothing to stop.
    stop.send(true).ok();
    while let Some(ended) = connections.join_next_with_id().await {
        tell_ended(&*handler, &mut peers, ended);
    }
}

/// The connection of a peer, after the handshake where TLS is wanted, and the name in the certificate that it showed; otherwise why it is to be closed, which the handler knows then.
pub(super) async fn secured<H: Handler>(
    stream: TcpStream,
    tls: Option<&TlsServer>,
    connection: u64,
    peer: SocketAddr,
    handler: &H,
    stopped: &mut watch::Receiver<bool>,
) -> Result<(Stream, Option<Arc<str>>), CloseReason> {
    prepare(&stream);
    let Some(tls) = tls else { return Ok((Stream::Plain(stream), None)) };
    let handshake = tokio::select! {
        biased;
        _ = stopped.changed() => return Err(CloseReason::Shutdown),
        handshake = tls.accept(stream) => handshake,
    };
    let secured = handshake.map(|stream| {
        let name = tls.name_of(&stream);
        (stream, name)
    });
    secured.map_err(|error| {
        let text = (!matches!(error, HandshakeError::Silent)).then(|| error.to_string());
        handler.connection(ConnectionEvent::HandshakeFailed { connection, peer, code: error.code(), text });
        CloseReason::Handshake
    })
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
