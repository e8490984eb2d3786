//! Rounds by seed: how many, which, and what a failure says; and the engine under test.

use orderly_queue::line::Order;
use orderly_queue::planted::Fault;
use orderly_tests::load::Hospital;
use orderly_tests::running::Running;
use orderly_tests::site::Site;

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
