//! Who takes part in a document, and what was consented to.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Provider, Text, Timestamp};

/// Somebody whom a document names beside its authors and the persons around the patient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Participant {
    /// In which part, as sent (HL7 v3 ParticipationType: `CALLBCK` to be asked, `REF` referred, `VRF` verified).
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Text>,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// In which function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Coded>,
    /// When, or from when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
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
