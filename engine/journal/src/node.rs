//! Which node's journal this is, where a broker carries its deliveries: what became of them is told to that node by its name.

use rusqlite::{OptionalExtension, params};

use crate::book;
use crate::error::JournalError;
use crate::journal::Journal;
use crate::reader::Reader;

/// What brings `plans.db` of version 3 to version 4.
pub(crate) const UPGRADE: &str = "
    -- The node that last published from this journal; one row at most.
    CREATE TABLE node (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        name TEXT NOT NULL,
        prefix TEXT NOT NULL,
        journal TEXT NOT NULL              -- unlike any other journal's
    );";

/// The version of the schema that knows nodes.
const VERSION: usize = 4;

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeNote {
    /// Its name.
    pub name: String,
    /// What names at its broker begin with.
    pub prefix: String,
    /// The journal's own name, unlike any other's.
    pub journal: String,
}

impl Journal {
    /// Notes whose journal it is from now on; durable when it returns.
    pub fn note_node(&self, node: &NodeNote) -> Result<(), JournalError> {
        self.write_book(|book| {
            book.run(|connection| {
                connection.execute(
                    "INSERT OR REPLACE INTO node (one, name, prefix, journal) VALUES (1, ?1, ?2, ?3)",
                    params![node.name, node.prefix, node.journal],
                )
            })
        })
        .map(drop)
    }
}

impl Reader {
    /// Whose journal it is; nobody's as long as no broker carried its deliveries.
    pub fn node(&self) -> Result<Option<NodeNote>, JournalError> {
        let Some(book) = book::opened(&self.pool.options, VERSION)? else { return Ok(None) };
        book.run(|connection| {
            connection
                .query_row("SELECT name, prefix, journal FROM node", [], |row| {
                    Ok(NodeNote { name: row.get(0)?, prefix: row.get(1)?, journal: row.get(2)? })
                })
                .optional()
        })
    }
}
