//! Entries of master files: the lists of staff, places, services and prices that systems share.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Location, PersonLocation, Provider, Text, Timestamp};

/// One entry of a master file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MasterEntry {
    /// By what the entry is known in its file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Coded>,
    /// Which file (HL7 table 0175: `STF`, `LOC`, `CDM`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Coded>,
    /// What is to become of the file (HL7 table 0178: `UPD`, `REP`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_action: Option<Text>,
    /// What is to become of the entry (HL7 table 0180: `MAD` add, `MDL` delete, `MUP` update, `MDC` deactivate, `MAC` activate).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Text>,
    /// The id of this change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_id: Option<Text>,
    /// From when it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_at: Option<Timestamp>,
    /// What became of it, in an answer (HL7 table 0181).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Coded>,
    /// The service, the charge, the kind of place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// The person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<Provider>,
    /// Whether in use (HL7 table 0183: `A` active, `I` inactive).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<Text>,
    /// The place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<PersonLocation>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}
