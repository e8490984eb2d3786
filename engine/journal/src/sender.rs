//! Who sent a message, as far as a certificate shows it: an address is what the network says, a name is what an authority says.

use rusqlite::OptionalExtension;

use crate::error::JournalError;
use crate::sqlite::{Database, int};

/// What brings a segment file of version 5 to version 6.
pub(crate) const UPGRADE: &str = "
    -- The name in the certificate that its sender showed.
    ALTER TABLE message ADD COLUMN sender TEXT;";

/// The schema's version that knows senders.
const VERSION: usize = 6;

/// The name that a message's sender showed. Segment files that an earlier program sealed know none.
pub(crate) fn sender(database: &Database, message: u64) -> Result<Option<String>, JournalError> {
    if database.schema_version()? < VERSION {
        return Ok(None);
    }
    let found = database.run(|connection| {
        connection
            .prepare_cached("SELECT sender FROM message WHERE id = ?1")?
            .query_row([int(message)], |row| row.get(0))
            .optional()
    })?;
    Ok(found.flatten())
}
