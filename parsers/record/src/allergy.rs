//! What the patient does not tolerate, or the statement that there is nothing known.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Note, Provider, Text, Timestamp};

/// An allergy or intolerance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Allergy {
    /// What the patient reacts to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// What kind: to a drug, to food, to something else (HL7 table 0127 `DA`, `FA`, `EA`; a document's SNOMED code as sent).
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Coded>,
    /// `active`, `inactive`, `resolved`, or `entered-in-error`: taken back by who sent it, which says nothing of what the patient tolerates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
    /// True when the source denies it: with a code, no allergy to that; without one or with the code of a whole kind, none known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negated: Option<bool>,
    /// What the receiver is to do with it, as sent (HL7 table 0206: `A` add, `U` update, `D` delete, `X` no change); absent where the source says how things
    /// are. With a delete the statement is taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Text>,
    /// How bad it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Coded>,
    /// How dangerous a further contact would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criticality: Option<Coded>,
    /// What happens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onset_at: Option<Timestamp>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When it was written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
    /// Who wrote it down.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recorded_by: Vec<Provider>,
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

/// What a contact leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reaction {
    /// What happens: hives, anaphylaxis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// How bad this reaction is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Coded>,
    /// When it happened, or from when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onset_at: Option<Timestamp>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}
