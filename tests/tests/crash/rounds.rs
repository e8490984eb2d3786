//! Rounds by seed: how many, which, and what a failure says; and the engine under test.

use orderly_queue::planted::Fault;
use orderly_tests::running::Running;
use orderly_tests::site::Site;

/// The seeds to run: `count` of them from `first`, or what the environment asks for.
pub(crate) fn seeds(first: u64, count: u64) -> Vec<u64> {
    let asked = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    match asked("ORDERLY_SEED") {
        Some(seed) => vec![seed],
        None => (first..first + asked("ORDERLY_ROUNDS").unwrap_or(count)).collect(),
    }
}

/// Runs the rounds until one fails; gives its seed and why.
pub(crate) fn first_failure(
    seeds: &[u64],
    mut round: impl FnMut(u64) -> Result<(), String>,
) -> Option<(u64, String)> {
    seeds.iter().find_map(|seed| round(*seed).err().map(|why| (*seed, why)))
}

/// Starts the real binary on a site, with a fault planted or without.
pub(crate) async fn start(site: &Site, fault: Option<Fault>) -> Running {
    match fault {
        None => Running::start(site).await,
        Some(fault) => {
            let planted = format!("ORDERLY_PLANTED_FAULT={}", fault as u8);
            Running::start_under(site, &["env", &planted]).await
        }
    }
}
