//! Whether the segments are those that the message's structure has: which are missing, which stand where it has no place for them.
//!
//! It follows the walk, so that one segment too many or too few is one flaw and not a row of them. Where the versions differ the structure
//! has what any of them has, and requires what all of them require: what one version allows is no flaw in another.

use super::walk::{Found, Walk, bit};
use crate::dictionary::{Child, Structure, Version};

/// Something that is not as the structure has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// The segment where it shows; of what is missing, the first of the group that it is missing in.
    pub(crate) segment: usize,
    pub(crate) what: What,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A segment or a group, said in words.
    Missing(String),
    /// One more of a segment or a group of which there may be one.
    Again(&'static str),
    /// The structure has such a segment, but not here.
    Misplaced,
    /// The structure has no such segment.
    Foreign,
}

/// The flaws of a message of these segments, in their order. Segments of the site's own (Z) may stand anywhere.
pub(crate) fn judge(names: &[&str], structure: &'static Structure, version: Version) -> Vec<Flaw> {
    let mut walk = Walk::new(names, structure, version);
    let message = Seen { node: 0, first: 0, last: None, taken: 0 };
    let mut judge = Judge { structure, version, open: vec![message], flaws: Vec::new() };
    for (index, name) in names.iter().enumerate() {
        match walk.take(index) {
            Some(found) => judge.enter(&found, index),
            None if *name == "NTE" => judge.note(index),
            None if name.starts_with('Z') => {}
            None => judge.homeless(name, index),
        }
    }
    judge.close(0);
    judge.flaws.sort_by_key(|flaw| flaw.segment);
    judge.flaws
}

struct Judge {
    structure: &'static Structure,
    version: Version,
    /// The message, and the groups that are open, outermost first: those of the walk.
    open: Vec<Seen>,
    flaws: Vec<Flaw>,
}

/// What of an open group has come.
struct Seen {
    node: usize,
    /// Its first segment.
    first: usize,
    last: Option<u8>,
    taken: u64,
}

impl Seen {
    fn has(&self, child: &Child) -> bool {
        self.taken & bit(child.place) != 0
    }

    fn take(&mut self, child: &Child) {
        self.last = Some(child.place);
        self.taken |= bit(child.place);
    }
}

impl Judge {
    fn enter(&mut self, found: &Found, index: usize) {
        self.close(found.depth);
        for child in &found.way {
            let Some(seen) = self.open.last_mut() else { return };
            if seen.has(child) && !child.repeats {
                let what = What::Again(self.structure.name(child));
                self.flaws.push(Flaw { segment: index, what });
            } else if seen.last.is_some_and(|last| child.place < last) {
                self.flaws.push(Flaw { segment: index, what: What::Misplaced });
            }
            seen.take(child);
            if let Some(node) = child.group {
                self.open.push(Seen { node, first: index, last: None, taken: 0 });
            }
        }
    }

    /// A note: the walk leaves it with what it follows, whether or not the structure has one there.
    fn note(&mut self, index: usize) {
        for seen in self.open.iter_mut().rev() {
            let is_next = |child: &&Child| {
                child.segment == "NTE"
                    && child.is_known(self.version)
                    && seen
                        .last
                        .is_none_or(|last| child.place > last || (child.place == last && child.repeats))
            };
            if let Some(child) = self.structure.node(seen.node).children.iter().find(is_next) {
                return seen.take(child);
            }
        }
        self.homeless("NTE", index);
    }

    fn homeless(&mut self, name: &str, index: usize) {
        let is_known = self.structure.has(name, self.version);
        let what = if is_known { What::Misplaced } else { What::Foreign };
        self.flaws.push(Flaw { segment: index, what });
    }

    /// Closes the groups beyond this depth, and says what each lacks.
    fn close(&mut self, depth: usize) {
        for seen in self.open.drain(depth.min(self.open.len())..).rev() {
            let children = &self.structure.node(seen.node).children;
            let mut place = None;
            for child in children.iter().filter(|child| self.structure.requires(child, self.version)) {
                // What may stand instead of another has its place, and is missing once.
                if !seen.has(child) && place.replace(child.place) != Some(child.place) {
                    let what = What::Missing(self.structure.words(children, child.place));
                    self.flaws.push(Flaw { segment: seen.first, what });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::own_structure;

    fn flaws(kind: &str, event: &str, version: &str, segments: &str) -> Vec<String> {
        let names: Vec<&str> = segments.split(' ').collect();
        let (_, structure) = own_structure(kind, event, "").unwrap();
        let flaw = |flaw: Flaw| {
            let what = match flaw.what {
                What::Missing(what) => format!("lacks {what}"),
                What::Again(what) => format!("{what} again"),
                What::Misplaced => "misplaced".to_owned(),
                What::Foreign => "foreign".to_owned(),
            };
            format!("{} {what}", flaw.segment)
        };
        judge(&names, structure, Version::nearest(version)).into_iter().map(flaw).collect()
    }

    #[test]
    fn a_message_as_its_structure_has_no_flaws() {
        for (kind, event, segments) in [
            ("ADT", "A01", "MSH EVN PID PD1 NK1 NK1 PV1 PV2 OBX AL1 DG1 PR1 ROL GT1 IN1 IN2 IN1 IN3 ACC"),
            ("ADT", "A40", "MSH EVN PID PD1 MRG PID MRG"),
            ("ORU", "R01", "MSH PID NTE PV1 ORC OBR NTE OBX NTE OBX SPM OBX OBR OBX DSC"),
            ("ORU", "R01", "MSH PID OBR OBX PID OBR OBX"),
            ("ORM", "O01", "MSH NTE PID NTE PV1 ORC OBR NTE NTE DG1 OBX NTE ORC RXO"),
            ("SIU", "S12", "MSH SCH NTE PID PV1 RGS AIS NTE AIG AIL AIP NTE RGS AIG"),
            ("OML", "O21", "MSH PID ORC TQ1 OBR NTE OBX SPM SAC OBX ORC OBR"),
            ("ADT", "A24", "MSH EVN PID PD1 PV1 PID PD1"),
            ("ORU", "R01", "MSH ZAA PID ZBB OBR ZCC OBX ZDD"),
        ] {
            assert_eq!(flaws(kind, event, "2.5.1", segments), [""; 0], "{segments}");
        }
    }

    #[test]
    fn what_is_missing_is_said_once_and_where() {
        assert_eq!(flaws("ADT", "A01", "2.3", "MSH PV1"), ["0 lacks EVN", "0 lacks PID"]);
        assert_eq!(flaws("ADT", "A40", "2.5", "MSH EVN PID MRG PID PD1"), ["4 lacks MRG"]);
        assert_eq!(
            flaws("ORU", "R01", "2.5.1", "MSH PID PV1"),
            ["1 lacks ORDER_OBSERVATION (a group with OBR)"]
        );
        assert_eq!(
            flaws("ORU", "R01", "2.5.1", "MSH"),
            ["0 lacks PATIENT_RESULT (a group with ORDER_OBSERVATION)"]
        );
        assert_eq!(flaws("ORU", "R01", "2.5.1", "MSH PID OBX NTE OBX"), ["2 lacks OBR"]);
        assert_eq!(flaws("SIU", "S12", "2.5.1", "MSH PID RGS"), ["0 lacks SCH"]);
    }

    #[test]
    fn what_some_versions_do_not_require_is_required_where_it_is() {
        assert_eq!(flaws("RDE", "O11", "2.3", "MSH ORC RXE RXR"), [""; 0]);
        assert_eq!(
            flaws("RDE", "O11", "2.5.1", "MSH ORC RXE RXR"),
            ["1 lacks TIMING_ENCODED (a group with TQ1)"]
        );
    }

    #[test]
    fn what_may_be_empty_or_only_says_that_more_follows_is_not_missing() {
        assert_eq!(flaws("RGV", "O15", "2.5.1", "MSH ORC RXG TQ1 RXR"), [""; 0]);
        assert_eq!(flaws("RSP", "Z90", "2.5.1", "MSH MSA QAK QPD RCP ORC OBR OBX"), [""; 0]);
    }

    #[test]
    fn one_too_many_or_out_of_place() {
        assert_eq!(flaws("ADT", "A01", "2.5.1", "MSH EVN PID PV1 PV1 PV2"), ["4 PV1 again"]);
        assert_eq!(flaws("ADT", "A01", "2.5.1", "MSH EVN PID PV1 AL1 NK1 DG1"), ["5 misplaced"]);
        assert_eq!(flaws("ORU", "R01", "2.5.1", "MSH PID OBR ORC OBX"), ["3 misplaced"]);
        assert_eq!(flaws("ADT", "A01", "2.5.1", "MSH EVN PID PV1 NTE"), ["4 foreign"]);
        assert_eq!(flaws("ORM", "O01", "2.5.1", "MSH PID ORC NTE OBR"), ["3 misplaced"]);
        assert_eq!(flaws("ADT", "A01", "2.5.1", "MSH EVN PID PV1 RXA SPM PDA"), ["4 foreign", "5 foreign"]);
    }

    #[test]
    fn what_a_later_version_brought_is_foreign_before_it() {
        assert_eq!(flaws("VXU", "V04", "2.3.1", "MSH PID ARV RXA"), ["2 foreign"]);
        assert_eq!(flaws("VXU", "V04", "2.8.2", "MSH PID ARV ORC RXA"), [""; 0]);
    }
}
