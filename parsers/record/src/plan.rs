//! What is to be done: orders, appointments, proposals, instructions.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Coded, Identifier, Location, Medication, Note, ObservationValue, PersonLocation, Provider, Text,
    Timestamp,
};

/// Something that is planned, asked for or advised, and was not done when the source was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Plan {
    /// What is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// What it is: `encounter`, `procedure`, `medication`, `immunization`, `supply`, `observation`, `instruction`, or `act` for all else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Text>,
    /// How firm it is: `intended`, `ordered`, `promised`, `appointment-requested`, `booked`, `proposed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<Text>,
    /// How far it is, as sent: `active`, `completed` (the planning of it), `cancelled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
    /// True when it is not to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negated: Option<bool>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// When, or from when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// How urgent, and how important to each who was asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub priorities: Vec<Coded>,
    /// How.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Coded>,
    /// Where on the body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<Coded>,
    /// The value as text, as of an observation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Text>,
    /// Every value, typed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ObservationValue>,
    /// Of a drug or a supply: which one, how much and how often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medication: Option<Medication>,
    /// Where it is to take place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<PersonLocation>,
    /// Why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Coded>,
    /// Who is to do it, or to be seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub performed_by: Vec<Provider>,
    /// When it was ordered or written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordered_at: Option<Timestamp>,
    /// Who ordered it or wrote it down.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ordered_by: Vec<Provider>,
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
