//! The sample network through the real binary: what every simulated receiver gets is what was written down by hand in `samples/expected`,
//! HL7 v2 and delimited text byte for byte, JSON by what it says. What is not written down is at least well-formed, and of every mapping
//! some outputs are written down.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use orderly_hl7v2::Settings;
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

/// What nobody wrote down is at least a message or an object. Delimited text says too little about itself for that.
fn assert_well_formed(what: &str, destination: &str, got: &[u8]) {
    match destination {
        "hospital-ehr" | "immunization-registry" | "public-health" => {
            let message = orderly_hl7v2::parse(got, &Settings::default());
            let message = message.unwrap_or_else(|refused| panic!("{what}: {}", refused.diagnostic));
            assert!(message.diagnostics().is_empty(), "{what}: {:?}", message.diagnostics());
        }
        "regional-network" | "patient-portal" => {
            let read = serde_json::from_slice::<Value>(got);
            assert!(read.is_ok_and(|value| value.is_object()), "{what}: not an object");
        }
        _ => panic!("{what}: write it down in samples/expected/{destination}"),
    }
}

/// What is written down, by destination and name without extension.
fn written_down() -> BTreeMap<(String, String), PathBuf> {
    let mut found = BTreeMap::new();
    for folder in fs::read_dir(root().join("samples/expected")).unwrap() {
        let folder = folder.unwrap();
        for file in fs::read_dir(folder.path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            found.insert((folder.file_name().into_string().unwrap(), name), path);
        }
    }
    found
}

/// The mapping of every pair of route and destination.
fn mappings() -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for file in fs::read_dir(root().join("routes")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let (mut route, mut destination) = ("", "");
        for line in text.lines() {
            match line.trim_start_matches(['-', ' ']).split_once(": ") {
                Some(("route", name)) => route = name,
                Some(("destination", name)) => destination = name,
                Some(("mapping", name)) => {
                    found.insert((route.to_owned(), destination.to_owned()), name.to_owned());
                }
                _ => {}
            }
        }
    }
    found
}

#[tokio::test]
async fn every_receiver_got_what_was_written_down() {
    let mut peers = BTreeMap::new();
    for name in ["hospital-ehr", "immunization-registry", "public-health"] {
        peers.insert(name, Peer::accepting().await);
    }
    let site = network(&peers);
    let engine = Running::start(&site).await;
    let report = orderly(&site, ["demo", "--json"]).await.ended(0).json().remove(0);
    assert_eq!(report["all_as_expected"], true, "what is delivered is what samples/network.yaml says");
    let samples = report["samples"].as_array().unwrap();
    play(&site, &engine, samples).await;

    let (mut written, mappings) = (written_down(), mappings());
    let mut compared: BTreeMap<&str, usize> = mappings.values().map(|name| (name.as_str(), 0)).collect();
    for (sample, message, destination) in delivered(samples) {
        let (source, id) = (sample["source"].as_str().unwrap(), message["control_id"].as_str().unwrap());
        let what = format!("{} {id} to {destination}", sample["sample"]);
        let delivery = delivery(&site, source, id, destination);
        let delivery = delivery.unwrap_or_else(|| panic!("{what}: nothing was delivered"));
        let got = got(&site, &peers, &delivery);
        let got = got.unwrap_or_else(|| panic!("{what}: the receiver never got it"));
        let stem = Path::new(sample["sample"].as_str().unwrap()).file_stem().unwrap().to_string_lossy();
        let is_alone = sample["messages"].as_array().unwrap().len() == 1;
        let name = if is_alone { stem.into_owned() } else { format!("{stem}.{id}") };
        match written.remove(&(destination.to_owned(), name)) {
            Some(file) => {
                assert_same(&file.to_string_lossy(), &got, &fs::read(&file).unwrap());
                let mapping = &mappings[&(delivery.route, delivery.destination)];
                *compared.get_mut(mapping.as_str()).unwrap() += 1;
            }
            None => assert_well_formed(&what, destination, &got),
        }
    }
    assert!(written.is_empty(), "nobody got what stands in {:?}", written.values());
    let few: Vec<_> = compared.iter().filter(|(_, count)| **count < 2).collect();
    assert!(few.is_empty(), "too little of it is written down in samples/expected: {few:?}");
}

/// Every sample and message with each destination that it is delivered to.
fn delivered(samples: &[Value]) -> Vec<(&Value, &Value, &str)> {
    let messages = samples.iter().flat_map(|sample| {
        sample["messages"].as_array().unwrap().iter().map(move |message| (sample, message))
    });
    let pairs = messages.flat_map(|(sample, message)| {
        let deliveries = message["deliveries"].as_object().into_iter().flatten();
        deliveries.map(move |(destination, state)| (sample, message, destination.as_str(), state))
    });
    pairs
        .filter(|(.., state)| *state == "delivered")
        .map(|(sample, message, destination, _)| (sample, message, destination))
        .collect()
}
