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
    /// The file cannot be read.
    #[error("the secret's file {} cannot be read: {source}", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// There is something, and it is no secret.
    #[error("{0} holds no secret: it is empty, longer than 64 KiB, or more than a line of text")]
    Unusable(String),
}

/// The longest secret: tokens have some kilobytes.
const BYTES_MAX: u64 = 64 * 1024;

impl Secret {
    /// The value. Whoever has it keeps it out of texts.
    pub(crate) fn value(&self) -> &str {
        &self.0
    }
}

impl SecretSource {
    /// The value now. Reading a file blocks.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let (text, whose) = match self {
            Self::Environment(name) => {
                let value = std::env::var_os(name).ok_or_else(|| SecretError::NotSet(name.clone()))?;
                (value.into_string().unwrap_or_default(), format!("the environment variable {name}"))
            }
            Self::File(path) => {
                let read = File::open(path).and_then(|file| {
                    let mut bytes = Vec::new();
                    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map(|_| bytes)
                });
                let bytes = read.map_err(|source| SecretError::Unreadable { path: path.clone(), source })?;
                (String::from_utf8(bytes).unwrap_or_default(), format!("the file {}", path.display()))
            }
        };
        let value = text.trim_end_matches(['\r', '\n']);
        let is_one =
            !value.is_empty() && !value.contains(char::is_control) && value.len() as u64 <= BYTES_MAX;
        if is_one { Ok(Secret(value.to_owned())) } else { Err(SecretError::Unusable(whose)) }
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
        assert!(missing.contains("none cannot be read"), "{missing}");
        let unset = SecretSource::Environment("ORDERLY_NO_SUCH_SECRET".to_owned()).read().unwrap_err();
        assert!(unset.to_string().starts_with("the environment variable ORDERLY_NO_SUCH_SECRET is not set"));
        std::fs::write(folder.path().join("two"), "geheim\nnoch eins").unwrap();
        let unusable = SecretSource::File(folder.path().join("two")).read().unwrap_err().to_string();
        assert!(!unusable.contains("geheim"), "{unusable}");
        assert_eq!(format!("{:?}", Secret("geheim".to_owned())), "Secret");
    }
}
