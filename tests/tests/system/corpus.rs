//! Public test messages, when they are at hand beside the workspace (`../shared/corpus`): every file through a running
//! engine. Each message is answered, kept, and delivered as it came, or has a stated fate.

use std::fs;
use std::path::{Path, PathBuf};

use orderly_hl7v2::{AckCode, Settings, parse, split};
use orderly_journal::{Fate, Query};
use orderly_tests::peers::{Peer, Sender, framed};
use orderly_tests::running::Running;
use orderly_tests::site::Site;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/hl7v2")
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// A file's content as a sender would frame it: framing bytes that were saved with it are taken off.
fn content(file: &Path) -> Vec<u8> {
    let bytes = fs::read(file).unwrap();
    bytes.into_iter().filter(|byte| !matches!(byte, 0x0b | 0x1c)).collect()
}

/// Whether the message wants an answer: an acknowledgement gets none.
fn is_answered(message: &[u8]) -> bool {
    match parse(message, &Settings::default()) {
        Ok(message) => message.header().message_type() != "ACK",
        Err(unreadable) => unreadable.header.is_none_or(|header| header.message_type() != "ACK"),
    }
}

#[tokio::test]
async fn every_message_is_answered_kept_and_delivered_as_it_came() {
    if !corpus().is_dir() {
        println!("the corpus is not here ({}): nothing was checked", corpus().display());
        return;
    }
    let mut files = Vec::new();
    collect(&corpus(), &mut files);
    files.sort();
    assert!(files.len() > 500, "the corpus has only {} files", files.len());

    let hospital = Peer::accepting().await;
    let site = Site::relay(hospital.address);
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    let (mut sent, mut positive) = (Vec::new(), 0);
    for file in &files {
        let bytes = content(file);
        clinic.write(&framed(&bytes)).await;
        for member in split(&bytes).members {
            let member = bytes[member].to_vec();
            if is_answered(&member) {
                let code = clinic.answer().await.code;
                assert!(
                    matches!(code, Some(AckCode::AA | AckCode::AE | AckCode::AR)),
                    "{}: {code:?}",
                    file.display()
                );
                positive += usize::from(code == Some(AckCode::AA));
            }
            sent.push(member);
        }
    }

    let journal = site.journal();
    let mut stored = journal.search(&Query { limit: sent.len() + 1, ..Query::default() }).unwrap();
    stored.reverse();
    assert_eq!(stored.len(), sent.len(), "messages in the journal and messages sent");
    let mut routed = Vec::new();
    for (summary, sent) in stored.iter().zip(&sent) {
        let message = journal.message(summary.id).unwrap().unwrap();
        assert_eq!(&message.body, sent, "message {} is not kept as it came", summary.id);
        match summary.fate {
            Fate::Routed => routed.push(sent),
            Fate::Quarantined => assert!(summary.reason.is_some(), "message {} has no reason", summary.id),
            other => panic!("message {}: {other:?}", summary.id),
        }
    }
    assert!(
        positive <= routed.len() && routed.len() * 50 > sent.len() * 49,
        "{positive} of {} accepted",
        sent.len()
    );
    let received = hospital.received(routed.len()).await;
    assert_eq!(received.len(), routed.len(), "deliveries");
    for (place, (received, routed)) in received.iter().zip(&routed).enumerate() {
        assert!(**received == ***routed, "delivery {place} is not what was sent");
    }
    assert_eq!(engine.stop().await.code(), Some(0));
    println!("{} files, {} messages, {} delivered", files.len(), sent.len(), routed.len());
}
