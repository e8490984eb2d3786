//! Sources and destinations on HTTP.

use std::time::Duration;

use orderly_mapping::{Input, Template};
use orderly_record::{Diagnostic, Fault};

use super::{At, Secret, TlsEndpoint, TlsListener};

/// `http:` of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSource {
    /// Address and port to listen at.
    pub listen: std::net::SocketAddr,
    /// The path that messages are posted to.
    pub path: String,
    /// The largest message taken in, in bytes; the transport's default when nothing is said, as for what follows.
    pub body_bytes_max: Option<usize>,
    /// How many connections at a time.
    pub connections_max: Option<usize>,
    /// Who may send; anybody, when nothing is said.
    pub credentials: Option<Credentials>,
    /// TLS; plain HTTP when nothing is said.
    pub tls: Option<TlsListener>,
}

/// `http:` of a destination.
#[derive(Debug)]
pub struct HttpEndpoint {
    /// Where requests go.
    pub url: Url,
    /// How.
    pub method: HttpMethod,
    /// What payloads are; by what they begin with, when nothing is said.
    pub content_type: Option<String>,
    /// What stands in the head of each request.
    pub headers: Vec<(String, HeaderContent)>,
    /// Who sends.
    pub credentials: Option<Credentials>,
    /// The same by tokens that a server gives.
    pub oauth: Option<OAuth>,
    /// How long connecting may take; the transport's default when nothing is said, as for what follows.
    pub connect_timeout: Option<Duration>,
    /// How long sending and the answer may take.
    pub answer_timeout: Option<Duration>,
    /// TLS of a secure URL; what the machine trusts when nothing is said.
    pub tls: Option<TlsEndpoint>,
}

/// `fhir:` of a destination.
#[derive(Debug)]
pub struct FhirEndpoint {
    /// The server's base.
    pub base: Url,
    /// What a resource without an id is conditional on.
    pub conditional: Option<Conditional>,
    /// What the server is asked to answer; as it likes, when nothing is said.
    pub prefer: Option<Prefer>,
    /// Who sends.
    pub credentials: Option<Credentials>,
    /// The same by tokens that a server gives.
    pub oauth: Option<OAuth>,
    /// How long connecting may take; the transport's default when nothing is said, as for what follows.
    pub connect_timeout: Option<Duration>,
    /// How long sending and the answer may take.
    pub answer_timeout: Option<Duration>,
    /// TLS of a secure base; what the machine trusts when nothing is said.
    pub tls: Option<TlsEndpoint>,
}

/// `conditional:` of a FHIR destination: what becomes of a resource that has no id, by its identifier (R4, "RESTful API", conditional
/// interactions).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conditional {
    /// It is made where no other has the identifier.
    Create,
    /// It replaces the one that has the identifier, or is made.
    Update,
}

/// `prefer:` of a FHIR destination: what the server is asked to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    /// Nothing but the status.
    Minimal,
    /// The resource as it is now.
    Representation,
    /// An OperationOutcome, with its warnings.
    OperationOutcome,
}

/// A request's method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpMethod {
    /// `POST`
    #[default]
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
}

/// The content of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderContent {
    /// As it stands.
    Text(String),
    /// A secret.
    Secret(Secret),
}

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Whoever has the token.
    Bearer(Secret),
    /// A user with a password.
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: Secret,
    },
}

/// Tokens that a server gives: OAuth 2, client credentials.
#[derive(Debug)]
pub struct OAuth {
    /// Where tokens come from.
    pub token_url: Url,
    /// Who asks.
    pub client_id: String,
    /// What shows that.
    pub proof: ClientProof,
    /// What a token is to be good for, if the server wants to know.
    pub scope: Option<String>,
    /// TLS of a secure URL; what the machine trusts when nothing is said.
    pub tls: Option<TlsEndpoint>,
    /// Where it stands.
    pub at: At,
}

/// What shows who asks for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientProof {
    /// A secret that both know.
    Secret(Secret),
    /// A signature with a key.
    Key {
        /// The private key, PKCS#8 in PEM; relative to the folder of `orderly.yaml`.
        file: String,
        /// By what the server knows its public half.
        key_id: Option<String>,
    },
}

/// A URL with values of the message in its path. Where it leads does not depend on the message.
#[derive(Debug)]
pub struct Url {
    /// Whether it is `https`.
    pub is_secure: bool,
    /// `host:port`.
    pub address: String,
    /// From the first `/` on.
    pub path: Vec<UrlPart>,
}

/// A part of a text with values of the message in it: of a URL's path, of a routing key.
#[derive(Debug)]
pub enum UrlPart {
    /// As it stands.
    Text(String),
    /// A value of the message.
    Value(Template),
}

impl Url {
    /// The path without anything of a message.
    #[must_use]
    pub fn fixed_path(&self) -> String {
        let text = |part: &UrlPart| match part {
            UrlPart::Text(text) => Some(text.clone()),
            UrlPart::Value(_) => None,
        };
        self.path.iter().filter_map(text).collect()
    }

    /// Whether something in its path is of the message.
    pub(crate) fn has_values(&self) -> bool {
        self.path.iter().any(|part| matches!(part, UrlPart::Value(_)))
    }

    /// The path for a message; nothing when it is the same for all. Values are escaped: none can lead to another place or parameter.
    pub(crate) fn path(&self, input: &Input<'_>) -> Result<Option<String>, Diagnostic> {
        if !self.has_values() {
            return Ok(None);
        }
        let mut path = String::new();
        for part in &self.path {
            match part {
                UrlPart::Text(text) => path.push_str(text),
                UrlPart::Value(value) => match value.text(input)? {
                    text if text.is_empty() => path.push(NOTHING),
                    text => escape(&text, &mut path),
                },
            }
        }
        if leads_elsewhere(&path) {
            let message = "the URL for this message leads to another place: a value in its path is empty, or of dots alone";
            let diagnostic = Diagnostic::error("http-path", Fault::Sender, message);
            return Err(diagnostic.with_help("leave such messages out, as in `when: PID-3.1 is present`"));
        }
        path.retain(|letter| letter != NOTHING);
        Ok(Some(path))
    }
}

/// Stands for a value that is empty; no escaped value and no URL has it.
const NOTHING: char = '\0';

/// Whether a piece of the path is gone, or is one of those that servers take for the place itself or the one above, also where they are
/// escaped (RFC 3986, section 6.2.2).
fn leads_elsewhere(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    path.split('/').any(|piece| {
        let dots = piece.replace("%2E", ".").replace(NOTHING, "");
        (piece.contains(NOTHING) && dots.is_empty()) || matches!(dots.as_str(), "." | "..")
    })
}

/// Escapes all that has a meaning in a URL (RFC 3986, section 2.3); of a value of dots alone the dots too, as those lead upwards.
fn escape(value: &str, out: &mut String) {
    let is_dots = value.bytes().all(|byte| byte == b'.');
    for byte in value.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~');
        if is_plain || (byte == b'.' && !is_dots) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_where_it_was_meant_to_be() {
        for path in ["/hl7/%2E%2E/in", "/a/.%2E", "/a/%2E", "/a/\0/b", "/Patient/\0"] {
            assert!(leads_elsewhere(path), "{path}");
        }
        for path in ["/", "/hl7/", "/hl7/a%2E%2Eb", "/a?x=\0", "/a-\0/b", "/a//b"] {
            assert!(!leads_elsewhere(path), "{path}");
        }
    }

    #[test]
    fn values_cannot_change_what_a_url_means() {
        for (value, escaped) in [
            ("A01", "A01"),
            ("a.b-c_d~e", "a.b-c_d~e"),
            ("../x", "..%2Fx"),
            ("..", "%2E%2E"),
            ("a b?c&d=#%", "a%20b%3Fc%26d%3D%23%25"),
            ("Zoë\r\n", "Zo%C3%AB%0D%0A"),
            ("", ""),
        ] {
            let mut out = String::new();
            escape(value, &mut out);
            assert_eq!(out, escaped);
        }
    }
}
