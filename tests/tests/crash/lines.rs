//! The order of deliveries against a simulated peer, by the hundred thousand: each run is repeated by its seed.

use std::sync::PoisonError;

use orderly_queue::line::Order;
use orderly_queue::planted::{self, Fault};
use orderly_tests::simulation::run;

use crate::power::TURN;

/// Runs of each order.
const RUNS: u64 = 50_000;
const ORDERS: [Order; 2] = [Order::Fifo, Order::Lanes { in_flight_max: 3 }];

/// The first seed of these that goes wrong, its order, and why.
fn first_failure(orders: &[Order], runs: u64) -> Option<(u64, Order, String)> {
    let mut seeds = 1..=runs;
    if let Some(seed) = std::env::var("ORDERLY_SEED").ok().and_then(|seed| seed.parse().ok()) {
        seeds = seed..=seed;
    }
    seeds
        .flat_map(|seed| orders.iter().map(move |order| (seed, *order)))
        .find_map(|(seed, order)| run(seed, order).err().map(|why| (seed, order, why)))
}

#[test]
fn order_and_credit_hold_whatever_the_peer_does() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let failures: Vec<_> = std::thread::scope(|scope| {
        let threads = ORDERS.map(|order| scope.spawn(move || first_failure(&[order], RUNS)));
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(failures, [], "seed, order and reason");
}

#[test]
fn faults_of_the_order_are_seen() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for (fault, signs) in [
        // What is still with the peer is taken for ended.
        (Fault::LateAnswerCredited, ["the peer did not take it", "in flight beside"]),
        (Fault::OrderSwappedOnRetry, ["overtook", "in flight beside"]),
        (Fault::ParkedHoldsNoLane, ["overtook"; 2]),
        (Fault::MergeHoldsOneLane, ["overtook", "in flight beside"]),
    ] {
        planted::plant(fault as u8);
        let failure = first_failure(&ORDERS, 5_000);
        planted::plant(0);
        let (seed, order, why) = failure.unwrap_or_else(|| panic!("{fault:?} was not seen"));
        assert!(signs.iter().any(|sign| why.contains(sign)), "{fault:?} was seen as something else: {why}");
        println!("{fault:?}: seen at seed {seed}, {order:?}: {why}");
    }
}
