//! The demo's stage: simulated receivers on free ports, an engine between them and the samples.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orderly_hl7v2::{
    AckCode, Answer as Acknowledgement, Settings as Reading, acknowledge, parse, read_reply,
};
use orderly_journal::{DeliveryState, Query, Reader};
use orderly_pipeline::Plan;
use orderly_pipeline::plan::{Endpoint, Listener};
use orderly_runtime::{Engine, Settings};
use orderly_transport::listeners::{Answer, MllpListener, MllpListenerSettings};
use orderly_transport::mllp_client::MllpClient;
use orderly_transport::mllp_frame;
use orderly_transport::receiver::Receiver;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::network::{Network, Outcome, Sample};
use super::report::{Line, Report};
use crate::failure::Failure;
use crate::site;

/// How long an answer, or the last delivery, may take before the demo says that something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the journal is asked whether everything was delivered.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Receivers, engine, and where the sources listen.
pub(crate) struct Stage {
    engine: Engine,
    reader: Reader,
    receivers: JoinSet<()>,
    down: watch::Sender<bool>,
}

/// A sample as sent.
pub(crate) struct Sent {
    /// The message's id in the journal.
    id: u64,
    /// What its sender saw.
    outcome: Outcome,
}

impl Stage {
    /// Starts the receivers, then an engine that delivers to them and listens on free ports.
    pub(crate) async fn set_up(home: &Path, network: &Network) -> Result<Stage, Failure> {
        let (base, mut plan) = site::load(&home.join("orderly.yaml"))?.into_plan()?;
        let (down, _) = watch::channel(false);
        let mut receivers = JoinSet::new();
        for destination in &mut plan.destinations {
            if let Endpoint::Mllp(mllp) = &mut destination.endpoint {
                let refused = network.refusals.get(&*destination.name).cloned().unwrap_or_default();
                mllp.address = receive(&mut receivers, refused, &down).await?.to_string();
            }
        }
        for source in &mut plan.sources {
            let Listener::Mllp(mllp) = &mut source.listener;
            mllp.listen.set_port(0);
        }
        let engine = start(&base, plan).await?;
        let reader = engine.reader();
        Ok(Stage { engine, reader, receivers, down })
    }

    /// Sends a sample as its source and waits for the answer.
    pub(crate) async fn send(&self, sample: &Sample) -> Result<Sent, Failure> {
        let listening = self.engine.listening().iter().find(|(name, _)| **name == *sample.source);
        let Some((_, address)) = listening else {
            return Err(Failure::new(format!("{}: there is no source {}", sample.file, sample.source)));
        };
        let wrong = |what: String| Failure::new(format!("{}: {what}", sample.file));
        let mut client =
            MllpClient::connect(&address.to_string(), PATIENCE).await.map_err(|e| wrong(e.to_string()))?;
        let mut frame = Vec::new();
        mllp_frame::encode(&sample.bytes, &mut frame);
        let deadline = Instant::now() + PATIENCE;
        client.send(&frame, deadline).await.map_err(|error| wrong(error.to_string()))?;
        let answer = client.receive(deadline).await.map_err(|error| wrong(error.to_string()))?;
        let code = read_reply(&answer).ok().and_then(|reply| reply.code).map_or("?", AckCode::as_str);
        Ok(Sent { id: self.newest()?, outcome: Outcome::Answer(code.to_owned()) })
    }

    /// The newest message: the one just answered, since the demo sends one at a time.
    fn newest(&self) -> Result<u64, Failure> {
        let newest = self.reader.search(&Query { limit: 1, ..Query::default() }).map_err(Failure::new)?;
        newest.first().map(|summary| summary.id).ok_or_else(|| Failure::new("the journal is empty"))
    }

    /// Waits until no delivery waits any more.
    pub(crate) async fn deliveries_settled(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let counts = self.reader.counts().map_err(Failure::new)?;
            let waiting = counts.deliveries.iter().filter(|count| count.state == DeliveryState::Waiting);
            if waiting.map(|count| count.count).sum::<u64>() == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Failure::new("some deliveries still wait; the log says why")
                    .help("run it again with ORDERLY_LOG=info"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What became of the samples, beside what was expected.
    pub(crate) fn report(&self, network: &Network, sent: &[Sent]) -> Result<Report, Failure> {
        let mut lines = Vec::with_capacity(sent.len());
        for (sample, sent) in network.samples.iter().zip(sent) {
            let stored = self.reader.message(sent.id).map_err(Failure::new)?;
            let stored =
                stored.ok_or_else(|| Failure::new(format!("{}: not in the journal", sample.file)))?;
            for expected in &sample.messages {
                lines.push(Line::new(sample, expected, &sent.outcome, &stored));
            }
        }
        Ok(Report::new(lines))
    }

    /// What a visitor can do now.
    pub(crate) fn invitation(&self, home: &Path) -> String {
        let mut text = String::from("\nThe network is up until Ctrl-C. Send it something of yours:\n");
        for (source, address) in self.engine.listening() {
            text.push_str(&format!("  orderly send {address} FILE...    # as {source}\n"));
        }
        let config = home.join("orderly.yaml");
        text.push_str(&format!(
            "and look at what became of it:\n  orderly messages --config {}\n",
            config.display()
        ));
        text
    }

    /// Ends the engine, then the receivers.
    pub(crate) async fn strike(mut self) {
        self.engine.shutdown().await;
        self.down.send_replace(true);
        while self.receivers.join_next().await.is_some() {}
    }
}

async fn start(base: &Path, plan: Plan) -> Result<Engine, Failure> {
    Engine::start(Settings::new(base, Arc::new(plan))).await.map_err(Failure::new)
}

/// A simulated receiving system on a free port, which refuses some control ids with AE.
async fn receive(
    receivers: &mut JoinSet<()>,
    refused: Vec<String>,
    down: &watch::Sender<bool>,
) -> Result<SocketAddr, Failure> {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = MllpListener::bind(MllpListenerSettings::new(any_port)).await.map_err(Failure::new)?;
    let address = listener.local_addr();
    let receiver = Arc::new(Receiver::new(move |message| answer(message, &refused)));
    let mut ended = down.subscribe();
    receivers.spawn(async move {
        let end = async move {
            // An error means that the stage is gone, which ends the receiver too.
            let _ = ended.wait_for(|down| *down).await;
        };
        listener.run(receiver, end).await;
    });
    Ok(address)
}

fn answer(message: &[u8], refused: &[String]) -> Answer {
    let Ok(message) = parse(message, &Reading::default()) else { return Answer::none() };
    let header = message.header();
    let control_id = header.control_id();
    let code = if refused.iter().any(|id| *id == control_id) { AckCode::AE } else { AckCode::AA };
    let (own_id, at) = (format!("R{control_id}"), header.field(7).text());
    let acknowledgement = Acknowledgement { code, control_id: &own_id, at: &at, errors: &[] };
    Answer::one(acknowledge(Some(&header), &acknowledgement))
}

/// The states of a message's deliveries by destination; several routes to one destination are joined.
pub(crate) fn states(stored: &orderly_journal::StoredMessage) -> BTreeMap<String, String> {
    let mut states: BTreeMap<String, String> = BTreeMap::new();
    for delivery in &stored.deliveries {
        let state = states.entry(delivery.destination.to_string()).or_default();
        if !state.is_empty() {
            state.push('+');
        }
        state.push_str(delivery.state.name());
    }
    states
}
