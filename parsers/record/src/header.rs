//! What kind of message it is, from whom, to whom, when.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Authority, Text, Timestamp};

/// The message's own facts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Header {
    /// The format: `hl7v2` or `ccda`.
    pub format: Text,
    /// What kind of message: `ADT`, `ORU`; of a C-CDA document `CDA`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Text>,
    /// What happened: the trigger event, `A01`; of a C-CDA document what it is: `CCD`, `DISCHARGE_SUMMARY`, `REFERRAL_NOTE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Text>,
    /// The message structure as declared: `ADT_A01`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structure: Option<Text>,
    /// The sender's id of this message, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_id: Option<Text>,
    /// The version of the format: `2.5.1`; of a C-CDA document `R1.1`, `R2.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// Production, training or debugging: `P`, `T`, `D`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processing: Option<Text>,
    /// The program that sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sending_application: Option<Authority>,
    /// The house that sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sending_facility: Option<Authority>,
    /// The program it is meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiving_application: Option<Authority>,
    /// The house it is meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiving_facility: Option<Authority>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// When the event it tells of was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
    /// When the event it tells of happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Timestamp>,
}
