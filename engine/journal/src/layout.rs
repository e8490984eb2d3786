//! Names of the files in a journal's folder.

use std::path::{Path, PathBuf};

pub(crate) fn lock(folder: &Path) -> PathBuf {
    folder.join("lock")
}

pub(crate) fn catalog(folder: &Path) -> PathBuf {
    folder.join("catalog.db")
}

pub(crate) fn plans(folder: &Path) -> PathBuf {
    folder.join("plans.db")
}

pub(crate) fn segments(folder: &Path) -> PathBuf {
    folder.join("segments")
}

pub(crate) fn segment(folder: &Path, number: u32) -> PathBuf {
    segments(folder).join(format!("{number:08}.db"))
}

pub(crate) fn keys(folder: &Path, number: u32) -> PathBuf {
    segments(folder).join(format!("{number:08}.keys.db"))
}

pub(crate) fn bodies(folder: &Path, number: u32) -> PathBuf {
    segments(folder).join(format!("{number:08}.bodies"))
}

pub(crate) fn body(folder: &Path, number: u32, content: i64) -> PathBuf {
    bodies(folder, number).join(content.to_string())
}

/// The files that SQLite may keep for one database: itself, its write-ahead log and the log's index.
pub(crate) fn database_files(database: &Path) -> [PathBuf; 3] {
    let with = |suffix: &str| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    [database.to_path_buf(), with("-wal"), with("-shm")]
}

/// The number of a segment file by its name; `None` for anything else in the folder.
pub(crate) fn segment_number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".db")?;
    if digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_segment_files_have_a_number() {
        assert_eq!(segment_number("00000012.db"), Some(12));
        for other in ["00000012.keys.db", "00000012.db-wal", "12.db", "catalog.db", "+0000012.db"] {
            assert_eq!(segment_number(other), None, "{other}");
        }
    }
}
