//! One HTTP/1.1 connection seen from the client: a request, and its whole answer.
//!
//! What always holds: one request is in flight; a connection is used again only after a whole answer, and only as long as the server has
//! not said a word since; nothing is sent twice by itself; every wait has an end and every answer a limit.

use crate::mllp_client::{ConnectError, connect};
use crate::stream::{Stream, in_words};
use crate::tls::{HandshakeError, TlsClient};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::timeout;

/// The server that requests go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Whether TLS is spoken: `https`.
    pub is_secure: bool,
    /// `host:port`.
    pub address: String,
}

impl Origin {
    /// The value of the header `Host`, which leaves out the scheme's own port.
    fn host(&self) -> &str {
        let usual = if self.is_secure { ":443" } else { ":80" };
        self.address.strip_suffix(usual).unwrap_or(&self.address)
    }
}

/// A client with its connection, if there is one.
#[derive(Debug)]
pub(crate) struct HttpClient {
    origin: Origin,
    connect_timeout: Duration,
    tls: Option<TlsClient>,
    connection: Option<Connection>,
}

/// A connection, and what drives it while a request is in flight.
struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Pin<Box<http1::Connection<TokioIo<Stream>, Full<Bytes>>>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Whether the body is there to its end.
    pub(crate) is_whole: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error(transparent)]
    Unconnected(#[from] ConnectError),
    #[error("no answer came within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    #[error("the server closed the connection instead of answering")]
    Closed,
    #[error("TLS: {0}")]
    Tls(HandshakeError),
    #[error("the connection broke before the answer came: {0}")]
    Broken(String),
    #[error("the server's answer is no HTTP/1.1: {0}")]
    Unusable(String),
}

impl NoAnswer {
    /// A stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unconnected(error) => error.code(),
            Self::TimedOut(_) => "answer-timeout",
            Self::Closed => "closed-before-answer",
            Self::Tls(error) => error.code(),
            Self::Broken(_) => "connection-lost",
            Self::Unusable(_) => "answer-unreadable",
        }
    }

    fn of(error: &hyper::Error) -> Self {
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        match cause {
            Some(cause) => match HandshakeError::within(cause) {
                Some(error) => Self::Tls(error),
                None => Self::Broken(in_words(cause)),
            },
            None if error.is_incomplete_message() || error.is_canceled() || error.is_closed() => Self::Closed,
            None if error.is_parse() => Self::Unusable(error.to_string()),
            None => Self::Broken(error.to_string()),
        }
    }
}

impl HttpClient {
    /// `tls` is there where the origin is secure.
    pub(crate) fn new(origin: Origin, connect_timeout: Duration, tls: Option<TlsClient>) -> Self {
        Self { origin, connect_timeout, tls, connection: None }
    }

    /// Sends a request, whose URI is a path, and waits for its answer.
    pub(crate) async fn exchange(
        &mut self,
        mut request: Request<Full<Bytes>>,
        answer_timeout: Duration,
    ) -> Result<HttpAnswer, NoAnswer> {
        // It is put back only after a whole answer: whatever else happens drops it, and closes it.
        let mut connection = self.connected().await?;
        if let Ok(host) = HeaderValue::from_str(self.origin.host()) {
            request.headers_mut().insert(HOST, host);
        }
        let answered = timeout(answer_timeout, connection.exchange(request)).await;
        let answer = answered.map_err(|_| NoAnswer::TimedOut(answer_timeout))??;
        if answer.is_whole && connection.sender.is_ready() {
            self.connection = Some(connection);
        }
        Ok(answer)
    }

    async fn connected(&mut self) -> Result<Connection, NoAnswer> {
        if let Some(mut kept) = self.connection.take()
            && kept.is_usable().await
        {
            return Ok(kept);
        }
        let stream = connect(&self.origin.address, self.connect_timeout, self.tls.as_ref()).await?;
        // Nothing is sent by this yet.
        let (sender, driver) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| NoAnswer::of(&error))?;
        Ok(Connection { sender, driver: Box::pin(driver) })
    }
}

impl Connection {
    /// Whether the server has neither closed the connection nor said anything since its last answer.
    async fn is_usable(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = &mut self.driver => false,
            // One turn of the reactor, so that tokio knows of what came meanwhile.
            () = tokio::task::yield_now() => {
                let is_open = tokio::select! {
                    biased;
                    _ = &mut self.driver => false,
                    () = std::future::ready(()) => true,
                };
                is_open && self.sender.is_ready()
            }
        }
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<HttpAnswer, NoAnswer> {
        let Self { sender, driver } = self;
        let mut exchange = std::pin::pin!(async {
            match sender.send_request(request).await {
                Ok(response) => Ok(read(response).await),
                Err(error) => Err(NoAnswer::of(&error)),
            }
        });
        tokio::select! {
            biased;
            answer = &mut exchange => return answer,
            _ = driver => {}
        }
        // The connection has ended: all that will ever come is there.
        exchange.await
    }
}

/// The largest body that is read: an acknowledgement has a few hundred bytes, a transaction's answer may have some megabytes.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The answer, with as much of its body as comes and fits.
async fn read(response: Response<Incoming>) -> HttpAnswer {
    let (head, mut incoming) = response.into_parts();
    let (mut body, mut is_whole) = (Vec::new(), true);
    while let Some(frame) = incoming.frame().await {
        let Ok(frame) = frame else {
            is_whole = false;
            break;
        };
        let Some(data) = frame.data_ref() else { continue };
        let room = BODY_BYTES_MAX.saturating_sub(body.len());
        body.extend_from_slice(data.get(..room).unwrap_or(data));
        if data.len() > room {
            is_whole = false;
            break;
        }
    }
    HttpAnswer { status: head.status, headers: head.headers, body, is_whole }
}
