//! The sample network through the real binary: what every simulated receiver gets is, byte for byte, what was written
//! down by hand in `samples/expected`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use orderly_tests::peers::{Peer, Sender, control_id};
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The network's own files, with free ports and our receivers.
fn network(ehr: &Peer, regional: &Peer) -> Site {
    let site = Site::of(&[]);
    copy(&site, "routes");
    copy(&site, "mappings");
    site.write("orderly.yaml", fs::read(root().join("orderly.yaml")).unwrap());
    for port in ["2575", "2576", "2577"] {
        site.amend("orderly.yaml", &format!("127.0.0.1:{port}"), "127.0.0.1:0");
    }
    site.amend("orderly.yaml", "127.0.0.1:2581", &ehr.address.to_string());
    site.amend("orderly.yaml", "127.0.0.1:2582", &regional.address.to_string());
    site
}

fn copy(site: &Site, folder: &str) {
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let below = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            copy(site, &below);
        } else {
            site.write(&below, fs::read(entry.path()).unwrap());
        }
    }
}

/// What a receiver got, by control id.
fn by_control_id(peer: &Peer) -> BTreeMap<String, Vec<u8>> {
    peer.messages().iter().map(|message| (control_id(message), message.to_vec())).collect()
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

#[tokio::test]
async fn every_expected_output_is_what_the_receiver_got() {
    let (ehr, regional) = (Peer::accepting().await, Peer::accepting().await);
    let site = network(&ehr, &regional);
    let engine = Running::start(&site).await;
    // The demo knows who sends what in which order.
    let report = orderly(&site, ["demo", "--json"]).await.ended(0).json().remove(0);
    for sample in report["samples"].as_array().unwrap() {
        let bytes = fs::read(root().join("samples").join(sample["sample"].as_str().unwrap())).unwrap();
        let mut sender = Sender::connect(engine.address(sample["source"].as_str().unwrap())).await;
        let code = sender.send(&bytes).await.code.unwrap();
        assert_eq!(code.as_str(), sample["answer"], "{}", sample["sample"]);
    }
    until("all deliveries", || {
        let waiting = orderly_journal::DeliveryState::Waiting;
        site.journal().counts().unwrap().deliveries.iter().all(|count| count.state != waiting).then_some(())
    })
    .await;

    let mut compared = 0;
    for (destination, peer) in [("hospital-ehr", &ehr), ("regional-network", &regional)] {
        let got = by_control_id(peer);
        for (name, expected) in files(&root().join("samples/expected").join(destination)) {
            let id = control_id(&fs::read(root().join("samples/hl7v2").join(&name)).unwrap());
            let got = got.get(&id).unwrap_or_else(|| panic!("{destination} never got {name}"));
            assert_eq!(
                got.escape_ascii().to_string(),
                expected.escape_ascii().to_string(),
                "{destination}: {name}"
            );
            compared += 1;
        }
    }
    assert_eq!(compared, 22, "expected outputs");

    let archived = files(&site.path("archive"));
    for sample in report["samples"].as_array().unwrap() {
        if sample["deliveries"]["archive"] == "delivered" {
            let bytes = fs::read(root().join("samples").join(sample["sample"].as_str().unwrap())).unwrap();
            assert!(
                archived.iter().any(|(_, file)| *file == bytes),
                "{} is not in the archive",
                sample["sample"]
            );
        }
    }
}
