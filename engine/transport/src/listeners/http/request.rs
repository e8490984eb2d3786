//! One request and its answer: what is no message for us is turned away with clear words, and everything else handed over.

use super::HttpListenerSettings;
use crate::destinations::Credentials;
use crate::listeners::{ConnectionEvent, PostHandler, Received, Verdict};
use crate::secret::{Secret, SecretSource};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderName, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Where the requests of a connection are answered.
pub(super) struct Desk<H> {
    pub(super) settings: Arc<HttpListenerSettings>,
    pub(super) handler: Arc<H>,
    pub(super) peer: SocketAddr,
    pub(super) connection: u64,
    /// How many messages were handed over.
    pub(super) messages: Arc<AtomicU64>,
}

/// Why a request is not handed over.
struct Refusal {
    status: StatusCode,
    text: String,
    /// What whoever sends is not to know.
    hidden: Option<String>,
    /// What else the answer says.
    header: Option<(HeaderName, HeaderValue)>,
}

/// The progress that renews a body's time.
const BODY_PROGRESS_BYTES: usize = 1024;

/// How long whoever sends is asked to wait when nothing can be taken now, in seconds: a disk that is full or an engine that starts anew
/// takes longer than a moment.
const RETRY_AFTER_SECONDS: &str = "10";

fn refusal(status: StatusCode, text: impl Into<String>) -> Refusal {
    Refusal { status, text: text.into(), hidden: None, header: None }
}

impl<H: PostHandler> Desk<H> {
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, mut body) = request.into_parts();
        match self.taken(&head, &mut body).await {
            Ok(response) => response,
            Err(Refusal { status, text, hidden, header }) => {
                // Whoever asks before sending sends nothing now, nor does whoever has stopped.
                if !head.headers.contains_key(EXPECT) && status != StatusCode::REQUEST_TIMEOUT {
                    drain(&mut body).await;
                }
                let (peer, connection) = (self.peer, self.connection);
                let (code, told) = (status.as_u16(), hidden.unwrap_or_else(|| text.clone()));
                self.handler.connection(ConnectionEvent::RequestRefused {
                    connection,
                    peer,
                    status: code,
                    text: told,
                });
                let mut response = plain(status, text);
                response.headers_mut().extend(header);
                response
            }
        }
    }

    async fn taken(&self, head: &Parts, body: &mut Incoming) -> Result<Response<Full<Bytes>>, Refusal> {
        if head.uri.path() != self.settings.path {
            let text =
                format!("there is nothing at this path; messages are posted to {}", self.settings.path);
            return Err(refusal(StatusCode::NOT_FOUND, text));
        }
        if head.method != Method::POST {
            let text = "messages are sent here with the method POST, one a request";
            let header = Some((ALLOW, HeaderValue::from_static("POST")));
            return Err(Refusal { header, ..refusal(StatusCode::METHOD_NOT_ALLOWED, text) });
        }
        self.admit(head).await?;
        let media_type = self.media_type(head)?;
        let bytes = self.body(body).await?;
        if bytes.is_empty() {
            return Err(refusal(StatusCode::BAD_REQUEST, "the request has no body; the message is its body"));
        }
        self.messages.fetch_add(1, Ordering::Relaxed);
        let received = Received { bytes, peer: self.peer, connection: self.connection };
        let posted = self.handler.post(received, media_type.as_deref()).await;
        let (status, retry_after) = match posted.verdict {
            Verdict::Taken if posted.body.is_empty() => (StatusCode::NO_CONTENT, None),
            Verdict::Taken => (StatusCode::OK, None),
            Verdict::Unreadable => (StatusCode::BAD_REQUEST, None),
            Verdict::NotProcessed => (StatusCode::UNPROCESSABLE_ENTITY, None),
            Verdict::Unanswered => (StatusCode::GATEWAY_TIMEOUT, None),
            Verdict::NotNow => (StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_AFTER_SECONDS)),
        };
        let mut response = Response::new(Full::new(Bytes::from(posted.body)));
        *response.status_mut() = status;
        if let Ok(media_type) = HeaderValue::from_str(&posted.media_type) {
            response.headers_mut().insert(CONTENT_TYPE, media_type);
        }
        let retry_after = retry_after.map(|seconds| (RETRY_AFTER, HeaderValue::from_static(seconds)));
        response.headers_mut().extend(retry_after);
        Ok(response)
    }

    /// Whether whoever sends may.
    async fn admit(&self, head: &Parts) -> Result<(), Refusal> {
        let Some(credentials) = &self.settings.credentials else { return Ok(()) };
        let (kind, expected) = match credentials {
            Credentials::Bearer(token) => ("Bearer", format!("Bearer {}", value_of(token).await?.value())),
            Credentials::Basic { user, password } => {
                let both = format!("{user}:{}", value_of(password).await?.value());
                ("Basic realm=\"messages\", charset=\"UTF-8\"", format!("Basic {}", STANDARD.encode(both)))
            }
        };
        let given = head.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        // How far both agree must not show in the time it takes: hashes are compared.
        if Sha256::digest(canonical(given)) == Sha256::digest(expected.as_bytes()) {
            return Ok(());
        }
        let text = "the credentials are missing or wrong (header Authorization)";
        let header = Some((WWW_AUTHENTICATE, HeaderValue::from_static(kind)));
        Err(Refusal { header, ..refusal(StatusCode::UNAUTHORIZED, text) })
    }

    /// The media type without its parameters, when one that is taken, or none, is said.
    fn media_type(&self, head: &Parts) -> Result<Option<String>, Refusal> {
        let head = |name| head.headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("?"));
        if let Some(encoding) =
            head(CONTENT_ENCODING).filter(|encoding| !encoding.eq_ignore_ascii_case("identity"))
        {
            let text = format!("the body is encoded as {encoding}; send it as it is");
            return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        let Some(said) = head(CONTENT_TYPE) else { return Ok(None) };
        let essence = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if self.settings.media_types.contains(&essence.as_str()) {
            return Ok(Some(essence));
        }
        let text =
            format!("this Content-Type is not taken; these are: {}", self.settings.media_types.join(", "));
        Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
    }

    /// The whole body.
    async fn body(&self, incoming: &mut Incoming) -> Result<Vec<u8>, Refusal> {
        let bytes_max = self.settings.body_bytes_max;
        let too_large = || {
            refusal(StatusCode::PAYLOAD_TOO_LARGE, format!("the message is larger than {bytes_max} bytes"))
        };
        if incoming.size_hint().lower() > bytes_max as u64 {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        let (mut mark, mut deadline) = (0, Instant::now() + self.settings.body_timeout);
        loop {
            let frame = timeout_at(deadline, incoming.frame()).await;
            let frame =
                frame.map_err(|_| refusal(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"))?;
            let Some(frame) = frame else { return Ok(bytes) };
            let frame = frame.map_err(|_| refusal(StatusCode::BAD_REQUEST, "the body broke off"))?;
            let Some(data) = frame.data_ref() else { continue };
            if data.len() > bytes_max.saturating_sub(bytes.len()) {
                return Err(too_large());
            }
            bytes.extend_from_slice(data);
            if bytes.len() >= mark + BODY_PROGRESS_BYTES {
                (mark, deadline) = (bytes.len(), Instant::now() + self.settings.body_timeout);
            }
        }
    }
}

/// The scheme's case does not count (RFC 9110, section 11.1).
fn canonical(given: &[u8]) -> Vec<u8> {
    for scheme in ["Bearer ", "Basic "] {
        if let Some((said, value)) = given.split_at_checked(scheme.len())
            && said.eq_ignore_ascii_case(scheme.as_bytes())
        {
            return [scheme.as_bytes(), value].concat();
        }
    }
    given.to_vec()
}

/// What the credentials must be; while that is not known, nobody is let in.
async fn value_of(source: &SecretSource) -> Result<Secret, Refusal> {
    source.fetch().await.map_err(|error| {
        let text = "nobody can be let in now: what the credentials must be is not known here";
        let mut missing = refusal(StatusCode::SERVICE_UNAVAILABLE, text);
        missing.hidden = Some(format!("nobody can be let in: {error}"));
        missing.header = Some((RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS)));
        missing
    })
}

/// Takes and forgets what is left of a body: closing with bytes unread would reset the connection, and the answer could be lost.
async fn drain(body: &mut Incoming) {
    let mut left = DRAIN_BYTES_MAX;
    let empty = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    // Whichever is first: who sends more, or more slowly, may lose the answer.
    timeout(DRAIN_TIME_MAX, empty).await.ok();
}

/// How much of a body that is not taken is read, and for how long.
const DRAIN_BYTES_MAX: usize = 8 * 1024 * 1024;
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);

fn plain(status: StatusCode, mut text: String) -> Response<Full<Bytes>> {
    text.push('\n');
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
