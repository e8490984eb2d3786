//! The systems around the engine: one that sends, and one that receives and answers as its test wants.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use orderly_hl7v2::{AckCode, Answer as Acknowledgement, Reply, Settings, acknowledge, parse, read_reply};
use orderly_transport::listeners::{Answer, MllpListener, MllpListenerSettings};
use orderly_transport::mllp_client::{MllpClient, NoFrame};
use orderly_transport::mllp_frame;
use orderly_transport::receiver::Receiver;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// How long an answer or a message may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A system that sends.
pub struct Sender {
    client: MllpClient,
}

impl Sender {
    /// Connects to a source.
    pub async fn connect(address: SocketAddr) -> Sender {
        let client = MllpClient::connect(&address.to_string(), PATIENCE).await;
        Sender { client: client.unwrap_or_else(|error| panic!("{error}")) }
    }

    /// Sends a message and gives its answer.
    pub async fn send(&mut self, message: &[u8]) -> Reply {
        self.write(&framed(message)).await;
        self.answer().await
    }

    /// Writes bytes as they are.
    pub async fn write(&mut self, bytes: &[u8]) {
        let written = self.client.send(bytes, Instant::now() + PATIENCE).await;
        written.unwrap_or_else(|error| panic!("{} bytes could not be sent: {error}", bytes.len()));
    }

    /// The next answer.
    pub async fn answer(&mut self) -> Reply {
        let answer = self.receive(PATIENCE).await.unwrap_or_else(|error| panic!("{error}"));
        read_reply(&answer).unwrap_or_else(|problem| panic!("{problem}: {}", answer.escape_ascii()))
    }

    /// The next frame that comes within this time.
    pub async fn receive(&mut self, patience: Duration) -> Result<Vec<u8>, NoFrame> {
        self.client.receive(Instant::now() + patience).await
    }
}

/// A message in its frame.
#[must_use]
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(message.len() + 3);
    mllp_frame::encode(message, &mut frame);
    frame
}

/// A system that receives.
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    receiver: Arc<Receiver>,
    task: JoinHandle<()>,
}

impl Peer {
    /// Takes everything.
    pub async fn accepting() -> Peer {
        Peer::answering(|_, message| acknowledgement(message, AckCode::AA)).await
    }

    /// Answers as told, on a free port: `answer` gets how many messages came before this one, and the message.
    pub async fn answering(answer: impl Fn(usize, &[u8]) -> Answer + Send + Sync + 'static) -> Peer {
        Peer::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), answer).await
    }

    async fn at(
        address: SocketAddr,
        answer: impl Fn(usize, &[u8]) -> Answer + Send + Sync + 'static,
    ) -> Peer {
        let listener = MllpListener::bind(MllpListenerSettings::new(address)).await;
        let listener = listener.unwrap_or_else(|error| panic!("{error}"));
        let address = listener.local_addr();
        let count = std::sync::atomic::AtomicUsize::new(0);
        let receiver = Arc::new(Receiver::new(move |message| {
            answer(count.fetch_add(1, std::sync::atomic::Ordering::Relaxed), message)
        }));
        let task = tokio::spawn(listener.run(receiver.clone(), std::future::pending()));
        Peer { address, receiver, task }
    }

    /// Waits until so many messages came, repeats included, and gives all that came.
    pub async fn received(&self, count: usize) -> Vec<Arc<[u8]>> {
        let waited = timeout(PATIENCE, self.receiver.wait_for(count)).await;
        let messages = self.messages();
        assert!(waited.is_ok(), "only {} of {count} messages came", messages.len());
        messages
    }

    /// What came so far.
    #[must_use]
    pub fn messages(&self) -> Vec<Arc<[u8]>> {
        self.receiver.messages()
    }

    /// The control ids of what came so far.
    #[must_use]
    pub fn control_ids(&self) -> Vec<String> {
        self.messages().iter().map(|message| control_id(message)).collect()
    }

    /// The control ids in the order in which each came first.
    #[must_use]
    pub fn first_arrivals(&self) -> Vec<String> {
        let mut first = Vec::new();
        for id in self.control_ids() {
            if !first.contains(&id) {
                first.push(id);
            }
        }
        first
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A receiver that is not there yet: nobody listens at its address, and nobody else gets it meanwhile.
pub struct AbsentPeer {
    /// Where it will listen.
    pub address: SocketAddr,
    /// Bound, and not listening: connections are refused, and the port is given to nobody who asks for a free one.
    place: TcpSocket,
}

impl AbsentPeer {
    /// With a port of its own.
    #[must_use]
    pub fn somewhere() -> AbsentPeer {
        let place = TcpSocket::new_v4().expect("a socket");
        // So may who listens, who can then take the place while it is held.
        place.set_reuseaddr(true).expect("a socket");
        place.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        AbsentPeer { address: place.local_addr().expect("an address"), place }
    }

    /// Now it is there, and takes everything.
    pub async fn arrives(self) -> Peer {
        let peer = Peer::at(self.address, |_, message| acknowledgement(message, AckCode::AA)).await;
        drop(self.place);
        peer
    }
}

/// The answer to a message with this code, from a system that reads it.
#[must_use]
pub fn acknowledgement(message: &[u8], code: AckCode) -> Answer {
    let header = match parse(message, &Settings::default()) {
        Ok(message) => Some(message.header()),
        Err(unreadable) => unreadable.header,
    };
    let answer = Acknowledgement { code, control_id: "R1", at: "20260305141501", errors: &[] };
    Answer::one(acknowledge(header.as_ref(), &answer))
}

/// A message's MSH-10.
#[must_use]
pub fn control_id(message: &[u8]) -> String {
    match parse(message, &Settings::default()) {
        Ok(message) => message.header().control_id().into_owned(),
        Err(unreadable) => {
            unreadable.header.map(|header| header.control_id().into_owned()).unwrap_or_default()
        }
    }
}

/// A small admission with this control id.
#[must_use]
pub fn admission(control_id: &str) -> Vec<u8> {
    admission_of("70014", control_id)
}

/// The same of a patient with this number.
#[must_use]
pub fn admission_of(patient: &str, control_id: &str) -> Vec<u8> {
    format!(
        "MSH|^~\\&|REGI|NORTH|HUB|HUB|20260305141500-0500||ADT^A04^ADT_A01|{control_id}|P|2.5.1\r\
         EVN|A04|20260305141455-0500\rPID|1||{patient}^^^NORTH^MR||TESTER^ALMA||19840211|F\rPV1|1|O|CLIN2\r"
    )
    .into_bytes()
}
