//! Destinations that are reached by HTTP.

use std::time::Duration;

use orderly_mapping::{Input, Template};
use orderly_record::Diagnostic;

use super::{Secret, TlsEndpoint};

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
    /// How long connecting may take; the transport's default when nothing is said, as for what follows.
    pub connect_timeout: Option<Duration>,
    /// How long sending and the answer may take.
    pub answer_timeout: Option<Duration>,
    /// TLS of a secure URL; what the machine trusts when nothing is said.
    pub tls: Option<TlsEndpoint>,
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

/// A part of a URL's path.
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

    /// The path for a message; nothing when it is the same for all. Values are escaped: none can lead to another place or parameter.
    pub(crate) fn path(&self, input: &Input<'_>) -> Result<Option<String>, Diagnostic> {
        if self.path.iter().all(|part| matches!(part, UrlPart::Text(_))) {
            return Ok(None);
        }
        let mut path = String::new();
        for part in &self.path {
            match part {
                UrlPart::Text(text) => path.push_str(text),
                UrlPart::Value(value) => escape(&value.text(input)?, &mut path),
            }
        }
        Ok(Some(path))
    }
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
