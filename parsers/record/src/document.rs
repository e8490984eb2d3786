//! A document that a message announces or carries, or a note in one: what it is, by whom, how far.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Coded, Consent, Identifier, Location, Note, Organization, Provider, RelatedPerson, Text, Timestamp,
};

/// A document's facts. The text of one that an HL7 v2 message announces stands in the observations of `results`, that of a C-CDA
/// document in `sections`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Document {
    /// The document's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<Identifier>,
    /// The number of the document it adds to or replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_number: Option<Identifier>,
    /// The number of the order at the ordering system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placer_number: Option<Identifier>,
    /// The number of the order at the performing system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filler_number: Option<Identifier>,
    /// The number that all versions of the document share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_number: Option<Identifier>,
    /// Which version of that set it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_number: Option<Text>,
    /// What it is to the parent document: `RPLC` replaces, `APND` adds to, `XFRM` transforms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_relationship: Option<Text>,
    /// What kind of document (HL7 table 0270; of a C-CDA document its LOINC code).
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Coded>,
    /// Its title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Text>,
    /// How far it is (HL7 table 0271).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion: Option<Text>,
    /// Whether it may be used (HL7 table 0273).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability: Option<Text>,
    /// How confidential it is (HL7 table 0272; of a C-CDA document `N`, `R` or `V`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidentiality: Option<Text>,
    /// When what it tells of took place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity_at: Option<Timestamp>,
    /// Until when what it tells of took place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity_to: Option<Timestamp>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<Provider>,
    /// The language it is written in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Text>,
    /// The house that keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custodian: Option<Organization>,
    /// Who gave the care it tells of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub performers: Vec<Provider>,
    /// What it is when it has no sections: an embedded file, or a pointer to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<crate::Content>,
    /// Who stands for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authenticators: Vec<Provider>,
    /// When it was written down from dictation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcribed_at: Option<Timestamp>,
    /// Where it is kept (HL7 table 0275).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Text>,
    /// The name of its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_name: Option<Text>,
    /// The numbers, at the ordering system, of further orders it answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order_numbers: Vec<Identifier>,
    /// Notes about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Its words, of a note that stands in another document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// Who typed it in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entered_by: Vec<Provider>,
    /// Which professionals told what is in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub informants: Vec<Provider>,
    /// Which persons around the patient told what is in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub informing_relatives: Vec<RelatedPerson>,
    /// For whom it is meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<Provider>,
    /// The consents that go with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<Consent>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}
