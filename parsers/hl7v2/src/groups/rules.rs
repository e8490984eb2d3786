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
    /// Segments that always begin a new one.
    pub(super) opens: &'static [&'static str],
    /// Segments that complete the one that is open, once; when it is complete, or none is open, they begin a new one.
    pub(super) completes: &'static [&'static str],
    /// Segments that need it: they begin one when none is open.
    pub(super) needs: &'static [&'static str],
    /// Further segments that are directly in it.
    pub(super) members: &'static [&'static str],
    /// Segments of `opens` begin a new one only when one of `completes` comes before the next of `opens`.
    pub(super) only_if_completed: bool,
    /// Groups in which it can't begin.
    pub(super) never_in: &'static [&'static str],
    /// It begins only where one of `within` is open.
    pub(super) only_in_parent: bool,
}

const NONE: Rule = Rule {
    name: "",
    within: &[],
    opens: &[],
    completes: &[],
    needs: &[],
    members: &[],
    only_if_completed: false,
    never_in: &[],
    only_in_parent: false,
};

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

/// A group that each of the segments `opens` begins anew.
const fn group(
    name: &'static str,
    within: &'static [&'static str],
    opens: &'static [&'static str],
    members: &'static [&'static str],
) -> Rule {
    Rule { name, within, opens, members, ..NONE }
}

static RESULTS: Structure = Structure {
    groups: &[
        Rule { needs: &["ORC", "OBR"], ..group("PATIENT_RESULT", &[], &["PID"], &[]) },
        group("PATIENT", &["PATIENT_RESULT"], &["PID"], &["PD1", "NK1", "ARV"]),
        group("VISIT", &["PATIENT"], &["PV1"], &["PV2"]),
        Rule {
            completes: &["OBR"],
            // Some send ORC after OBR, about the same order.
            only_if_completed: true,
            ..group("ORDER_OBSERVATION", &["PATIENT_RESULT"], &["ORC"], &["ORC", "CTD", "FT1", "CTI", "DG1"])
        },
        group("TIMING_QTY", &["ORDER_OBSERVATION"], &["TQ1"], &["TQ2"]),
        group("SPECIMEN", &["ORDER_OBSERVATION"], &["SPM"], &["SAC"]),
        group("OBSERVATION", &["SPECIMEN", "ORDER_OBSERVATION"], &["OBX"], &["PRT", "TCD"]),
    ],
    members: &["DSC"],
};

static ORDERS: Structure = Structure {
    groups: &[
        group("PATIENT", &[], &["PID"], &["PD1", "GT1", "AL1"]),
        group("PATIENT_VISIT", &["PATIENT"], &["PV1"], &["PV2"]),
        group("INSURANCE", &["PATIENT"], &["IN1"], &["IN2", "IN3"]),
        Rule { completes: DETAILS, ..group("ORDER", &[], &["ORC"], &["FT1", "CTI", "BLG"]) },
        group("ORDER_DETAIL", &["ORDER"], DETAILS, &["CTD", "DG1"]),
        group("OBSERVATION", &["ORDER_DETAIL"], &["OBX"], &[]),
    ],
    members: &["DSC"],
};

/// What an order of an ORM may be about.
const DETAILS: &[&str] = &["OBR", "RQD", "RQ1", "RXO", "ODS", "ODT"];

static LABORATORY_ORDERS: Structure = Structure {
    groups: &[
        group("PATIENT", &[], &["PID"], &["PD1", "NK1", "GT1", "AL1"]),
        group("PATIENT_VISIT", &["PATIENT"], &["PV1"], &["PV2"]),
        group("INSURANCE", &["PATIENT"], &["IN1"], &["IN2", "IN3"]),
        Rule { completes: &["OBR"], ..group("ORDER", &[], &["ORC"], &["FT1", "CTI", "BLG"]) },
        group("TIMING", &["ORDER"], &["TQ1"], &["TQ2"]),
        group("OBSERVATION_REQUEST", &["ORDER"], &["OBR"], &["TCD", "CTD", "DG1"]),
        // An OBX after a specimen or a container is the specimen's or the container's own.
        Rule {
            never_in: &["SPECIMEN"],
            ..group("OBSERVATION", &["OBSERVATION_REQUEST"], &["OBX"], &["TCD"])
        },
        group("SPECIMEN", &["OBSERVATION_REQUEST"], &["SPM"], &[]),
        group("CONTAINER", &["SPECIMEN"], &["SAC"], &[]),
    ],
    members: &["DSC"],
};

static PHARMACY_ORDERS: Structure = Structure {
    groups: &[
        group("PATIENT", &[], &["PID"], &["PD1", "GT1", "AL1"]),
        group("PATIENT_VISIT", &["PATIENT"], &["PV1"], &["PV2"]),
        group("INSURANCE", &["PATIENT"], &["IN1"], &["IN2", "IN3"]),
        Rule { completes: &["RXE"], ..group("ORDER", &[], &["ORC"], &["RXR", "RXC", "FT1", "BLG", "CTI"]) },
        group("ORDER_DETAIL", &["ORDER"], &["RXO"], &["RXR"]),
        // The same segment after RXE tells what is given, and stands in the order itself.
        Rule { only_in_parent: true, ..group("COMPONENT", &["ORDER_DETAIL"], &["RXC"], &[]) },
        group("TIMING", &["ORDER"], &["TQ1"], &["TQ2"]),
        group("OBSERVATION", &["ORDER"], &["OBX"], &[]),
    ],
    members: &["DSC"],
};

static ADMISSIONS: Structure = Structure {
    groups: &[
        group("PROCEDURE", &[], &["PR1"], &["ROL"]),
        group("INSURANCE", &[], &["IN1"], &["IN2", "IN3", "ROL"]),
    ],
    members: &[
        "EVN", "PID", "PD1", "NK1", "PV1", "PV2", "DB1", "OBX", "AL1", "IAM", "DG1", "DRG", "GT1", "ACC",
        "UB1", "UB2", "PDA",
    ],
};

static MERGES: Structure =
    Structure { groups: &[group("PATIENT", &[], &["PID"], &["PD1", "MRG", "PV1"])], members: &["EVN"] };

static DOCUMENTS: Structure = Structure {
    groups: &[
        Rule { completes: &["OBR"], ..group("COMMON_ORDER", &[], &["ORC"], &[]) },
        group("TIMING", &["COMMON_ORDER"], &["TQ1"], &["TQ2"]),
        group("OBSERVATION", &[], &["OBX"], &["PRT"]),
    ],
    members: &["EVN", "PID", "PV1", "TXA", "CON"],
};

static APPOINTMENTS: Structure = Structure {
    groups: &[
        group("PATIENT", &[], &["PID"], &["PD1", "PV1", "PV2", "OBX", "DG1"]),
        Rule { needs: &["AIS", "AIG", "AIL", "AIP"], ..group("RESOURCES", &[], &["RGS"], &[]) },
        group("SERVICE", &["RESOURCES"], &["AIS"], &[]),
        group("GENERAL_RESOURCE", &["RESOURCES"], &["AIG"], &[]),
        group("LOCATION_RESOURCE", &["RESOURCES"], &["AIL"], &[]),
        group("PERSONNEL_RESOURCE", &["RESOURCES"], &["AIP"], &[]),
    ],
    members: &["SCH", "TQ1"],
};

static VACCINATIONS: Structure = Structure {
    groups: &[
        group("PATIENT", &[], &["PV1"], &["PV2"]),
        group("INSURANCE", &[], &["IN1"], &["IN2", "IN3"]),
        Rule { completes: &["RXA"], ..group("ORDER", &[], &["ORC"], &["RXR"]) },
        group("TIMING", &["ORDER"], &["TQ1"], &["TQ2"]),
        group("OBSERVATION", &["ORDER"], &["OBX"], &[]),
    ],
    members: &["PID", "PD1", "NK1", "GT1"],
};

static CHARGES: Structure = Structure {
    groups: &[
        Rule { completes: &["OBR"], ..group("COMMON_ORDER", &[], &["ORC"], &[]) },
        group("FINANCIAL", &[], &["FT1"], &[]),
        group("FINANCIAL_PROCEDURE", &["FINANCIAL"], &["PR1"], &["ROL"]),
        group("INSURANCE", &[], &["IN1"], &["IN2", "IN3", "ROL"]),
    ],
    members: &["EVN", "PID", "PD1", "PV1", "PV2", "DB1", "DG1", "DRG", "GT1", "ACC"],
};
