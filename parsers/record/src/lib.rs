//! What every format becomes: the record, and the diagnostics that say what is wrong and where.
//!
//! One model for HL7 v2 and C-CDA, so that a mapping reads `patient.name.family` whatever came in. The record holds what the
//! message says, never a guess: codes stay as sent, times keep their precision and their offset or the lack of one, and what was not
//! sent has no member at all. Code systems have the names of HL7 table 0396 where it knows them (`LN`, `SCT`), whatever the format calls
//! them, so that a mapping asks once. In every value object the first member stands for the whole (`code` of a code, `value` of an
//! identifier), which is what a mapping gets when it asks for the object as text.

pub mod diagnostic;
pub mod location;
pub mod vocabulary;

mod advance_directive;
mod allergy;
mod appointment;
mod billing;
mod care_team;
mod condition;
mod device;
mod document;
mod exchange;
mod family_history;
mod goal;
mod header;
mod health_concern;
mod hl7_time;
mod immunization;
mod master;
mod medication;
mod participant;
mod patient;
mod plan;
mod procedure;
mod record;
mod referral;
mod result;
mod section;
mod time;
mod value;
mod visit;

pub use advance_directive::AdvanceDirective;
pub use allergy::{Allergy, Reaction};
pub use appointment::{Appointment, Resource};
pub use billing::{Charge, Guarantor, Insurance};
pub use care_team::CareTeamMember;
pub use condition::Condition;
pub use device::Device;
pub use diagnostic::{Diagnostic, Fault, Place, Severity};
pub use document::Document;
pub use exchange::{Acknowledgement, Parameter, Query, Reported};
pub use family_history::{FamilyCondition, FamilyMember};
pub use goal::Goal;
pub use header::Header;
pub use health_concern::HealthConcern;
pub use immunization::Immunization;
pub use location::Location;
pub use master::{MasterEntry, ReferenceRange, SpecimenRequirement};
pub use medication::{Ingredient, Medication, Timing};
pub use participant::{Consent, Participant};
pub use patient::{Patient, RelatedPerson};
pub use plan::Plan;
pub use procedure::Procedure;
pub use record::Record;
pub use referral::Referral;
pub use result::{Content, Note, Observation, ObservationValue, Report, Specimen};
pub use section::{Section, Unread};
pub use time::{Moment, Precision, Timestamp};
pub use value::{
    Address, Authority, Coded, Coding, HumanName, Identifier, Organization, Provider, Quantity, Telecom,
};
pub use visit::{Accident, PersonLocation, Visit};

/// The text of a value. Most are a few letters (a code, a name, a date), so up to 23 bytes are kept in place, and a copy is never more
/// than a counter: a record of a hundred values is made without a hundred allocations.
pub type Text = smol_str::SmolStr;
