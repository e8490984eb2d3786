//! Entries of master files: the lists of staff, places, services and prices that systems share.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Location, PersonLocation, Provider, Quantity, Text, Timestamp};

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
    /// Of an observation, which types its values may have (HL7 table 0125).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub value_types: Vec<Text>,
    /// The unit of its values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<Coded>,
    /// Its normal values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reference_ranges: Vec<ReferenceRange>,
    /// The values outside of which somebody must be told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub critical_ranges: Vec<ReferenceRange>,
    /// What specimens it takes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub specimens: Vec<SpecimenRequirement>,
    /// Of a panel, what is in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Coded>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}

/// Normal or critical values, and for whom they are these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReferenceRange {
    /// From which value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<Text>,
    /// Up to which value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<Text>,
    /// For which administrative sex (HL7 table 0001).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sex: Option<Text>,
    /// From which age, in years.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_from: Option<Text>,
    /// Up to which age.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_to: Option<Text>,
    /// Under which conditions, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Text>,
}

/// A specimen that an observation takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SpecimenRequirement {
    /// What it is: serum, tissue.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Coded>,
    /// In which container, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Text>,
    /// What is in the container (HL7 table 0371).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additive: Option<Coded>,
    /// How the patient or the specimen is prepared, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preparation: Option<Text>,
    /// How it is handled, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handling: Option<Text>,
    /// How much is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<Quantity>,
    /// How much is needed at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_volume: Option<Quantity>,
    /// What else it must be, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requirements: Option<Text>,
}
