//! What a message says about another one: that it was taken, or what it asks for and how that was answered.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Text, Timestamp};

/// The answer to a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Acknowledgement {
    /// What it says (HL7 table 0008: `AA` accepted, `AE` error, `AR` rejected).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Text>,
    /// The id of the message it answers, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_id: Option<Text>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// What was wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Reported>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}

/// Something that was wrong with the message answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reported {
    /// What is wrong (HL7 table 0357).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// How bad it is (HL7 table 0516: `E` error, `W` warning, `I` information).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Text>,
    /// Where, as sent: segment, occurrence, field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Text>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}

/// What is asked for, and how it was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Query {
    /// Which query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Coded>,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Text>,
    /// When it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// About whom.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<Identifier>,
    /// What it asks for, in the order sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// How it was answered (HL7 table 0208: `OK`, `NF` nothing found, `AE`, `AR`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
    /// How many were found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hits: Option<Text>,
    /// The answer as lines to show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Text>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}

/// One of the things a query asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Parameter {
    /// All of it, with its delimiters.
    pub value: Text,
    /// The number of its field in QPD.
    pub field: usize,
}
