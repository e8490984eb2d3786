//! Replay: the stored bytes of a message once more through today's plan, with the original acceptance time.

use std::sync::Arc;

use jiff::Timestamp;
use orderly_journal::{
    CommitError, DeliveryState, Fate, Journal, NewDelivery, Only, Reprocessed, StoredMessage,
};
use orderly_pipeline::{Facts, is_part, process};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::convert;
use crate::foresee::{Foreseen, foresee};
use crate::plans::{InForce, Plans};

/// What to replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayRequest {
    /// The messages.
    pub ids: Vec<u64>,
    /// Also send again what was delivered already.
    pub also_delivered: bool,
    /// Leave alone the deliveries that are not in the state of this name.
    pub only: Option<String>,
    /// Leave alone the deliveries to other destinations.
    pub destination: Option<String>,
    /// Only say what would become of them.
    pub dry_run: bool,
    /// With that, also where what would be sent differs from what is stored.
    pub differences: bool,
    /// The user's name on this machine.
    pub who: String,
}

/// What became of one replayed message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// The message.
    pub id: u64,
    /// Its fate now, or nothing when it could not be replayed.
    pub fate: Option<String>,
    /// Deliveries that wait because of this replay.
    pub waiting: usize,
    /// Pairs of route and destination whose mapping failed again.
    pub failed: usize,
    /// Why it could not be replayed.
    pub problem: Option<String>,
    /// Of a replay that was only asked about: what would become of each delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreseen: Option<Vec<Foreseen>>,
}

impl Replayed {
    fn not(id: u64, problem: String) -> Replayed {
        Replayed { id, fate: None, waiting: 0, failed: 0, problem: Some(problem), foreseen: None }
    }
}

impl ReplayRequest {
    /// Which deliveries it touches, when not all.
    fn only(&self) -> Option<Only> {
        let state = self.only.as_deref().and_then(DeliveryState::named);
        let destination = self.destination.as_deref().map(Arc::from);
        (state.is_some() || destination.is_some()).then_some(Only::Of { state, destination })
    }
}

/// Replays messages one after the other, in the order asked for.
pub(crate) async fn replay(journal: &Journal, plans: &Plans, request: &ReplayRequest) -> Vec<Replayed> {
    let mut replayed = Vec::with_capacity(request.ids.len());
    for id in &request.ids {
        replayed.push(match one(journal, plans, *id, request).await {
            Ok(replayed) => replayed,
            Err(problem) => Replayed::not(*id, problem),
        });
    }
    replayed
}

async fn one(journal: &Journal, plans: &Plans, id: u64, request: &ReplayRequest) -> Result<Replayed, String> {
    let held = plans.hold().await;
    let again = Again::process(journal, &held, id)?;
    let failed = again.made.iter().filter(|delivery| delivery.state == DeliveryState::Failed).count();
    let only = request.only();
    let fate = Some(again.fate.name().to_owned());
    if request.dry_run {
        let (also, with) = (request.also_delivered, request.differences);
        let foreseen = foresee(&again.stored.deliveries, &again.made, also, only.as_ref(), with);
        let waiting = foreseen.iter().filter(|one| one.is_sent()).count();
        return Ok(Replayed { id, fate, waiting, failed, problem: None, foreseen: Some(foreseen) });
    }
    let waiting = again.commit(journal, &held, request.also_delivered, only).await?;
    Ok(Replayed { id, fate, waiting, failed, problem: None, foreseen: None })
}

/// A stored message that was processed again, before anything of it is stored.
pub(crate) struct Again {
    pub(crate) stored: StoredMessage,
    fate: Fate,
    reason: Option<String>,
    /// What the plan makes of it now.
    pub(crate) made: Vec<NewDelivery>,
}

impl Again {
    /// Processes a message with the plan, and the time when it came in.
    pub(crate) fn process(journal: &Journal, held: &InForce, id: u64) -> Result<Again, String> {
        let plan = &held.plan;
        let stored = journal.reader().message(id).map_err(|error| error.to_string())?;
        let mut stored = stored.ok_or("there is no message with this id in the journal")?;
        if plan.source(&stored.source).is_none() {
            return Err(format!(
                "its source {} is not in the configuration any more; declare it again",
                stored.source
            ));
        }
        if let (Fate::Duplicate, Some(first)) = (stored.fate, stored.earlier) {
            return Err(format!("it repeats message {first}, which has the deliveries; replay that one"));
        }
        if is_part(&stored.format) {
            return Err("only a part of it was kept; have its sender send it again".to_owned());
        }
        let accepted_at =
            Timestamp::from_microsecond(stored.accepted_at_us).map_err(|error| error.to_string())?;
        let body: Arc<[u8]> = std::mem::take(&mut stored.body).into();
        let facts = Facts { id, source: &stored.source, accepted_at };
        let mut processed = process(plan, &facts, &body);
        let made = convert::deliveries(std::mem::take(&mut processed.pairs), &body);
        Ok(Again { fate: convert::fate(processed.fate), reason: processed.reason, made, stored })
    }

    /// Stores it. Gives how many deliveries wait because of it.
    pub(crate) async fn commit(
        self,
        journal: &Journal,
        held: &InForce,
        also_delivered: bool,
        only: Option<Only>,
    ) -> Result<usize, String> {
        let (done, committed) = oneshot::channel();
        let reprocessed = Reprocessed {
            message_id: self.stored.id,
            at_us: Timestamp::now().as_microsecond(),
            plan: held.version.clone(),
            fate: self.fate,
            reason: self.reason,
            deliveries: self.made,
            also_delivered,
            only,
        };
        journal.reprocess(reprocessed, move |result: Result<usize, CommitError>| {
            // Whoever asked may have gone; the replay holds all the same.
            let _ = done.send(result);
        });
        match committed.await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err("the journal is closing; try again".to_owned()),
        }
    }
}
