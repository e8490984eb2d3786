//! Secrets: where they are found, and their values while they are needed.
//!
//! What always holds: a value is read anew each time it is needed, so that a renewed one is used from then on; it is in no `Debug`
//! output and in no error text.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// Where a secret's value is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In this environment variable of the engine.
    Environment(String),
    /// In this file; line ends after it do not count.
    File(PathBuf),
}

/// A secret's value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Why a secret has no value, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment has no such variable.
    #[error("the environment variable {0} is not set; set it where the engine is started")]
    NotSet(String),
    /// There is no such file.
    #[error("the file {} is not there; put the secret into it, alone on one line", .0.display())]
    NoFile(PathBuf),
    /// The file cannot be read.
    #[error("the file {} cannot be read: {source}; let the engine's user read it", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("{0} is empty; put the secret into it, alone on one line")]
    Empty(String),
    /// There is something, and it is no secret.
    #[error(
        "{0} holds no secret: it is no UTF-8, longer than 64 KiB, or more than a line; put the secret into it, alone on one line"
    )]
    Unusable(String),
}

/// The longest secret: tokens have some kilobytes.
const BYTES_MAX: u64 = 64 * 1024;

impl Secret {
    /// A value that somebody gave us; nothing when it cannot be one.
    pub(crate) fn new(value: &str) -> Option<Self> {
        let is_one =
            !value.is_empty() && !value.contains(char::is_control) && value.len() as u64 <= BYTES_MAX;
        is_one.then(|| Self(value.to_owned()))
    }

    /// The value. Whoever has it keeps it out of texts.
    pub(crate) fn value(&self) -> &str {
        &self.0
    }
}

impl SecretSource {
    /// The value now, read where it holds up nobody.
    pub(crate) async fn fetch(&self) -> Result<Secret, SecretError> {
        let (source, name) = (self.clone(), format!("{self:?}"));
        let read = tokio::task::spawn_blocking(move || source.read()).await;
        read.unwrap_or(Err(SecretError::Unusable(name)))
    }

    /// The value now. Reading a file blocks.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let (text, whose) = match self {
            Self::Environment(name) => {
                let value = std::env::var_os(name).ok_or_else(|| SecretError::NotSet(name.clone()))?;
                (value.into_string().ok(), format!("the environment variable {name}"))
            }
            Self::File(path) => {
                let read = File::open(path).and_then(|file| {
                    let mut bytes = Vec::new();
                    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map(|_| bytes)
                });
                let bytes = read.map_err(|source| match source.kind() {
                    io::ErrorKind::NotFound => SecretError::NoFile(path.clone()),
                    _ => SecretError::Unreadable { path: path.clone(), source },
                })?;
                (String::from_utf8(bytes).ok(), format!("the file {}", path.display()))
            }
        };
        match text.as_deref().map(|text| text.trim_end_matches(['\r', '\n'])) {
            Some("") => Err(SecretError::Empty(whose)),
            text => text.and_then(Secret::new).ok_or(SecretError::Unusable(whose)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for (content, value) in [
            ("t0k3n", Some("t0k3n")),
            ("t0k3n\r\n", Some("t0k3n")),
            (" a b \n", Some(" a b ")),
            ("", None),
            ("\n", None),
            ("a\nb", None),
        ] {
            std::fs::write(&path, content).unwrap();
            let read = SecretSource::File(path.clone()).read();
            assert_eq!(read.as_ref().ok().map(Secret::value), value, "{content:?}");
        }
    }

    #[test]
    fn what_is_missing_is_named_and_what_is_there_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let missing = SecretSource::File(folder.path().join("none")).read().unwrap_err().to_string();
        assert!(missing.contains("none is not there; put the secret into it"), "{missing}");
        let unset = SecretSource::Environment("ORDERLY_NO_SUCH_SECRET".to_owned()).read().unwrap_err();
        assert!(unset.to_string().starts_with("the environment variable ORDERLY_NO_SUCH_SECRET is not set"));
        std::fs::write(folder.path().join("two"), "geheim\nnoch eins").unwrap();
        let unusable = SecretSource::File(folder.path().join("two")).read().unwrap_err().to_string();
        assert!(!unusable.contains("geheim"), "{unusable}");
        assert_eq!(format!("{:?}", Secret("geheim".to_owned())), "Secret");
    }
}
