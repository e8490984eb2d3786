//! Files and documents through the real binary: what is dropped in a folder becomes messages, or lies aside with the reason beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use orderly_ccda::looks_like_xml;
use orderly_hl7v2::split;
use orderly_journal::{Fate, Query, StoredMessage};
use orderly_queue::planted::Fault;
use orderly_tests::peers::admission;
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;

const SITE: &str = "\
sources:
  lab:
    files:
      folder: inbox
      complete: renamed
      subfolders: true
      poll: 50ms
destinations:
  filed:
    files:
      folder: filed
";
const ROUTE: &str = "route: relay\nfrom: lab\nto:\n  - destination: filed\n";
const DOCUMENT: &str = "\
<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><templateId root=\"2.16.840.1.113883.10.20.22.1.2\"/>
<id root=\"2.16.840.1.113883.19.5.77\" extension=\"DOC-1\"/><code code=\"34133-9\" codeSystem=\"2.16.840.1.113883.6.1\"/>
<recordTarget><patientRole><id root=\"2.16.840.1.113883.19.5\" extension=\"70014\"/><patient><name><given>Alma</given>
<family>Tester</family></name></patient></patientRole></recordTarget></ClinicalDocument>";

fn site() -> Site {
    Site::of(&[("orderly.yaml", SITE), ("routes/relay.yaml", ROUTE)])
}

/// Drops a file whole.
fn drop_file(site: &Site, below: &str, bytes: &[u8]) {
    let hidden = Path::new("inbox").join(below).with_file_name(".on_its_way");
    site.write(hidden.to_str().unwrap(), bytes);
    fs::rename(site.path(hidden.to_str().unwrap()), site.path("inbox").join(below)).unwrap();
}

/// The files below a folder that a person sees, by path.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path.strip_prefix(folder).unwrap().to_owned()),
            }
        }
    }
    files.sort();
    files
}

/// Waits until the folder is empty but for what was put away.
async fn taken(site: &Site) {
    until("all files to be taken", || {
        let left = below(&site.path("inbox"));
        left.iter().all(|path| path.starts_with("archive") || path.starts_with("failed")).then_some(())
    })
    .await;
}

/// What came of each file, in the order it stands in it.
fn stored(site: &Site) -> BTreeMap<String, Vec<StoredMessage>> {
    let journal = site.journal();
    let found = journal.search(&Query { limit: 1 << 40, ..Query::default() }).unwrap();
    let mut stored: BTreeMap<String, Vec<StoredMessage>> = BTreeMap::new();
    for summary in found.iter().rev() {
        let message = journal.message(summary.id).unwrap().unwrap();
        stored.entry(message.origin.as_ref().unwrap().name.clone()).or_default().push(message);
    }
    stored
}

#[tokio::test]
async fn a_batch_becomes_its_messages_and_a_document_one() {
    let site = site();
    let engine = Running::start(&site).await;
    let batch = [
        b"FHS|^~\\&|L\rBHS|^~\\&|L\r".to_vec(),
        admission("B1"),
        admission("B2"),
        b"BTS|2\rFTS|1\r".to_vec(),
    ];
    drop_file(&site, "day.hl7", &batch.concat());
    drop_file(&site, "alma.xml", DOCUMENT.as_bytes());
    taken(&site).await;
    let stored = stored(&site);
    let facts = |name: &str| {
        let fact = |message: &StoredMessage| {
            let texts = [&message.format, &message.message_type, &message.control_id].map(String::clone);
            (texts.join(" "), message.fate)
        };
        stored[name].iter().map(fact).collect::<Vec<_>>()
    };
    let routed = |text: &str| (text.to_owned(), Fate::Routed);
    assert_eq!(facts("day.hl7"), [routed("hl7v2 ADT B1"), routed("hl7v2 ADT B2")]);
    assert_eq!(facts("alma.xml"), [routed("ccda CDA DOC-1")]);
    let found = orderly(&site, ["messages", "--patient", "70014", "--json"]).await.ended(0).json();
    assert_eq!(found.len(), 3, "a document is found as messages are");
    let id = stored["alma.xml"][0].id.to_string();
    let shown = orderly(&site, ["show", &id]).await.ended(0).out;
    for text in ["message 1 of the file alma.xml", "document   CCD R1.1", "filed"] {
        assert!(shown.contains(text), "{text} is not in:\n{shown}");
    }
    assert_eq!(engine.stop().await.code(), Some(0));
}

#[tokio::test]
async fn what_is_no_message_lies_aside_with_its_reason_and_is_kept() {
    let site = site();
    let engine = Running::start(&site).await;
    drop_file(&site, "memo.txt", b"Dear colleague");
    drop_file(&site, "empty.hl7", b"");
    drop_file(&site, "entities.xml", b"<!DOCTYPE x [<!ENTITY a \"b\">]><ClinicalDocument/>");
    drop_file(&site, "half.hl7", &[admission("H1"), b"MSH|^~\\&|no type\r".to_vec()].concat());
    taken(&site).await;
    let failed: Vec<String> =
        below(&site.path("inbox/failed")).iter().map(|path| path.display().to_string()).collect();
    let reasons = ["empty.hl7.reason.txt", "entities.xml.reason.txt", "memo.txt.reason.txt"];
    let expected = ["empty.hl7", reasons[0], "entities.xml", reasons[1], "memo.txt", reasons[2]];
    assert_eq!(failed, expected);
    let reason = |name: &str| fs::read_to_string(site.path("inbox/failed").join(name)).unwrap();
    assert!(reason(reasons[0]).starts_with("it is empty\n"));
    assert!(reason(reasons[1]).contains("What it holds is kept in quarantine."), "{}", reason(reasons[1]));
    let stored = stored(&site);
    assert_eq!(stored.keys().collect::<Vec<_>>(), ["entities.xml", "half.hl7", "memo.txt"]);
    assert!(reason(reasons[2]).contains(&format!("(orderly show {}):", stored["memo.txt"][0].id)));
    let found = orderly(&site, ["messages", "--file", "half.hl7", "--json"]).await.ended(0).json();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|found| found["file"] == "half.hl7"), "{found:?}");
    assert_eq!(stored["memo.txt"][0].body, b"Dear colleague");
    let fates: Vec<Fate> = stored["half.hl7"].iter().map(|message| message.fate).collect();
    assert_eq!(fates, [Fate::Routed, Fate::Quarantined], "what can be read is taken");
    assert_eq!(below(&site.path("inbox/archive")), [PathBuf::from("half.hl7")]);
    let log = engine.log().join("\n");
    assert!(log.contains("a file was put aside: it is empty"), "{log}");
    assert!(!log.contains("memo.txt"), "names of files may name patients:\n{log}");
    assert_eq!(engine.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_kept_in_part_and_its_neighbours_whole() {
    let site = site();
    site.amend("orderly.yaml", "poll: 50ms", "poll: 50ms\n      message_size_max: 1KiB");
    let engine = Running::start(&site).await;
    let long = [admission("L2"), b"NTE|1||".to_vec(), vec![b'x'; 5_000], b"\r".to_vec()].concat();
    drop_file(&site, "three.hl7", &[admission("L1"), long, admission("L3")].concat());
    taken(&site).await;
    let stored = stored(&site);
    let seen: Vec<(&str, Fate, bool)> = stored["three.hl7"]
        .iter()
        .map(|message| (message.control_id.as_str(), message.fate, message.body.len() > 1024))
        .collect();
    let expected =
        [("L1", Fate::Routed, false), ("L2", Fate::Quarantined, false), ("L3", Fate::Routed, false)];
    assert_eq!(seen, expected);
    let reason = stored["three.hl7"][1].reason.as_deref().unwrap_or_default();
    assert!(reason.contains("larger than the 1024 bytes"), "{reason}");
    // What was cut is nowhere whole but in the file.
    let aside = fs::read_to_string(site.path("inbox/failed/three.hl7.reason.txt")).unwrap();
    assert!(aside.starts_with("1 of its 3 messages are larger than allowed"), "{aside}");
    assert!(aside.contains("Its other messages are stored"), "{aside}");
    assert!(site.path("inbox/failed/three.hl7").exists());
    let replayed = orderly(&site, ["replay", &stored["three.hl7"][1].id.to_string()]).await.ended(1);
    assert!(
        replayed.out.contains("only a part of it was kept"),
        "half a message must not go out: {replayed:?}"
    );
    assert_eq!(engine.stop().await.code(), Some(0));
}

#[tokio::test]
async fn what_is_too_large_is_kept_aside_also_when_a_crash_came_in_between() {
    let site = site();
    site.amend("orderly.yaml", "poll: 50ms", "poll: 50ms\n      message_size_max: 1KiB");
    let engine = Running::start(&site).await;
    let long = [admission("L0"), b"NTE|1||".to_vec(), vec![b'x'; 5_000], b"\r".to_vec()].concat();
    let others = (1..5_000).flat_map(|number| admission(&format!("L{number}")));
    drop_file(&site, "many.hl7", &long.into_iter().chain(others).collect::<Vec<u8>>());
    until("the first of them", || {
        let stored = site.journal().search(&Query { limit: 1, ..Query::default() }).unwrap();
        (!stored.is_empty()).then_some(())
    })
    .await;
    engine.kill().await;
    let engine = Running::start(&site).await;
    taken(&site).await;
    let aside = fs::read_to_string(site.path("inbox/failed/many.hl7.reason.txt")).unwrap();
    assert!(aside.starts_with("1 of its 5000 messages are larger than allowed"), "{aside}");
    assert_eq!(stored(&site)["many.hl7"].len(), 5_000);
    assert_eq!(engine.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_message_that_our_code_can_not_bear_ends_nothing() {
    let site = site();
    let engine = Running::start_with(&site, Some(Fault::ProcessingPanics)).await;
    drop_file(
        &site,
        "four.hl7",
        &(1..5).flat_map(|number| admission(&format!("P{number}"))).collect::<Vec<u8>>(),
    );
    taken(&site).await;
    drop_file(&site, "five.hl7", &admission("P5"));
    taken(&site).await;
    let fates: Vec<Fate> = stored(&site).values().flatten().map(|message| message.fate).collect();
    assert_eq!(fates.len(), 5);
    assert_eq!(fates.iter().filter(|fate| **fate == Fate::Quarantined).count(), 2, "{fates:?}");
    let log = engine.log().join("\n");
    assert!(log.contains("a panic inside the engine") && !log.contains("a planted panic"), "{log}");
    assert_eq!(engine.stop().await.code(), Some(0));
    // A better program takes them.
    let replayed = orderly(&site, ["replay", "--state", "quarantined"]).await.ended(0);
    assert!(replayed.out.contains("2 messages replayed"), "{replayed:?}");
}

/// Of a file this large only a small part may ever be in memory.
const LARGE_FILE_BYTES: usize = 64 << 20;
const MEMORY_BYTES_MAX: u64 = 48 << 20;

#[tokio::test]
async fn a_large_batch_takes_no_more_memory_than_a_small_one() {
    let site = site();
    let note = format!("NTE|1||{}\r", "x".repeat(60_000));
    let mut batch = Vec::with_capacity(LARGE_FILE_BYTES + 100_000);
    let mut count = 0;
    while batch.len() < LARGE_FILE_BYTES {
        count += 1;
        batch.extend(admission(&format!("M{count}")));
        batch.extend_from_slice(note.as_bytes());
    }
    let engine = Running::start(&site).await;
    let idle = engine.memory_bytes_max();
    drop_file(&site, "month.hl7", &batch);
    taken(&site).await;
    assert_eq!(stored(&site)["month.hl7"].len(), count);
    let used = engine.memory_bytes_max() - idle;
    assert!(used < MEMORY_BYTES_MAX, "{} MiB for a file of {} MiB", used >> 20, LARGE_FILE_BYTES >> 20);
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus")
}

/// Public batches, streams of messages and documents: what goes in comes out as messages or as a stated failure.
#[tokio::test]
async fn nothing_of_the_corpus_vanishes() {
    if !corpus().is_dir() {
        println!("the corpus is not here ({}): nothing was checked", corpus().display());
        return;
    }
    let site = site();
    let is_meant = |path: &&PathBuf| {
        let text = path.to_string_lossy();
        text.starts_with("ccda/") || text.contains("/batch/") || text.contains("/streams/")
    };
    let all = below(&corpus());
    let files: Vec<&PathBuf> = all.iter().filter(is_meant).collect();
    assert!(files.len() > 200, "the corpus has only {} of them", files.len());
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for file in &files {
        let bytes = fs::read(corpus().join(file)).unwrap();
        let members = if looks_like_xml(&bytes) { 1 } else { split(&bytes).members.len() };
        drop_file(&site, file.to_str().unwrap(), &bytes);
        expected.insert(file.display().to_string(), members);
    }
    let engine = Running::start(&site).await;
    taken(&site).await;

    let stored = stored(&site);
    let found: BTreeMap<String, usize> =
        stored.iter().map(|(name, messages)| (name.clone(), messages.len())).collect();
    assert_eq!(found, expected, "messages in each file");
    let failed = below(&site.path("inbox/failed"));
    for (name, messages) in &stored {
        let quarantined = messages.iter().filter(|message| message.fate == Fate::Quarantined);
        let is_unreadable =
            quarantined.inspect(|message| assert!(message.reason.is_some(), "{name}")).count()
                == messages.len();
        assert_eq!(failed.contains(&PathBuf::from(name)), is_unreadable, "{name}");
        let beside = PathBuf::from(format!("{name}.reason.txt"));
        assert_eq!(failed.contains(&beside), is_unreadable, "{name}");
    }
    let archived = below(&site.path("inbox/archive")).len();
    assert_eq!(archived + failed.len() / 2, files.len(), "files in and files out");
    let messages: usize = expected.values().sum();
    println!("{} files, {messages} messages, {} files put aside", files.len(), failed.len() / 2);
    assert_eq!(engine.stop().await.code(), Some(0));
}
