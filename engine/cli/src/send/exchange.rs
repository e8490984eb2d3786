//! One message out, its answer back.

use std::time::Duration;

use orderly_hl7v2::{AckCode, Reply, read_reply};
use orderly_transport::destinations::{Classified, Delivery, MllpDestination, MllpSettings, Outcome};
use orderly_transport::tls::TlsClientSettings;

/// A sender that waits for each answer before it sends the next message. `timeout` is for connecting, for writing and for an answer.
pub(super) fn sender(address: &str, timeout: Duration, tls: Option<TlsClientSettings>) -> MllpSettings {
    MllpSettings { connect_timeout: timeout, answer_timeout: timeout, tls, ..MllpSettings::new(address) }
}

/// What came back for a message.
pub(super) struct Exchange {
    /// The answer, or why there is none.
    pub(super) reply: Result<Reply, Unanswered>,
    /// From the first byte sent to the whole answer received, connecting included.
    pub(super) latency: Duration,
}

/// Why no answer came.
pub(super) struct Unanswered {
    /// A short name, to count by: `answer-timeout`, `connection-lost`, ...
    pub(super) code: String,
    /// What happened.
    pub(super) text: String,
}

/// Sends a message and waits for the answer that names `control_id`, or for any, when there is none to name.
pub(super) async fn exchange(
    sender: &mut MllpDestination,
    payload: &[u8],
    control_id: Option<&str>,
) -> Exchange {
    let classify = |answer: &[u8]| match read_reply(answer) {
        Ok(reply) if control_id.is_none_or(|control_id| reply.control_id == control_id) => {
            Classified::Outcome(Outcome::Delivered)
        }
        Ok(_) => Classified::Foreign,
        Err(diagnostic) => Classified::Outcome(Outcome::retryable(diagnostic.code, diagnostic.message)),
    };
    let attempt = sender.attempt(&Delivery { id: "", name: "", payload }, &classify).await;
    let reply = match attempt.outcome {
        Outcome::Delivered => read_reply(&attempt.answer.unwrap_or_default())
            .map_err(|diagnostic| Unanswered { code: diagnostic.code.to_owned(), text: diagnostic.message }),
        Outcome::Retryable { code, text, .. } | Outcome::Permanent { code, text } => {
            Err(Unanswered { code, text })
        }
    };
    Exchange { reply, latency: attempt.duration }
}

/// An answer code as it stands in MSA-1; `?` for an answer without one.
pub(super) fn code_text(code: Option<AckCode>) -> &'static str {
    code.map_or("?", AckCode::as_str)
}

/// Whether the receiver took the message.
pub(super) fn is_positive(code: Option<AckCode>) -> bool {
    matches!(code, Some(AckCode::AA | AckCode::CA))
}
