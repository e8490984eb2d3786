//! One file a delivery, in a folder.
//!
//! What always holds: a file under its final name is whole and flushed; nothing is overwritten; the same delivery attempted again
//! gives the same file, not a second one; no name leaves the folder, whatever text it is made from.
//! While a file is written it has a name that begins with a dot and ends in `.partial`; those that a crash left are removed at start.

use super::{Attempt, Delivery, Outcome};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Where a files destination writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesSettings {
    /// The folder; made when it is not there.
    pub folder: PathBuf,
}

/// A files destination.
#[derive(Debug)]
pub struct FilesDestination {
    settings: FilesSettings,
}

impl FilesDestination {
    /// Makes the folder ready and removes what a crash left unfinished. A folder that cannot be made ready now fails the attempts,
    /// not this.
    pub async fn open(settings: FilesSettings) -> Self {
        let folder = settings.folder.clone();
        // The attempts tell what is wrong with the folder, and leftovers harm nobody.
        tokio::task::spawn_blocking(move || remove_leftovers(&folder)).await.ok();
        Self { settings }
    }

    /// Writes the delivery's file.
    pub async fn attempt(&mut self, delivery: &Delivery<'_>) -> Attempt {
        let started = Instant::now();
        let folder = self.settings.folder.clone();
        let (name, payload) = (FileName::new(delivery), delivery.payload.to_vec());
        let written = tokio::task::spawn_blocking(move || write(&folder, &name, &payload)).await;
        let outcome = match written {
            Ok(Ok(())) => Outcome::Delivered,
            Ok(Err(error)) => self.failed(&error),
            Err(_) => {
                Outcome::retryable("write-interrupted", "the engine stopped while the file was written")
            }
        };
        Attempt { outcome, answer: None, duration: started.elapsed() }
    }

    fn failed(&self, error: &io::Error) -> Outcome {
        let folder = self.settings.folder.display();
        let (code, help) = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                ("folder-unwritable", "give the engine's user the right to write there")
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                ("disk-full", "make room on that disk")
            }
            io::ErrorKind::NotADirectory => ("folder-unwritable", "a file stands where the folder should be"),
            _ => ("write-failed", "see the system's reason"),
        };
        Outcome::retryable(code, format_args!("cannot write into {folder}: {error}; {help}"))
    }
}

/// How many other files may hold a delivery's name before the attempt fails.
const NAMES_MAX: u32 = 100;

/// How an unfinished file's name begins and ends.
const PARTIAL_PREFIX: &str = ".orderly-";
const PARTIAL_SUFFIX: &str = ".partial";

fn remove_leftovers(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PARTIAL_PREFIX) && name.ends_with(PARTIAL_SUFFIX) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes `payload` under a free form of `name`, unless an earlier attempt did.
fn write(folder: &Path, name: &FileName, payload: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let Some(target) = free_target(folder, name, payload)? else {
        // An earlier attempt may have failed at this very flush.
        return File::open(folder)?.sync_all();
    };
    let partial = folder.join(&name.partial);
    let written = write_flushed(&partial, payload).and_then(|()| fs::rename(&partial, &target));
    if written.is_err() {
        // What cannot be removed now is removed at the next start.
        fs::remove_file(&partial).ok();
    }
    written?;
    // The rename is on disk only when the folder is.
    File::open(folder)?.sync_all()
}

fn write_flushed(path: &Path, payload: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(payload)?;
    file.sync_all()
}

/// A path that holds no file yet; nothing when one holds this very payload already, from an attempt whose outcome was lost.
fn free_target(folder: &Path, name: &FileName, payload: &[u8]) -> io::Result<Option<PathBuf>> {
    for number in 1..=NAMES_MAX {
        let path = folder.join(name.numbered(number));
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(path)),
            Err(error) => return Err(error),
            Ok(existing) if existing.len() == payload.len() as u64 && fs::read(&path)? == payload => {
                return Ok(None);
            }
            Ok(_) => {}
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many other files have the delivery's name"))
}

/// A delivery's file name: `<stem>-<id>.<extension>`, of ASCII letters, digits, `_` and `-` only.
#[derive(Debug)]
struct FileName {
    stem: String,
    extension: String,
    partial: String,
}

/// The longest parts of a name: together with the dot, the dash and a number they stay under the 255 bytes that common file
/// systems allow.
const STEM_BYTES_MAX: usize = 120;
const ID_BYTES_MAX: usize = 80;
const EXTENSION_BYTES_MAX: usize = 16;

impl FileName {
    fn new(delivery: &Delivery<'_>) -> Self {
        let (stem, extension) = match delivery.name.rsplit_once('.') {
            Some((stem, extension)) if is_extension(extension) => (stem, format!(".{extension}")),
            _ => (delivery.name, String::new()),
        };
        let id = sanitise(delivery.id, ID_BYTES_MAX);
        let stem = match sanitise(stem, STEM_BYTES_MAX) {
            stem if stem.is_empty() => id.clone(),
            stem => format!("{stem}-{id}"),
        };
        Self { stem, extension, partial: format!("{PARTIAL_PREFIX}{id}{PARTIAL_SUFFIX}") }
    }

    /// The name itself as number 1, and other names for when other files have it.
    fn numbered(&self, number: u32) -> String {
        let Self { stem, extension, .. } = self;
        if number == 1 { format!("{stem}{extension}") } else { format!("{stem}-{number}{extension}") }
    }
}

fn is_extension(text: &str) -> bool {
    (1..=EXTENSION_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn sanitise(text: &str, bytes_max: usize) -> String {
    let plain = |char: char| if char.is_ascii_alphanumeric() || char == '-' { char } else { '_' };
    text.chars().take(bytes_max).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn delivery<'d>(id: &'d str, name: &'d str, payload: &'d [u8]) -> Delivery<'d> {
        Delivery { id, name, payload }
    }

    async fn open(folder: &Path) -> FilesDestination {
        FilesDestination::open(FilesSettings { folder: folder.to_owned() }).await
    }

    /// The folder's files with their contents, by name.
    fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
            .collect();
        files.sort();
        files
    }

    fn code(attempt: &Attempt) -> &str {
        match &attempt.outcome {
            Outcome::Delivered => "delivered",
            Outcome::Retryable { code, .. } | Outcome::Permanent { code, .. } => code,
        }
    }

    #[test]
    fn names_are_tame_and_hold_the_id() {
        let cases = [
            ("7", "ORU_N1.hl7", "ORU_N1-7.hl7"),
            ("7", "", "7"),
            ("7", "plain", "plain-7"),
            ("7", ".hidden", "7.hidden"),
            ("7", "../../etc/passwd", "______etc_passwd-7"),
            ("7", "a/b\\c.hl7", "a_b_c-7.hl7"),
            ("7", "nul\0and\nline", "nul_and_line-7"),
            ("7", "M\u{fc}ller.txt", "M_ller-7.txt"),
            ("../7", "x.hl7", "x-___7.hl7"),
            ("7", "...", "___-7"),
        ];
        for (id, name, expected) in cases {
            assert_eq!(FileName::new(&delivery(id, name, b"")).numbered(1), expected, "{name:?}");
        }
    }

    #[tokio::test]
    async fn a_file_appears_whole_under_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("not/yet");
        let mut destination = open(&inner).await;
        let attempt = destination.attempt(&delivery("7", "a.hl7", b"MSH|\r")).await;
        assert_eq!((attempt.outcome, attempt.answer), (Outcome::Delivered, None));
        assert_eq!(files(&inner), [("a-7.hl7".to_owned(), b"MSH|\r".to_vec())]);
    }

    #[tokio::test]
    async fn the_same_delivery_again_gives_no_second_file_and_another_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut destination = open(folder.path()).await;
        for payload in [b"one", b"one", b"two", b"two"] {
            assert_eq!(code(&destination.attempt(&delivery("7", "a.hl7", payload)).await), "delivered");
        }
        let expected = [("a-7-2.hl7", b"two".to_vec()), ("a-7.hl7", b"one".to_vec())];
        assert_eq!(files(folder.path()), expected.map(|(name, bytes)| (name.to_owned(), bytes)));
    }

    #[tokio::test]
    async fn what_a_crash_left_is_removed_at_start_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".orderly-7.partial", ".orderly-notes", "a-7.hl7", ".other.partial"] {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        open(folder.path()).await;
        let names: Vec<String> = files(folder.path()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [".orderly-notes", ".other.partial", "a-7.hl7"]);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_to_is_for_a_later_attempt() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("blocked");
        fs::write(&blocked, b"a file").unwrap();
        let mut destination = open(&blocked).await;
        let attempt = destination.attempt(&delivery("7", "a.hl7", b"x")).await;
        let Outcome::Retryable { text, .. } = attempt.outcome else { panic!("{:?}", attempt.outcome) };
        assert!(text.starts_with(&format!("cannot write into {}", blocked.display())), "{text}");
        fs::remove_file(&blocked).unwrap();
        assert_eq!(code(&destination.attempt(&delivery("7", "a.hl7", b"x")).await), "delivered");
    }

    #[tokio::test]
    async fn what_the_system_refuses_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let destination = open(folder.path()).await;
        for (kind, expected_code, help) in [
            (
                io::ErrorKind::PermissionDenied,
                "folder-unwritable",
                "give the engine's user the right to write there",
            ),
            (io::ErrorKind::ReadOnlyFilesystem, "folder-unwritable", "give the engine's user the right"),
            (io::ErrorKind::StorageFull, "disk-full", "make room on that disk"),
            (io::ErrorKind::Other, "write-failed", "cannot write into"),
        ] {
            let Outcome::Retryable { code, text, .. } = destination.failed(&kind.into()) else {
                panic!("{kind}")
            };
            assert_eq!(code, expected_code);
            assert!(text.contains(help), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_name_leaves_the_folder(id in any::<String>(), name in any::<String>(), number in 1..NAMES_MAX) {
            let file = FileName::new(&delivery(&id, &name, b""));
            for name in [file.numbered(number), file.partial.replacen('.', "", 1)] {
                prop_assert!(name.len() <= 255);
                prop_assert!(!name.starts_with('.'));
                prop_assert!(name.chars().all(|char| char.is_ascii_alphanumeric() || "-_.".contains(char)));
            }
        }
    }
}
