//! HL7 v2: from bytes to a lossless tree, to text by path, to the record, and back to bytes.
//!
//! [`parse`] splits a message into segments and raw fields, borrowed from the input; everything below a field is split on demand by
//! [`View`]s. So parsing costs little more than finding the delimiters, and [`Message::encode`] gives back the very bytes that came in.
//! In charsets whose characters may hold delimiter bytes (Big5, UTF-16, ...) the fields are the text in UTF-8 instead, each beside the bytes
//! it came in. An edit ([`Message::replace`], [`Message::set_text`], ...) changes the part it names and no other byte.
//!
//! Nothing here panics, whatever the bytes, and nothing here reads a clock, a file or a socket. What is odd about a message but readable
//! is a diagnostic beside it; only what can't be read at all is an [`Unreadable`], and then with the header, where there was one, so
//! that the sender can be answered.
//!
//! The way through: `parse` finds the header (`delimiters`, `charset`, `wire`) and splits → `message`, `segment`, `view` are the tree, `edit`
//! changes it, `recode` brings it into another charset → `path` names places in it, `groups` says which segments belong together → `normalize` makes the record. `batch` comes
//! before all that: it splits what holds several messages. `acknowledgement` and `reply` are the answers we give and get. `dictionary` is
//! what the standard says of all messages, `meaning` and `conformance` what it says of one.

mod acknowledgement;
mod batch;
mod charset;
mod conformance;
mod delimiters;
pub mod dictionary;
mod edit;
pub mod escape;
mod groups;
mod header;
mod leaves;
mod meaning;
mod message;
mod normalize;
mod parse;
mod parts;
pub mod path;
mod places;
mod recode;
mod reply;
mod segment;
mod tolerances;
mod view;
mod wire;

pub use acknowledgement::{AckCode, AckError, Answer, acknowledge};
pub use batch::{Batch, Member, Splitter, split};
pub use charset::Charset;
pub use conformance::validate;
pub use delimiters::{Delimiters, Encoding};
pub use edit::Edit;
pub use escape::Unencodable;
pub use groups::Groups;
pub use header::Header;
pub use meaning::Meaning;
pub use message::{Message, Position};
pub use normalize::{identify, normalize};
pub use parse::{Settings, Unreadable, parse};
pub use path::{Path, Select};
pub use places::Places;
pub use reply::{Reply, read_reply};
pub use segment::Segment;
pub use tolerances::TOLERANCES;
pub use view::{Level, Presence, View};
