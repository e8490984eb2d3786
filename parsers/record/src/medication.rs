//! Medications: ordered, dispensed, given, or taken as the patient says.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Coded, Identifier, Location, Note, Organization, Provider, Quantity, Text, Timestamp};

/// A medication and how it is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Medication {
    /// The drug.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// What is said of it: `order`, `dispense`, `administration` or `statement` (in use).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Text>,
    /// How far it is: `active`, `completed`, `aborted`, `suspended`, `cancelled`, `entered-in-error`; of an HL7 v2 order its status as sent (table 0038).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Text>,
    /// True when the source says that it is not taken or was not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negated: Option<bool>,
    /// What the receiver is to do with it, as sent (HL7 table 0206: `A` add, `U` update, `D` delete, `X` no change, of an administration); absent where the source says how things
    /// are. With a delete the statement is taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Text>,
    /// What is asked for (HL7 table 0119: `NW` new, `DC` discontinue).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_control: Option<Text>,
    /// The number the ordering system gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placer_number: Option<Identifier>,
    /// The number the performing system gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filler_number: Option<Identifier>,
    /// The number of the prescription.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prescription_number: Option<Identifier>,
    /// How much each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dose: Option<Quantity>,
    /// How much each time at most, where a range is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dose_max: Option<Quantity>,
    /// How fast, of an infusion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Quantity>,
    /// How often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// Whether only when needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_needed: Option<bool>,
    /// The way into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Coded>,
    /// Where on the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<Coded>,
    /// Tablet, solution, cream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<Coded>,
    /// Directions in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Text>,
    /// From when; of an administration when it was given, of a dispense when it was handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// How much is handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
    /// How often it may be handed out again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refills: Option<Text>,
    /// The lot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lot_number: Option<Text>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<Organization>,
    /// What it is mixed of, when it is made up of several drugs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingredients: Vec<Ingredient>,
    /// Why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Coded>,
    /// Who ordered it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ordered_by: Vec<Provider>,
    /// Who gave it or handed it out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub given_by: Vec<Provider>,
    /// The source's ids of this statement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// Notes about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Where it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
}

/// One of the drugs and solutions that a medication is mixed of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ingredient {
    /// The drug or the solution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Coded>,
    /// What it is in the mixture (HL7 table 0166: `B` base, `A` additive).
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Text>,
    /// How much of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Quantity>,
    /// How strong it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strength: Option<Quantity>,
}

/// How often something is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Timing {
    /// As sent in one text: `BID`, `Q6H`, `every morning`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// The time from one to the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Quantity>,
    /// The period's longest, where a range is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_max: Option<Quantity>,
    /// The event of the day it goes with (HL7 v3 TimingEvent: `AC` before meals, `HS` at bedtime).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Text>,
    /// True when the institution chooses the hours: three times a day, not every eight hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub institution_specified: Option<bool>,
}
