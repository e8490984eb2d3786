//! What patient and providers want to reach.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Note, ObservationValue, Provider, Text, Timestamp};

/// A goal: a value to reach, or a state in words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Goal {
    /// What is to be reached, or what of is to be measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// The value as text, as of an observation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Text>,
    /// Every value, typed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ObservationValue>,
    /// The unit of the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<Coded>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// How it stands, as sent: `active`, `completed`, `cancelled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
    /// True when it is expressly no goal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negated: Option<bool>,
    /// Since when, or the day that it is set for where only one is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// By when it is to be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_at: Option<Timestamp>,
    /// How important it is, to each who was asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub priorities: Vec<Coded>,
    /// Why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Coded>,
    /// When it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
    /// Who set it: the patient, a provider, or both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recorded_by: Vec<Provider>,
    /// The ids of other statements that it refers to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Identifier>,
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
