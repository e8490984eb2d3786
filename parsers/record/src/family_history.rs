//! The family: relatives, and what they have or had.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, HumanName, Identifier, Location, Note, Quantity, Text, Timestamp};

/// A relative of the patient, by blood, and what is known of their health.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FamilyMember {
    /// What the relative is to the patient (HL7 v3 RoleCode: `MTH`, `FTH`, `SIS`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relationship: Option<Coded>,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<HumanName>,
    /// Administrative sex (HL7 table 0001: `F`, `M`, `O`, `U`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sex: Option<Text>,
    /// When born.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<Timestamp>,
    /// Whether dead, when the source says so or gives a time of death.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deceased: Option<bool>,
    /// When died.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deceased_at: Option<Timestamp>,
    /// What the relative has or had, or has not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<FamilyCondition>,
    /// The source's ids of this statement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// Notes about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}

/// A disease of a relative, or the statement that there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FamilyCondition {
    /// What the relative has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// What kind of statement it is, as sent: disease, diagnosis, finding.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Coded>,
    /// True when the source denies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negated: Option<bool>,
    /// Since when, or when it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onset_at: Option<Timestamp>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How old the relative was when it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onset_age: Option<Quantity>,
    /// True when the relative died of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caused_death: Option<bool>,
    /// How old the relative was at death.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub death_age: Option<Quantity>,
    /// The source's ids of this statement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// Notes about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}
