//! Bodies and payloads: packed into a content row, or, when large, into a file of their own.
//!
//! The codec byte says how the bytes are to be read. A file is durable before the commit that names it. A content's number is never
//! used again while the journal is open, also when its commit failed or a replay removed it: so no file that a row names is ever
//! overwritten, whatever becomes of the commit.

use std::path::Path;

use rusqlite::{OptionalExtension, params};

use crate::error::JournalError;
use crate::layout;
use crate::options::Options;
use crate::sqlite::Database;

const CODEC_RAW: i64 = 0;
const CODEC_ZSTD: i64 = 1;

/// Smaller contents are stored as they are: packing one HL7 message of 1 KB costs more time than writing what it saves.
const PACKED_BYTES_MIN: usize = 4 << 10;

/// The fastest level: the feed waits for it.
const ZSTD_LEVEL: i32 = 1;

/// Packs contents into one segment file.
pub(crate) struct Packer {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    /// The next free number.
    pub(crate) next: i64,
}

impl Packer {
    /// For a file whose contents have smaller numbers.
    pub(crate) fn new(next: i64) -> Packer {
        Packer { compressor: None, next }
    }

    /// Stores a content inside the open transaction and gives its number in this file.
    pub(crate) fn store(
        &mut self,
        options: &Options,
        number: u32,
        database: &Database,
        bytes: &[u8],
    ) -> Result<i64, JournalError> {
        let packed = self.pack(bytes);
        let (codec, stored) = match &packed {
            Some(packed) => (CODEC_ZSTD, packed.as_slice()),
            None => (CODEC_RAW, bytes),
        };
        let inline = (stored.len() <= options.inline_bytes_max).then_some(stored);
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let content = self.next;
        self.next += 1;
        database.run(|connection| {
            connection
                .prepare_cached("INSERT INTO content (id, codec, size, bytes) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![content, codec, size, inline])
        })?;
        if inline.is_none() {
            let path = layout::body(&options.folder, number, content);
            options.file_store.write(&path, stored).map_err(|source| JournalError::File { path, source })?;
        }
        Ok(content)
    }

    /// The bytes packed, when that is smaller.
    fn pack(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if bytes.len() < PACKED_BYTES_MIN {
            return None;
        }
        if self.compressor.is_none() {
            self.compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL).ok();
        }
        let packed = self.compressor.as_mut()?.compress(bytes).ok()?;
        (packed.len() < bytes.len()).then_some(packed)
    }
}

/// Reads a content of a segment file.
pub(crate) fn load(
    options: &Options,
    number: u32,
    database: &Database,
    content: i64,
) -> Result<Vec<u8>, JournalError> {
    let row = database.run(|connection| {
        connection
            .prepare_cached("SELECT codec, size, bytes FROM content WHERE id = ?1")?
            .query_row([content], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<Vec<u8>>>(2)?))
            })
            .optional()
    })?;
    let (codec, size, inline) = row.ok_or_else(|| damaged(&database.path, "a content is missing"))?;
    let stored = match inline {
        Some(bytes) => bytes,
        None => {
            let path = layout::body(&options.folder, number, content);
            options.file_store.read(&path).map_err(|source| JournalError::File { path, source })?
        }
    };
    let size = usize::try_from(size).unwrap_or(0);
    match codec {
        CODEC_RAW => Ok(stored),
        CODEC_ZSTD => zstd::bulk::decompress(&stored, size)
            .map_err(|_| damaged(&database.path, "a content cannot be unpacked")),
        _ => Err(damaged(&database.path, "a content has an unknown codec")),
    }
}

fn damaged(path: &Path, what: &str) -> JournalError {
    JournalError::Damaged { path: path.to_path_buf(), what: what.into() }
}
