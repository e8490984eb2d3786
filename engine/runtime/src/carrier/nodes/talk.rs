//! How nodes talk: by a queue of each node that ends with its connection, and an exchange to all of these.

use std::sync::Arc;
use std::time::Duration;

use orderly_transport::amqp::{
    Broker, BrokerError, Connection, Consumer, ConsumerSettings, Declaration, ExchangeKind, Publication,
    Publisher, QueueKind,
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{EVERY, NodeFound, Nodes, ToSay};
use crate::carrier::CarrierSettings;
use crate::carrier::control::Pausing;
use crate::carrier::envelope::{Unreadable, VERSION, read, written};
use crate::find::Find;
use crate::part::is_said;

/// How many words may be on their way.
const WINDOW: usize = 64;

/// How many may be read at a time.
const PREFETCH: u16 = 64;

/// How long to wait after the broker could not be used.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long a node that ends may take to say so.
const FAREWELL_TIME_MAX: Duration = Duration::from_secs(1);

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// To all: a node is there, and delivers to these.
    Here { node: String, delivers: Vec<Turn> },
    /// To all: a node ends in good order.
    Gone { node: String },
    /// To all, or to those of these names: search.
    Find { number: u64, asker: String, nodes: Vec<String>, find: Box<Find> },
    /// To the node that asked.
    Found { number: u64, answer: NodeFound },
}

/// A destination that a node delivers to, with the latest word about a pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Turn {
    pub(super) destination: Arc<str>,
    pub(super) pausing: Option<Pausing>,
}

/// To whom.
#[derive(Debug)]
pub(crate) enum To {
    All,
    Node(String),
}

#[derive(Serialize, Deserialize)]
struct Line {
    version: u32,
    word: Word,
}

/// Talks until it is told to stop.
pub(crate) async fn talk(nodes: Arc<Nodes>, mut to_say: ToSay, stop: watch::Receiver<bool>) {
    let mut broker = Broker::new(nodes.settings.broker.clone());
    let mut failing = false;
    loop {
        let ended = session(&nodes, &mut to_say, &mut broker, &mut failing, stop.clone()).await;
        nodes.inside().since = None;
        if let Err(problem) = &ended {
            nodes.broker.lost(&problem.to_string());
        }
        match ended {
            Ok(()) => return,
            Err(problem) if !std::mem::replace(&mut failing, true) => {
                warn!("other nodes are not heard until the broker can be used: {problem}");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = is_said(stop.clone()) => return,
            () = tokio::time::sleep(AGAIN_AFTER) => {}
        }
    }
}

/// From a connection to its end.
async fn session(
    nodes: &Arc<Nodes>,
    to_say: &mut ToSay,
    broker: &mut Broker,
    failing: &mut bool,
    stop: watch::Receiver<bool>,
) -> Result<(), BrokerError> {
    let opened = async {
        let connection = broker.connect().await?;
        let (publisher, consumer) = open(&connection, &nodes.settings).await?;
        Ok::<_, BrokerError>((publisher, consumer, connection))
    };
    let (mut publisher, mut consumer, connection) = tokio::select! {
        opened = opened => opened?,
        () = is_said(stop.clone()) => return Ok(()),
    };
    nodes.inside().since = Some(Instant::now());
    nodes.broker.connected(connection.address());
    // It publishes every other second, so an alarm is told to it.
    let mut following = JoinSet::new();
    following.spawn(nodes.broker.clone().follow(connection.state()));
    *failing = false;
    let mut every = tokio::time::interval(EVERY);
    let stopped = is_said(stop);
    tokio::pin!(stopped);
    loop {
        let confirmed = async {
            match publisher.unconfirmed_count() {
                0 => std::future::pending().await,
                _ => publisher.next().await,
            }
        };
        let said = tokio::select! {
            () = &mut stopped => break,
            incoming = consumer.next() => {
                let incoming = incoming?;
                take_in(nodes, &incoming.body);
                consumer.acknowledge(incoming.tag, false)?;
                None
            }
            // Nothing is lost with a word that nobody gets.
            _ = confirmed => None,
            Some(said) = to_say.recv() => Some(said),
            _ = every.tick() => Some((To::All, nodes.here())),
        };
        if let Some((to, word)) = said {
            say(&mut publisher, &nodes.settings, &to, word)?;
        }
    }
    let farewell = async {
        let gone = Word::Gone { node: nodes.settings.node.to_string() };
        say(&mut publisher, &nodes.settings, &To::All, gone)?;
        while publisher.next().await.is_some() {}
        Ok(())
    };
    tokio::time::timeout(FAREWELL_TIME_MAX, farewell).await.unwrap_or(Ok(()))
}

async fn open(
    connection: &Connection,
    settings: &CarrierSettings,
) -> Result<(Publisher, Consumer), BrokerError> {
    let (queue, exchange) = (settings.words(&settings.node), settings.words_exchange());
    let arguments = Vec::new();
    connection
        .declare(&[
            Declaration::Exchange { name: exchange.clone(), kind: ExchangeKind::Fanout },
            Declaration::Queue { name: queue.clone(), kind: QueueKind::OfConnection, arguments },
            Declaration::Binding { exchange, queue: queue.clone(), routing_key: String::new() },
        ])
        .await?;
    let publisher = connection.publisher(WINDOW).await?;
    let settings = ConsumerSettings { prefetch: PREFETCH, exclusive: true, arguments: Vec::new() };
    Ok((publisher, connection.consumer(&queue, settings).await?))
}

fn say(
    publisher: &mut Publisher,
    settings: &CarrierSettings,
    to: &To,
    word: Word,
) -> Result<(), BrokerError> {
    let (exchange, key) = match to {
        To::All => (settings.words_exchange(), String::new()),
        To::Node(node) => (String::new(), settings.words(node)),
    };
    let body = written(&Line { version: VERSION, word }, &[]);
    let publication = Publication {
        exchange: &exchange,
        routing_key: &key,
        id: "word",
        mandatory: false,
        persistent: false,
        content_type: Some("application/vnd.orderly.word"),
        kind: None,
        timestamp: None,
        headers: &[],
        body: &body,
    };
    // Nobody hears it in time when so many are on their way.
    if publisher.room() == 0 {
        return Ok(());
    }
    publisher.publish(&publication).map(drop)
}

fn take_in(nodes: &Arc<Nodes>, body: &[u8]) {
    match word(body) {
        // One of a newer program says more than this one knows.
        Err(problem) => debug!("a word of another node: {problem}"),
        Ok(Word::Here { node, delivers }) => nodes.hear(node, &delivers),
        Ok(Word::Gone { node }) => _ = nodes.inside().seen.remove(&node),
        // Its own search needs no word.
        Ok(Word::Find { asker, .. }) if *asker == *nodes.settings.node => {}
        Ok(Word::Find { number, asker, nodes: asked, find }) => {
            if asked.is_empty() || asked.iter().any(|name| **name == *nodes.settings.node) {
                let nodes = nodes.clone();
                tokio::task::spawn_blocking(move || {
                    let answer = nodes.search(&find);
                    nodes.say(To::Node(asker), Word::Found { number, answer });
                });
            }
        }
        Ok(Word::Found { number, answer }) => {
            if let Some(search) = nodes.inside().searches.get(&number) {
                // Who asked may have gone.
                let _ = search.send(answer);
            }
        }
    }
}

fn word(body: &[u8]) -> Result<Word, Unreadable> {
    let (line, _): (Line, _) = read(body)?;
    Ok(line.word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_as_it_was_written() {
        let pausing = Pausing { paused: true, at_us: 7, who: "anna".to_owned(), reason: None };
        let turn = Turn { destination: "hospital".into(), pausing: Some(pausing) };
        let find = Find { patient: Some("70014".to_owned()), limit: 5, ..Find::default() };
        let answer = NodeFound { node: "north".to_owned(), found: Vec::new(), problem: None };
        for said in [
            Word::Here { node: "north".to_owned(), delivers: vec![turn] },
            Word::Gone { node: "north".to_owned() },
            Word::Find { number: 1, asker: "north".to_owned(), nodes: Vec::new(), find: Box::new(find) },
            Word::Found { number: 1, answer },
        ] {
            let body = written(&Line { version: VERSION, word: said.clone() }, &[]);
            assert_eq!(word(&body), Ok(said));
        }
        assert_eq!(word(b"nonsense\n"), Err(Unreadable::Damaged));
    }
}
