//! Results: one report for each order, with its specimens, its observations and their notes.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Organization, PersonLocation, Provider, Quantity, Text, Timestamp};

/// The results of one order: a laboratory panel, a radiology report, or the order itself when nothing is known yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Report {
    /// The service that was ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// How far it is (HL7 table 0123: `F` final, `P` preliminary, `C` corrected).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
    /// The number the ordering system gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placer_number: Option<Identifier>,
    /// The number the performing system gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filler_number: Option<Identifier>,
    /// The accession number of the specimen or the study.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accession_number: Option<Identifier>,
    /// What is asked for (HL7 table 0119: `NW` new, `CA` cancel, `RE` results follow).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_control: Option<Text>,
    /// The diagnostic service (HL7 table 0074: `LAB`, `RAD`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<Text>,
    /// When observed, or when observation began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Timestamp>,
    /// When observation ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_to: Option<Timestamp>,
    /// When reported, or when the status last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported_at: Option<Timestamp>,
    /// Who ordered it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ordered_by: Vec<Provider>,
    /// Who stands for the interpretation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interpreted_by: Option<Provider>,
    /// Who gets copies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies_to: Vec<Provider>,
    /// Why it was ordered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Coded>,
    /// The specimens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub specimens: Vec<Specimen>,
    /// What was observed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<Observation>,
    /// Notes about the order or the report.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Why this is asked for now: why it is cancelled, where `order_control` says that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_reason: Option<Coded>,
    /// How far the order is (HL7 table 0038).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_status: Option<Text>,
    /// The number of the group of orders it is one of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_number: Option<Identifier>,
    /// The number, at the ordering system, of the order it came out of: of the culture, for sensitivities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_placer_number: Option<Identifier>,
    /// The number, at the performing system, of the order it came out of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_filler_number: Option<Identifier>,
    /// The observation it came out of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_observation: Option<Coded>,
    /// How urgent (HL7 tables 0027 and 0485: `S` stat, `R` routine).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Text>,
    /// When the order was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordered_at: Option<Timestamp>,
    /// For when it is planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<Timestamp>,
    /// What the performing side should know of the patient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clinical_information: Option<Text>,
    /// The procedure, by a list made for billing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub procedure: Option<Coded>,
    /// The house that ordered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordering_facility: Option<Organization>,
    /// The clinical trials it is part of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub studies: Vec<Identifier>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}

/// What was examined.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Specimen {
    /// What it is: serum, tissue.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Coded>,
    /// The number the ordering system gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placer_number: Option<Identifier>,
    /// The number the performing system gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filler_number: Option<Identifier>,
    /// Where in the body it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<Coded>,
    /// When collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collected_at: Option<Timestamp>,
    /// When received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
    /// The laboratory's number of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accession_number: Option<Identifier>,
    /// How it was collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection_method: Option<Coded>,
    /// When collection ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collected_to: Option<Timestamp>,
    /// How much was collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Quantity>,
    /// What it is for (HL7 table 0369: `P` patient, `Q` control).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Coded>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// Why it was rejected (HL7 table 0490).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reject_reasons: Vec<Coded>,
    /// In which condition it is (HL7 table 0493).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Coded>,
    /// The containers it is in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<Identifier>,
    /// Notes about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}

/// One observation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Observation {
    /// What was observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// Links or tells apart observations of the same code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_id: Option<Text>,
    /// The type of the values as declared (HL7 table 0125: `NM`, `ST`, `CE`, `ED`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_type: Option<Text>,
    /// The value as text: of a number the digits, of a code the code, of text all lines. Absent for embedded content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Text>,
    /// Every value, typed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ObservationValue>,
    /// True when the source denies it: with a code as value, that this was not found; without a value, that it was not observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negated: Option<bool>,
    /// The unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<Coded>,
    /// The range of normal values, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_range: Option<Text>,
    /// What the value means (HL7 table 0078: `H`, `L`, `A`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interpretations: Vec<Text>,
    /// How sure it is (HL7 table 0085: `F` final, `C` corrected).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
    /// When observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Timestamp>,
    /// Who observed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observed_by: Vec<Provider>,
    /// How it was observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Coded>,
    /// Notes about the observation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// When it was worked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analyzed_at: Option<Timestamp>,
    /// The house or the laboratory that observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performer: Option<Organization>,
    /// What it tells of where a list holds several kinds, as `smoking-status` or `pregnancy` of the social history; absent for all else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Text>,
    /// Until when what was observed held or was observed, where the source gives a period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_to: Option<Timestamp>,
    /// Where on the body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<Coded>,
    /// Where it was observed, or where what was observed took place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<PersonLocation>,
    /// When it was written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
    /// Who wrote it down.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recorded_by: Vec<Provider>,
    /// The source's ids of this statement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// The ids of other statements that it refers to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Identifier>,
    /// The observations that belong to it: the items of a scale, the due date of a pregnancy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Observation>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}

/// A value, by what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObservationValue {
    /// Words.
    Text(Text),
    /// A number.
    Quantity(Quantity),
    /// Two numbers and what stands between them: a range (`-`), a ratio (`/`), a titre (`:`).
    Ratio {
        /// The first number with its comparator.
        first: Quantity,
        /// `-`, `/`, `:` or `+`.
        separator: Text,
        /// The second number, absent for a category such as `2+`.
        #[serde(skip_serializing_if = "Option::is_none")]
        second: Option<Text>,
    },
    /// A code.
    Coded(Coded),
    /// A date or a time.
    Time(Timestamp),
    /// From when to when.
    Period {
        /// From when.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<Timestamp>,
        /// Until when.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<Timestamp>,
    },
    /// Embedded content, or a pointer to it.
    Content(Content),
}

impl ObservationValue {
    /// All values as one text, each a line; embedded content has none.
    pub fn words(values: &[Self]) -> Option<Text> {
        let words: Vec<Text> = values.iter().filter_map(Self::of_one).collect();
        match words.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            several => Some(several.join("\n").into()),
        }
    }

    fn of_one(&self) -> Option<Text> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Quantity(quantity) => Some(quantity.amount()),
            Self::Ratio { first, separator, second } => {
                Some(format!("{}{separator}{}", first.amount(), second.as_deref().unwrap_or_default()).into())
            }
            Self::Coded(coded) => {
                coded.code.clone().or_else(|| coded.display.clone()).or_else(|| coded.text.clone())
            }
            Self::Time(time) => Some(time.to_string().into()),
            // As ISO 8601 writes it; an end that is open is `..` there.
            Self::Period { from, to } => {
                let [from, to] =
                    [from, to].map(|time| time.as_ref().map_or("..".to_owned(), ToString::to_string));
                Some(format!("{from}/{to}").into())
            }
            Self::Content(_) => None,
        }
    }
}

/// A document inside a message: what kind, how encoded. The data itself stays in the message, where a mapping can read it; a record
/// that carried it would be a second copy of megabytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Content {
    /// The media type: `application/pdf`. Of a PDF, RTF, JPEG, PNG or TIFF in Base64 what its first bytes say, else as far as the sender gave
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<Text>,
    /// How the data is written in the message (HL7 table 0299: `Base64`, `Hex`, `A`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Text>,
    /// Length of the encoded data in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// Where the content is, when it is not in the message. It is never fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<Text>,
    /// Where its pieces stand, in order, when its sender cut it into several: `OBX-5[1].5`, `OBX[2]-5[1].5`. Put together they are the data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Text>,
}

/// Words about something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Note {
    /// The words; line ends are LF.
    pub text: Text,
    /// Who wrote it (HL7 table 0105: `L` the performing system, `P` the ordering one).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<Text>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}
