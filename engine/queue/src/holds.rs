//! Which envelopes are not to be sent but given back, because something before them in their lanes is set aside or was changed.
//!
//! What always holds: a hold is about one node's envelopes, of lanes, up to a generation; what that node publishes after it knows of
//! the hold has a later generation, and is not held. A hold that is told twice, or late, changes nothing more.

use std::collections::HashMap;
use std::sync::Arc;

use crate::item::Lane;
use crate::planted::{self, Fault};

/// The holds of one destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holds {
    by_node: HashMap<Arc<str>, HashMap<Lane, u64>>,
}

impl Holds {
    /// Holds a node's envelopes of these lanes, up to this generation; says whether that is new.
    pub fn hold(&mut self, node: &Arc<str>, lanes: &[Lane], generation: u64) -> bool {
        let by_lane = self.by_node.entry(node.clone()).or_default();
        let mut is_new = false;
        for lane in lanes {
            let held = by_lane.entry(*lane).or_default();
            is_new |= *held < generation;
            *held = generation.max(*held);
        }
        is_new
    }

    /// The latest generation that is held of these lanes, when an envelope of this one is.
    #[must_use]
    pub fn held(&self, node: &str, lanes: &[Lane], generation: u64) -> Option<u64> {
        if planted::is_planted(Fault::HoldsIgnored) {
            return None;
        }
        let by_lane = self.by_node.get(node)?;
        let held = lanes.iter().filter_map(|lane| by_lane.get(lane)).max();
        held.copied().filter(|held| generation <= *held)
    }

    /// Forgets a node's holds before this generation: no such envelope is left.
    pub fn forget(&mut self, node: &str, before: u64) {
        if let Some(by_lane) = self.by_node.get_mut(node) {
            by_lane.retain(|_, held| *held >= before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_about_a_node_lanes_and_generations() {
        let _alone = crate::planted::ONE_AT_A_TIME.lock();
        let (north, mut holds) = (Arc::<str>::from("north"), Holds::default());
        assert!(holds.hold(&north, &[1, 2], 5));
        assert!(!holds.hold(&north, &[1], 4), "known already");
        assert_eq!(holds.held("north", &[2, 3], 5), Some(5));
        assert_eq!(holds.held("north", &[2], 6), None, "published after it");
        assert_eq!(holds.held("north", &[3], 1), None, "another lane");
        assert_eq!(holds.held("south", &[1], 1), None, "another node");
        holds.forget("north", 5);
        assert_eq!(holds.held("north", &[1], 5), Some(5));
        holds.forget("north", 6);
        assert_eq!(holds.held("north", &[1], 5), None);
    }
}
