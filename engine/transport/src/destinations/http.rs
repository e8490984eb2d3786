//! Messages by HTTP requests, one a message.
//!
//! What always holds: a message is delivered on a status of success only, and where the answer is a judged one, on what it says; nothing is
//! followed anywhere else (no redirects), because it would be told where patients' data goes by somebody on the way.

mod answer;
#[cfg(test)]
mod tests;

use super::{Attempt, Classify, Delivery, Outcome};
use crate::http_client::{HttpAnswer, HttpClient, NoAnswer, Origin};
use crate::secret::{SecretError, SecretSource};
use crate::tls::{TlsClient, TlsClientSettings};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use std::time::Duration;
use tokio::time::Instant;

/// How an HTTP destination behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// The server.
    pub origin: Origin,
    /// The path, with its query, of deliveries that have none of their own as their name.
    pub path: String,
    /// The request's method.
    pub method: Method,
    /// What is sent in each request's head.
    pub headers: Vec<(String, HeaderContent)>,
    /// Who sends.
    pub credentials: Option<Credentials>,
    /// What payloads are: the media type of the first entry whose beginning fits, leading blanks aside.
    pub media_types: Vec<MediaType>,
    /// Media types of answers that say more than their status, and are judged.
    pub judged: Vec<&'static str>,
    /// How long connecting may take. 10 s, as over MLLP.
    pub connect_timeout: Duration,
    /// How long sending and the answer may take together. 30 s, as over MLLP.
    pub answer_timeout: Duration,
    /// TLS, where the origin is secure.
    pub tls: TlsClientSettings,
}

/// How payloads of a media type begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    /// Their first bytes; nothing fits all.
    pub beginning: &'static [u8],
    /// The value of `Content-Type`.
    pub name: String,
}

/// The content of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderContent {
    /// As it stands.
    Text(String),
    /// A secret, such as an API's key.
    Secret(SecretSource),
}

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Whoever has the token (RFC 6750).
    Bearer(SecretSource),
    /// A user with a password (RFC 7617).
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: SecretSource,
    },
}

/// An HTTP destination with its connection, if there is one.
#[derive(Debug)]
pub struct HttpDestination {
    settings: HttpSettings,
    client: HttpClient,
}

impl HttpDestination {
    /// A destination without a connection; the first attempt opens one.
    pub fn new(settings: HttpSettings) -> Self {
        let tls = settings.origin.is_secure.then(|| TlsClient::new(settings.tls.clone(), &[b"http/1.1"]));
        let client = HttpClient::new(settings.origin.clone(), settings.connect_timeout, tls);
        Self { settings, client }
    }

    /// Sends a message and waits for its answer. A delivery's name is its path, where it has one.
    pub async fn attempt(&mut self, delivery: &Delivery<'_>, classify: &Classify<'_>) -> Attempt {
        let started = Instant::now();
        let (outcome, answer) = match self.exchange(delivery).await {
            Ok(answer) => {
                let is_fixed = delivery.name.is_empty();
                (answer::outcome(&answer, &self.settings.judged, is_fixed, classify), Some(answer.body))
            }
            Err(outcome) => (outcome, None),
        };
        Attempt { outcome, answer, duration: started.elapsed() }
    }

    async fn exchange(&mut self, delivery: &Delivery<'_>) -> Result<HttpAnswer, Outcome> {
        let request = request(&self.settings, delivery)
            .await
            .map_err(|error| Outcome::retryable("secret-missing", error))?
            .ok_or_else(unsendable)?;
        let answered = self.client.exchange(request, self.settings.answer_timeout).await;
        answered.map_err(|error: NoAnswer| Outcome::retryable(error.code(), error))
    }
}

fn unsendable() -> Outcome {
    Outcome::Permanent {
        code: "http-request".to_owned(),
        text: "the URL or a header made for this message is none; correct `url` and `headers`".to_owned(),
    }
}

/// The request for a delivery; nothing when what was configured gives none.
async fn request(
    settings: &HttpSettings,
    delivery: &Delivery<'_>,
) -> Result<Option<Request<Full<Bytes>>>, SecretError> {
    let path = if delivery.name.is_empty() { &settings.path } else { delivery.name };
    let mut request = Request::builder()
        .method(settings.method.clone())
        .uri(path)
        .header(USER_AGENT, "orderly")
        .header(CONTENT_TYPE, media_type(&settings.media_types, delivery.payload));
    for (name, value) in &settings.headers {
        request = match value {
            HeaderContent::Text(text) => request.header(name, text),
            HeaderContent::Secret(source) => request.header(name, hidden(read(source).await?.value())),
        };
    }
    if let Some(credentials) = &settings.credentials {
        let value = match credentials {
            Credentials::Bearer(token) => format!("Bearer {}", read(token).await?.value()),
            Credentials::Basic { user, password } => {
                let both = format!("{user}:{}", read(password).await?.value());
                format!("Basic {}", STANDARD.encode(both))
            }
        };
        request = request.header(AUTHORIZATION, hidden(&value));
    }
    Ok(request.body(Full::new(Bytes::copy_from_slice(delivery.payload))).ok())
}

/// A header's value that is not shown anywhere; an empty one when it cannot be one, which the server refuses.
fn hidden(value: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

async fn read(source: &SecretSource) -> Result<crate::secret::Secret, SecretError> {
    let source = source.clone();
    let name = format!("{source:?}");
    let read = tokio::task::spawn_blocking(move || source.read()).await;
    read.unwrap_or(Err(SecretError::Unusable(name)))
}

fn media_type<'s>(types: &'s [MediaType], payload: &[u8]) -> &'s str {
    let payload = payload.trim_ascii_start();
    let fits = |media: &&MediaType| payload.starts_with(media.beginning);
    types.iter().find(fits).map_or("application/octet-stream", |media| &media.name)
}
