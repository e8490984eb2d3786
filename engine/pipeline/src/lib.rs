//! Configuration to plan, and [`process()`]: one message's journey. Pure: no file, no socket, no clock.
//!
//! [`compile()`] turns the texts of `orderly.yaml`, the routes and the mappings into a [`Plan`], or says all that is
//! wrong with them. [`process()`] takes a message through the plan; `run`, `check` and replays all call it.

mod acknowledge;
mod compile;
mod difference;
mod fhir;
mod format;
mod identity;
mod journey;
mod judge;
pub mod keys;
mod lanes;
pub mod ledger;
pub mod plan;
mod process;
mod relay;
mod route;
pub mod schema;
mod site;
mod stream;
pub mod suite;
mod tolerances;

pub use acknowledge::{NotTaken, Reply};
pub use compile::{Compiled, Text, Texts, compile};
pub use difference::{Difference, differences};
pub use fhir::{FHIR_ANSWER_MEDIA_TYPES, FHIR_MEDIA_TYPE, FhirIssue, fhir_issues, judge_fhir_answer};
pub use format::{Format, HL7_V2_MEDIA_TYPES, MEDIA_TYPES, TAKEN_MEDIA_TYPES, is_part};
pub use identity::Identity;
pub use journey::{Depth, Ended, Journey, Mapped, Met, Stop, map_alone};
pub use judge::{Verdict, judge_answer};
pub use orderly_record::{Diagnostic, Fault, Severity};
pub use plan::Plan;
pub use process::{
    Facts, Fate, Pair, PairFate, Payload, Processed, Summary, Unmapped, failed_inside, frame_refused,
    members, not_whole, process, process_traced,
};
pub use relay::{is_answerable, relayed, too_many};
pub use site::secret::names_secret;
pub use site::{declared_lane, journal_folder};
pub use stream::{Member, Stream};
pub use tolerances::{FRAME_TOLERANCES, tolerances, tolerated};
