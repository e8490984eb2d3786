//! Messages over MLLP to a receiver that answers each one.
//!
//! What always holds: one message is in flight; an answer counts only when the caller's judge says that it is about this message;
//! a connection is used again only after an attempt that ended with such an answer. So a late answer can never meet the next message.

use super::{Attempt, Classified, Classify, Delivery, Outcome};
use crate::mllp_client::{ConnectError, MllpClient, NoFrame};
use crate::mllp_frame;
use std::io;
use std::time::Duration;
use tokio::time::Instant;

/// How an MLLP destination behaves.
#[derive(Debug, Clone)]
pub struct MllpSettings {
    /// `host:port`. A name is looked up at each connect.
    pub address: String,
    /// How long connecting may take. 10 s: a host that is up answers in milliseconds.
    pub connect_timeout: Duration,
    /// How long writing may take, and then how long the answer may take. 30 s: receivers that process before they answer need
    /// 5 to 30.
    pub answer_timeout: Duration,
    /// Whether the connection is kept for the next message. Some receivers want one a message.
    pub persistent: bool,
}

impl MllpSettings {
    /// The defaults, to an address.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            persistent: true,
        }
    }
}

/// An MLLP destination with its connection, if there is one.
#[derive(Debug)]
pub struct MllpDestination {
    settings: MllpSettings,
    client: Option<MllpClient>,
    /// The frame, written with one call.
    out: Vec<u8>,
}

impl MllpDestination {
    /// A destination without a connection; the first attempt opens one.
    pub fn new(settings: MllpSettings) -> Self {
        Self { settings, client: None, out: Vec::new() }
    }

    /// Sends a message and waits for its answer.
    pub async fn attempt(&mut self, delivery: &Delivery<'_>, classify: &Classify<'_>) -> Attempt {
        let started = Instant::now();
        let (outcome, answer) = match self.exchange(delivery.payload, classify).await {
            Ok((outcome, answer)) => (outcome, Some(answer)),
            Err(outcome) => (outcome, None),
        };
        Attempt { outcome, answer, duration: started.elapsed() }
    }

    /// The answer to this message and what it says, or what kept it from coming.
    async fn exchange(
        &mut self,
        payload: &[u8],
        classify: &Classify<'_>,
    ) -> Result<(Outcome, Vec<u8>), Outcome> {
        // The connection is put back only after a matching answer: whatever else happens drops it, and closes it.
        let mut client = self.connected().await.map_err(unconnected)?;
        self.encode(payload);
        let deadline = Instant::now() + self.settings.answer_timeout;
        if let Err(error) = client.send(&self.out, deadline).await {
            return unsent(client, error, deadline, classify).await;
        }
        let deadline = Instant::now() + self.settings.answer_timeout;
        let answered = answer(&mut client, deadline, classify).await.map_err(unanswered)?;
        if self.settings.persistent {
            self.client = Some(client);
        }
        Ok(answered)
    }

    /// The connection at hand, unless the receiver closed it meanwhile, or a new one.
    async fn connected(&mut self) -> Result<MllpClient, ConnectError> {
        match self.client.take().filter(|client| !client.is_stale()) {
            Some(client) => Ok(client),
            None => MllpClient::connect(&self.settings.address, self.settings.connect_timeout).await,
        }
    }

    fn encode(&mut self, payload: &[u8]) {
        self.out.clear();
        self.out.shrink_to(OUT_BYTES_KEPT);
        mllp_frame::encode(payload, &mut self.out);
    }
}

/// How much room for a frame is kept between messages, so that one large message does not hold its memory for ever.
const OUT_BYTES_KEPT: usize = 1024 * 1024;

/// The answer to the message that was just sent; answers to others are passed over.
async fn answer(
    client: &mut MllpClient,
    deadline: Instant,
    classify: &Classify<'_>,
) -> Result<(Outcome, Vec<u8>), NoFrame> {
    loop {
        let frame = client.receive(deadline).await?;
        if let Classified::Outcome(outcome) = classify(&frame) {
            return Ok((outcome, frame));
        }
    }
}

/// The message could not be written whole. A receiver that refuses a message in its middle answers before it closes, so look
/// for that answer.
async fn unsent(
    mut client: MllpClient,
    error: io::Error,
    deadline: Instant,
    classify: &Classify<'_>,
) -> Result<(Outcome, Vec<u8>), Outcome> {
    if let Ok(answered) = answer(&mut client, deadline, classify).await {
        return Ok(answered);
    }
    Err(match error.kind() {
        io::ErrorKind::TimedOut => {
            Outcome::retryable("send-timeout", "the receiver did not take the message in time")
        }
        _ => {
            Outcome::retryable("connection-lost", format_args!("the connection broke while sending: {error}"))
        }
    })
}

fn unconnected(error: ConnectError) -> Outcome {
    let code = match error {
        ConnectError::Refused { .. } => "connect-refused",
        ConnectError::TimedOut { .. } => "connect-timeout",
        ConnectError::Other { .. } => "connect-failed",
    };
    Outcome::retryable(code, error)
}

fn unanswered(error: NoFrame) -> Outcome {
    let code = match error {
        NoFrame::TimedOut(_) => "answer-timeout",
        NoFrame::Closed(_) => "closed-before-answer",
        NoFrame::Broken(_) => "connection-lost",
        NoFrame::Unusable(_) => "answer-unreadable",
    };
    Outcome::retryable(code, error)
}
