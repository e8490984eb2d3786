//! Rounds by seed: how many, which, and what a failure says; and the engine under test.

use std::sync::{Mutex, OnceLock, PoisonError};

use orderly_queue::line::Order;
use orderly_tests::load::Hospital;

/// The orders that rounds are run with.
pub(crate) const ORDERS: [Order; 2] = [Order::Fifo, Order::Lanes { in_flight_max: 8 }];

/// `orderly.yaml` with one source and one receiver, which is tried again at once.
pub(crate) fn orderly_yaml(hospital: &Hospital, order: Order) -> String {
    let order = match order {
        Order::Fifo => "order: fifo".to_owned(),
        Order::Lanes { in_flight_max } => format!("order: per_patient\n    lanes: {in_flight_max}"),
    };
    format!(
        "sources:\n  feed:\n    mllp:\n      listen: 127.0.0.1:0\n\
         destinations:\n  hospital:\n    {order}\n    retry:\n      then: 10ms\n    mllp:\n      address: {}\n      answer_timeout: 5s\n",
        hospital.address
    )
}

/// The one route of such a site.
pub(crate) const ROUTE: &str = "route: feed\nfrom: feed\nto:\n  - destination: hospital\n";

/// The seeds to run: `count` of them from `first`, or what the environment asks for.
pub(crate) fn seeds(first: u64, count: u64) -> Vec<u64> {
    let asked = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    match asked("ORDERLY_SEED") {
        Some(seed) => vec![seed],
        None => (first..first + asked("ORDERLY_ROUNDS").unwrap_or(count)).collect(),
    }
}

/// How many rounds go on at once: they wait for disks and for each other's ends much more than they compute.
const AT_ONCE: usize = 4;

/// Runs the rounds until one fails; gives its seed and why.
pub(crate) fn first_failure(
    seeds: &[u64],
    round: impl Fn(u64) -> Result<(), String> + Sync,
) -> Option<(u64, String)> {
    let rest = Mutex::new(seeds.iter());
    let failure = OnceLock::new();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while failure.get().is_none() {
                    let Some(seed) = rest.lock().unwrap_or_else(PoisonError::into_inner).next() else {
                        return;
                    };
                    if let Err(why) = round(*seed) {
                        // One failure is enough: of several at once, any.
                        let _ = failure.set((*seed, why));
                    }
                }
            });
        }
    });
    failure.into_inner()
}
