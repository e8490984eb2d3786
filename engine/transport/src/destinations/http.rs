//! Messages by HTTP requests, one a message.
//!
//! What always holds: a message is delivered on a status of success only, and where the answer is a judged one, on what it says; nothing is
//! followed anywhere else (no redirects), because it would be told where patients' data goes by somebody on the way.

mod answer;
mod oauth;
#[cfg(test)]
mod tests;

use super::{Attempt, Classify, Delivery, Outcome};
use crate::http_client::{HttpAnswer, HttpClient, NoAnswer, Origin};
use crate::secret::{SecretError, SecretSource};
use crate::tls::{TlsClient, TlsClientSettings};
pub use answer::Judged;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use oauth::Tokens;
pub use oauth::{ClientProof, OAuthSettings};
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
    /// The same by tokens that a server gives, in place of these.
    pub oauth: Option<OAuthSettings>,
    /// What payloads are: the media type of the first entry whose beginning fits, leading blanks aside.
    pub media_types: Vec<MediaType>,
    /// Answers that say more than their status.
    pub judged: Judged,
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

/// What is asked of a server with a payload.
pub(super) struct Asked<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    /// The search that must find nothing, or nothing is done (FHIR R4, "RESTful API", conditional create).
    pub(super) if_none_exist: Option<&'a str>,
    /// Whether nothing of the message is in the path.
    pub(super) is_fixed: bool,
}

/// An HTTP destination with its connection, if there is one.
#[derive(Debug)]
pub struct HttpDestination {
    settings: HttpSettings,
    client: HttpClient,
    /// Where credentials are tokens that somebody gives.
    tokens: Option<Tokens>,
}

impl HttpDestination {
    /// A destination without a connection; the first attempt opens one.
    pub fn new(settings: HttpSettings) -> Self {
        let tls = settings.origin.is_secure.then(|| TlsClient::new(settings.tls.clone(), &[b"http/1.1"]));
        let client = HttpClient::new(settings.origin.clone(), settings.connect_timeout, tls);
        let tokens = settings.oauth.clone().map(Tokens::new);
        Self { settings, client, tokens }
    }

    /// What it was made with.
    pub(super) fn settings(&self) -> &HttpSettings {
        &self.settings
    }

    /// Sends a message and waits for its answer. A delivery's name is its path, where it has one.
    pub async fn attempt(&mut self, delivery: &Delivery<'_>, classify: &Classify<'_>) -> Attempt {
        let is_fixed = delivery.name.is_empty();
        if !is_fixed && !delivery.name.starts_with('/') {
            return Attempt { outcome: elsewhere(), answer: None, duration: Duration::ZERO };
        }
        let path = if is_fixed { self.settings.path.clone() } else { delivery.name.to_owned() };
        let method = self.settings.method.clone();
        let asked = Asked { method, path: &path, if_none_exist: None, is_fixed };
        self.send(asked, delivery.payload, classify).await
    }

    /// Sends a payload, and says what came of it.
    pub(super) async fn send(
        &mut self,
        asked: Asked<'_>,
        payload: &[u8],
        classify: &Classify<'_>,
    ) -> Attempt {
        let started = Instant::now();
        let is_fixed = asked.is_fixed;
        let (outcome, answer) = match self.exchange(asked, payload).await {
            Ok(answer) => {
                let outcome = answer::outcome(&answer, &self.settings.judged, is_fixed, classify);
                // Half an answer is none: nobody may take it for a whole one later.
                (outcome, answer.is_whole.then_some(answer.body))
            }
            Err(outcome) => (outcome, None),
        };
        Attempt { outcome, answer, duration: started.elapsed() }
    }

    async fn exchange(&mut self, asked: Asked<'_>, payload: &[u8]) -> Result<HttpAnswer, Outcome> {
        let mut request = request(&self.settings, asked, payload)
            .await
            .map_err(|error| Outcome::retryable("secret-missing", error))?
            .ok_or_else(unsendable)?;
        if let Some(tokens) = &mut self.tokens {
            let token = tokens.current().await.map_err(|error| Outcome::retryable("no-token", error))?;
            request.headers_mut().insert(AUTHORIZATION, hidden(&format!("Bearer {}", token.value())));
        }
        let answered = self.client.exchange(request, self.settings.answer_timeout).await;
        let answer = answered.map_err(|error: NoAnswer| Outcome::retryable(error.code(), error))?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.tokens.iter_mut().for_each(Tokens::forget);
        }
        Ok(answer)
    }
}

/// The destination was of another kind when the delivery was made.
fn elsewhere() -> Outcome {
    Outcome::Permanent {
        code: "http-request".to_owned(),
        text: "this delivery was made when its destination was no URL; replay it".to_owned(),
    }
}

fn unsendable() -> Outcome {
    Outcome::Permanent {
        code: "http-request".to_owned(),
        text: "the URL or a header made for this message is none; correct `url` and `headers`".to_owned(),
    }
}

/// The request for a payload; nothing when what was configured gives none.
async fn request(
    settings: &HttpSettings,
    asked: Asked<'_>,
    payload: &[u8],
) -> Result<Option<Request<Full<Bytes>>>, SecretError> {
    let mut request = Request::builder()
        .method(asked.method)
        .uri(asked.path)
        .header(USER_AGENT, "orderly")
        .header(CONTENT_TYPE, MediaType::of(&settings.media_types, payload));
    if let Some(search) = asked.if_none_exist {
        request = request.header("If-None-Exist", search);
    }
    for (name, value) in &settings.headers {
        request = match value {
            HeaderContent::Text(text) => request.header(name, text),
            HeaderContent::Secret(source) => request.header(name, hidden(source.fetch().await?.value())),
        };
    }
    if let Some(credentials) = &settings.credentials {
        let value = match credentials {
            Credentials::Bearer(token) => format!("Bearer {}", token.fetch().await?.value()),
            Credentials::Basic { user, password } => {
                let both = format!("{user}:{}", password.fetch().await?.value());
                format!("Basic {}", STANDARD.encode(both))
            }
        };
        request = request.header(AUTHORIZATION, hidden(&value));
    }
    Ok(request.body(Full::new(Bytes::copy_from_slice(payload))).ok())
}

/// A header's value that is not shown anywhere; an empty one when it cannot be one, which the server refuses.
fn hidden(value: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

impl MediaType {
    /// What a payload is, of these: the first that fits.
    pub(super) fn of<'s>(types: &'s [MediaType], payload: &[u8]) -> &'s str {
        let payload = payload.trim_ascii_start();
        let fits = |media: &&MediaType| payload.starts_with(media.beginning);
        types.iter().find(fits).map_or("application/octet-stream", |media| &media.name)
    }
}
