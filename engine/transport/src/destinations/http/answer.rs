//! What came of a request, by its answer: the status first, then what a judged answer says.

use crate::destinations::{Classified, Classify, Outcome};
use crate::http_client::HttpAnswer;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use jiff::Timestamp;
use std::time::Duration;

/// The outcome. `is_fixed` says that the URL has nothing of the message in it, so that where it is redirected to may be told.
pub(super) fn outcome(
    answer: &HttpAnswer,
    judged: &Judged,
    is_fixed: bool,
    classify: &Classify<'_>,
) -> Outcome {
    let is_judged = judged.takes(answer);
    let status = answer.status;
    if status.is_success() {
        return if is_judged { by_answer(answer, classify) } else { Outcome::Delivered };
    }
    let words = match is_judged.then(|| classify(&answer.body)) {
        Some(Classified::Outcome(Outcome::Retryable { text, .. } | Outcome::Permanent { text, .. })) => {
            format!(": {text}")
        }
        _ => String::new(),
    };
    let code = status.as_u16().to_string();
    let text = format!("the server answered {}{words}{}", said(status), advice(answer, is_fixed));
    match is_retryable(status) {
        true => {
            Outcome::Retryable { code, text, retry_after: retry_after(&answer.headers, Timestamp::now()) }
        }
        false => Outcome::Permanent { code, text },
    }
}

/// What a judged answer of success says.
fn by_answer(answer: &HttpAnswer, classify: &Classify<'_>) -> Outcome {
    if !answer.is_whole {
        let text = "the server's answer broke off, or is larger than 16 MiB";
        return Outcome::retryable("answer-unreadable", text);
    }
    match classify(&answer.body) {
        Classified::Outcome(outcome) => outcome,
        Classified::Foreign => {
            Outcome::retryable("foreign-answer", "the server's answer is about another message")
        }
    }
}

/// Which answers are judged by what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Those of these media types,
    pub media_types: Vec<&'static str>,
    /// and those that begin so, whatever they are called: servers say little of what they answer.
    pub beginnings: Vec<&'static str>,
}

impl Judged {
    fn takes(&self, answer: &HttpAnswer) -> bool {
        let value = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = value.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let body = answer.body.trim_ascii_start();
        self.media_types.iter().any(|media| essence.eq_ignore_ascii_case(media))
            || self.beginnings.iter().any(|beginning| body.starts_with(beginning.as_bytes()))
    }
}

/// Whether the same may be taken later. Credentials that are refused concern every message: to set all of them aside for a token that
/// has expired would help nobody.
fn is_retryable(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT
                | StatusCode::TOO_EARLY
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::UNAUTHORIZED
                | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        )
}

fn said(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} ({reason})", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// What to do about it, where that is known.
fn advice(answer: &HttpAnswer, is_fixed: bool) -> String {
    match answer.status {
        status if status.is_redirection() => {
            let to = answer.headers.get(LOCATION).and_then(|location| location.to_str().ok());
            match to.and_then(|to| place(to, is_fixed)) {
                Some(to) => format!("; redirects are not followed: if {to} is right, make it the `url`"),
                None => "; redirects are not followed".to_owned(),
            }
        }
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "; the credentials are missing, wrong or expired".to_owned()
        }
        _ => String::new(),
    }
}

/// The longest address that is told.
const PLACE_CHARACTERS_MAX: usize = 200;

/// Where a redirect leads, without its query; the server alone, where the path may be made of the message.
fn place(location: &str, is_fixed: bool) -> Option<&str> {
    let location = location.split(['?', '#']).next()?;
    let path_at = location.find("://").and_then(|scheme| {
        let host_at = scheme + "://".len();
        location.get(host_at..)?.find('/').map(|length| host_at + length)
    });
    let told = match (is_fixed, path_at) {
        (true, _) => location,
        (false, Some(path_at)) => location.get(..path_at)?,
        (false, None) => return None,
    };
    (told.chars().count() <= PLACE_CHARACTERS_MAX).then_some(told)
}

/// How long the server asks to be left alone (RFC 9110, section 10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_in_seconds_or_until_a_date() {
        let now = "2026-03-05T10:00:00Z".parse().unwrap();
        let asked = |value: &'static str| {
            let headers = [(RETRY_AFTER, value.try_into().unwrap())].into_iter().collect();
            retry_after(&headers, now).map(|pause| pause.as_secs())
        };
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked("Thu, 05 Mar 2026 10:02:00 GMT"), Some(120));
        assert_eq!(asked("Thu, 05 Mar 2026 09:58:00 GMT"), Some(0));
        assert_eq!([asked("-1"), asked("soon"), asked("")], [None, None, None]);
    }

    #[test]
    fn where_a_redirect_leads_is_told_without_what_may_name_a_patient() {
        let to = "https://new.example/hl7?mrn=70014";
        assert_eq!(place(to, true), Some("https://new.example/hl7"));
        assert_eq!(place(to, false), Some("https://new.example"));
        assert_eq!((place("/new", true), place("/new", false)), (Some("/new"), None));
    }
}
