//! The sections of a document: their words, and what of their entries the record holds.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Location, Text};

/// A section.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Section {
    /// What the section is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// Its title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Text>,
    /// What this program takes it for, such as `allergies`; absent when it knows no such section.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Text>,
    /// Its template ids, each as root, or root and extension with a colon between them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<Text>,
    /// Why there is nothing in it (HL7 v3 NullFlavor: `NI` no information).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absent_because: Option<Text>,
    /// Its words: what a person reads, and the author stands for; line ends are LF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// How many entries it has.
    pub entries: usize,
    /// The entries, and parts of entries, that the record does not hold. They are in the document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}

/// Entries of one kind that the record does not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unread {
    /// The element's name: `act`, `observation`.
    pub element: Text,
    /// Its first template id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Text>,
    /// How many of them.
    pub count: usize,
}
