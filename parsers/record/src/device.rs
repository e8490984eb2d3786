//! Devices: what is implanted, worn or used, and what was supplied.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Note, Organization, Provider, Quantity, Text, Timestamp};

/// A device or a supply that the patient has or had.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Device {
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// The unique device identifier, as its label has it: `(01)00848486001048(17)221015(10)A1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udi: Option<Text>,
    /// How it came to the patient: `procedure`, `supply`, or `organizer` for one that only a list names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Text>,
    /// How far that is, as sent: `completed`, `active`, `aborted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
    /// How it stands in the patient: in use, taken out, broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Coded>,
    /// True when the source denies it: no such device, or none at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negated: Option<bool>,
    /// The procedure that it was used in or implanted by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub procedure: Option<Coded>,
    /// Where on the body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<Coded>,
    /// When implanted or supplied, or from when in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// Until when in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// How many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
    /// The part of the udi that names maker and model (device identifier).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_identifier: Option<Text>,
    /// The lot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lot_number: Option<Text>,
    /// The serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<Text>,
    /// The number of a donated tissue (distinct identification).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct_identification: Option<Text>,
    /// When made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufactured_at: Option<Timestamp>,
    /// When it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The brand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand: Option<Text>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Text>,
    /// The number in the catalogue of its maker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalog_number: Option<Text>,
    /// Whether it is safe in magnetic resonance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mri_safety: Option<Coded>,
    /// Whether there is latex in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latex_safety: Option<Coded>,
    /// Who made or supplied it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<Organization>,
    /// Why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Coded>,
    /// Who implanted or supplied it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub performed_by: Vec<Provider>,
    /// When it was written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
    /// Who wrote it down.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recorded_by: Vec<Provider>,
    /// All ids of it: the udi, the serial number, those of the source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// Notes about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}
