//! The operator's hand: destinations paused and resumed, deliveries set aside and taken back, and who did it.
//!
//! What always holds: what a person did is on disk, with the person's name, before it is answered.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use orderly_journal::{Act, Amended, Amendment, Change, CommitError, Journal, Resend};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tracing::info;

use crate::carrier::control::Pausing;
use crate::desk::Desk;

/// What a person wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandRequest {
    /// The user's name on this machine.
    pub who: String,
    /// Why, in the person's own words.
    pub reason: Option<String>,
    /// What.
    pub deed: Deed,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Nothing more is sent to this destination.
    Pause(String),
    /// It is sent to again.
    Resume(String),
    /// These deliveries, which wait, are set aside.
    Skip(Vec<Delivery>),
    /// These deliveries, which wait or are parked or failed, are taken back for good.
    Cancel(Vec<Delivery>),
    /// These deliveries are sent with the payload that they have: what is not delivered yet at its place in the order, as soon as that
    /// allows; what is settled once more, as a new delivery.
    Resend(Vec<Delivery>),
}

/// A delivery, as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its message.
    pub message_id: u64,
    /// Its number.
    pub number: u64,
    /// Its destination.
    pub destination: String,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// So many destinations or deliveries were changed.
    pub changed: usize,
    /// The deliveries that were not.
    pub unchanged: Vec<Unchanged>,
}

/// A delivery that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unchanged {
    /// The delivery.
    pub delivery: Delivery,
    /// Why.
    pub why: String,
}

/// Does it. An error says why nothing was done.
pub(crate) async fn lay(desk: &Desk<'_>, request: &HandRequest) -> Result<Handed, String> {
    let handed = match &request.deed {
        Deed::Pause(destination) => pause(desk, request, destination, true).await?,
        Deed::Resume(destination) => pause(desk, request, destination, false).await?,
        Deed::Skip(deliveries) => amend(desk, request, deliveries, Change::Park).await?,
        Deed::Cancel(deliveries) => amend(desk, request, deliveries, Change::Cancel).await?,
        Deed::Resend(deliveries) => resend(desk, request, deliveries).await?,
    };
    if handed.changed > 0 && !matches!(request.deed, Deed::Pause(_) | Deed::Resume(_)) {
        let act = request.act(Timestamp::now().as_microsecond(), handed.changed);
        let noted = tokio::task::block_in_place(|| desk.journal.note_act(&act));
        noted.map_err(|error| {
            format!("{} deliveries were changed; this could not be noted: {error}", handed.changed)
        })?;
    }
    let HandRequest { who, deed, .. } = request;
    let (what, whom) = (deed.name(), deed.whom());
    info!(%who, whom, changed = handed.changed, "by hand: {what}");
    Ok(handed)
}

impl Deed {
    /// Its name, as the audit has it and the commands are called.
    fn name(&self) -> &'static str {
        match self {
            Deed::Pause(_) => "pause",
            Deed::Resume(_) => "resume",
            Deed::Skip(_) => "skip",
            Deed::Cancel(_) => "cancel",
            Deed::Resend(_) => "resend",
        }
    }

    /// The destination, when it is about one only.
    fn whom(&self) -> &str {
        match self {
            Deed::Pause(destination) | Deed::Resume(destination) => destination,
            Deed::Skip(deliveries) | Deed::Cancel(deliveries) | Deed::Resend(deliveries) => {
                let first =
                    deliveries.first().map(|delivery| delivery.destination.as_str()).unwrap_or_default();
                let one = deliveries.iter().all(|delivery| delivery.destination == first);
                if one { first } else { "" }
            }
        }
    }
}

impl HandRequest {
    fn act(&self, at_us: i64, count: usize) -> Act {
        Act {
            at_us,
            who: self.who.clone(),
            what: self.deed.name().to_owned(),
            whom: self.deed.whom().to_owned(),
            count: count as u64,
            reason: self.reason.clone(),
        }
    }

    /// What a delivery's reason says of it.
    fn told(&self, what: &str) -> String {
        let why = self.reason.as_ref().map(|reason| format!(": {reason}"));
        format!("{what} by {}{}", self.who, why.unwrap_or_default())
    }
}

async fn pause(
    desk: &Desk<'_>,
    request: &HandRequest,
    destination: &str,
    paused: bool,
) -> Result<Handed, String> {
    // Held, so that no reload begins the destination's line between the journal's knowing and its being told.
    let lines = match desk.lines {
        Some(lines) => Some(lines.lock().await),
        None => None,
    };
    let plan = desk.plans.hold().await.plan.clone();
    let nodes = lines.as_ref().and_then(|lines| lines.as_ref()).and_then(|lines| lines.nodes());
    let now = Timestamp::now().as_microsecond();
    let act = request.act(nodes.map_or(now, |nodes| nodes.next_word(destination, now)), 1);
    let unknown = || {
        let names: Vec<&str> = plan.destinations.iter().map(|declared| &*declared.name).collect();
        Err(format!("there is no destination {destination}; there are {}", names.join(", ")))
    };
    let is_declared = plan.destination(destination).is_some();
    let changed = tokio::task::block_in_place(|| match paused {
        true if !is_declared => unknown(),
        true => desk.journal.pause(destination, &act).map_err(|error| error.to_string()),
        // One that is paused and not declared any more can be resumed all the same.
        false => match desk.journal.resume(destination, &act).map_err(|error| error.to_string()) {
            Ok(false) if !is_declared => unknown(),
            resumed => resumed,
        },
    })?;
    if let Some(lines) = lines.as_ref().and_then(|lines| lines.as_ref()) {
        lines.pause_destination(destination, Pausing::of(act));
    }
    Ok(Handed { changed: usize::from(changed), unchanged: Vec::new() })
}

/// Changes deliveries. What is with a broker can be had back by a running engine only: without one, another node may deliver it meanwhile.
async fn amend(
    desk: &Desk<'_>,
    request: &HandRequest,
    deliveries: &[Delivery],
    change: Change,
) -> Result<Handed, String> {
    let reason = request.told(if change == Change::Cancel { "cancelled" } else { "set aside" });
    let mut handed = Handed::default();
    let with_broker = match desk.lines {
        Some(_) => HashSet::new(),
        None => tokio::task::block_in_place(|| carried(desk.journal, deliveries))?,
    };
    let (away, here): (Vec<_>, Vec<_>) =
        deliveries.iter().partition(|delivery| with_broker.contains(&delivery.number));
    away.into_iter().for_each(|delivery| handed.leave(delivery, WITH_BROKER.to_owned()));
    for (delivery, amended) in change_each(desk.journal, here, change, Some(reason)).await {
        match amended {
            Ok(Amended { changed: true, .. }) => handed.changed += 1,
            Ok(Amended { before, .. }) => handed.leave(delivery, format!("it is {}", before.name())),
            Err(error) => handed.leave(delivery, error.to_string()),
        }
    }
    Ok(handed)
}

const WITH_BROKER: &str =
    "it is with the broker, and another node may deliver it; start this node, then do this again";

/// Which deliveries to these destinations are with a broker, by their numbers.
fn carried(journal: &Journal, deliveries: &[Delivery]) -> Result<HashSet<u64>, String> {
    let destinations: HashSet<&str> =
        deliveries.iter().map(|delivery| delivery.destination.as_str()).collect();
    let mut carried = HashSet::new();
    for destination in destinations {
        let found = journal.reader().carried(destination).map_err(|error| error.to_string())?;
        carried.extend(found.into_iter().map(|one| one.delivery.seq));
    }
    Ok(carried)
}

/// Sends deliveries again. Those that become new ones do so in the order given.
async fn resend(desk: &Desk<'_>, request: &HandRequest, deliveries: &[Delivery]) -> Result<Handed, String> {
    let (journal, mut handed) = (desk.journal, Handed::default());
    // Held to the end, so that no reload takes a destination away after nothing waited for it.
    let held = desk.plans.hold().await;
    let is_declared = |delivery: &&Delivery| held.plan.destination(&delivery.destination).is_some();
    let (deliveries, undeclared): (Vec<_>, Vec<_>) = deliveries.iter().partition(is_declared);
    for delivery in undeclared {
        let why = format!("the configuration has no destination {}", delivery.destination);
        handed.leave(delivery, why);
    }
    let mut settled = Vec::new();
    let reason = request.told("sent again");
    for (delivery, amended) in change_each(journal, deliveries, Change::Retry, Some(reason)).await {
        match amended {
            Ok(Amended { changed: true, .. }) => handed.changed += 1,
            Ok(Amended { before, .. }) if before.is_settled() => settled.push(delivery),
            Ok(Amended { .. }) => handed.leave(delivery, NOTHING_TO_SEND.to_owned()),
            // Its file is sealed, so it is settled.
            Err(CommitError::NoSuchDelivery { .. }) => settled.push(delivery),
            // It may be changed all the same, and a copy beside it would be one too many.
            Err(error) => handed.leave(delivery, error.to_string()),
        }
    }
    let at_us = Timestamp::now().as_microsecond();
    let asked = settled.into_iter().map(|delivery| {
        let (message_id, number) = (delivery.message_id, delivery.number);
        let destination = Arc::from(delivery.destination.as_str());
        let resend = Resend { message_id, delivery: number, destination, at_us };
        (delivery, asked(|done| journal.resend(resend, done)))
    });
    for (delivery, answer) in asked.collect::<Vec<_>>() {
        match answered(answer).await {
            Ok(_) => handed.changed += 1,
            Err(CommitError::NoSuchDelivery { .. }) => handed.leave(delivery, NOTHING_TO_SEND.to_owned()),
            Err(error) => handed.leave(delivery, error.to_string()),
        }
    }
    Ok(handed)
}

const NOTHING_TO_SEND: &str = "no output was made of it; `orderly replay` makes it";

/// Asks for all changes before it waits for the first: they share commits.
async fn change_each<'d>(
    journal: &Journal,
    deliveries: impl IntoIterator<Item = &'d Delivery>,
    change: Change,
    reason: Option<String>,
) -> Vec<(&'d Delivery, Result<Amended, CommitError>)> {
    let at_us = Timestamp::now().as_microsecond();
    let asked = deliveries.into_iter().map(|delivery| {
        let destination = Arc::from(delivery.destination.as_str());
        let (number, reason) = (delivery.number, reason.clone());
        let amendment = Amendment { delivery: number, destination, change, at_us, reason };
        (delivery, asked(|done| journal.amend(amendment, done)))
    });
    let asked: Vec<_> = asked.collect();
    let mut changed = Vec::with_capacity(asked.len());
    for (delivery, answer) in asked {
        changed.push((delivery, answered(answer).await));
    }
    changed
}

type Answer<T> = oneshot::Receiver<Result<T, CommitError>>;

fn asked<T: Send + 'static>(ask: impl FnOnce(Box<dyn FnOnce(Result<T, CommitError>) + Send>)) -> Answer<T> {
    let (done, answer) = oneshot::channel();
    ask(Box::new(move |result| {
        // Whoever asked may have gone; the change holds all the same.
        let _ = done.send(result);
    }));
    answer
}

async fn answered<T>(answer: Answer<T>) -> Result<T, CommitError> {
    answer.await.unwrap_or(Err(CommitError::Closed))
}

impl Handed {
    fn leave(&mut self, delivery: &Delivery, why: String) {
        self.unchanged.push(Unchanged { delivery: delivery.clone(), why });
    }
}
