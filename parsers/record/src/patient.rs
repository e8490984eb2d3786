//! Who it is about.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Address, Coded, HumanName, Identifier, Location, Note, Organization, Provider, Telecom, Text, Timestamp,
};

/// The patient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Patient {
    /// All identifiers, in the order sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// Identifiers that a merge, link or move retires in favour of the others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prior_identifiers: Vec<Identifier>,
    /// The account number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Identifier>,
    /// The first name of `names`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<HumanName>,
    /// All names, aliases included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<HumanName>,
    /// The mother's maiden name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mother_maiden_name: Option<HumanName>,
    /// When born.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<Timestamp>,
    /// Administrative sex (HL7 table 0001: `F`, `M`, `O`, `U`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sex: Option<Text>,
    /// Race, each as sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub races: Vec<Coded>,
    /// Ethnic group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ethnicities: Vec<Coded>,
    /// Primary language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Coded>,
    /// Marital status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marital_status: Option<Coded>,
    /// Religion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub religion: Option<Coded>,
    /// Postal addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// Phone numbers, e-mail addresses and the like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub telecoms: Vec<Telecom>,
    /// Place of birth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birth_place: Option<Text>,
    /// Whether one of a multiple birth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiple_birth: Option<bool>,
    /// Which of a multiple birth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birth_order: Option<Text>,
    /// Whether dead, when the source says so or gives a time of death.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deceased: Option<bool>,
    /// When died.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deceased_at: Option<Timestamp>,
    /// The physician in charge in general.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub primary_providers: Vec<Provider>,
    /// The house whose patient it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<Organization>,
    /// Next of kin and other related persons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<RelatedPerson>,
    /// Notes about the patient.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}

/// Somebody related to the patient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RelatedPerson {
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<HumanName>,
    /// How related (HL7 table 0063).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relationship: Option<Coded>,
    /// In which role (HL7 table 0131: emergency contact, employer).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Coded>,
    /// Postal addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// Phone numbers and the like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub telecoms: Vec<Telecom>,
    /// The house, where it is no person, or the one the person works for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<Organization>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}
