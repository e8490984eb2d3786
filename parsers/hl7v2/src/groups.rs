//! Which segments belong together: the groups of the message's structure, seen over the flat list of segments.
//!
//! A tolerant walk from left to right along the structure of the dictionary (`walk`): what is missing is passed over, what comes out of
//! order is taken where it belongs if that is still open, anything unknown stays in the group that is open. So an unexpected segment
//! never makes a group fail; the list stays the truth and groups are ranges of it. A note (NTE) belongs to the segment it follows.

mod judge;
mod walk;

use std::ops::Range;

use crate::dictionary::{Structure, Version, structure};
use crate::message::Message;
pub(crate) use judge::{Flaw, What, judge};
use walk::Walk;

/// The groups of one message, as it was when they were made: they are made anew after segments came or went.
#[derive(Debug, Clone)]
pub struct Groups {
    groups: Vec<Group>,
    segments: Vec<Place>,
}

#[derive(Debug, Clone)]
struct Group {
    name: &'static str,
    range: Range<usize>,
    /// Index of the group around it.
    parent: Option<usize>,
}

/// Where a segment stands.
#[derive(Debug, Clone)]
struct Place {
    /// The segment with the notes that follow it; of a note, itself.
    own: Range<usize>,
    /// For a note, what it is about and all notes about that.
    about: Option<Range<usize>>,
    /// Index of the innermost group it is in.
    group: Option<usize>,
}

impl Groups {
    /// The groups of a message.
    pub fn of(message: &Message<'_>) -> Self {
        let header = message.header();
        let structure = structure(&header.message_type(), &header.event(), &header.structure());
        let names: Vec<&str> = message.segments().iter().map(|segment| segment.name()).collect();
        Self::walk(&names, structure, Version::nearest(&header.version()))
    }

    /// The ranges of segments around this one, innermost first: itself with its notes, for a note then what it is about, then the groups
    /// it is in. Each encloses the one before it.
    pub fn enclosing(&self, segment: usize) -> impl Iterator<Item = Range<usize>> {
        let place = self.segments.get(segment);
        let innermost = place.and_then(|place| self.groups.get(place.group?));
        let groups = std::iter::successors(innermost, |group| self.groups.get(group.parent?))
            .map(|group| &group.range);
        let own = place.into_iter().flat_map(|place| std::iter::once(&place.own).chain(&place.about));
        let mut before = None;
        own.chain(groups).filter(move |range| before.replace(*range) != Some(*range)).cloned()
    }

    /// The ranges of all groups of this name, in order.
    pub fn occurrences(&self, name: &str) -> impl Iterator<Item = Range<usize>> {
        self.groups.iter().filter(move |group| group.name == name).map(|group| group.range.clone())
    }

    /// The ranges of all groups of this name, in order, each with the ranges that a message about it alone leaves out: the others of its
    /// name, and beside each group around it those of the same name, such as other patients with all that is theirs.
    pub fn alone(&self, name: &str) -> impl Iterator<Item = (Range<usize>, Vec<Range<usize>>)> {
        let named = self.groups.iter().enumerate().filter(move |(_, group)| group.name == name);
        named.map(|(index, group)| (group.range.clone(), self.beside(index)))
    }

    fn beside(&self, index: usize) -> Vec<Range<usize>> {
        let around: Vec<usize> =
            std::iter::successors(Some(index), |index| self.groups.get(*index)?.parent).collect();
        let is_beside = |(other, group): &(usize, &Group)| {
            let like = |(place, own): (usize, &Group)| {
                own.name == group.name && (own.parent == group.parent || place == index)
            };
            let own = around.iter().filter_map(|place| Some((*place, self.groups.get(*place)?)));
            !around.contains(other) && own.into_iter().any(like)
        };
        self.groups.iter().enumerate().filter(is_beside).map(|(_, group)| group.range.clone()).collect()
    }

    fn walk(names: &[&str], structure: &'static Structure, version: Version) -> Self {
        let mut walk = Walk::new(names, structure, version);
        let mut segments = places(names);
        for (index, place) in segments.iter_mut().enumerate() {
            walk.take(index);
            place.group = walk.innermost();
        }
        Self { groups: walk.finish(), segments }
    }
}

/// Each segment with its notes, in no group yet.
fn places(names: &[&str]) -> Vec<Place> {
    let mut about: Option<Range<usize>> = None;
    let mut places = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        if *name == "NTE" {
            places.push(Place { own: index..index + 1, about: about.clone(), group: None });
        } else {
            let notes = names.iter().skip(index + 1).take_while(|name| **name == "NTE").count();
            let own = index..index + 1 + notes;
            about = Some(own.clone());
            places.push(Place { own, about: None, group: None });
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The groups as text: `ORDER_OBSERVATION 2-5`, segments counted from 0, ends included.
    fn groups(kind: &str, event: &str, segments: &str) -> Vec<String> {
        let names: Vec<&str> = segments.split(' ').collect();
        let groups = Groups::walk(&names, structure(kind, event, ""), Version::DEFAULT).groups;
        groups
            .iter()
            .map(|group| format!("{} {}-{}", group.name, group.range.start, group.range.end - 1))
            .collect()
    }

    #[test]
    fn results_go_with_their_order() {
        assert_eq!(
            groups("ORU", "R01", "MSH PID NTE PV1 ORC OBR NTE OBX NTE OBX SPM OBX OBR OBX DSC"),
            [
                "PATIENT_RESULT 1-13",
                "PATIENT 1-3",
                "VISIT 3-3",
                "ORDER_OBSERVATION 4-11",
                "OBSERVATION 7-8",
                "OBSERVATION 9-9",
                "SPECIMEN 10-11",
                "OBSERVATION 11-11",
                "ORDER_OBSERVATION 12-13",
                "OBSERVATION 13-13",
            ]
        );
    }

    #[test]
    fn a_message_about_one_group_has_no_other_patients() {
        let names: Vec<&str> = "MSH PID OBR OBX OBR PID OBR OBX".split(' ').collect();
        let groups = Groups::walk(&names, structure("ORU", "R01", ""), Version::DEFAULT);
        let alone = |name: &str| -> Vec<String> {
            groups.alone(name).map(|(own, left_out)| format!("{own:?} without {left_out:?}")).collect()
        };
        let orders = [
            "2..4 without [4..5, 5..8, 6..8]",
            "4..5 without [2..4, 5..8, 6..8]",
            "6..8 without [1..5, 2..4, 4..5]",
        ];
        assert_eq!(alone("ORDER_OBSERVATION"), orders);
        assert_eq!(alone("PATIENT_RESULT"), ["1..5 without [5..8]", "5..8 without [1..5]"]);
    }

    #[test]
    fn a_second_patient_begins_a_new_result() {
        assert_eq!(
            groups("ORU", "R01", "MSH PID OBR OBX PID OBR OBX"),
            [
                "PATIENT_RESULT 1-3",
                "PATIENT 1-1",
                "ORDER_OBSERVATION 2-3",
                "OBSERVATION 3-3",
                "PATIENT_RESULT 4-6",
                "PATIENT 4-4",
                "ORDER_OBSERVATION 5-6",
                "OBSERVATION 6-6",
            ]
        );
    }

    #[test]
    fn an_order_without_a_patient_is_still_an_order() {
        assert_eq!(
            groups("ORU", "R01", "MSH ORC OBR OBX"),
            ["PATIENT_RESULT 1-3", "ORDER_OBSERVATION 1-3", "OBSERVATION 3-3"]
        );
    }

    #[test]
    fn a_common_order_after_its_request_does_not_begin_another() {
        assert_eq!(
            groups("ORU", "R01", "MSH PID OBR ORC OBX"),
            ["PATIENT_RESULT 1-4", "PATIENT 1-1", "ORDER_OBSERVATION 2-4", "OBSERVATION 4-4"]
        );
    }

    #[test]
    fn unknown_segments_stay_where_they_stand() {
        assert_eq!(
            groups("ORU", "R01", "MSH PID OBR OBX ZZZ NTE FT1 ZZZ"),
            ["PATIENT_RESULT 1-7", "PATIENT 1-1", "ORDER_OBSERVATION 2-7", "OBSERVATION 3-5"]
        );
    }

    #[test]
    fn insurances_and_procedures_of_an_admission() {
        assert_eq!(
            groups("ADT", "A01", "MSH EVN PID PV1 OBX NTE AL1 PR1 ROL GT1 IN1 IN2 IN1 IN3 ACC"),
            ["PROCEDURE 7-8", "INSURANCE 10-11", "INSURANCE 12-13"]
        );
    }

    #[test]
    fn a_merge_repeats_its_patient() {
        assert_eq!(groups("ADT", "A40", "MSH EVN PID PD1 MRG PID MRG"), ["PATIENT 2-4", "PATIENT 5-6"]);
    }

    #[test]
    fn resources_of_an_appointment() {
        assert_eq!(
            groups("SIU", "S12", "MSH SCH NTE PID PV1 RGS AIS NTE AIP AIL RGS AIG"),
            [
                "PATIENT 3-4",
                "RESOURCES 5-9",
                "SERVICE 6-7",
                "PERSONNEL_RESOURCE 8-8",
                "LOCATION_RESOURCE 9-9",
                "RESOURCES 10-11",
                "GENERAL_RESOURCE 11-11",
            ]
        );
    }

    #[test]
    fn orders_and_what_they_ask_for() {
        assert_eq!(
            groups("ORM", "O01", "MSH PID PV1 IN1 AL1 ORC OBR NTE DG1 OBX ORC RXO"),
            [
                "PATIENT 1-4",
                "PATIENT_VISIT 2-2",
                "INSURANCE 3-3",
                "ORDER 5-9",
                "ORDER_DETAIL 6-9",
                "OBSERVATION 9-9",
                "ORDER 10-11",
                "ORDER_DETAIL 11-11",
            ]
        );
        assert_eq!(
            groups("OML", "O21", "MSH PID ORC TQ1 OBR NTE OBX SPM SAC OBX ORC OBR"),
            [
                "PATIENT 1-1",
                "ORDER 2-9",
                "TIMING 3-3",
                "OBSERVATION_REQUEST 4-9",
                "OBSERVATION 6-6",
                "SPECIMEN 7-9",
                "CONTAINER 8-9",
                "ORDER 10-11",
                "OBSERVATION_REQUEST 11-11",
            ]
        );
    }

    #[test]
    fn documents_and_vaccinations() {
        assert_eq!(
            groups("MDM", "T02", "MSH EVN PID PV1 ORC OBR TXA OBX NTE OBX"),
            ["COMMON_ORDER 4-5", "OBSERVATION 7-8", "OBSERVATION 9-9"]
        );
        assert_eq!(
            groups("VXU", "V04", "MSH PID PD1 NK1 PV1 ORC RXA RXR OBX OBX RXA"),
            ["PATIENT 4-4", "ORDER 5-9", "OBSERVATION 8-8", "OBSERVATION 9-9", "ORDER 10-10"]
        );
    }

    #[test]
    fn what_is_missing_costs_the_others_nothing() {
        assert_eq!(
            groups("ORU", "R01", "MSH OBX NTE OBX"),
            ["PATIENT_RESULT 1-3", "ORDER_OBSERVATION 1-3", "OBSERVATION 1-2", "OBSERVATION 3-3"]
        );
        assert_eq!(
            groups("RDE", "O11", "MSH PID RXE RXR RXC ORC RXE"),
            ["PATIENT 1-1", "ORDER 2-4", "ORDER 5-6"]
        );
        assert_eq!(groups("ADT", "A40", "MSH EVN MRG"), ["PATIENT 2-2"]);
    }

    #[test]
    fn what_is_out_of_order_goes_where_it_belongs() {
        assert_eq!(
            groups("ORU", "R01", "MSH PID OBR ORC OBX OBR ORC OBX"),
            [
                "PATIENT_RESULT 1-7",
                "PATIENT 1-1",
                "ORDER_OBSERVATION 2-4",
                "OBSERVATION 4-4",
                "ORDER_OBSERVATION 5-7",
                "OBSERVATION 7-7",
            ]
        );
        assert_eq!(
            groups("ADT", "A01", "MSH PID IN1 IN2 AL1 IN1 PV1 IN1"),
            ["INSURANCE 2-3", "INSURANCE 5-5", "INSURANCE 7-7"]
        );
        assert_eq!(
            groups("ORM", "O01", "MSH ORC OBR OBX PID PV1 ORC"),
            [
                "ORDER 1-3",
                "ORDER_DETAIL 2-3",
                "OBSERVATION 3-3",
                "PATIENT 4-5",
                "PATIENT_VISIT 5-5",
                "ORDER 6-6"
            ]
        );
    }

    #[test]
    fn a_group_of_a_later_version_is_seen_in_it_only() {
        let names = ["MSH", "PID", "OBX", "OBR", "OBX"];
        let of = |version| {
            let groups = Groups::walk(&names, structure("ORU", "R01", ""), Version::nearest(version)).groups;
            groups.iter().map(|group| (group.name, group.range.start)).collect::<Vec<_>>()
        };
        let patient = [("PATIENT_RESULT", 1), ("PATIENT", 1)];
        let order = [("ORDER_OBSERVATION", 3), ("OBSERVATION", 4)];
        assert_eq!(of("2.6"), [patient, order].concat());
        assert_eq!(
            of("2.3"),
            [&patient[..], &[("ORDER_OBSERVATION", 2), ("OBSERVATION", 2)], &order].concat()
        );
    }

    /// The standard's own structure cannot tell an order after prior results from one more of them, and takes it for that.
    #[test]
    fn prior_results_begin_with_their_patient() {
        assert_eq!(
            groups("OML", "O21", "MSH PID ORC OBR OBX ORC OBR PID OBR OBX ORC OBR"),
            [
                "PATIENT 1-1",
                "ORDER 2-4",
                "OBSERVATION_REQUEST 3-4",
                "OBSERVATION 4-4",
                "ORDER 5-11",
                "OBSERVATION_REQUEST 6-11",
                "PRIOR_RESULT 7-11",
                "PATIENT_PRIOR 7-7",
                "ORDER_PRIOR 8-9",
                "OBSERVATION_PRIOR 9-9",
                "ORDER_PRIOR 10-11",
            ]
        );
    }

    #[test]
    fn referrals_problems_and_master_files() {
        assert_eq!(
            groups("REF", "I12", "MSH RF1 PRD CTD PRD PID DG1 OBR NTE OBX PV1"),
            [
                "PROVIDER_CONTACT 2-3",
                "PROVIDER_CONTACT 4-4",
                "OBSERVATION 7-9",
                "RESULTS_NOTES 9-9",
                "PATIENT_VISIT 10-10",
            ]
        );
        assert_eq!(
            groups("PPR", "PC1", "MSH PID PV1 PRB NTE ROL OBX GOL PRB"),
            [
                "PATIENT_VISIT 2-2",
                "PROBLEM 3-7",
                "PROBLEM_ROLE 5-5",
                "PROBLEM_OBSERVATION 6-6",
                "GOAL 7-7",
                "PROBLEM 8-8",
            ]
        );
        assert_eq!(groups("MFN", "M02", "MSH MFI MFE STF PRA MFE STF ZST"), ["MF_STAFF 2-4", "MF_STAFF 5-7"]);
        assert_eq!(groups("XYZ", "A01", "MSH PID OBX"), [""; 0]);
    }

    #[test]
    fn a_note_is_enclosed_by_what_it_is_about() {
        let bytes = b"MSH|^~\\&|A|B|C|D|||ORU^R01|1|P|2.5\rPID|1\rOBR|1\rNTE|1\rOBX|1\rNTE|1\rNTE|2\r";
        let message = crate::parse(bytes, &crate::Settings::default()).unwrap();
        let groups = Groups::of(&message);
        let enclosing = |segment| groups.enclosing(segment).collect::<Vec<_>>();
        assert_eq!(enclosing(6), [6..7, 4..7, 2..7, 1..7]);
        assert_eq!(enclosing(4), [4..7, 2..7, 1..7]);
        assert_eq!(enclosing(2), [2..4, 2..7, 1..7]);
        assert_eq!(enclosing(0), vec![0..1]);
        assert!(enclosing(9).is_empty());
        assert_eq!(groups.occurrences("OBSERVATION").collect::<Vec<_>>(), vec![4..7]);
    }
}
