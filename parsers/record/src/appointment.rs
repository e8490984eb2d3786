//! An appointment: when, for what, with whom and where.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Text, Timestamp};

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
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}
