//! Laboratories drop files and batches while the engine is killed and started again: no message may be lost, and none taken twice.

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use orderly_journal::Reader;
use orderly_queue::line::Order;
use orderly_queue::planted::{self, Fault};
use orderly_runtime::{Engine, Settings};
use orderly_tests::lab::{Dropped, Lab, check_taken_once};
use orderly_tests::load::{Hospital, check_promise};
use orderly_tests::running::{Running, until};
use orderly_tests::site::Site;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::power::{TURN, Weather, compiled, disk, weather};
use crate::rounds::{first_failure, seeds};

/// Lives that end by SIGKILL in each round, before one that goes on to the end.
const KILLS: usize = 3;
/// How long the engine is under load before it is killed, in milliseconds.
const LOAD_MS: std::ops::Range<u64> = 5..150;
const LABS: usize = 2;

#[test]
fn every_message_of_every_file_is_taken_once_whatever_is_killed() {
    assert_eq!(first_failure(&seeds(1, 12), |seed| kill_round(seed, None)), None, "seed and reason");
}

/// Files lie on the real disk, which keeps them; the journal lies on one that forgets what was not flushed.
#[test]
fn every_message_of_every_file_is_taken_once_through_power_cuts() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let failure = first_failure(&seeds(1, 60), |seed| power_round(seed, weather(seed)));
    assert_eq!(failure, None, "seed and reason");
}

#[test]
fn a_planted_fault_is_seen_by_killing() {
    let fault = Fault::FileReleasedBeforeMove;
    let failure = first_failure(&seeds(1, 40), |seed| kill_round(seed, Some(fault)));
    seen(fault, failure, "was dropped once and is in the journal");
}

#[test]
fn a_planted_fault_is_seen_by_power_cuts() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let fault = Fault::FileRemovedBeforeCommit;
    planted::plant(fault as u8);
    let failure = first_failure(&seeds(1, 40), |seed| power_round(seed, Weather::Calm));
    planted::plant(0);
    seen(fault, failure, "its file is taken, and it is not in the journal");
}

fn seen(fault: Fault, failure: Option<(u64, String)>, sign: &str) {
    let (seed, why) = failure.unwrap_or_else(|| {
        panic!("{fault:?} was not seen; a binary built alone cannot plant it: cargo build --workspace --bins")
    });
    assert!(why.contains(sign), "{fault:?} was seen as something else: {why}");
    println!("{fault:?}: seen at seed {seed}: {why}");
}

fn kill_round(seed: u64, fault: Option<Fault>) -> Result<(), String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let result = runtime.block_on(async {
        let hospital = Hospital::open(seed, 0).await;
        let site = site(&hospital, seed);
        let inbox = site.path("inbox");
        let (stop, stopped) = watch::channel(false);
        let labs: Vec<Lab> = (0..LABS)
            .map(|lab| Lab::open(&inbox, &format!("S{seed}L{lab}"), seed * 10 + lab as u64, stopped.clone()))
            .collect();
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..KILLS {
            let engine = Running::start_with(&site, fault).await;
            // Not a wait for something: the random moment at which the engine is killed.
            tokio::time::sleep(Duration::from_millis(random.u64(LOAD_MS))).await;
            engine.kill().await;
        }
        stop.send_replace(true);
        let dropped: Vec<Dropped> = labs.into_iter().map(Lab::dropped).collect();
        let recovered = Running::start_with(&site, None).await;
        let result = check_all(&site.journal(), &inbox, &hospital, &dropped).await;
        recovered.kill().await;
        result
    });
    runtime.shutdown_background();
    result
}

/// Nothing is lost, nothing taken twice, and everything arrives in the order of the journal.
async fn check_all(
    reader: &Reader,
    inbox: &Path,
    hospital: &Hospital,
    dropped: &[Dropped],
) -> Result<(), String> {
    let archive = inbox.join("archive");
    let archive = archive.exists().then_some(&*archive);
    check_taken_once(reader, inbox, archive, dropped).await?;
    let all: Vec<String> = dropped.iter().flat_map(|dropped| dropped.control_ids.clone()).collect();
    check_promise(reader, hospital, &all, Order::Fifo, KILLS).await
}

fn power_round(seed: u64, weather: Weather) -> Result<(), String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let result = runtime.block_on(async {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let inbox = folder.path().join("inbox");
        let hospital = Hospital::open(seed, 0).await;
        let plan = Arc::new(compiled(&orderly_yaml(&hospital, seed), ROUTE)?);
        let mut random = fastrand::Rng::with_seed(seed);
        let disk = disk(random.u64(..), weather);
        disk.cut_power_after(random.u64(20..1_500));
        let (stop, stopped) = watch::channel(false);
        let lab = Lab::open(&inbox, &format!("P{seed}"), seed, stopped);
        let mut settings = Settings::new(folder.path(), plan.clone());
        settings.journal.vfs = Some(disk.vfs().to_owned());
        settings.journal.file_store = Arc::new(disk.clone());
        // The power may go before the engine is up.
        if let Ok(engine) = Engine::start(settings).await {
            until("the power to go", || (!disk.is_powered()).then_some(())).await;
            engine.abandon().await;
        }
        stop.send_replace(true);
        let dropped = [lab.dropped()];
        disk.reboot().map_err(|error| error.to_string())?;
        let recovered = Engine::start(Settings::new(folder.path(), plan)).await;
        let recovered = recovered.map_err(|error| error.to_string())?;
        let result = check_all(&recovered.reader(), &inbox, &hospital, &dropped).await;
        recovered.shutdown().await;
        result
    });
    runtime.shutdown_background();
    result
}

/// A site whose folder is watched closely.
fn site(hospital: &Hospital, seed: u64) -> Site {
    Site::of(&[("orderly.yaml", &orderly_yaml(hospital, seed)), ("routes/lab.yaml", ROUTE)])
}

/// What may be declared of a files source takes turns from seed to seed, and so does a journal whose files are followed by others all the
/// time.
fn orderly_yaml(hospital: &Hospital, seed: u64) -> String {
    let (source, journal) = match seed % 4 {
        0 => ("after: delete", ""),
        1 => ("after: archive", ""),
        2 => ("identify_by: content", ""),
        _ => ("after: archive", "journal:\n  segment_size_max: 200KiB\n"),
    };
    format!(
        "{journal}sources:\n  lab:\n    files:\n      folder: inbox\n      pattern: '*.hl7'\n      complete: renamed\n      poll: 20ms\n      {source}\n\
         destinations:\n  hospital:\n    retry:\n      then: 10ms\n    mllp:\n      address: {}\n      answer_timeout: 5s\n",
        hospital.address
    )
}

const ROUTE: &str = "route: lab\nfrom: lab\nto:\n  - destination: hospital\n";
