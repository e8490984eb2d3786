//! Laboratories for the crash tests: they drop files and batches into a watched folder, and remember what they dropped, so that afterwards
//! it can be checked from the outside that no message was lost and none was taken twice.
//!
//! A control id is dropped once only. Names of files come again and again, as they do where a program always writes `RESULTS.HL7`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use orderly_journal::{Query, Reader};
use tokio::sync::watch;

use crate::peers::admission;
use crate::running::until;

/// How many files wait in the folder before a laboratory pauses: enough that the engine always has some in flight.
const WAITING_MAX: usize = 60;
/// How often a laboratory looks whether there is room.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A laboratory at work.
pub struct Lab {
    thread: JoinHandle<Dropped>,
}

/// What a laboratory has dropped.
#[derive(Debug, Default)]
pub struct Dropped {
    /// The control ids, in the order of dropping.
    pub control_ids: Vec<String>,
    /// How many files.
    pub files: usize,
}

impl Lab {
    /// Drops files into the folder until `stop`: single messages, batches with and without headers. A file appears whole under its
    /// name, by renaming.
    #[must_use]
    pub fn open(folder: &Path, name: &str, seed: u64, stop: watch::Receiver<bool>) -> Lab {
        let (folder, name) = (folder.to_owned(), name.to_owned());
        fs::create_dir_all(&folder).expect("a folder");
        Lab { thread: thread::spawn(move || work(&folder, &name, seed, &stop)) }
    }

    /// Waits until it has stopped; what it dropped.
    #[must_use]
    pub fn dropped(self) -> Dropped {
        self.thread.join().expect("a laboratory does not panic")
    }
}

fn work(folder: &Path, name: &str, seed: u64, stop: &watch::Receiver<bool>) -> Dropped {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut dropped = Dropped::default();
    while !*stop.borrow() {
        if waiting(folder) >= WAITING_MAX {
            thread::sleep(LOOK_EVERY);
            continue;
        }
        let members = if random.bool() { 1 } else { random.usize(2..40) };
        let ids: Vec<String> =
            (0..members).map(|member| format!("{name}F{}M{member}", dropped.files)).collect();
        let hidden = folder.join(format!(".{name}"));
        fs::write(&hidden, batch(&ids, random.bool())).expect("a file");
        // A few names for all, so that each is free again only once its file was taken.
        let path = folder.join(format!("{name}{}.hl7", random.u8(0..200)));
        if !path.exists() {
            fs::rename(hidden, path).expect("a file");
            dropped.files += 1;
            dropped.control_ids.extend(ids);
        }
    }
    dropped
}

/// A file with these messages, with the headers of a batch or without.
fn batch(ids: &[String], headers: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    if headers {
        bytes.extend_from_slice(b"FHS|^~\\&|LAB\rBHS|^~\\&|LAB\r");
    }
    for id in ids {
        bytes.extend_from_slice(&admission(id));
    }
    if headers {
        bytes.extend_from_slice(format!("BTS|{}\rFTS|1\r", ids.len()).as_bytes());
    }
    bytes
}

/// How many files wait in a folder.
#[must_use]
pub fn waiting(folder: &Path) -> usize {
    files(folder).len()
}

/// The files of a folder, those in folders below it not counted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let seen = files.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    seen.map(|entry| entry.path()).collect()
}

/// Waits until all files were taken, and checks that each of their messages is in the journal once, and each file in the archive if there
/// is one.
///
/// # Errors
/// What was lost or came twice.
pub async fn check_taken_once(
    reader: &Reader,
    inbox: &Path,
    archive: Option<&Path>,
    dropped: &[Dropped],
) -> Result<(), String> {
    until("all files to be taken", || (waiting(inbox) == 0).then_some(())).await;
    let all = Query { limit: 1 << 40, ..Query::default() };
    let found = reader.search(&all).map_err(|error| error.to_string())?;
    let mut stored: HashMap<&str, usize> = HashMap::new();
    for summary in &found {
        *stored.entry(&summary.control_id).or_default() += 1;
    }
    for id in dropped.iter().flat_map(|dropped| &dropped.control_ids) {
        match stored.get(id.as_str()) {
            Some(1) => {}
            None => return Err(format!("{id} was dropped, its file is taken, and it is not in the journal")),
            Some(times) => return Err(format!("{id} was dropped once and is in the journal {times} times")),
        }
    }
    let files = dropped.iter().map(|dropped| dropped.files).sum::<usize>();
    match archive.map(waiting) {
        Some(archived) if archived != files => {
            Err(format!("{files} files were dropped and {archived} are in the archive"))
        }
        _ => Ok(()),
    }
}
