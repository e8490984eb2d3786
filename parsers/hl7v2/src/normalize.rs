//! From a message to the record: what the standard fixes about the meaning of fields.
//!
//! Fields are read by position, whatever version is declared: what an old version calls by another name stands at the same place, and
//! what a version lacks is absent. Nothing fails: odd values stay as sent.

mod header;

use orderly_record::Record;

use crate::message::Message;

/// The record of a message.
pub fn normalize(message: &Message<'_>) -> Record {
    Record { header: header::header(message), ..Record::default() }
}
