//! What billing needs: who pays, who answers for the bill, and what is charged.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Address, Coded, HumanName, Identifier, Location, Note, Organization, Provider, Quantity, Telecom, Text,
    Timestamp,
};

/// An insurance of the patient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Insurance {
    /// The plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Coded>,
    /// Who pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payer: Option<Organization>,
    /// The patient's number there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_number: Option<Identifier>,
    /// The number of the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_number: Option<Text>,
    /// Whose insurance it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscriber: Option<HumanName>,
    /// What the subscriber is to the patient, or the patient to the subscriber, as the format has it (HL7 table 0063).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relationship: Option<Coded>,
    /// From when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// What kind of plan or coverage it is (HL7 table 0086, or as sent).
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Coded>,
    /// Which of several pays first: 1, 2, 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Text>,
    /// The policy's number, where it is another than the member's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_number: Option<Identifier>,
    /// The subscriber's number there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscriber_number: Option<Identifier>,
    /// The numbers under which the payer agreed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorizations: Vec<Identifier>,
    /// What else the subscriber is known by: social security, Medicare and Medicaid numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscriber_identifiers: Vec<Identifier>,
    /// When the subscriber was born.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscriber_birth_date: Option<Timestamp>,
    /// Administrative sex of the subscriber (HL7 table 0001).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscriber_sex: Option<Text>,
    /// Postal addresses of the subscriber.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscriber_addresses: Vec<Address>,
    /// Under which numbers the payer certified what is done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certification_numbers: Vec<Identifier>,
    /// The source's ids of this statement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}

/// Who answers for the bill.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Guarantor {
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<HumanName>,
    /// The identifiers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// The house, when it is one and no person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<Organization>,
    /// What kind of guarantor, a local code.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Text>,
    /// What the guarantor is to the patient (HL7 table 0063).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relationship: Option<Coded>,
    /// Postal addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// Phone numbers and the like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub telecoms: Vec<Telecom>,
    /// When born.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<Timestamp>,
    /// Administrative sex (HL7 table 0001).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sex: Option<Text>,
    /// The employer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub employer: Option<HumanName>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}

/// A charge, a credit or a payment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Charge {
    /// What is charged, by the department's list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// `CG` charge, `CD` credit, `PY` payment, `AJ` adjustment (HL7 table 0017).
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Text>,
    /// The transaction's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<Text>,
    /// When the service was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_at: Option<Timestamp>,
    /// When it was posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posted_at: Option<Timestamp>,
    /// How many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Text>,
    /// The amount for all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Quantity>,
    /// The amount for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_amount: Option<Quantity>,
    /// The department.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<Coded>,
    /// The procedure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub procedure: Option<Coded>,
    /// The procedure's modifiers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modifiers: Vec<Coded>,
    /// The diagnoses it is for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diagnoses: Vec<Coded>,
    /// Who performed the service.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub performed_by: Vec<Provider>,
    /// Who ordered it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ordered_by: Vec<Provider>,
    /// Notes about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}
