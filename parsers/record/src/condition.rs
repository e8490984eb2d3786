//! Problems and diagnoses.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Note, Provider, Quantity, Text, Timestamp};

/// A problem, a diagnosis, or the statement that there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Condition {
    /// What the patient has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// In which list it stands: `problem`, `diagnosis`, `admission-diagnosis`, `discharge-diagnosis`, `encounter-diagnosis`,
    /// `preoperative-diagnosis`, `postoperative-diagnosis`, `postprocedure-diagnosis`, `history` (had in the past), `complication`, `indication`,
    /// `procedure-finding`, `adverse-event`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Text>,
    /// What kind of statement it is (HL7 table 0052 `A`, `W`, `F`; a document's code as sent: problem, finding, diagnosis).
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Coded>,
    /// `active`, `inactive`, `resolved`, `recurrence`, `relapse`, `remission`, or `entered-in-error`: taken back by who sent it, which is
    /// not that the patient does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
    /// True when the source denies it: with a code, that the patient has this; with the code of none or of a whole kind, any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negated: Option<bool>,
    /// What the receiver is to do with it, as sent (HL7 table 0206: `A` add, `U` update, `D` delete, `X` no change; of a problem 0287: `AD`, `UP`, `DE` and others); absent where the source says how things
    /// are. With a delete the statement is taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Text>,
    /// How bad it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Coded>,
    /// Its place among the diagnoses, 1 for the principal one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<Text>,
    /// Since when the patient has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onset_at: Option<Timestamp>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When it was diagnosed or written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
    /// Who diagnosed it or wrote it down.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recorded_by: Vec<Provider>,
    /// The source's ids of this statement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// Notes about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// How old the patient was when it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onset_age: Option<Quantity>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}
