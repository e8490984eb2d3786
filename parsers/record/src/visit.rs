//! A visit or a stay: where, since when, in whose care, and the accident that led to it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Provider, Text, Timestamp};

/// A visit or a stay in hospital.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Visit {
    /// The visit number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<Identifier>,
    /// Other numbers of the same visit, and the pre-admission number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternate_numbers: Vec<Identifier>,
    /// What kind of visit: an office visit, a stay.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Coded>,
    /// Inpatient, outpatient, emergency (HL7 table 0004: `I`, `O`, `E`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Text>,
    /// The patient type, a local code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient_type: Option<Text>,
    /// How the admission came about (HL7 table 0007).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admission_type: Option<Text>,
    /// Where from the patient came (HL7 table 0023).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admission_source: Option<Text>,
    /// Why the patient came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Coded>,
    /// What was diagnosed during it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diagnoses: Vec<Coded>,
    /// The hospital's service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Text>,
    /// Where the patient is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<PersonLocation>,
    /// Where the patient was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prior_location: Option<PersonLocation>,
    /// Attending doctors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attending: Vec<Provider>,
    /// Referring doctors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub referring: Vec<Provider>,
    /// Consulting doctors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consulting: Vec<Provider>,
    /// Admitting doctors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub admitting: Vec<Provider>,
    /// A person to treat with discretion, a local code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip: Option<Text>,
    /// When admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admitted_at: Option<Timestamp>,
    /// When admission is expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_admission_at: Option<Timestamp>,
    /// When discharged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discharged_at: Option<Timestamp>,
    /// When discharge is expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_discharge_at: Option<Timestamp>,
    /// How discharged (HL7 table 0112).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discharge_disposition: Option<Text>,
    /// Where the patient is for a short time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temporary_location: Option<PersonLocation>,
    /// Where the patient is to go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_location: Option<PersonLocation>,
    /// Other people who give care during it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_providers: Vec<Provider>,
    /// Which of the houses that one system serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facility: Option<Text>,
    /// Who is expected to pay, a local code for each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub financial_classes: Vec<Text>,
    /// What hinders the patient (HL7 table 0009: `A1` disabled, `B6` pregnant).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ambulatory_statuses: Vec<Text>,
    /// Where to discharged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discharged_to: Option<Text>,
    /// About the visit in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// Why transferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_reason: Option<Coded>,
    /// How the patient came (HL7 table 0430).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrival_mode: Option<Coded>,
    /// How much care is needed (HL7 table 0432).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level_of_care: Option<Coded>,
    /// How urgent (HL7 table 0217).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Coded>,
    /// Whether access to the facts about the visit is to be restricted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protected: Option<bool>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}

/// Where in the house a person is: ward, room, bed (HL7 v2 type PL).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PersonLocation {
    /// Ward, clinic or department.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point_of_care: Option<Text>,
    /// Room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<Text>,
    /// Bed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bed: Option<Text>,
    /// Facility.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facility: Option<Text>,
    /// Building.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub building: Option<Text>,
    /// Floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<Text>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
}

/// An accident that led to what the message tells of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Accident {
    /// What kind (HL7 table 0050).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub happened_at: Option<Timestamp>,
    /// Where, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Text>,
    /// In which state or province.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Text>,
    /// Whether at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_related: Option<bool>,
    /// Whether somebody died.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fatal: Option<bool>,
    /// What happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}
