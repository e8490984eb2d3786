//! The demo's stage: simulated receivers on free ports, an engine between them and the samples.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use orderly_hl7v2::{
    AckCode, Answer as Acknowledgement, Settings as Reading, acknowledge, parse, read_reply,
};
use orderly_journal::{DeliveryState, Query, Reader, StoredMessage};
use orderly_pipeline::Plan;
use orderly_pipeline::plan::{Carrier, Endpoint, FilesSource, Listener};
use orderly_runtime::{Duty, Engine, Node, Settings, clear_broker, reach_broker};
use orderly_transport::listeners::{Answer, MllpListener, MllpListenerSettings, Place};
use orderly_transport::mllp_client::MllpClient;
use orderly_transport::mllp_frame;
use orderly_transport::receiver::Receiver;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::network::{Network, Outcome, Sample};
use super::report::{Played, Report};
use crate::failure::Failure;
use crate::site;

/// How long an answer, or the last delivery, may take before the demo says that something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);
/// More messages than the samples hold.
const MESSAGES_MAX: usize = 10_000;
/// How often the journal is asked whether everything was delivered.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Receivers, engine, and where the sources listen.
pub(crate) struct Stage {
    base: PathBuf,
    plan: Arc<Plan>,
    engine: Engine,
    /// Who delivers, where a broker carries deliveries.
    delivering: Option<Engine>,
    reader: Reader,
    receivers: JoinSet<()>,
    down: watch::Sender<bool>,
}

/// What was done with a sample.
pub(crate) enum Done {
    /// It was sent and answered.
    Sent {
        /// The message's id in the journal.
        id: u64,
        /// The answer's code.
        answer: String,
    },
    /// It was dropped into a folder.
    Dropped {
        /// Where it was dropped.
        path: PathBuf,
        /// Where it lies if it could not be taken.
        failed: PathBuf,
    },
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
            if let Listener::Mllp(mllp) = &mut source.listener {
                mllp.listen.set_port(0);
            }
        }
        let plan = Arc::new(plan);
        let (engine, delivering) = match plan.queue.carrier {
            Carrier::Journal => (start(&base, plan.clone(), Node::default(), "journal").await?, None),
            Carrier::Amqp(_) => {
                let [taking_in, delivering] = nodes();
                let reached = reach_broker(&plan, &taking_in, &base).await;
                reached.map_err(|error| Failure::new(format!("the broker cannot be used: {error}")))?;
                let taking_in = start(&base, plan.clone(), taking_in, "journal").await?;
                (taking_in, Some(start(&base, plan.clone(), delivering, "journal-of-delivery").await?))
            }
        };
        let reader = engine.reader();
        Ok(Stage { base, plan, engine, delivering, reader, receivers, down })
    }

    /// Does with a sample what its source does: sends it, or drops it.
    pub(crate) async fn play(&self, sample: &Sample) -> Result<Done, Failure> {
        let source = self.plan.source(&sample.source);
        match source.map(|source| &source.listener) {
            Some(Listener::Mllp(_)) => self.send(sample).await,
            Some(Listener::Files(files)) => self.drop_file(sample, files),
            Some(Listener::Http(_)) => {
                Err(Failure::new(format!("{}: the demo posts nothing by HTTP", sample.file)))
            }
            Some(Listener::Amqp(_)) => {
                Err(Failure::new(format!("{}: the demo publishes nothing to a queue", sample.file)))
            }
            None => Err(Failure::new(format!("{}: there is no source {}", sample.file, sample.source))),
        }
    }

    /// Drops a sample as careful senders do: under another name, then renamed.
    fn drop_file(&self, sample: &Sample, files: &FilesSource) -> Result<Done, Failure> {
        let name = Path::new(&sample.file).file_name().unwrap_or_default();
        let folder = self.base.join(&files.folder);
        let hidden = folder.join(".on-its-way");
        let path = folder.join(name);
        let written = std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&hidden, &sample.bytes))
            .and_then(|()| std::fs::rename(&hidden, &path));
        written.map_err(|error| Failure::new(format!("{}: it cannot be dropped: {error}", sample.file)))?;
        Ok(Done::Dropped { path, failed: self.base.join(&files.failed).join(name) })
    }

    /// Sends a sample and waits for the answer.
    async fn send(&self, sample: &Sample) -> Result<Done, Failure> {
        let Some(address) = self.engine.address(&sample.source) else {
            return Err(Failure::new(format!("{}: nothing listens for {}", sample.file, sample.source)));
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
        Ok(Done::Sent { id: self.newest()?, answer: code.to_owned() })
    }

    /// The newest message: the one just answered, since the demo sends one at a time.
    fn newest(&self) -> Result<u64, Failure> {
        let newest = self.reader.search(&Query { limit: 1, ..Query::default() }).map_err(Failure::new)?;
        newest.first().map(|summary| summary.id).ok_or_else(|| Failure::new("the journal is empty"))
    }

    /// Waits until all files were taken out of their folders, and then until no delivery waits any more.
    pub(crate) async fn settled(&self, done: &[Done]) -> Result<(), Failure> {
        let taken = |done: &Done| match done {
            Done::Sent { .. } => true,
            Done::Dropped { path, .. } => !path.exists(),
        };
        until("some files still wait to be taken", || Ok(done.iter().all(taken))).await?;
        until("some deliveries still wait", || {
            let counts = self.reader.counts().map_err(Failure::new)?;
            let mut waiting = counts.deliveries.iter().filter(|count| count.state == DeliveryState::Waiting);
            Ok(waiting.all(|count| count.count == 0))
        })
        .await
    }

    /// What became of the samples, beside what was expected.
    pub(crate) fn report(&self, network: &Network, done: &[Done]) -> Result<Report, Failure> {
        let from_files = self.read_from_files()?;
        let mut played = Vec::with_capacity(done.len());
        for (sample, done) in network.samples.iter().zip(done) {
            played.push(match done {
                Done::Sent { id, answer } => {
                    let stored = self.reader.message(*id).map_err(Failure::new)?;
                    let stored =
                        stored.ok_or_else(|| Failure::new(format!("{}: not in the journal", sample.file)))?;
                    Played::new(sample, Outcome::Answer(answer.clone()), &[stored])
                }
                Done::Dropped { path, failed } => {
                    let outcome = if failed.exists() { "failed" } else { "archived" };
                    let key = (sample.source.clone(), name_of(path));
                    let stored = from_files.get(&key).map_or(&[][..], Vec::as_slice);
                    Played::new(sample, Outcome::File(outcome.to_owned()), stored)
                }
            });
        }
        Ok(Report::new(played))
    }

    /// The messages that came in files, by source and file, in the order they stand in it.
    fn read_from_files(&self) -> Result<BTreeMap<(String, String), Vec<StoredMessage>>, Failure> {
        let all = Query { limit: MESSAGES_MAX, ..Query::default() };
        let mut found: BTreeMap<(String, String), Vec<StoredMessage>> = BTreeMap::new();
        for summary in self.reader.search(&all).map_err(Failure::new)? {
            let Some(stored) = self.reader.message(summary.id).map_err(Failure::new)? else { continue };
            if let Some(origin) = &stored.origin {
                found.entry((stored.source.clone(), origin.name.clone())).or_default().push(stored);
            }
        }
        for messages in found.values_mut() {
            messages.sort_by_key(|stored| stored.origin.as_ref().map(|origin| origin.member));
        }
        Ok(found)
    }

    /// What a visitor can do now.
    pub(crate) fn invitation(&self, home: &Path) -> String {
        let mut text = String::from("\nThe network is up until Ctrl-C. Send it something of yours:\n");
        for (source, place) in self.engine.listening() {
            let how = match place {
                Place::Address(address) => format!("orderly send {address} FILE..."),
                // Under another name first: no half file is ever seen.
                Place::Folder(folder) => {
                    let folder = folder.display();
                    format!("cp FILE {folder}/.new && mv {folder}/.new {folder}/NEW_NAME")
                }
                Place::Queue(queue) => format!("publish to the queue {queue}"),
            };
            text.push_str(&format!("  {how}    # as {source}\n"));
        }
        let config = home.join("orderly.yaml");
        text.push_str(&format!(
            "and look at what became of it:\n  orderly messages --config {}\n",
            config.display()
        ));
        text
    }

    /// Ends the engine, then the receivers.
    pub(crate) async fn strike(mut self) -> Result<(), Failure> {
        self.engine.shutdown().await;
        if let Some(delivering) = self.delivering {
            delivering.shutdown().await;
            let cleared = clear_broker(&self.plan, &nodes(), &self.base).await;
            cleared.map_err(|error| {
                Failure::new(format!("what the demo made at the broker is still there: {error}"))
                    .help("delete what begins with orderly-demo there")
            })?;
        }
        self.down.send_replace(true);
        while self.receivers.join_next().await.is_some() {}
        Ok(())
    }
}

/// One takes in, one delivers.
fn nodes() -> [Node; 2] {
    [("sources", Duty::Sources), ("destinations", Duty::Destinations)].map(|(name, duty)| Node {
        name: name.into(),
        duty,
        ..Node::default()
    })
}

async fn start(base: &Path, plan: Arc<Plan>, node: Node, journal: &str) -> Result<Engine, Failure> {
    let mut settings = Settings::new(base, plan);
    settings.node = node;
    settings.journal.folder = base.join(journal);
    Engine::start(settings).await.map_err(Failure::new)
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

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Waits until it holds; when it never does, says what is still to come.
async fn until(what: &str, mut holds: impl FnMut() -> Result<bool, Failure>) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    while !holds()? {
        if Instant::now() > deadline {
            return Err(
                Failure::new(format!("{what}; the log says why")).help("run it again with ORDERLY_LOG=info")
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
