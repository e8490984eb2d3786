//! What the journal keeps of destinations, added to what an engine counts of them or told by itself when none runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use orderly_journal::{DestinationFigures, JournalError, Pause, Reader};

use crate::moment::now;
use crate::standing::{DestinationStanding, time};
use crate::status::{DestinationState, DestinationStatus, Paused};

/// How the destinations stand in the journal of an engine that does not run: those declared, in their order, then the others that have
/// something.
pub fn destinations_without_engine(
    declared: &[Arc<str>],
    reader: &Reader,
) -> Result<Vec<DestinationStatus>, JournalError> {
    let mut kept = Kept::read(reader)?;
    let stopped = |name: &Arc<str>| DestinationStanding::new(name.clone(), now()).status();
    let stopped = declared.iter().map(stopped);
    let stopped = stopped.map(|status| DestinationStatus { state: DestinationState::Stopped, ..status });
    let mut destinations: Vec<_> = stopped.map(|status| kept.with(status)).collect();
    destinations.extend(kept.others(DestinationState::Stopped, now()));
    Ok(destinations)
}

/// What the journal keeps of destinations.
pub(crate) struct Kept {
    figures: BTreeMap<String, DestinationFigures>,
    pauses: Vec<Pause>,
    /// How many deliveries are with the broker.
    carried: BTreeMap<String, u64>,
}

impl Kept {
    pub(crate) fn read(reader: &Reader) -> Result<Kept, JournalError> {
        Ok(Kept {
            figures: reader.destinations()?,
            pauses: reader.pauses()?,
            carried: reader.carried_counts()?,
        })
    }

    /// Adds to a destination's status what the journal keeps of it.
    pub(crate) fn with(&mut self, status: DestinationStatus) -> DestinationStatus {
        let figures = self.figures.remove(&status.name).unwrap_or_default();
        let pause = self.pauses.iter().find(|pause| pause.destination == status.name);
        let paused = |pause: &Pause| Paused {
            since: time(pause.since_us),
            who: pause.who.clone(),
            reason: pause.reason.clone(),
        };
        DestinationStatus {
            waiting: figures.waiting,
            with_broker: self.carried.get(&status.name).copied().unwrap_or_default(),
            parked: figures.parked,
            failed: figures.failed,
            oldest_waiting: figures.oldest_waiting_us.map(time),
            last_delivered: figures.last_delivered_us.map(time),
            paused: pause.map(paused),
            ..status
        }
    }

    /// Those that are left and have something that waits or is held.
    pub(crate) fn others(mut self, state: DestinationState, since_us: i64) -> Vec<DestinationStatus> {
        let held = |figures: &DestinationFigures| figures.waiting + figures.parked + figures.failed > 0;
        let names: Vec<String> =
            self.figures.iter().filter(|(_, figures)| held(figures)).map(|(name, _)| name.clone()).collect();
        let bare = |name: String| DestinationStanding::new(Arc::from(name), since_us).status();
        let bare = names.into_iter().map(bare);
        bare.map(|status| self.with(DestinationStatus { state, ..status })).collect()
    }
}
