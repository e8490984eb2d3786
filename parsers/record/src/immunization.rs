//! Vaccines given, or not given and why.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Coded, Identifier, Location, Note, Observation, Organization, Provider, Quantity, Reaction, Text,
    Timestamp,
};

/// An immunization.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Immunization {
    /// The vaccine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// How far it is (HL7 table 0322: `CP` complete, `PA` partially, `RE` refused, `NA` not given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
    /// True when it was not given, or when who sent it takes it back (`action`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negated: Option<bool>,
    /// What the receiver is to do with it, as sent (HL7 table 0206: `A` add, `U` update, `D` delete, `X` no change); absent where the source says how things
    /// are. With a delete the statement is taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Text>,
    /// Why it was not given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refusal_reasons: Vec<Coded>,
    /// When it was given, or was to be given where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_at: Option<Timestamp>,
    /// How much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dose: Option<Quantity>,
    /// Which dose of a series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dose_number: Option<Text>,
    /// The way into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Coded>,
    /// Where on the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<Coded>,
    /// The lot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lot_number: Option<Text>,
    /// When the lot expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<Organization>,
    /// Whether it was given here or is known from elsewhere (NIP001 `00` new, `01` historical).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub information_source: Option<Coded>,
    /// Who gave it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub given_by: Vec<Provider>,
    /// Who ordered it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ordered_by: Vec<Provider>,
    /// What happened afterwards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// What is observed about it: funding, information sheets, eligibility.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<Observation>,
    /// The number the ordering system gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placer_number: Option<Identifier>,
    /// The number the performing system gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filler_number: Option<Identifier>,
    /// What is asked for (HL7 table 0119).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_control: Option<Text>,
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
