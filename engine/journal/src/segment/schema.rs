//! The schema of a segment file: that of version 1, and what later versions added.
//!
//! What always holds: neither is ever changed once it has been in use, because files that were made by it stay.

use crate::{carried, codes, intake, repeats, sender, waiting};

/// What brings a file of each version to the next, beginning with version 1; each subject has its own.
pub(super) const UPGRADES: &[&str] =
    &[intake::UPGRADE, codes::UPGRADE, waiting::UPGRADE, repeats::UPGRADE, sender::UPGRADE, carried::UPGRADE];
/// The schema of version 1.
pub(super) const SCHEMA: &str = "
    -- Where the numbering stood when the file was made, and when that was.
    CREATE TABLE meta (
        created_at_us INTEGER NOT NULL,
        first_id INTEGER NOT NULL,
        first_seq INTEGER NOT NULL,
        first_delivery INTEGER NOT NULL
    );
    CREATE TABLE name (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE content (
        id INTEGER PRIMARY KEY,
        codec INTEGER NOT NULL,          -- 0 raw, 1 zstd
        size INTEGER NOT NULL,           -- bytes, unpacked
        bytes BLOB                       -- NULL: in the file of that id beside the database
    );
    CREATE TABLE message (
        seq INTEGER PRIMARY KEY,         -- commit order
        id INTEGER NOT NULL,
        source INTEGER NOT NULL,
        accepted_at_us INTEGER NOT NULL,
        format INTEGER NOT NULL,
        type TEXT NOT NULL,
        event TEXT NOT NULL,
        control_id TEXT NOT NULL,
        fate INTEGER NOT NULL,
        reason TEXT,
        plan INTEGER NOT NULL,
        content INTEGER NOT NULL,
        keys BLOB NOT NULL
    );
    CREATE UNIQUE INDEX message_by_id ON message (id);
    CREATE TABLE delivery (
        seq INTEGER PRIMARY KEY,
        message INTEGER NOT NULL,        -- the message's id
        route INTEGER NOT NULL,
        destination INTEGER NOT NULL,
        part INTEGER NOT NULL,           -- which output of its pair of route and destination, from 0
        state INTEGER NOT NULL,
        reason TEXT,
        attempts INTEGER NOT NULL,
        next_attempt_at_us INTEGER,
        revision INTEGER NOT NULL,       -- how often a replay replaced it
        content INTEGER,
        control_id TEXT,
        target TEXT                      -- where at the destination, in its own words
    );
    CREATE INDEX delivery_by_message ON delivery (message);
    CREATE INDEX delivery_waiting ON delivery (destination, seq) WHERE state = 0;
    CREATE INDEX delivery_held ON delivery (state, destination, seq) WHERE state IN (3, 4);
    CREATE TABLE attempt (
        delivery INTEGER NOT NULL,
        n INTEGER NOT NULL,
        at_us INTEGER NOT NULL,
        duration_us INTEGER NOT NULL,
        outcome INTEGER NOT NULL,
        code TEXT,
        text TEXT,
        answer BLOB NOT NULL,
        PRIMARY KEY (delivery, n)
    ) WITHOUT ROWID;
    -- Replays: when, by which plan, and for a message of an earlier sealed file, which file they hold.
    CREATE TABLE processing (
        id INTEGER PRIMARY KEY,
        message INTEGER NOT NULL,
        at_us INTEGER NOT NULL,
        plan INTEGER NOT NULL,
        fate INTEGER NOT NULL,
        reason TEXT,
        home INTEGER NOT NULL            -- number of the segment file that has the message
    );
    CREATE INDEX processing_by_message ON processing (message);
    -- Both ledgers, kept in the transactions that change them.
    CREATE TABLE tally (
        ledger INTEGER NOT NULL,         -- 0 messages by source and fate, 1 deliveries by destination and state
        name INTEGER NOT NULL,
        code INTEGER NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (ledger, name, code)
    ) WITHOUT ROWID;";
