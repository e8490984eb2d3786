//! What patient or providers are concerned about.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Note, Observation, Provider, Text, Timestamp};

/// A concern or a risk, with the observations that it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HealthConcern {
    /// What kind of concern, as sent; of an observation that stands alone what was observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// `concern`, `risk`, or `observation` for one that stands alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Text>,
    /// `active`, `completed`, `suspended`, `aborted`: whether it is still tracked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
    /// True when the source denies it: there is no such concern.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negated: Option<bool>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// Since when it is tracked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// What it is about, and what supports it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<Observation>,
    /// How important it is, to each who was asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub priorities: Vec<Coded>,
    /// When it was written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
    /// Who wrote it down.
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
