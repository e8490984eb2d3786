//! Those who care for the patient.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Note, Provider, Text, Timestamp};

/// A member of a care team.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CareTeamMember {
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// In which part: primary care physician, surgeon, caregiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Coded>,
    /// The team; absent where the source names no team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<Text>,
    /// The kind of team: longitudinal, condition-focused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_type: Option<Coded>,
    /// True of the one who leads the team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leads: Option<bool>,
    /// How the membership stands, as sent: `active`, `completed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
    /// From when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
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
