//! Inject: bytes that a person repaired come in as a new message of the same source.
//!
//! What always holds: the quarantined message stays as it is; what still cannot be read is not stored; the new message names the old one.

use std::sync::Arc;

use jiff::Timestamp;
use orderly_journal::{Act, Fate, Journal, NewMessage, Repair};
use orderly_pipeline::{Facts, members, process};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::convert;
use crate::desk::Desk;

/// The most that can be injected, in bytes: with its escapes it fits a request of the socket for commands. What is larger is better sent by
/// its sender, or dropped as a file.
pub const INJECTED_BYTES_MAX: usize = 512 << 10;

/// What to inject.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InjectRequest {
    /// The user's name on this machine.
    pub who: String,
    /// Why, in the person's own words.
    pub reason: Option<String>,
    /// The id of the message that could not be read.
    pub quarantined: u64,
    /// Only say what would become of it.
    pub dry_run: bool,
    /// The bytes, each as the character of that number.
    text: String,
}

impl InjectRequest {
    /// Bytes for a quarantined message.
    pub fn new(quarantined: u64, bytes: &[u8], who: String, reason: Option<String>, dry_run: bool) -> Self {
        let text = bytes.iter().copied().map(char::from).collect();
        InjectRequest { who, reason, quarantined, dry_run, text }
    }

    fn bytes(&self) -> Option<Arc<[u8]>> {
        self.text.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect()
    }
}

/// It holds a message: nothing of it goes into a log.
impl std::fmt::Debug for InjectRequest {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let InjectRequest { quarantined, dry_run, text, .. } = self;
        write!(out, "InjectRequest({quarantined}, dry_run: {dry_run}, {} bytes)", text.chars().count())
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Injected {
    /// The new message's id; nothing when it was not stored.
    pub id: Option<u64>,
    /// Its fate.
    pub fate: String,
    /// Why, where the fate needs a reason.
    pub reason: Option<String>,
    /// Its deliveries: destination and state.
    pub deliveries: Vec<(String, String)>,
}

/// Processes and stores. An error says why that was not possible.
pub(crate) async fn inject(desk: &Desk<'_>, request: &InjectRequest) -> Result<Injected, String> {
    let stored = desk.journal.reader().message(request.quarantined).map_err(|error| error.to_string())?;
    let stored = stored.ok_or("there is no message with this id in the journal")?;
    if stored.fate != Fate::Quarantined {
        return Err(format!("message {} is {}, and not quarantined", stored.id, stored.fate.name()));
    }
    let bytes = request.bytes().ok_or("the request holds what are no bytes")?;
    match members(&bytes).len() {
        1 => {}
        0 => return Err("there is no message in these bytes".to_owned()),
        count => return Err(format!("these are {count} messages; inject each by itself")),
    }
    let held = desk.plans.hold().await;
    if held.plan.source(&stored.source).is_none() {
        return Err(format!("its source {} is not in the configuration any more", stored.source));
    }
    let facts = Facts { id: desk.journal.next_id(), source: &stored.source, accepted_at: Timestamp::now() };
    let mut processed = process(&held.plan, &facts, &bytes);
    let source: Arc<str> = Arc::from(stored.source.as_str());
    let message = convert::new_message((&source, &held.version), &facts, &mut processed, bytes);
    let mut injected = Injected::of(&message);
    if request.dry_run || message.fate == Fate::Quarantined {
        return Ok(injected);
    }
    injected.id = Some(message.id);
    store(desk.journal, message, request).await?;
    Ok(injected)
}

async fn store(journal: &Journal, message: NewMessage, request: &InjectRequest) -> Result<(), String> {
    let repair = Repair { quarantined: request.quarantined, repaired: message.id };
    let act = Act {
        at_us: message.accepted_at_us,
        who: request.who.clone(),
        what: "quarantine inject".to_owned(),
        whom: message.source.to_string(),
        count: 1,
        reason: request.reason.clone(),
    };
    let (done, committed) = oneshot::channel();
    journal.accept(message, move |result| {
        // Whoever asked may have gone; the message is stored all the same.
        let _ = done.send(result);
    });
    match committed.await {
        Ok(result) => result.map(drop).map_err(|error| error.to_string())?,
        Err(_) => return Err("the journal is closing; try again".to_owned()),
    }
    // Only then: the id of what was not stored may become another message's.
    let noted =
        tokio::task::block_in_place(|| journal.note_repair(repair).and_then(|()| journal.note_act(&act)));
    noted.map_err(|error| {
        format!("message {} is stored; whose repair it is could not be noted: {error}", repair.repaired)
    })
}

impl Injected {
    fn of(message: &NewMessage) -> Injected {
        let deliveries = message.deliveries.iter();
        let delivery =
            |one: &orderly_journal::NewDelivery| (one.destination.to_string(), one.state.name().to_owned());
        Injected {
            id: None,
            fate: message.fate.name().to_owned(),
            reason: message.reason.clone(),
            deliveries: deliveries.map(delivery).collect(),
        }
    }
}
