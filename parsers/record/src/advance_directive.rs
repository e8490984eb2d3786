//! What the patient wants done, or not done, when no longer able to say so.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Note, ObservationValue, Provider, Text, Timestamp};

/// An advance directive, or that there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AdvanceDirective {
    /// What it is about: resuscitation, intubation, a living will.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// The decision as text, as of an observation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Text>,
    /// The decision, typed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ObservationValue>,
    /// The directive that it is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Coded>,
    /// How far the statement is, as sent: `completed`, `active`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
    /// True when the source denies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negated: Option<bool>,
    /// From when it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// When it was last verified with the patient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// Who verified it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verified_by: Vec<Provider>,
    /// Who holds the document, or decides for the patient.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub custodians: Vec<Provider>,
    /// When it was written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
    /// Who wrote it down.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recorded_by: Vec<Provider>,
    /// The number of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_number: Option<Identifier>,
    /// Where the document is. It is never fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_pointer: Option<Text>,
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
