//! Power cuts: the whole engine in this process on a disk that forgets what was not flushed, and that fails, shortens or
//! refuses writes and flushes. After each cut the disk keeps what was flushed and a random part of the rest.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use orderly_pipeline::{Plan, Text, Texts, compile};
use orderly_queue::line::Order;
use orderly_queue::planted::{self, Fault};
use orderly_runtime::{Engine, Settings};
use orderly_tests::faulty_disk::{self, FaultyDisk};
use orderly_tests::load::{Hospital, check_promise, feed};
use orderly_tests::running::until;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::rounds::{ORDERS, ROUTE, first_failure, orderly_yaml, seeds};

/// Power cuts a round: the second hits an engine that has just recovered from the first.
const CUTS: usize = 2;
const CONNECTIONS: usize = 4;
/// Of a thousand disk operations, how many fail in a storm.
const STORM_PER_THOUSAND: u64 = 4;
/// Of a hundred messages, how many the receiver treats badly, so that retries are part of every round.
const RECEIVER_FAULTS_PERCENT: u8 = 4;

/// What the disk does before the power goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Weather {
    /// Nothing wrong.
    Calm,
    /// Writes and flushes fail, come short, or find the disk full.
    Storm,
    /// Flushes do nothing and say that they did: the planted fault of a missing flush.
    LyingFlush,
}

/// Half of the rounds each.
pub(crate) fn weather(seed: u64) -> Weather {
    if seed.is_multiple_of(2) { Weather::Calm } else { Weather::Storm }
}

/// Half of the rounds each, in either weather.
fn order(seed: u64) -> Order {
    if (seed / 2).is_multiple_of(2) { ORDERS[0] } else { ORDERS[1] }
}

/// A planted fault is the whole process's: the tests that run an engine in this process take turns.
pub(crate) static TURN: Mutex<()> = Mutex::new(());

#[test]
fn what_was_answered_survives_power_cuts() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let failure = first_failure(&seeds(1, 200), |seed| power_round(seed, weather(seed), order(seed)));
    assert_eq!(failure, None, "seed and reason");
}

#[test]
fn planted_faults_are_seen() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for fault in [Fault::AnswerBeforeCommit, Fault::OrderSwappedOnRetry, Fault::MarkedBeforeAnswer] {
        for order in ORDERS {
            planted::plant(fault as u8);
            let failure = first_failure(&seeds(1, 60), |seed| power_round(seed, weather(seed), order));
            planted::plant(0);
            let (seed, why) = failure.unwrap_or_else(|| panic!("{fault:?} was not seen with {order:?}"));
            println!("{fault:?}: seen at seed {seed}, {order:?}: {why}");
        }
    }
    let failure = first_failure(&seeds(1, 60), |seed| power_round(seed, Weather::LyingFlush, order(seed)));
    let (seed, why) = failure.expect("a disk that lies about flushes was not seen");
    println!("no flush: seen at seed {seed}: {why}");
}

fn power_round(seed: u64, weather: Weather, order: Order) -> Result<(), String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let result = runtime.block_on(async {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let hospital = Hospital::open(seed, RECEIVER_FAULTS_PERCENT).await;
        let plan = Arc::new(compiled(&orderly_yaml(&hospital, order), ROUTE)?);
        let mut accepted = Vec::new();
        let mut random = fastrand::Rng::with_seed(seed);
        for cut in 0..CUTS {
            let disk = disk(random.u64(..), weather);
            disk.cut_power_after(random.u64(20..2_000));
            accepted
                .extend(until_power_is_cut(&disk, folder.path(), &plan, &format!("S{seed}P{cut}")).await?);
            disk.reboot().map_err(|error| error.to_string())?;
            recover(folder.path(), &plan, &hospital, &accepted, order, cut + 1).await?;
        }
        Ok(())
    });
    runtime.shutdown_background();
    result
}

pub(crate) fn disk(seed: u64, weather: Weather) -> FaultyDisk {
    use faulty_disk::Fault;
    let disk = FaultyDisk::new(seed);
    match weather {
        Weather::Calm => {}
        Weather::LyingFlush => disk.lie_about_flushes(),
        Weather::Storm => {
            for fault in [Fault::WriteError, Fault::ShortWrite, Fault::Full, Fault::FlushError] {
                disk.fail_sometimes(fault, STORM_PER_THOUSAND);
            }
        }
    }
    disk
}

/// Feeds an engine until the power is cut; gives what was answered positively.
async fn until_power_is_cut(
    disk: &FaultyDisk,
    folder: &Path,
    plan: &Arc<Plan>,
    name: &str,
) -> Result<Vec<String>, String> {
    let mut settings = Settings::new(folder, plan.clone());
    settings.journal.vfs = Some(disk.vfs().to_owned());
    settings.journal.file_store = Arc::new(disk.clone());
    // The power may go before the engine is up: then nothing was answered.
    let Ok(engine) = Engine::start(settings).await else { return Ok(Vec::new()) };
    let address = engine.address("feed").ok_or("nothing listens")?;
    let (stop, stopped) = watch::channel(false);
    let feeding = tokio::spawn({
        let name = name.to_owned();
        async move { feed(address, &name, CONNECTIONS, stopped).await }
    });
    until("the power to go", || (!disk.is_powered()).then_some(())).await;
    engine.abandon().await;
    stop.send_replace(true);
    feeding.await.map_err(|error| error.to_string())
}

/// Starts an engine on what the disk kept, and checks the promise.
async fn recover(
    folder: &Path,
    plan: &Arc<Plan>,
    hospital: &Hospital,
    accepted: &[String],
    order: Order,
    cuts: usize,
) -> Result<(), String> {
    let engine =
        Engine::start(Settings::new(folder, plan.clone())).await.map_err(|error| error.to_string())?;
    let result = check_promise(&engine.reader(), hospital, accepted, order, cuts).await;
    engine.shutdown().await;
    result
}

/// The plan of a site with one route.
pub(crate) fn compiled(site: &str, route: &str) -> Result<Plan, String> {
    let text = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let texts = Texts {
        site: text("orderly.yaml", site),
        routes: vec![text("routes/route.yaml", route)],
        ..Texts::default()
    };
    let compiled = compile(&texts);
    compiled.plan.ok_or_else(|| format!("{:?}", compiled.diagnostics))
}
