//! Who has to do with what a message tells of, and in which role.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Location, Provider, Text, Timestamp};

/// Somebody in a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Participant {
    /// In which role (HL7 tables 0443, 0912, 0286, 0131: `AT` attending, `PP` primary care, `RP` referring).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Coded>,
    /// Who: once for each id of the person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<Provider>,
    /// What the receiver is to do with it, as sent (HL7 table 0287: `AD` add, `UP` update, `DE` delete).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Text>,
    /// From when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// What it is about: the segment that it follows, for example `OBX[3]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<Location>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}
