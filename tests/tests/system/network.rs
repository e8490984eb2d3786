//! The sample network through the real binary: what every simulated receiver gets is what was written down by hand in `samples/expected`,
//! HL7 v2 and delimited text byte for byte, JSON by what it says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use orderly_journal::{DeliveryState, Query, StoredDelivery};
use orderly_tests::peers::{Peer, Sender, control_id};
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The network's own files, with free ports and our receivers.
fn network(peers: &BTreeMap<&str, Peer>) -> Site {
    let site = Site::of(&[]);
    copy(&site, "routes");
    copy(&site, "mappings");
    site.write("orderly.yaml", fs::read(root().join("orderly.yaml")).unwrap());
    for port in ["2575", "2576", "2577", "2578"] {
        site.amend("orderly.yaml", &format!("127.0.0.1:{port}"), "127.0.0.1:0");
    }
    for (port, receiver) in
        [("2581", "hospital-ehr"), ("2582", "immunization-registry"), ("2583", "public-health")]
    {
        site.amend("orderly.yaml", &format!("127.0.0.1:{port}"), &peers[receiver].address.to_string());
    }
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

/// Sends or drops every sample as the demo, which knows who sends what in which order, says.
async fn play(site: &Site, engine: &Running, samples: &[Value]) {
    for sample in samples {
        let (file, source) = (sample["sample"].as_str().unwrap(), sample["source"].as_str().unwrap());
        let bytes = fs::read(root().join("samples").join(file)).unwrap();
        if sample["answer"].is_null() {
            let name = Path::new(file).file_name().unwrap().to_string_lossy();
            site.write(&format!("inbox/{source}/.on_its_way"), bytes);
            let inbox = site.path(&format!("inbox/{source}"));
            fs::rename(inbox.join(".on_its_way"), inbox.join(&*name)).unwrap();
        } else {
            let mut sender = Sender::connect(engine.address(source)).await;
            let code = sender.send(&bytes).await.code.unwrap();
            assert_eq!(code.as_str(), sample["answer"], "{file}");
        }
    }
    until("all files to be taken", || {
        let left = |source: &str| fs::read_dir(site.path(&format!("inbox/{source}"))).unwrap().count();
        (left("northside-lab") + left("lakeside-clinic") == 0).then_some(())
    })
    .await;
    until("all deliveries", || {
        let waiting = DeliveryState::Waiting;
        let counts = site.journal().counts().unwrap();
        counts.deliveries.iter().all(|count| count.state != waiting || count.count == 0).then_some(())
    })
    .await;
}

/// The delivery of a message, by its source and control id, to a destination.
fn delivery(site: &Site, source: &str, control_id: &str, destination: &str) -> Option<StoredDelivery> {
    let journal = site.journal();
    let all = Query { source: Some(source.to_owned()), limit: 1 << 20, ..Query::default() };
    let found = journal.search(&all).unwrap().into_iter().find(|found| found.control_id == control_id)?;
    let message = journal.message(found.id).unwrap()?;
    message
        .deliveries
        .into_iter()
        .find(|delivery| delivery.destination == destination && delivery.state == DeliveryState::Delivered)
}

/// What a receiver got by this delivery.
fn got(site: &Site, peers: &BTreeMap<&str, Peer>, delivery: &StoredDelivery) -> Option<Vec<u8>> {
    let destination = delivery.destination.as_str();
    if let Some(peer) = peers.get(destination) {
        let id = delivery.control_id.as_deref().unwrap();
        return peer.messages().iter().find(|message| control_id(message) == id).map(|found| found.to_vec());
    }
    let mine = format!("-{}.", delivery.seq);
    let folder = site.path(&format!("outbox/{destination}"));
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files = entries.filter(|entry| entry.file_name().to_string_lossy().contains(&mine));
    files.next().map(|entry| fs::read(entry.path()).unwrap())
}

fn assert_same(what: &str, got: &[u8], expected: &[u8]) {
    if what.ends_with(".json") {
        let read =
            |bytes| serde_json::from_slice::<Value>(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(read(got), read(expected), "{what}");
    } else {
        assert_eq!(got.escape_ascii().to_string(), expected.escape_ascii().to_string(), "{what}");
    }
}

#[tokio::test]
async fn every_expected_output_is_what_the_receiver_got() {
    let mut peers = BTreeMap::new();
    for name in ["hospital-ehr", "immunization-registry", "public-health"] {
        peers.insert(name, Peer::accepting().await);
    }
    let site = network(&peers);
    let engine = Running::start(&site).await;
    let report = orderly(&site, ["demo", "--json"]).await.ended(0).json().remove(0);
    let samples = report["samples"].as_array().unwrap();
    play(&site, &engine, samples).await;

    let mut compared = 0;
    for folder in fs::read_dir(root().join("samples/expected")).unwrap() {
        let folder = folder.unwrap();
        let destination = folder.file_name().into_string().unwrap();
        for file in fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            let what = format!("{destination}/{name}");
            let (stem, member) = parts(&name);
            let sample = samples
                .iter()
                .find(|sample| Path::new(sample["sample"].as_str().unwrap()).file_stem().unwrap() == stem);
            let sample = sample.unwrap_or_else(|| panic!("{what}: there is no such sample"));
            let id =
                member.unwrap_or_else(|| sample["messages"][0]["control_id"].as_str().unwrap().to_owned());
            let delivery = delivery(&site, sample["source"].as_str().unwrap(), &id, &destination);
            let delivery = delivery.unwrap_or_else(|| panic!("{what}: nothing was delivered"));
            let got =
                got(&site, &peers, &delivery).unwrap_or_else(|| panic!("{what}: the receiver never got it"));
            assert_same(&what, &got, &fs::read(file.path()).unwrap());
            compared += 1;
        }
    }
    assert!(compared >= 53, "only {compared} expected outputs were compared");
}

/// `oru_r01_x.NL-1.hl7` is member NL-1 of the sample oru_r01_x.
fn parts(name: &str) -> (&str, Option<String>) {
    let (whole, _) = name.rsplit_once('.').unwrap();
    match whole.split_once('.') {
        Some((stem, member)) => (stem, Some(member.to_owned())),
        None => (whole, None),
    }
}
