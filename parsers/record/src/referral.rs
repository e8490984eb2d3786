//! Referrals: the wish that another house takes a patient over, for a while or for one thing.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Note, Timestamp};

/// A referral.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Referral {
    /// The number of the house that refers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<Identifier>,
    /// The number of the house that is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_number: Option<Identifier>,
    /// How it stands (HL7 table 0283: `A` accepted, `P` pending, `R` rejected, `E` expired).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Coded>,
    /// How urgent (HL7 table 0280).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Coded>,
    /// What for (HL7 table 0281).
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Coded>,
    /// What the other side is to do (HL7 table 0282).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dispositions: Vec<Coded>,
    /// Into what kind of care (HL7 table 0284).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Coded>,
    /// From when it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_at: Option<Timestamp>,
    /// Until when it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processed_at: Option<Timestamp>,
    /// Why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Coded>,
    /// The number under which the payer agreed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_number: Option<Identifier>,
    /// Notes about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}
