//! A sending system of a round: numbered admissions, stop-and-wait; what got no positive answer is sent again.
//!
//! What always holds: each transmission has a control id of its own, which begins with its patient, so that what is stored can be compared with
//! what was answered one by one.

use std::net::SocketAddr;

use orderly_hl7v2::read_reply;
use orderly_transport::mllp_client::MllpClient;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep};

use super::history::History;
use crate::peers::{admission_of, framed};

/// How long an answer may take before the message is sent again. Longer than anything is frozen.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(12);

/// How long to wait before a message is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// What a sender does.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Its letter in control ids: A, B.
    pub name: char,
    /// How many messages.
    pub messages: u64,
    /// Of how many patients.
    pub patients: u64,
    /// How long it thinks between two messages.
    pub pause_ms_max: u64,
    /// Its whims.
    pub seed: u64,
}

impl Feed {
    /// Sends everything to where the node listens at the time; gives the control ids that were answered positively.
    pub async fn run(self, mut node: watch::Receiver<Option<SocketAddr>>, history: History) -> Vec<String> {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let (mut answered, mut client) = (Vec::new(), None);
        for number in 0..self.messages {
            let patient = format!("P{}", random.u64(0..self.patients));
            for transmission in 0_u64.. {
                let id = format!("{patient}{}{number}T{transmission}", self.name);
                let Ok(address) = node.wait_for(Option::is_some).await.map(|address| *address) else {
                    return answered;
                };
                match address {
                    Some(address) => match exchange(&mut client, address, &patient, &id).await {
                        Ok(()) => {
                            answered.push(id);
                            break;
                        }
                        Err(why) => history.note(format!("{id} gets no positive answer: {why}")),
                    },
                    None => continue,
                }
                sleep(AGAIN_AFTER).await;
            }
            // Not a wait for something: the time that a sender thinks.
            sleep(Duration::from_millis(random.u64(0..self.pause_ms_max))).await;
        }
        answered
    }
}

async fn exchange(
    client: &mut Option<MllpClient>,
    address: SocketAddr,
    patient: &str,
    id: &str,
) -> Result<(), String> {
    let mut connection = match client.take() {
        Some(connection) => connection,
        None => MllpClient::connect(&address.to_string(), ANSWER_TIME_MAX)
            .await
            .map_err(|error| error.to_string())?,
    };
    let deadline = Instant::now() + ANSWER_TIME_MAX;
    let message = framed(&admission_of(patient, id));
    connection.send(&message, deadline).await.map_err(|error| error.to_string())?;
    let answer = connection.receive(deadline).await.map_err(|error| error.to_string())?;
    let reply = read_reply(&answer).map_err(|problem| format!("{problem:?}"))?;
    *client = Some(connection);
    match reply.code.map(orderly_hl7v2::AckCode::as_str) {
        Some("AA") if reply.control_id == id => Ok(()),
        code => Err(format!("{code:?}")),
    }
}
