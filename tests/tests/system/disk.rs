//! The journal's disk is full: negative answers, the engine stays up, what was accepted is kept, and it goes on when
//! there is room again.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use orderly_hl7v2::AckCode;
use orderly_tests::peers::{Peer, Sender, admission};
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;

/// A disk of 4 MB in memory, mounted for a test. Needs root, or sudo without a password.
struct SmallDisk {
    folder: PathBuf,
}

/// More messages than the whole of it can hold.
const FIT_MAX: usize = 5000;

impl SmallDisk {
    fn mount(folder: PathBuf) -> SmallDisk {
        fs::create_dir_all(&folder).unwrap();
        let options = "size=4m,mode=0777";
        as_root(&["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder.to_str().unwrap()]);
        SmallDisk { folder }
    }

    /// Takes all room that is left.
    fn fill(&self) {
        let block = vec![0; 4096];
        let mut filler = fs::File::create(self.folder.join("filler")).unwrap();
        while std::io::Write::write_all(&mut filler, &block).is_ok() {}
    }

    fn make_room(&self) {
        fs::remove_file(self.folder.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        as_root(&["umount", "--lazy", self.folder.to_str().unwrap()]);
    }
}

fn as_root(command: &[&str]) {
    let plain = Command::new(command[0]).args(&command[1..]).output().unwrap();
    if !plain.status.success() {
        let status = Command::new("sudo").arg("-n").args(command).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "{command:?}: {}",
            String::from_utf8_lossy(&plain.stderr)
        );
    }
}

#[tokio::test]
async fn a_full_disk_does_not_keep_it_from_stopping_and_starting() {
    let hospital = Peer::accepting().await;
    let site = Site::relay(hospital.address);
    let disk = SmallDisk::mount(site.path("journal"));
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    assert_eq!(clinic.send(&admission("D1")).await.code, Some(AckCode::AA));
    disk.fill();
    assert_eq!(engine.stop().await.code(), Some(0));

    disk.make_room();
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    assert_eq!(clinic.send(&admission("D2")).await.code, Some(AckCode::AA));
    until("both", || (hospital.first_arrivals() == ["D1", "D2"]).then_some(())).await;
    drop((engine, disk));
}

#[tokio::test]
async fn a_disk_that_is_full_at_the_start_is_named() {
    let site = Site::filing();
    let disk = SmallDisk::mount(site.path("journal"));
    disk.fill();
    let refused = orderly(&site, ["run"]).await.ended(2);
    assert!(refused.err.contains("journal"), "{}", refused.err);
    assert!(refused.err.contains("full") || refused.err.contains("No space left"), "{}", refused.err);
}

#[tokio::test]
async fn a_full_disk_refuses_and_keeps_and_goes_on() {
    let hospital = Peer::accepting().await;
    let site = Site::relay(hospital.address);
    let disk = SmallDisk::mount(site.path("journal"));
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    assert_eq!(clinic.send(&admission("D1")).await.code, Some(AckCode::AA));
    hospital.received(1).await;

    disk.fill();
    let mut accepted = vec!["D1".to_owned()];
    let mut refused = false;
    // The log has some room of its own, so that the first messages may still fit.
    for number in 2..FIT_MAX {
        let id = format!("D{number}");
        match clinic.send(&admission(&id)).await.code {
            Some(AckCode::AA) => accepted.push(id),
            Some(AckCode::AR) => {
                refused = true;
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(refused, "{FIT_MAX} messages were accepted on a full disk");
    engine.logged("disk is full").await;
    assert_eq!(clinic.send(&admission("N1")).await.code, Some(AckCode::AR), "it stays up and says no");

    disk.make_room();
    assert_eq!(clinic.send(&admission("BACK")).await.code, Some(AckCode::AA), "it goes on");
    accepted.push("BACK".to_owned());
    until("all accepted ones", || {
        let arrived = hospital.first_arrivals();
        accepted.iter().all(|id| arrived.contains(id)).then_some(())
    })
    .await;
    assert_eq!(engine.stop().await.code(), Some(0));
    for id in &accepted {
        let key = orderly_journal::KeyMatch {
            kind: orderly_journal::KeyKind::ControlId,
            value: id.clone(),
            match_: orderly_journal::Match::Exact,
        };
        let query = orderly_journal::Query { keys: vec![key], limit: 10, ..Default::default() };
        assert_eq!(site.journal().search(&query).unwrap().len(), 1, "{id} is kept");
    }
    drop(disk);
}
