//! A watched folder, real files, and an owner that remembers what it was handed.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use globset::{Glob, GlobSetBuilder};
use orderly_transport::listeners::files::{
    After, Arrival, Complete, ContentError, FileEvent, FileHandler, Identify, Order, Outcome, Standing,
    Taken, Taking,
};
use orderly_transport::listeners::{FilesListener, FilesListenerSettings};
use tempfile::TempDir;
use tokio::sync::watch;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// What happened, as its owner saw it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Seen {
    /// Name, how much was stored before, and content of each file that was read to its end.
    files: Vec<(String, u64, String)>,
    released: usize,
    put_aside: Vec<String>,
    gone_half_taken: Vec<u64>,
    changed: usize,
    /// The identity of each file that was offered, by name.
    offered: BTreeMap<String, Arc<str>>,
}

struct Owner {
    seen: watch::Sender<Seen>,
    standings: Mutex<Vec<Standing>>,
    /// What becomes of a file by its content, once; stored when nothing is said.
    verdicts: Mutex<HashMap<String, Outcome>>,
    /// A file to write to while it is being read, once.
    disturb: Mutex<Option<PathBuf>>,
    /// Says when files may become certain.
    held: Mutex<Option<watch::Receiver<bool>>>,
    /// Whether nothing can be stored now.
    later: AtomicBool,
}

impl FileHandler for Owner {
    async fn standings(&self) -> Result<Vec<Standing>, String> {
        Ok(self.standings.lock().unwrap().clone())
    }

    async fn file(&self, mut arrival: Arrival) -> Taking {
        let mut bytes = Vec::new();
        let (name, identity) = (arrival.name.to_string(), arrival.identity.clone());
        self.seen.send_modify(|seen| drop(seen.offered.insert(name, identity)));
        if self.later.load(Ordering::Relaxed) {
            return Box::pin(async { Outcome::NotStored });
        }
        loop {
            match arrival.content.chunk() {
                Ok(Some(chunk)) => {
                    bytes.extend_from_slice(chunk);
                    if let Some(path) = self.disturb.lock().unwrap().take() {
                        File::options().append(true).open(path).unwrap().write_all(b"more").unwrap();
                    }
                }
                Ok(None) => break,
                Err(ContentError::Changed) => {
                    self.seen.send_modify(|seen| seen.changed += 1);
                    return Box::pin(async { Outcome::Later { stored: 0, problem: None } });
                }
                Err(_) => return Box::pin(async { Outcome::Later { stored: 0, problem: None } }),
            }
        }
        let content = String::from_utf8(bytes).unwrap();
        let verdict = self.verdicts.lock().unwrap().remove(&content);
        if !matches!(verdict, Some(Outcome::NotStored | Outcome::Later { .. })) {
            let file = (arrival.name.to_string(), arrival.stored, content);
            self.seen.send_modify(|seen| seen.files.push(file));
        }
        let held = self.held.lock().unwrap().clone();
        Box::pin(async move {
            if let Some(mut held) = held {
                drop(held.wait_for(|go_on| *go_on).await);
            }
            verdict.unwrap_or(Outcome::Taken(Taken::Stored))
        })
    }

    fn released(&self, _: &Arc<str>) {
        self.seen.send_modify(|seen| seen.released += 1);
    }

    fn file_event(&self, event: FileEvent) {
        match event {
            FileEvent::PutAside { reason } => self.seen.send_modify(|seen| seen.put_aside.push(reason)),
            FileEvent::GoneHalfTaken { stored } => {
                self.seen.send_modify(|seen| seen.gone_half_taken.push(stored))
            }
            _ => {}
        }
    }
}

/// A folder that is watched until it is dropped.
struct Watched {
    folder: TempDir,
    owner: Arc<Owner>,
    stop: Option<(watch::Sender<bool>, thread::JoinHandle<()>)>,
}

impl Watched {
    fn new() -> Watched {
        let owner = Owner {
            seen: watch::channel(Seen::default()).0,
            standings: Mutex::default(),
            verdicts: Mutex::default(),
            disturb: Mutex::default(),
            held: Mutex::default(),
            later: AtomicBool::new(false),
        };
        Watched { folder: TempDir::new().unwrap(), owner: Arc::new(owner), stop: None }
    }

    /// Begins to watch; files that are to be there from the start come before.
    fn watch(&mut self, change: impl FnOnce(&mut FilesListenerSettings)) {
        let mut settings = FilesListenerSettings {
            folder: self.path("in"),
            pattern: GlobSetBuilder::new().add(Glob::new("*").unwrap()).build().unwrap(),
            subfolders: false,
            complete: Complete::Renamed,
            order: Order::Name,
            after: After::Archive(self.path("in/archive")),
            failed: self.path("in/failed"),
            identify: Identify::Inode,
            poll: Duration::from_millis(20),
        };
        change(&mut settings);
        let (stop, mut stopped) = watch::channel(false);
        let owner = self.owner.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let shutdown = async move { drop(stopped.wait_for(|stop| *stop).await) };
            runtime.block_on(FilesListener::new(settings).run(owner, shutdown));
        });
        self.stop = Some((stop, thread));
    }

    fn end(&mut self) {
        if let Some((stop, thread)) = self.stop.take() {
            stop.send_replace(true);
            thread.join().unwrap();
        }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Makes a file under another name and renames it, so that it is whole when it appears.
    fn drop_file(&self, below: &str, content: &str) {
        let path = self.path("in").join(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let hidden = path.with_file_name(".on_its_way");
        fs::write(&hidden, content).unwrap();
        fs::rename(hidden, path).unwrap();
    }

    /// Waits until the owner has seen what is asked for.
    fn wait_for(&self, what: &str, holds: impl Fn(&Seen) -> bool) -> Seen {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut seen = self.owner.seen.subscribe();
        let result =
            runtime.block_on(async { tokio::time::timeout(PATIENCE, seen.wait_for(holds)).await.map(drop) });
        let seen = self.owner.seen.borrow().clone();
        assert!(result.is_ok(), "waited in vain for {what}: {seen:?}");
        seen
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.end();
    }
}

fn names(seen: &Seen) -> Vec<&str> {
    seen.files.iter().map(|(name, ..)| name.as_str()).collect()
}

/// The files below a folder, by path, with their content.
fn tree(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let below = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                    files.push((below, fs::read_to_string(path).unwrap()));
                }
            }
        }
    }
    files.sort();
    files
}

#[test]
fn files_are_taken_in_the_order_of_their_names_and_archived() {
    let mut watched = Watched::new();
    for name in ["b.hl7", "a.hl7", "c.hl7"] {
        watched.drop_file(name, name);
    }
    watched.watch(|_| {});
    let seen = watched.wait_for("three files", |seen| seen.released == 3);
    assert_eq!(names(&seen), ["a.hl7", "b.hl7", "c.hl7"]);
    watched.drop_file("a.hl7", "again under the same name");
    watched.wait_for("the fourth", |seen| seen.released == 4);
    let archived = tree(&watched.path("in"));
    assert_eq!(archived.len(), 4, "{archived:?}");
    assert!(archived.iter().all(|(path, _)| path.starts_with("archive/")), "{archived:?}");
    assert!(archived.contains(&("archive/a.hl7".to_owned(), "a.hl7".to_owned())), "nothing is overwritten");
    assert!(archived.iter().any(|(_, content)| content == "again under the same name"));
}

#[test]
fn the_oldest_comes_first_when_time_decides() {
    let mut watched = Watched::new();
    for (name, seconds) in [("a", 30), ("b", 10), ("c", 20)] {
        watched.drop_file(name, name);
        let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds);
        File::options().write(true).open(watched.path("in").join(name)).unwrap().set_modified(time).unwrap();
    }
    watched.watch(|settings| settings.order = Order::Time);
    let seen = watched.wait_for("three files", |seen| seen.released == 3);
    assert_eq!(names(&seen), ["b", "c", "a"]);
}

#[test]
fn only_what_matches_is_taken_and_nothing_on_its_way() {
    let mut watched = Watched::new();
    let outside = watched.path("outside.hl7");
    fs::write(&outside, "not ours").unwrap();
    for name in ["x.HL7", "y.txt", ".hidden.hl7", "z.hl7.part", "sub/deep.hl7", "failed/old.hl7"] {
        watched.drop_file(name, name);
    }
    std::os::unix::fs::symlink(&outside, watched.path("in/link.hl7")).unwrap();
    let pattern = globset::GlobBuilder::new("*.hl7*").case_insensitive(true).build().unwrap();
    watched.watch(|settings| {
        settings.pattern = GlobSetBuilder::new().add(pattern).build().unwrap();
        settings.subfolders = true;
        settings.after = After::Delete;
    });
    let seen = watched.wait_for("two files", |seen| seen.released == 2);
    assert_eq!(names(&seen), ["sub/deep.hl7", "x.HL7"]);
    let left: Vec<String> = tree(&watched.path("in")).into_iter().map(|(path, _)| path).collect();
    assert_eq!(left, [".hidden.hl7", "failed/old.hl7", "link.hl7", "y.txt", "z.hl7.part"]);
}

#[test]
fn folders_below_are_left_alone_unless_asked_for() {
    let mut watched = Watched::new();
    watched.drop_file("sub/deep.hl7", "deep");
    watched.drop_file("top.hl7", "top");
    watched.watch(|_| {});
    let seen = watched.wait_for("a file", |seen| seen.released == 1);
    assert_eq!(names(&seen), ["top.hl7"]);
    assert!(watched.path("in/sub/deep.hl7").exists());
}

#[test]
fn a_file_that_still_grows_is_taken_when_it_is_whole() {
    let mut watched = Watched::new();
    fs::create_dir_all(watched.path("in")).unwrap();
    watched.watch(|settings| settings.complete = Complete::Stable(Duration::from_millis(300)));
    let mut file = File::create(watched.path("in/slow.hl7")).unwrap();
    let mut expected = String::new();
    for line in 0..20 {
        let line = format!("OBX|{line}\r");
        file.write_all(line.as_bytes()).unwrap();
        expected.push_str(&line);
        // The pace of a slow sender, far below the time after which a file counts as complete.
        thread::sleep(Duration::from_millis(20));
    }
    let seen = watched.wait_for("the file", |seen| seen.released == 1);
    assert_eq!(seen.files, [("slow.hl7".to_owned(), 0, expected)]);
}

#[test]
fn a_marker_makes_a_file_complete_and_goes_with_it() {
    let mut watched = Watched::new();
    watched.drop_file("a.hl7", "a");
    watched.drop_file("b.hl7", "b");
    watched.drop_file("a.done", "");
    watched.watch(|settings| settings.complete = Complete::Marker(".done".to_owned()));
    watched.wait_for("the marked file", |seen| seen.released == 1);
    watched.drop_file("c.hl7", "c");
    watched.drop_file("c.hl7.done", "");
    let seen = watched.wait_for("the other marked file", |seen| seen.released == 2);
    assert_eq!(names(&seen), ["a.hl7", "c.hl7"]);
    let left: Vec<String> = tree(&watched.path("in")).into_iter().map(|(path, _)| path).collect();
    assert_eq!(left, ["archive/a.hl7", "archive/c.hl7", "b.hl7"]);
}

#[test]
fn a_file_that_is_left_is_taken_once_and_again_when_it_has_changed() {
    let mut watched = Watched::new();
    watched.drop_file("a.hl7", "first");
    watched.watch(|settings| settings.after = After::Leave);
    watched.wait_for("the file", |seen| seen.files.len() == 1);
    watched.drop_file("b.hl7", "a sign that the folder was looked at again");
    watched.wait_for("the sign", |seen| seen.files.len() == 2);
    watched.drop_file("a.hl7", "second");
    let seen = watched.wait_for("the changed file", |seen| seen.files.len() == 3 && seen.released == 1);
    assert_eq!(seen.files.last().unwrap().2, "second");
    fs::remove_file(watched.path("in/b.hl7")).unwrap();
    watched.wait_for("what is gone to be forgotten", |seen| seen.released == 2);
}

#[test]
fn on_shares_a_file_is_known_by_name_and_content() {
    let mut watched = Watched::new();
    watched.drop_file("a.hl7", "same");
    watched.drop_file("b.hl7", "same");
    watched.watch(|settings| {
        settings.after = After::Leave;
        settings.identify = Identify::Content;
    });
    watched.wait_for("both files", |seen| seen.files.len() == 2);
    // Another inode and another time, as after a share was mounted anew.
    watched.drop_file("a.hl7", "same");
    watched.drop_file("c.hl7", "a sign that the folder was looked at again");
    let seen = watched.wait_for("the sign", |seen| seen.files.len() == 3);
    assert_eq!(names(&seen), ["a.hl7", "b.hl7", "c.hl7"]);
    watched.drop_file("a.hl7", "other");
    watched.wait_for("the changed file", |seen| seen.files.len() == 4);
}

#[test]
fn what_cannot_be_taken_is_put_aside_with_the_reason_beside_it() {
    let mut watched = Watched::new();
    watched.drop_file("bad.hl7", "bad");
    let reason = "it is no message".to_owned();
    watched
        .owner
        .verdicts
        .lock()
        .unwrap()
        .insert("bad".to_owned(), Outcome::Taken(Taken::PutAside(reason.clone())));
    watched.watch(|_| {});
    let seen = watched.wait_for("the file to be put aside", |seen| seen.released == 1);
    assert_eq!(seen.put_aside, std::slice::from_ref(&reason));
    let failed = tree(&watched.path("in/failed"));
    assert_eq!(failed[0], ("bad.hl7".to_owned(), "bad".to_owned()));
    assert_eq!(failed[1].0, "bad.hl7.reason.txt");
    assert!(failed[1].1.starts_with("it is no message\nput aside: 2"), "{}", failed[1].1);
}

#[test]
fn what_could_not_be_stored_is_tried_again_from_where_it_stands() {
    let mut watched = Watched::new();
    watched.drop_file("a.hl7", "a");
    watched.owner.verdicts.lock().unwrap().insert("a".to_owned(), Outcome::NotStored);
    watched.watch(|_| {});
    let seen = watched.wait_for("the file", |seen| seen.released == 1);
    assert_eq!(seen.files, [("a.hl7".to_owned(), 0, "a".to_owned())]);
}

#[test]
fn what_a_crash_left_is_put_away_or_gone_on_with_and_what_is_gone_is_forgotten() {
    let mut watched = Watched::new();
    watched.drop_file("stored.hl7", "stored");
    watched.drop_file("half.hl7", "half");
    watched.drop_file("gone.hl7", "gone");
    // What each file's identity is, as an earlier life of the engine was told it.
    watched.owner.later.store(true, Ordering::Relaxed);
    watched.watch(|settings| settings.poll = Duration::from_secs(3600));
    let identities = watched.wait_for("all identities", |seen| seen.offered.len() == 3).offered;
    watched.end();
    watched.owner.later.store(false, Ordering::Relaxed);
    let standing = |name: &str, stored, taken| Standing {
        identity: identities[name].clone(),
        name: name.into(),
        stored,
        taken,
    };
    *watched.owner.standings.lock().unwrap() = vec![
        standing("stored.hl7", 1, Some(Taken::Stored)),
        standing("half.hl7", 7, None),
        standing("gone.hl7", 1, Some(Taken::Stored)),
    ];
    fs::remove_file(watched.path("in/gone.hl7")).unwrap();
    // Neither another owner nor other rights make it another file.
    fs::set_permissions(watched.path("in/stored.hl7"), fs::Permissions::from_mode(0o600)).unwrap();
    watched.watch(|_| {});
    let seen = watched.wait_for("all three", |seen| seen.released == 3);
    assert_eq!(seen.files, [("half.hl7".to_owned(), 7, "half".to_owned())]);
    assert_eq!(tree(&watched.path("in/archive")).len(), 2);
}

/// The owner of a folder holds files back until it is told to go on, so that a test can change the folder meanwhile.
fn replaced_while_in_flight(after: impl FnOnce(&mut FilesListenerSettings)) -> (Watched, Seen) {
    let mut watched = Watched::new();
    let (go_on, held) = watch::channel(false);
    *watched.owner.held.lock().unwrap() = Some(held);
    watched.drop_file("results.hl7", "first");
    watched.watch(after);
    watched.wait_for("the file to be read", |seen| seen.files.len() == 1);
    watched.drop_file("results.hl7", "second");
    go_on.send_replace(true);
    let seen = watched.wait_for("both files", |seen| seen.files.len() == 2 && seen.released == 2);
    (watched, seen)
}

#[test]
fn a_file_that_takes_the_place_of_one_being_stored_is_taken_too() {
    let (watched, seen) = replaced_while_in_flight(|_| {});
    let contents: Vec<&str> = seen.files.iter().map(|(_, _, content)| content.as_str()).collect();
    assert_eq!(contents, ["first", "second"]);
    assert_eq!(tree(&watched.path("in")), [("archive/results.hl7".to_owned(), "second".to_owned())]);
    let (watched, seen) = replaced_while_in_flight(|settings| settings.after = After::Delete);
    assert_eq!(seen.files.len(), 2);
    assert_eq!(tree(&watched.path("in")), []);
}

#[test]
fn what_is_written_to_a_file_after_it_was_read_is_put_aside_and_not_lost() {
    let mut watched = Watched::new();
    let (go_on, held) = watch::channel(false);
    *watched.owner.held.lock().unwrap() = Some(held);
    watched.drop_file("results.hl7", "first");
    watched.watch(|settings| settings.after = After::Delete);
    watched.wait_for("the file to be read", |seen| seen.files.len() == 1);
    let mut file = File::options().append(true).open(watched.path("in/results.hl7")).unwrap();
    file.write_all(b" and more").unwrap();
    go_on.send_replace(true);
    let seen = watched.wait_for("the file to be put aside", |seen| seen.released == 1);
    assert!(seen.put_aside[0].starts_with("it was written to after it was taken in"), "{:?}", seen.put_aside);
    assert_eq!(tree(&watched.path("in/failed"))[0], ("results.hl7".to_owned(), "first and more".to_owned()));
}

/// Two messages of a file are stored, and it cannot be read further now.
fn half_taken(watched: &Watched, content: &str) {
    let later = Outcome::Later { stored: 2, problem: None };
    watched.owner.verdicts.lock().unwrap().insert(content.to_owned(), later);
}

fn append(file: &Path, content: &str) {
    File::options().append(true).open(file).unwrap().write_all(content.as_bytes()).unwrap();
}

#[test]
fn what_is_taken_in_part_is_gone_on_with_and_holds_nobody_up() {
    let mut watched = Watched::new();
    half_taken(&watched, "a");
    watched.drop_file("a.hl7", "a");
    watched.drop_file("b.hl7", "b");
    watched.watch(|_| {});
    let seen = watched.wait_for("both files", |seen| seen.released == 2);
    let taken = |name: &str, stored| (name.to_owned(), stored, name.trim_end_matches(".hl7").to_owned());
    assert_eq!(seen.files, [taken("b.hl7", 0), taken("a.hl7", 2)]);
}

#[test]
fn what_changes_after_it_was_taken_in_part_is_put_aside_and_not_taken_anew() {
    for (after, identify) in [
        (After::Delete, Identify::Inode),
        (After::Leave, Identify::Inode),
        (After::Delete, Identify::Content),
        (After::Leave, Identify::Content),
    ] {
        let mut watched = Watched::new();
        half_taken(&watched, "a");
        watched.drop_file("a.hl7", "a");
        watched.drop_file("b.hl7", "b");
        let (go_on, held) = watch::channel(false);
        *watched.owner.held.lock().unwrap() = Some(held);
        watched.watch(|settings| (settings.after, settings.identify) = (after.clone(), identify));
        watched.wait_for("the second file", |seen| seen.files.len() == 1);
        append(&watched.path("in/a.hl7"), " and more");
        go_on.send_replace(true);
        let seen = watched.wait_for("the reason", |seen| seen.put_aside.len() == 1);
        assert!(
            seen.put_aside[0].starts_with("it changed after its first 2 messages were stored"),
            "{seen:?}"
        );
        watched.drop_file("c.hl7", "a sign that the folder was looked at again");
        let seen = watched.wait_for("the sign", |seen| seen.files.len() == 2);
        assert_eq!(names(&seen), ["b.hl7", "c.hl7"], "{after:?} {identify:?}");
        assert_eq!(seen.put_aside.len(), 1, "{after:?} {identify:?}");
        let lies = if after == After::Leave { "in/a.hl7" } else { "in/failed/a.hl7" };
        assert_eq!(fs::read_to_string(watched.path(lies)).unwrap(), "a and more");
    }
}

#[test]
fn what_goes_before_all_of_it_is_taken_is_told() {
    let mut watched = Watched::new();
    half_taken(&watched, "a");
    watched.drop_file("a.hl7", "a");
    watched.drop_file("b.hl7", "b");
    let (go_on, held) = watch::channel(false);
    *watched.owner.held.lock().unwrap() = Some(held);
    watched.watch(|_| {});
    watched.wait_for("the second file", |seen| seen.files.len() == 1);
    fs::remove_file(watched.path("in/a.hl7")).unwrap();
    go_on.send_replace(true);
    let seen = watched.wait_for("the news", |seen| !seen.gone_half_taken.is_empty() && seen.released == 2);
    assert_eq!(seen.gone_half_taken, [2]);
}

#[test]
fn no_reason_takes_the_place_of_a_file_or_of_another_reason() {
    let mut watched = Watched::new();
    let long = |number: u32| format!("{}{number}.hl7", "L".repeat(240));
    for (name, content) in [("bad.hl7", "bad"), (&long(1), "one"), (&long(2), "two")] {
        let verdict = Outcome::Taken(Taken::PutAside(format!("{content} is no message")));
        watched.owner.verdicts.lock().unwrap().insert(content.to_owned(), verdict);
        watched.drop_file(name, content);
    }
    fs::create_dir_all(watched.path("in/failed")).unwrap();
    fs::write(watched.path("in/failed/bad.hl7.reason.txt"), "somebody's own").unwrap();
    watched.watch(|_| {});
    watched.wait_for("all three to be put aside", |seen| seen.released == 3);
    let contents: Vec<String> =
        tree(&watched.path("in/failed")).into_iter().map(|(_, content)| content).collect();
    assert_eq!(contents.len(), 7, "{contents:?}");
    for expected in ["somebody's own", "bad is no message", "one is no message", "two is no message"] {
        assert!(contents.iter().any(|content| content.starts_with(expected)), "{expected}: {contents:?}");
    }
}

#[test]
fn a_file_that_a_crash_left_half_deleted_gets_its_name_back() {
    let mut watched = Watched::new();
    fs::create_dir_all(watched.path("in")).unwrap();
    fs::write(watched.path("in/.orderly-taken-a.hl7"), "a").unwrap();
    watched.watch(|settings| settings.after = After::Delete);
    let seen = watched.wait_for("the file", |seen| seen.released == 1);
    assert_eq!(seen.files, [("a.hl7".to_owned(), 0, "a".to_owned())]);
    assert_eq!(tree(&watched.path("in")), []);
}

#[test]
fn a_file_that_a_crash_left_half_deleted_is_not_taken_again() {
    let mut watched = Watched::new();
    watched.drop_file("a.hl7", "a");
    watched.owner.later.store(true, Ordering::Relaxed);
    watched.watch(|settings| settings.poll = Duration::from_secs(3600));
    let identity = watched.wait_for("its identity", |seen| seen.offered.len() == 1).offered["a.hl7"].clone();
    watched.end();
    watched.owner.later.store(false, Ordering::Relaxed);
    let taken = Some(Taken::Stored);
    *watched.owner.standings.lock().unwrap() =
        vec![Standing { identity, name: "a.hl7".into(), stored: 1, taken }];
    fs::rename(watched.path("in/a.hl7"), watched.path("in/.orderly-taken-a.hl7")).unwrap();
    watched.watch(|settings| settings.after = After::Delete);
    let seen = watched.wait_for("it to be gone", |seen| seen.released == 1);
    assert_eq!((seen.files.len(), tree(&watched.path("in"))), (0, vec![]));
}

#[test]
fn where_files_are_left_one_dropped_again_is_taken() {
    let mut watched = Watched::new();
    half_taken(&watched, "a");
    watched.drop_file("a.hl7", "a");
    watched.drop_file("b.hl7", "b");
    let (go_on, held) = watch::channel(false);
    *watched.owner.held.lock().unwrap() = Some(held);
    watched.watch(|settings| settings.after = After::Leave);
    watched.wait_for("the second file", |seen| seen.files.len() == 1);
    append(&watched.path("in/a.hl7"), " and more");
    go_on.send_replace(true);
    watched.wait_for("the reason", |seen| seen.put_aside.len() == 1);
    watched.drop_file("a.hl7", "mended");
    let seen = watched.wait_for("what was dropped again", |seen| seen.files.len() == 2);
    assert_eq!(seen.files[1].2, "mended");
}

#[test]
fn a_share_that_is_away_for_a_while_does_not_make_its_files_new() {
    let mut watched = Watched::new();
    watched.drop_file("a.hl7", "a");
    watched.drop_file("b.hl7", "b");
    watched.watch(|settings| {
        settings.after = After::Leave;
        settings.identify = Identify::Content;
    });
    watched.wait_for("both files", |seen| seen.files.len() == 2);
    fs::rename(watched.path("in"), watched.path("share")).unwrap();
    watched.drop_file("c.hl7", "in the empty mount point");
    watched.wait_for("the other folder to be looked at", |seen| seen.files.len() == 3);
    fs::rename(watched.path("in"), watched.path("mount_point")).unwrap();
    fs::rename(watched.path("share"), watched.path("in")).unwrap();
    watched.drop_file("d.hl7", "a sign that the folder was looked at again");
    let seen = watched.wait_for("the sign", |seen| seen.files.len() == 4);
    assert_eq!(names(&seen), ["a.hl7", "b.hl7", "c.hl7", "d.hl7"]);
    fs::remove_file(watched.path("in/b.hl7")).unwrap();
    // The one in the empty mount point is gone, too.
    watched.wait_for("what is gone to be forgotten", |seen| seen.released == 2);
}

#[test]
fn a_marker_of_a_file_before_vouches_for_nobody() {
    let mut watched = Watched::new();
    watched.drop_file("a.hl7.done", "");
    let time = std::time::SystemTime::now() - Duration::from_secs(60);
    let marker = File::options().write(true).open(watched.path("in/a.hl7.done")).unwrap();
    marker.set_modified(time).unwrap();
    watched.drop_file("a.hl7", "not marked yet");
    watched.drop_file("b.hl7", "b");
    watched.drop_file("b.done", "");
    watched.watch(|settings| settings.complete = Complete::Marker(".done".to_owned()));
    let seen = watched.wait_for("the marked file", |seen| seen.released == 1);
    assert_eq!(names(&seen), ["b.hl7"]);
    marker.set_modified(std::time::SystemTime::now()).unwrap();
    watched.wait_for("the other one", |seen| seen.released == 2);
}

#[test]
fn the_archive_of_an_earlier_configuration_is_not_watched() {
    let mut watched = Watched::new();
    watched.drop_file("archive/old.hl7", "taken long ago");
    watched.drop_file("sub/new.hl7", "new");
    watched.watch(|settings| {
        settings.subfolders = true;
        settings.after = After::Archive(settings.folder.with_file_name("elsewhere"));
    });
    let seen = watched.wait_for("the new file", |seen| seen.released == 1);
    assert_eq!(names(&seen), ["sub/new.hl7"]);
    assert!(watched.path("in/archive/old.hl7").exists());
}

#[test]
fn a_folder_that_comes_later_is_watched_from_then_on() {
    let mut watched = Watched::new();
    // Something else has its place.
    fs::write(watched.path("in"), "a file").unwrap();
    watched.watch(|_| {});
    fs::remove_file(watched.path("in")).unwrap();
    watched.drop_file("a.hl7", "a");
    watched.wait_for("the file", |seen| seen.released == 1);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_taken_for_whole() {
    let mut watched = Watched::new();
    watched.drop_file("a.hl7", "half");
    *watched.owner.disturb.lock().unwrap() = Some(watched.path("in/a.hl7"));
    watched.watch(|_| {});
    let seen = watched.wait_for("the file", |seen| seen.released == 1);
    assert_eq!(seen.changed, 1);
    assert_eq!(seen.files, [("a.hl7".to_owned(), 0, "halfmore".to_owned())]);
}
