//! Delivery through the real binary: how fast a slow receiver is served, in order and by patient; and how an outage is made good.
//!
//! `cargo build --release && cargo bench -p orderly-tests --bench delivery -- slow [MESSAGES]` (4,000 unless told otherwise): a receiver that
//! takes 5 ms for each message, `fifo` and `per_patient` with 8 lanes, one destination and four, each of which gets all messages.
//! `... -- outage [MESSAGES]` (500,000): nobody listens while they arrive; then the receiver comes, and new messages go on arriving. For both
//! orders: the rates, the engine's memory, sampled, and whether anything came out of order, twice or not at all.
//!
//! Sender, engine and receiver share the machine, flushes are on, the journal lies in the system's temporary folder (set TMPDIR to measure
//! another disk). One source, an ADT of 1 KB about one of 256 patients, a mapping of five rules.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use orderly_tests::measured::{self, Peak};
use orderly_tests::running::Running;
use orderly_tests::site::Site;
use orderly_tests::traffic::{Feed, MEANWHILE_A_SECOND, Order, Ward, faults};

/// How long a slow receiver takes for a message.
const SLOW: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() {
    // `cargo test --benches` and `cargo bench` pass flags of their own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let count = words.iter().find_map(|word| word.parse::<u64>().ok());
    if !words.iter().any(|word| word == "outage") {
        slow_receivers(count.unwrap_or(4_000)).await;
    }
    if !words.iter().any(|word| word == "slow") {
        for order in [Order::Fifo, Order::PerPatient] {
            outage(order, count.unwrap_or(500_000)).await;
        }
    }
}

async fn slow_receivers(count: u64) {
    println!(
        "order        lanes  destinations  messages  a second each  of 1 lane's  of the possible  repeats, out of order"
    );
    let mut alone = f64::NAN;
    for (order, destinations) in
        [(Order::Fifo, 1), (Order::Fifo, 4), (Order::PerPatient, 1), (Order::PerPatient, 4)]
    {
        let mut wards = Vec::new();
        for _ in 0..destinations {
            wards.push(Ward::open((Ipv4Addr::LOCALHOST, 0).into(), order, SLOW).await);
        }
        let addresses: Vec<_> = wards.iter().map(|(_, address)| *address).collect();
        let site = site(order, &addresses);
        let engine = Running::start(&site).await;
        // As long for each: what is faster gets more.
        let count = count * order.lanes() as u64 / 8;
        Feed::new(engine.address("feed"), 0, Some(count)).send().await;
        for (ward, _) in &wards {
            ward.wait_for(count).await;
        }
        let rates = wards.iter().map(|(ward, _)| ward.rate());
        let rate = rates.sum::<f64>() / destinations as f64;
        if order.lanes() == 1 && destinations == 1 {
            alone = rate;
        }
        let taken: Duration = wards.iter().map(|(ward, _)| ward.taken()).sum();
        let possible = order.lanes() as f64 / (taken.as_secs_f64() / (count * destinations) as f64);
        println!(
            "{:<11} {:>6} {destinations:>13} {count:>9} {rate:>14.0} {:>12.2} {:>15.0}% {:>22}",
            order.name(),
            order.lanes(),
            rate / alone,
            100.0 * rate / possible,
            faults(wards.iter().map(|(ward, _)| &**ward))
        );
    }
}

async fn outage(order: Order, count: u64) {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port").local_addr();
    let address = address.expect("its address");
    let site = site(order, &[address]);
    let engine = Running::start(&site).await;
    let peak = Peak::of(engine.pid());
    println!("{}, {count} messages while nobody listens", order.name());
    let began = Instant::now();
    Feed::new(engine.address("feed"), 0, Some(count)).send().await;
    println!("  in, messages a second   {:>10.0}", count as f64 / began.elapsed().as_secs_f64());
    println!("  engine, peak memory     {:>10.1} MB", peak.take_mb());

    let (ward, _) = Ward::open(address, order, Duration::ZERO).await;
    ward.wait_for(1).await;
    let began = Instant::now();
    // New messages come until the backlog is gone.
    let feed = Feed::new(engine.address("feed"), count, None);
    let is_over = feed.is_over.clone();
    let meanwhile = tokio::spawn(feed.send());
    ward.wait_for(count).await;
    let seconds = began.elapsed().as_secs_f64();
    is_over.store(true, Relaxed);
    let all = meanwhile.await.expect("the sender ends");
    ward.wait_for(all).await;
    println!("  new ones meanwhile      {:>10}   ({MEANWHILE_A_SECOND} a second)", all - count);
    println!("  out, messages a second  {:>10.0}   ({count} in {seconds:.1} s)", count as f64 / seconds);
    println!("  all delivered after     {:>10.1} s", began.elapsed().as_secs_f64());
    println!("  engine, peak memory     {:>10.1} MB", peak.take_mb());
    println!("  repeats, out of order   {:>10}", faults([&*ward]));
}

fn site(order: Order, destinations: &[SocketAddr]) -> Site {
    let mut site =
        "site: delivery\nsources:\n  feed:\n    mllp:\n      listen: 127.0.0.1:0\ndestinations:\n".to_owned();
    let mut route = "route: feed\nfrom: feed\nto:\n".to_owned();
    for (number, address) in destinations.iter().enumerate() {
        site += &format!(
            "  ehr{number}:\n    order: {}\n    retry: {{ then: 1s }}\n    mllp:\n      address: {address}\n",
            order.name()
        );
        route += &format!("  - destination: ehr{number}\n    mapping: five-rules\n");
    }
    measured::site(&site, &route)
}
