//! What every format becomes: the record, and the diagnostics that say what is wrong and where.
//!
//! One model for HL7 v2 and (later) C-CDA, so that a mapping reads `patient.name.family` whatever came in. The record holds what the
//! message says, never a guess: codes stay as sent, times keep their precision and their offset or the lack of one, and what was not
//! sent has no member at all. In every value object the first member stands for the whole (`code` of a code, `value` of an
//! identifier), which is what a mapping gets when it asks for the object as text.

pub mod diagnostic;
pub mod location;

mod appointment;
mod document;
mod header;
mod patient;
mod record;
mod result;
mod time;
mod value;
mod visit;

pub use appointment::{Appointment, Resource};
pub use diagnostic::{Diagnostic, Fault, Place, Severity};
pub use document::Document;
pub use header::Header;
pub use location::Location;
pub use patient::{Patient, RelatedPerson};
pub use record::Record;
pub use result::{Content, Note, Observation, ObservationValue, Report, Specimen};
pub use time::{Moment, Precision, Timestamp};
pub use value::{Address, Authority, Coded, Coding, HumanName, Identifier, Provider, Quantity, Telecom};
pub use visit::{PersonLocation, Visit};

/// The text of a value. Most are a few letters (a code, a name, a date), so up to 23 bytes are kept in place, and a copy is never more
/// than a counter: a record of a hundred values is made without a hundred allocations.
pub type Text = smol_str::SmolStr;
