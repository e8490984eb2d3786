//! What the journal does to files that SQLite does not manage: large contents, and making and removing whole files.
//!
//! A trait, so that a test's faulty disk can stand under these too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

/// Reads, writes and removes whole files.
pub trait FileStore: Send + Sync {
    /// Writes a file readable by its owner only, making its folder where missing. When this returns, the content and the name are
    /// durable. An existing file is replaced.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Reads a whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Writes a file's bytes once more where they are and flushes them; a file that does not exist is no error. After a failed flush
    /// the operating system takes for clean what never reached the disk, and only writing it again brings it there.
    fn renew(&self, path: &Path) -> io::Result<()>;
    /// Removes a file; one that does not exist is no error.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The real file system.
#[derive(Debug, Clone, Copy)]
pub struct RealFiles;

impl FileStore for RealFiles {
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        make_folder(folder)?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        sync_folder(folder)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn renew(&self, path: &Path) -> io::Result<()> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let mut chunk = vec![0; 1 << 20];
        let mut offset = 0;
        loop {
            let count = file.read_at(&mut chunk, offset)?;
            let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            file.write_all_at(bytes, offset)?;
            offset += count as u64;
        }
        file.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// Makes a folder that only its owner may enter, and its name durable.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    match folder.parent() {
        Some(parent) if parent != Path::new("") => sync_folder(parent),
        _ => Ok(()),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_written_file_is_private_and_comes_back_until_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("body");
        RealFiles.write(&path, b"first, longer").unwrap();
        RealFiles.write(&path, b"second").unwrap();
        RealFiles.renew(&path).unwrap();
        assert_eq!(RealFiles.read(&path).unwrap(), b"second");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        RealFiles.remove(&path).unwrap();
        RealFiles.remove(&path).unwrap();
        RealFiles.renew(&path).unwrap();
        assert!(RealFiles.read(&path).is_err());
    }
}
