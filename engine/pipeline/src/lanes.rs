//! The lanes of a message: what ties its deliveries to others where a destination's order is `per_patient`.
//!
//! What always holds: two messages that name a patient the same way have a lane in common, and a merge has one in common with
//! the messages of each patient that it is about. Lanes are hashes: nothing of a patient is read from them, and two patients who
//! share one by accident only wait for each other.

use std::sync::Arc;

use orderly_mapping::Input;
use orderly_record::{Identifier, Patient, Record};
use sha2::{Digest, Sha256};

use crate::plan::Destination;

/// How many lanes a message can be in. A merge is about two patients or a few; what names more is a list, such as a roster, and tied to
/// the first of them.
const LANES_MAX: usize = 64;

/// The lanes of a record's patients, and of the identifiers that are given up in it (MRG). None when it names no patient.
pub(crate) fn of(record: &Record) -> Arc<[u64]> {
    let mut lanes = Lanes::default();
    for patient in record.patient.iter().chain(&record.patients) {
        lanes.add_patient(patient);
    }
    lanes.0.into()
}

/// The lanes that a destination makes of a message by what it declares. What cannot be made ties it to what has no lane.
pub(crate) fn declared(destination: &Destination, input: &Input<'_>) -> Arc<[u64]> {
    let mut lanes = Lanes::default();
    for text in destination.lane.texts.iter().filter_map(|lane| lane.text(input).ok()) {
        lanes.add(text.trim(), "");
    }
    lanes.0.into()
}

#[derive(Default)]
struct Lanes(Vec<u64>);

impl Lanes {
    /// The medical record number, else the first identifier that is not empty; of those that are given up, each.
    fn add_patient(&mut self, patient: &Patient) {
        let mut named = patient.identifiers.iter().filter(|identifier| !identifier.value.trim().is_empty());
        let number = named.clone().find(|identifier| identifier.kind.as_deref() == Some("MR"));
        let own = number.or_else(|| named.next());
        own.into_iter().for_each(|own| self.add_identifier(own));
        for prior in &patient.prior_identifiers {
            self.add_identifier(prior);
            // Senders leave out in MRG what they say in PID.
            if let (None, Some(system)) = (&prior.system, own.and_then(|own| own.system.as_deref())) {
                self.add(prior.value.trim(), system);
            }
        }
    }

    fn add_identifier(&mut self, identifier: &Identifier) {
        self.add(identifier.value.trim(), identifier.system.as_deref().unwrap_or_default());
    }

    fn add(&mut self, value: &str, system: &str) {
        let lane = hash(value, system);
        if !value.is_empty() && self.0.len() < LANES_MAX && !self.0.contains(&lane) {
            self.0.push(lane);
        }
    }
}

/// The same on every machine and in every version: it is stored with deliveries that wait.
fn hash(value: &str, system: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(value.as_bytes());
    hash.update([0]);
    hash.update(system.trim().as_bytes());
    hash.finalize().iter().take(8).fold(0, |lane, byte| lane << 8 | u64::from(*byte))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn lanes(segments: &str) -> BTreeSet<u64> {
        let text = format!("MSH|^~\\&|A||||20260305||ADT^A08|1|P|2.5.1\r{segments}\r");
        let message = orderly_hl7v2::parse(text.as_bytes(), &orderly_hl7v2::Settings::default()).unwrap();
        let found = of(&orderly_hl7v2::identify(&message));
        assert_eq!(found, of(&orderly_hl7v2::normalize(&message)), "{segments}");
        found.iter().copied().collect()
    }

    fn ties(one: &str, other: &str) -> bool {
        !lanes(one).is_disjoint(&lanes(other))
    }

    #[test]
    fn a_patient_has_one_lane_whatever_stands_beside_the_number() {
        let patient = "PID|1||70014^^^NORTH^MR||TESTER^ALMA";
        assert_eq!(lanes(patient).len(), 1);
        assert_eq!(lanes("PID|1||9^^^SSA^SS~70014^^^NORTH^MR"), lanes(patient));
        assert!(!ties(patient, "PID|1||70015^^^NORTH^MR"));
        assert!(!ties(patient, "PID|1||70014^^^SOUTH^MR"), "another house has that number too");
        assert_eq!(lanes("PID|1||~70014^^^NORTH^PI"), lanes(patient), "the first that is not empty");
    }

    #[test]
    fn without_a_patient_there_is_no_lane() {
        assert!(lanes("PV1|1|I").is_empty() && lanes("PID|1||").is_empty());
    }

    #[test]
    fn a_merge_is_in_the_lane_of_each_patient() {
        let merge = "PID|1||70014^^^NORTH^MR\rMRG|70988^^^NORTH^MR~5^^^SOUTH^MR";
        for patient in ["70014^^^NORTH^MR", "70988^^^NORTH^MR", "5^^^SOUTH^MR"] {
            assert!(ties(merge, &format!("PID|1||{patient}")), "{patient}");
        }
        assert!(!ties(merge, "PID|1||70015^^^NORTH^MR"));
    }

    #[test]
    fn a_merge_may_leave_out_who_gave_the_number_that_is_given_up() {
        assert!(ties("PID|1||70014^^^NORTH^MR\rMRG|70988", "PID|1||70988^^^NORTH^MR"));
        assert!(ties("PID|1||70014^^^NORTH^MR\rMRG|70988", "PID|1||70988"));
    }

    #[test]
    fn a_swap_or_a_link_is_in_the_lanes_of_both() {
        let swap = "PID|1||70014^^^NORTH^MR\rPV1|1|I\rPID|2||70988^^^NORTH^MR\rPV1|2|I";
        assert_eq!(lanes(swap).len(), 2);
    }

    #[test]
    fn lanes_stay_what_they_are() {
        // Stored with deliveries that wait: another hash would untie them from those to come.
        assert_eq!(hash("70014", "NORTH"), EXPECTED);
        assert_ne!(hash("7", "0014"), hash("70014", ""));
    }

    /// The first eight bytes of SHA-256 of `70014`, NUL, `NORTH`.
    const EXPECTED: u64 = 0x7543_b479_cefe_32b8;
}
