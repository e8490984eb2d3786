//! The rules by which segments open groups, for each kind of message: data only.
//!
//! Restated from the abstract message structures of chapters 3 (ADT), 4 (orders, pharmacy, vaccination), 6 (DFT), 7 (ORU), 9 (MDM) and
//! 10 (SIU), version 2.5.1, loosened where senders are.

/// The groups of one kind of message.
pub(super) struct Structure {
    /// Outer groups before the groups inside them.
    pub(super) groups: &'static [Rule],
    /// Segments that stand outside all groups.
    pub(super) members: &'static [&'static str],
}

/// What opens a group and what is in it.
pub(super) struct Rule {
    pub(super) name: &'static str,
    /// The groups it may stand in; the innermost open one is taken.
    pub(super) within: &'static [&'static str],
    /// Segments that open it, in their order in the group; those of one rank are alternatives.
    openers: &'static [&'static [&'static str]],
    /// Further segments that are directly in it.
    pub(super) members: &'static [&'static str],
    /// An opener of the first rank opens the group only when one of the second rank follows before the next of the first.
    needs_second: bool,
}

impl Rule {
    /// How far in the group's order a segment stands, when it is an opener.
    pub(super) fn rank(&self, name: &str) -> Option<usize> {
        self.openers.iter().position(|rank| rank.contains(&name))
    }

    /// Whether the opener at this index really begins the group.
    pub(super) fn begins_at(&self, names: &[&str], index: usize) -> bool {
        let (Some(first), Some(second)) = (self.openers.first(), self.openers.get(1)) else { return true };
        if !self.needs_second || !names.get(index).is_some_and(|name| first.contains(name)) {
            return true;
        }
        let mut following = names.iter().skip(index + 1);
        following.find(|name| self.rank(name).is_some()).is_some_and(|name| second.contains(name))
    }
}

/// The structure of a message of this type and trigger event.
pub(super) fn structure(kind: &str, event: &str) -> &'static Structure {
    match (kind, event) {
        ("ORU", _) => &RESULTS,
        ("ORM", _) => &ORDERS,
        ("OMG" | "OML", _) => &LABORATORY_ORDERS,
        ("RDE", _) => &PHARMACY_ORDERS,
        (
            "ADT",
            "A18" | "A30" | "A34" | "A35" | "A36" | "A39" | "A40" | "A41" | "A42" | "A43" | "A44" | "A45"
            | "A46" | "A47" | "A48" | "A49" | "A50" | "A51",
        ) => &MERGES,
        ("MDM", _) => &DOCUMENTS,
        ("SIU", _) => &APPOINTMENTS,
        ("VXU", _) => &VACCINATIONS,
        ("DFT", _) => &CHARGES,
        _ => &ADMISSIONS,
    }
}

const fn rule(
    name: &'static str,
    within: &'static [&'static str],
    openers: &'static [&'static [&'static str]],
    members: &'static [&'static str],
) -> Rule {
    Rule { name, within, openers, members, needs_second: false }
}

static RESULTS: Structure = Structure {
    groups: &[
        Rule { needs_second: false, ..rule("PATIENT_RESULT", &[], &[&["PID"], &["ORC", "OBR"]], &[]) },
        rule("PATIENT", &["PATIENT_RESULT"], &[&["PID"]], &["PD1", "NK1", "ARV"]),
        rule("VISIT", &["PATIENT"], &[&["PV1"]], &["PV2"]),
        Rule {
            needs_second: true,
            ..rule(
                "ORDER_OBSERVATION",
                &["PATIENT_RESULT"],
                &[&["ORC"], &["OBR"]],
                &["ORC", "CTD", "FT1", "CTI", "DG1"],
            )
        },
        rule("TIMING_QTY", &["ORDER_OBSERVATION"], &[&["TQ1"]], &["TQ2"]),
        rule("SPECIMEN", &["ORDER_OBSERVATION"], &[&["SPM"]], &["SAC"]),
        rule("OBSERVATION", &["SPECIMEN", "ORDER_OBSERVATION"], &[&["OBX"]], &["PRT", "TCD"]),
    ],
    members: &["DSC"],
};

static ORDERS: Structure = Structure {
    groups: &[
        rule("PATIENT", &[], &[&["PID"]], &["PD1", "GT1", "AL1"]),
        rule("PATIENT_VISIT", &["PATIENT"], &[&["PV1"]], &["PV2"]),
        rule("INSURANCE", &["PATIENT"], &[&["IN1"]], &["IN2", "IN3"]),
        rule("ORDER", &[], &[&["ORC"], &["OBR", "RQD", "RQ1", "RXO", "ODS", "ODT"]], &["FT1", "CTI", "BLG"]),
        rule("ORDER_DETAIL", &["ORDER"], &[&["OBR", "RQD", "RQ1", "RXO", "ODS", "ODT"]], &["CTD", "DG1"]),
        rule("OBSERVATION", &["ORDER_DETAIL"], &[&["OBX"]], &[]),
    ],
    members: &["DSC"],
};

static LABORATORY_ORDERS: Structure = Structure {
    groups: &[
        rule("PATIENT", &[], &[&["PID"]], &["PD1", "NK1", "GT1", "AL1"]),
        rule("PATIENT_VISIT", &["PATIENT"], &[&["PV1"]], &["PV2"]),
        rule("INSURANCE", &["PATIENT"], &[&["IN1"]], &["IN2", "IN3"]),
        rule("ORDER", &[], &[&["ORC"], &["OBR"]], &["FT1", "CTI", "BLG"]),
        rule("TIMING", &["ORDER"], &[&["TQ1"]], &["TQ2"]),
        rule("OBSERVATION_REQUEST", &["ORDER"], &[&["OBR"]], &["TCD", "CTD", "DG1"]),
        rule("SPECIMEN", &["OBSERVATION_REQUEST"], &[&["SPM"]], &[]),
        rule("CONTAINER", &["SPECIMEN"], &[&["SAC"]], &[]),
        // An OBX after a specimen or a container is the specimen's or the container's own, without a group of its own.
        rule("OBSERVATION", &["OBSERVATION_REQUEST"], &[&["OBX"]], &["TCD"]),
    ],
    members: &["DSC"],
};

static PHARMACY_ORDERS: Structure = Structure {
    groups: &[
        rule("PATIENT", &[], &[&["PID"]], &["PD1", "GT1", "AL1"]),
        rule("PATIENT_VISIT", &["PATIENT"], &[&["PV1"]], &["PV2"]),
        rule("INSURANCE", &["PATIENT"], &[&["IN1"]], &["IN2", "IN3"]),
        rule("ORDER", &[], &[&["ORC"], &["RXE"]], &["RXR", "RXC", "FT1", "BLG", "CTI"]),
        rule("ORDER_DETAIL", &["ORDER"], &[&["RXO"]], &["RXR"]),
        rule("COMPONENT", &["ORDER_DETAIL"], &[&["RXC"]], &[]),
        rule("TIMING", &["ORDER"], &[&["TQ1"]], &["TQ2"]),
        rule("OBSERVATION", &["ORDER"], &[&["OBX"]], &[]),
    ],
    members: &["DSC"],
};

static ADMISSIONS: Structure = Structure {
    groups: &[
        rule("PROCEDURE", &[], &[&["PR1"]], &["ROL"]),
        rule("INSURANCE", &[], &[&["IN1"]], &["IN2", "IN3", "ROL"]),
    ],
    members: &[
        "EVN", "PID", "PD1", "NK1", "PV1", "PV2", "DB1", "OBX", "AL1", "IAM", "DG1", "DRG", "GT1", "ACC",
        "UB1", "UB2", "PDA",
    ],
};

static MERGES: Structure =
    Structure { groups: &[rule("PATIENT", &[], &[&["PID"]], &["PD1", "MRG", "PV1"])], members: &["EVN"] };

static DOCUMENTS: Structure = Structure {
    groups: &[
        rule("COMMON_ORDER", &[], &[&["ORC"], &["OBR"]], &[]),
        rule("TIMING", &["COMMON_ORDER"], &[&["TQ1"]], &["TQ2"]),
        rule("OBSERVATION", &[], &[&["OBX"]], &["PRT"]),
    ],
    members: &["EVN", "PID", "PV1", "TXA", "CON"],
};

static APPOINTMENTS: Structure = Structure {
    groups: &[
        rule("PATIENT", &[], &[&["PID"]], &["PD1", "PV1", "PV2", "OBX", "DG1"]),
        rule("RESOURCES", &[], &[&["RGS"], &["AIS", "AIG", "AIL", "AIP"]], &[]),
        rule("SERVICE", &["RESOURCES"], &[&["AIS"]], &[]),
        rule("GENERAL_RESOURCE", &["RESOURCES"], &[&["AIG"]], &[]),
        rule("LOCATION_RESOURCE", &["RESOURCES"], &[&["AIL"]], &[]),
        rule("PERSONNEL_RESOURCE", &["RESOURCES"], &[&["AIP"]], &[]),
    ],
    members: &["SCH", "TQ1"],
};

static VACCINATIONS: Structure = Structure {
    groups: &[
        rule("PATIENT", &[], &[&["PV1"]], &["PV2"]),
        rule("INSURANCE", &[], &[&["IN1"]], &["IN2", "IN3"]),
        rule("ORDER", &[], &[&["ORC"], &["RXA"]], &["RXR"]),
        rule("TIMING", &["ORDER"], &[&["TQ1"]], &["TQ2"]),
        rule("OBSERVATION", &["ORDER"], &[&["OBX"]], &[]),
    ],
    members: &["PID", "PD1", "NK1", "GT1"],
};

static CHARGES: Structure = Structure {
    groups: &[
        rule("COMMON_ORDER", &[], &[&["ORC"], &["OBR"]], &[]),
        rule("FINANCIAL", &[], &[&["FT1"]], &[]),
        rule("FINANCIAL_PROCEDURE", &["FINANCIAL"], &[&["PR1"]], &["ROL"]),
        rule("INSURANCE", &[], &[&["IN1"]], &["IN2", "IN3", "ROL"]),
    ],
    members: &["EVN", "PID", "PD1", "PV1", "PV2", "DB1", "DG1", "DRG", "GT1", "ACC"],
};
