//! Whether a destination seems to be away: then all its lanes leave it alone for a while, instead of failing one after the other.
//!
//! What always holds: one message that is never answered does not make a destination seem away that answers others meanwhile.

use super::Ending;
use crate::item::Micros;

/// Whether the destination seems to be away. Then nobody is sent there for a while, so that what waits does not fail in turn.
#[derive(Debug, Default)]
pub(super) struct Away {
    /// Nothing is sent before this time.
    pub(super) until: Option<Micros>,
    /// How often in a row it was found away.
    pub(super) times: u32,
    /// The first ticket that was not given out yet when it was found away last, and when it answered last.
    found_away: u64,
    answered: u64,
}

impl Away {
    /// Learns from the end of an attempt whether the destination is there.
    pub(super) fn hear(&mut self, ending: Ending, ticket: u64, next_ticket: u64) {
        match ending {
            Ending::Withdrawn | Ending::Unread => {}
            Ending::Retryable { answered: false, .. } => {
                // It answered others since this was sent, or others have told already that it is away.
                if ticket >= self.answered && ticket >= self.found_away {
                    self.times = self.times.saturating_add(1);
                    self.found_away = next_ticket;
                    self.until = Some(Micros::MIN);
                }
            }
            _ => *self = Away { answered: next_ticket, ..Away::default() },
        }
    }

    /// While it is away, nothing is sent before this time.
    pub(super) fn wait_until(&mut self, due: Micros) {
        self.until = self.until.map(|until| until.max(due));
    }
}
