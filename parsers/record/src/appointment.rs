//! An appointment: when, for what, with whom and where.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Note, PersonLocation, Provider, Text, Timestamp};

/// An appointment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Appointment {
    /// The number the asking system gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placer_number: Option<Identifier>,
    /// The number the scheduling system gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filler_number: Option<Identifier>,
    /// How it stands (HL7 table 0278: `Booked`, `Cancelled`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Coded>,
    /// Why this message was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_reason: Option<Coded>,
    /// Why the appointment takes place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Coded>,
    /// What kind of appointment.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Coded>,
    /// When it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// How long it takes, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Text>,
    /// The unit of `duration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_units: Option<Coded>,
    /// Services, persons, places and things it needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
    /// Whom to ask about it, and who booked it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<Provider>,
    /// Notes about it and about what it needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}

/// Something an appointment needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Resource {
    /// `service`, `general`, `location` or `person`.
    #[serde(rename = "type")]
    pub kind: Text,
    /// What or who: the service's code, the resource's id, the place or the person's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// When it is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// The person, by id and name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<Provider>,
    /// The place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<PersonLocation>,
    /// How it stands (HL7 table 0278).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Coded>,
    /// For how long it is needed, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Text>,
    /// The unit of `duration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_units: Option<Coded>,
    /// What the receiver is to do with it (HL7 table 0206).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Text>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}
