//! What whoever delivers to a destination must know, and the mark in the destination's queue behind which holds are over.

use std::sync::Arc;

use orderly_journal::Act;
use orderly_queue::item::{Lane, Micros};
use orderly_queue::outbox::Id;
use orderly_queue::shelf::Tried;
use serde::{Deserialize, Serialize};

use super::envelope::{Unreadable, VERSION, read, written};

/// How many lanes a hold is about, at most.
const LANES_MAX: usize = 1_000;

/// How many deliveries one message tells to be done, at most.
const DONE_MAX: usize = 1_000;

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// A node's envelopes of these lanes are held up to this generation.
    Hold {
        /// The node that accepted them.
        node: Arc<str>,
        /// The lanes.
        lanes: Vec<Lane>,
        /// The generation.
        generation: u64,
    },
    /// Deliveries of a node, each with its revision, were delivered by an earlier envelope: those of this generation and before need not be.
    Done {
        /// The node that accepted them.
        node: Arc<str>,
        /// The deliveries.
        deliveries: Vec<(u64, u32)>,
        /// The generation.
        generation: u64,
    },
    /// Behind this, in the destination's queue, no envelope of a node comes that is of a generation before this one.
    Release {
        /// The node.
        node: Arc<str>,
        /// The generation.
        before: u64,
    },
    /// A person wants that nothing is sent, or that it is sent again. The latest holds.
    Pause(Pausing),
    /// What was tried of a delivery by the node that delivered before.
    Tried {
        /// The node that accepted it.
        node: Arc<str>,
        /// The delivery.
        delivery: u64,
        /// How often it had been replaced.
        revision: u32,
        /// Which envelope of it.
        generation: u64,
        /// How often it was tried.
        attempts: u32,
        /// When the next attempt is due.
        not_before_us: Option<Micros>,
        /// Since when it fails.
        failing_since_us: Option<Micros>,
    },
    /// A node that begins to deliver has read all that is before this.
    Mark(String),
}

/// What a person wants of a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pausing {
    /// Whether nothing is to be sent.
    pub paused: bool,
    /// Since when.
    pub at_us: Micros,
    /// Who said so.
    pub who: String,
    /// Why, in the person's own words.
    pub reason: Option<String>,
}

impl Pausing {
    /// What a person did about it.
    pub(crate) fn of(act: Act) -> Pausing {
        Pausing { paused: act.what == "pause", at_us: act.at_us, who: act.who, reason: act.reason }
    }
}

impl Control {
    /// Says what another one says as well, where both together are one.
    pub(crate) fn takes_in(&mut self, other: &Control) -> bool {
        match (self, other) {
            (
                Control::Hold { node, lanes, generation },
                Control::Hold { node: other, lanes: others, generation: later },
            ) if node == other => Control::takes_in_hold(lanes, generation, others, *later),
            (
                Control::Done { node, deliveries, generation },
                Control::Done { node: other, deliveries: others, generation: later },
            ) if node == other && deliveries.len() + others.len() <= DONE_MAX => {
                deliveries.extend(others);
                *generation = (*generation).max(*later);
                true
            }
            _ => false,
        }
    }

    fn takes_in_hold(lanes: &mut Vec<Lane>, generation: &mut u64, others: &[Lane], later: u64) -> bool {
        if lanes.iter().all(|lane| others.contains(lane)) && *generation <= later {
            (*lanes, *generation) = (others.to_vec(), later);
            return true;
        }
        let is_equal = *generation == later && lanes.len() + others.len() <= LANES_MAX;
        if is_equal {
            lanes.extend(others.iter().filter(|lane| !lanes.contains(lane)).copied().collect::<Vec<_>>());
        }
        is_equal
    }

    /// What a delivery's attempts were.
    pub(crate) fn tried(node: Arc<str>, id: Id, tried: Tried) -> Control {
        let Id { seq: delivery, revision, generation } = id;
        let Tried { attempts, not_before, failing_since } = tried;
        Control::Tried {
            node,
            delivery,
            revision,
            generation,
            attempts,
            not_before_us: not_before,
            failing_since_us: failing_since,
        }
    }

    /// As a message's body.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        written(&ControlLine { version: VERSION, control: self.clone() }, &[])
    }

    /// From a message's body.
    pub fn read(body: &[u8]) -> Result<Control, Unreadable> {
        let (line, _): (ControlLine, _) = read(body)?;
        Ok(line.control)
    }
}

#[derive(Serialize, Deserialize)]
struct ControlLine {
    version: u32,
    control: Control,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_that_follow_each_other_are_one() {
        let hold = |lanes: &[Lane], generation| Control::Hold {
            node: "north".into(),
            lanes: lanes.to_vec(),
            generation,
        };
        let mut first = hold(&[1], 5);
        assert!(first.takes_in(&hold(&[1, 2], 6)));
        assert_eq!(first, hold(&[1, 2], 6), "the later one holds all that the earlier did");
        assert!(first.takes_in(&hold(&[3, 2], 6)));
        assert_eq!(first, hold(&[1, 2, 3], 6));
        assert!(!first.takes_in(&hold(&[4], 7)), "others are not held up to there");
        assert!(!first.takes_in(&Control::Mark("north-1".to_owned())));
    }

    #[test]
    fn what_is_done_is_told_together() {
        let done = |deliveries: &[(u64, u32)], generation| Control::Done {
            node: "north".into(),
            deliveries: deliveries.to_vec(),
            generation,
        };
        let mut first = done(&[(1, 0)], 5);
        assert!(first.takes_in(&done(&[(2, 1)], 4)));
        assert_eq!(first, done(&[(1, 0), (2, 1)], 5));
        assert!(!first.takes_in(&done(&[(3, 0); DONE_MAX], 5)));
    }

    #[test]
    fn what_was_written_is_read() {
        let tried = Tried { attempts: 3, not_before: Some(-1), failing_since: None };
        for control in [
            Control::Hold { node: "north".into(), lanes: vec![u64::MAX], generation: 7 },
            Control::Release { node: "north".into(), before: u64::MAX },
            Control::Done { node: "north".into(), deliveries: vec![(u64::MAX, 1)], generation: 7 },
            Control::Pause(Pausing { paused: true, at_us: 5, who: "anna".to_owned(), reason: None }),
            Control::tried("north".into(), Id { seq: 7, revision: 1, generation: 5 }, tried),
            Control::Mark("north-1".to_owned()),
        ] {
            assert_eq!(Control::read(&control.write()), Ok(control));
        }
        assert_eq!(Control::read(b"{\"version\":2}\n"), Err(Unreadable::Newer(2)));
        assert_eq!(Control::read(b"{\"version\":1}\n"), Err(Unreadable::Damaged));
    }
}
