//! Who has to do with what a message or document tells of, and in which role; and what was consented to.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Provider, Text, Timestamp};

/// Somebody in a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Participant {
    /// In which part a document names them, as sent (HL7 v3 ParticipationType: `CALLBCK` to be asked, `REF` referred, `VRF` verified).
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Text>,
    /// In which role (HL7 tables 0443, 0912, 0286, 0131: `AT` attending, `PP` primary care, `RP` referring; of a document the function).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Coded>,
    /// Who: once for each id of the person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<Provider>,
    /// What the receiver is to do with it, as sent (HL7 table 0287: `AD` add, `UP` update, `DE` delete).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Text>,
    /// When, or from when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// What it is about: the segment that it follows, for example `OBX[3]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<Location>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}

/// A consent that goes with a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Consent {
    /// The number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<Identifier>,
    /// To what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// How it stands, as sent: `completed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}
