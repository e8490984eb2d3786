//! Messages that are posted by HTTP: one a request, and its acknowledgement as the answer.
//!
//! What always holds: an answer of success leaves only after the handler gave it; who sends is known before a byte of the body is read; a
//! head and a body that do not come on end the connection; on shutdown the request in flight is answered, and nothing more is read.

mod request;
#[cfg(test)]
mod tests;
mod writing;

use super::accept::{Accepted, TakenAddress, accept, secured};
use super::{BindError, CloseReason, ConnectionEvent, PostHandler};
use crate::destinations::Credentials;
use crate::mllp_frame::Tally;
use crate::stream::Stream;
use crate::tls::{TlsServer, TlsServerSettings};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use request::Desk;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use writing::Writing;

/// How an HTTP listener behaves. Each limit says why it stands where it does.
#[derive(Debug, Clone)]
pub struct HttpListenerSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The path that messages are posted to.
    pub path: String,
    /// The largest message in bytes. 64 MiB, as over MLLP.
    pub body_bytes_max: usize,
    /// How many peers at once. 64, as over MLLP.
    pub connections_max: usize,
    /// How long a request's head may take, and how long a connection may be silent between requests: 60 s, longer than clients keep
    /// connections, and shorter than it takes to fill all of them with nothing.
    pub head_timeout: Duration,
    /// How long the next 1,024 bytes of a body, or its end, may take. 30 s, as over MLLP.
    pub body_timeout: Duration,
    /// How long a peer may take to read its answer. 30 s, as over MLLP.
    pub write_timeout: Duration,
    /// Who may send; anybody, when nothing is said.
    pub credentials: Option<Credentials>,
    /// The media types that are taken; a request without one is taken too.
    pub media_types: Vec<&'static str>,
    /// TLS, when peers are to speak it.
    pub tls: Option<TlsServerSettings>,
}

impl HttpListenerSettings {
    /// The defaults, on an address.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            path: "/".to_owned(),
            body_bytes_max: 64 * 1024 * 1024,
            connections_max: 64,
            head_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            credentials: None,
            media_types: Vec::new(),
            tls: None,
        }
    }
}

/// An HTTP listener with its address taken.
#[derive(Debug)]
pub struct HttpListener {
    socket: TakenAddress,
    address: SocketAddr,
    settings: Arc<HttpListenerSettings>,
    tls: Option<Arc<TlsServer>>,
}

impl HttpListener {
    /// Takes the address, so that peers can connect; they are served from [`run`](Self::run) on.
    pub async fn bind(settings: HttpListenerSettings) -> Result<Self, BindError> {
        let taken = TakenAddress::take(settings.listen).await?;
        Self::at(taken, settings)
    }

    /// Listens where another listener does or did; who connects in between is served by this one.
    pub fn at(taken: TakenAddress, settings: HttpListenerSettings) -> Result<Self, BindError> {
        let address = taken.local_addr(settings.listen)?;
        let tls = settings.tls.clone().map(TlsServer::new).transpose()?.map(Arc::new);
        Ok(Self { socket: taken, address, settings: Arc::new(settings), tls })
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
    pub async fn run<H: PostHandler>(self, handler: Arc<H>, shutdown: impl Future<Output = ()> + Send) {
        let Self { socket, settings, tls, .. } = self;
        let connections_max = settings.connections_max;
        let posted_to = handler.clone();
        let connect = move |accepted| serve(accepted, tls.clone(), settings.clone(), posted_to.clone());
        accept(socket, connections_max, handler, shutdown, connect).await;
    }
}

/// Serves a peer until one of both ends it.
async fn serve<H: PostHandler>(
    accepted: Accepted,
    tls: Option<Arc<TlsServer>>,
    settings: Arc<HttpListenerSettings>,
    handler: Arc<H>,
) {
    let Accepted { stream, peer, number: connection, mut stopped } = accepted;
    handler.connection(ConnectionEvent::Opened { connection, peer });
    let messages = Arc::new(AtomicU64::new(0));
    let reason = match secured(stream, tls.as_deref(), connection, peer, &*handler, &mut stopped).await {
        Ok((stream, name)) => {
            let (handler, messages) = (handler.clone(), messages.clone());
            let desk = Desk { settings, handler, peer, name, connection, messages };
            converse(stream, Arc::new(desk), &mut stopped).await
        }
        Err(reason) => reason,
    };
    let messages_count = messages.load(Ordering::Relaxed);
    let tally = Tally::default();
    handler.connection(ConnectionEvent::Closed { connection, peer, reason, messages_count, tally });
}

/// The largest head of a request in bytes: hundreds of bytes are usual, tokens have some kilobytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How long a request that is under way may take to end when the listener stops.
const LAST_REQUEST_TIME_MAX: Duration = Duration::from_secs(5);

async fn converse<H: PostHandler>(
    stream: Stream,
    desk: Arc<Desk<H>>,
    stopped: &mut watch::Receiver<bool>,
) -> CloseReason {
    let (head_timeout, write_timeout) = (desk.settings.head_timeout, desk.settings.write_timeout);
    let service = service_fn(move |request| {
        let desk = desk.clone();
        async move { Ok::<_, std::convert::Infallible>(desk.answer(request).await) }
    });
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        // A peer that has sent its last still gets its answer.
        .half_close(true)
        .serve_connection(TokioIo::new(Writing::new(stream, write_timeout)), service);
    let mut conversation = std::pin::pin!(conversation);
    let ended = tokio::select! {
        ended = conversation.as_mut() => ended,
        _ = stopped.changed() => {
            conversation.as_mut().graceful_shutdown();
            // What came of the request in flight, the handler knows; who sends it too slowly sends it again.
            tokio::time::timeout(LAST_REQUEST_TIME_MAX, conversation).await.ok();
            return CloseReason::Shutdown;
        }
    };
    match ended {
        Ok(()) => CloseReason::Peer,
        Err(error) if error.is_timeout() => CloseReason::Idle,
        Err(error) if error.is_parse() => CloseReason::Problem,
        Err(error) => {
            let cause =
                std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
            CloseReason::Broken(cause.map_or(std::io::ErrorKind::Other, std::io::Error::kind))
        }
    }
}
