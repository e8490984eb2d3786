//! Laboratories drop files and batches while the engine is killed and started again: no message may be lost, and none taken twice.

use std::time::Duration;

use orderly_queue::planted::Fault;
use orderly_tests::lab::{Dropped, Lab, check_taken_once};
use orderly_tests::load::{Hospital, check_promise};
use orderly_tests::site::Site;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::rounds::{first_failure, seeds, start};

/// Lives that end by SIGKILL in each round, before one that goes on to the end.
const KILLS: usize = 3;
/// How long the engine is under load before it is killed, in milliseconds.
const LOAD_MS: std::ops::Range<u64> = 5..150;
const LABS: usize = 2;

#[test]
fn every_message_of_every_file_is_taken_once_whatever_is_killed() {
    assert_eq!(first_failure(&seeds(1, 12), |seed| kill_round(seed, None)), None, "seed and reason");
}

#[test]
fn planted_faults_are_seen_in_files() {
    for (fault, sign) in
        [(Fault::FileRemovedBeforeCommit, "is not in the journal"), (Fault::FileReleasedBeforeMove, "times")]
    {
        let failure = first_failure(&seeds(1, 40), |seed| kill_round(seed, Some(fault)));
        let (seed, why) = failure.unwrap_or_else(|| panic!("{fault:?} was not seen"));
        assert!(why.contains(sign), "{fault:?} was seen as something else: {why}");
        println!("{fault:?}: seen at seed {seed}: {why}");
    }
}

fn kill_round(seed: u64, fault: Option<Fault>) -> Result<(), String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let result = runtime.block_on(async {
        let hospital = Hospital::open(seed, 0).await;
        let site = site(&hospital);
        let inbox = site.path("inbox");
        let (stop, stopped) = watch::channel(false);
        let labs: Vec<Lab> = (0..LABS)
            .map(|lab| Lab::open(&inbox, &format!("S{seed}L{lab}"), seed * 10 + lab as u64, stopped.clone()))
            .collect();
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..KILLS {
            let engine = start(&site, fault).await;
            // Not a wait for something: the random moment at which the engine is killed.
            tokio::time::sleep(Duration::from_millis(random.u64(LOAD_MS))).await;
            engine.kill().await;
        }
        stop.send_replace(true);
        let dropped: Vec<Dropped> = labs.into_iter().map(Lab::dropped).collect();
        let recovered = start(&site, None).await;
        let result = check(&site, &hospital, &dropped).await;
        recovered.kill().await;
        result
    });
    runtime.shutdown_background();
    result
}

async fn check(site: &Site, hospital: &Hospital, dropped: &[Dropped]) -> Result<(), String> {
    let (inbox, archive) = (site.path("inbox"), site.path("inbox/archive"));
    check_taken_once(&site.journal(), &inbox, &archive, dropped).await?;
    let all: Vec<String> = dropped.iter().flat_map(|dropped| dropped.control_ids.clone()).collect();
    check_promise(&site.journal(), hospital, &all).await
}

/// A folder that is watched closely, and a receiver.
fn site(hospital: &Hospital) -> Site {
    let site = format!(
        "sources:\n  lab:\n    files:\n      folder: inbox\n      pattern: '*.hl7'\n      complete: renamed\n      poll: 20ms\n\
         destinations:\n  hospital:\n    retry:\n      then: 10ms\n    mllp:\n      address: {}\n      answer_timeout: 5s\n",
        hospital.address
    );
    let route = "route: lab\nfrom: lab\nto:\n  - destination: hospital\n";
    Site::of(&[("orderly.yaml", &site), ("routes/lab.yaml", route)])
}
