//! Procedures and surgeries.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Note, PersonLocation, Provider, Text, Timestamp};

/// Something done for the patient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Procedure {
    /// What was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// `completed`, `active`, `aborted`, `cancelled`, `planned`, or `entered-in-error`: taken back by who sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
    /// True when it was not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negated: Option<bool>,
    /// What the receiver is to do with it, as sent (HL7 table 0206: `A` add, `U` update, `D` delete, `X` no change); absent where the source says how things
    /// are. With a delete the statement is taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Text>,
    /// What it found, where it is an observation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<Coded>,
    /// When, or when it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performed_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performed_to: Option<Timestamp>,
    /// Its place among the procedures, 1 for the principal one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<Text>,
    /// How urgent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Coded>,
    /// How.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Coded>,
    /// Where on the body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<Coded>,
    /// Why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Coded>,
    /// Who did it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub performed_by: Vec<Provider>,
    /// The source's ids of this statement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// Notes about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Where it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<PersonLocation>,
    /// When it was written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
    /// Who wrote it down.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recorded_by: Vec<Provider>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}
