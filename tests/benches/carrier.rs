//! Deliveries by way of RabbitMQ through the real binary, beside bare lapin and beside the embedded carrier, in one run.
//!
//! `cargo build --release && cargo bench -p orderly-tests --bench carrier -- ways [MESSAGES]` (20,000 unless told otherwise): a node publishes
//! what waits in its journal, and another one delivers it and says so; in turns with bare lapin, which publishes, and then consumes, publishes
//! a result for each and acknowledges. `... -- through [MESSAGES]` (30,000): 32 connections into one node, with the broker and without.
//! `... -- drain [MESSAGES]` (1,000,000): one node takes them in while the receiver is away; then it comes, and another node delivers.
//!
//! Senders, nodes, broker, and receiver share the machine, and broker and journals its disk, in the system's temporary folder. Flushes are on.
//! Messages are those of the bench `delivery`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use lapin::Connection;
use orderly_tests::bare::{self, Depth};
use orderly_tests::broker::Broker;
use orderly_tests::measured::{self, Peak};
use orderly_tests::running::Running;
use orderly_tests::site::{Site, queue};
use orderly_tests::traffic::{Feed, Order, Ward, faults};

/// As many as an ADT message has bytes.
const BODY_BYTES: usize = 1100;
/// As many as what is said of a delivery has.
const RESULT_BYTES: usize = 300;
/// As the engine has them.
const WINDOW: usize = 64;
const PREFETCH: u16 = 250;

const TURNS: usize = 3;
/// So many patients at a time that the receiver is not what limits.
const LANES: usize = 64;
/// How many deliveries may be with the broker, where it is not to be a limit.
const AHEAD_ALL: u64 = 10_000_000;
const AHEAD_DEFAULT: u64 = 10_000;

/// Where nobody listens.
const NOWHERE: &str = "127.0.0.1:1";
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a queue may take to fill.
const PATIENCE: Duration = Duration::from_secs(600);

#[tokio::main]
async fn main() {
    // `cargo test --benches` and `cargo bench` pass flags of their own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let count = words.iter().find_map(|word| word.parse::<u64>().ok());
    let asked: Vec<&str> =
        words.iter().map(String::as_str).filter(|word| word.parse::<u64>().is_err()).collect();
    let is_asked = |what| asked.is_empty() || asked.contains(&what);
    let broker = Broker::start();
    if is_asked("ways") {
        ways(&broker, count.unwrap_or(20_000)).await;
    }
    if is_asked("through") {
        through(&broker, count.unwrap_or(30_000)).await;
    }
    if is_asked("drain") {
        for order in [Order::Fifo, Order::PerPatient] {
            drain(&broker, order, count.unwrap_or(1_000_000)).await;
        }
    }
}

/// Messages a second, of one turn.
struct Turn {
    bare_published: f64,
    published: f64,
    bare_consumed: f64,
    consumed: f64,
}

impl Turn {
    /// Ours, of what bare lapin makes.
    fn publishing(&self) -> f64 {
        self.published / self.bare_published
    }

    fn consuming(&self) -> f64 {
        self.consumed / self.bare_consumed
    }
}

async fn ways(broker: &Broker, count: u64) {
    println!("{count} messages each, messages a second");
    println!(
        "order        turn  lapin publishes  outbox  ratio  lapin consumes  delivered  ratio  repeats, out of order"
    );
    let connection = bare::connect(broker).await;
    for order in [Order::Fifo, Order::PerPatient] {
        let mut turns = Vec::new();
        for number in 0..TURNS {
            let name = format!("{}{number}", order.name());
            let (turn, faults) = one_turn(broker, &connection, &name, order, count).await;
            let ratios = (turn.publishing(), turn.consuming());
            print(order, &number.to_string(), &turn, ratios, &faults);
            turns.push(turn);
        }
        print_medians(order, &turns);
    }
}

/// Each number's own: a turn's two rates are measured one after the other, so that its ratio says more than the rates of all turns.
fn print_medians(order: Order, turns: &[Turn]) {
    let median = |of: fn(&Turn) -> f64| {
        let mut values: Vec<f64> = turns.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let rates = Turn {
        bare_published: median(|turn| turn.bare_published),
        published: median(|turn| turn.published),
        bare_consumed: median(|turn| turn.bare_consumed),
        consumed: median(|turn| turn.consumed),
    };
    print(order, "all", &rates, (median(Turn::publishing), median(Turn::consuming)), "");
}

fn print(order: Order, turn: &str, rates: &Turn, (publishing, consuming): (f64, f64), faults: &str) {
    let Turn { bare_published, published, bare_consumed, consumed } = rates;
    println!(
        "{:<11} {turn:>5} {bare_published:>16.0} {published:>7.0} {publishing:>6.2} {bare_consumed:>15.0} {consumed:>10.0} {consuming:>6.2}  {faults}",
        order.name(),
    );
}

async fn one_turn(
    broker: &Broker,
    connection: &Connection,
    name: &str,
    order: Order,
    count: u64,
) -> (Turn, String) {
    let (ward, address) = Ward::open((Ipv4Addr::LOCALHOST, 0).into(), order, Duration::ZERO).await;
    // All of them wait in the journal before the broker is there.
    let site = site(Some((NOWHERE, name, AHEAD_ALL)), order, LANES, address);
    let north = Running::start_node(&site, "north", "north", &["--only", "sources"]).await;
    Feed::new(north.address("feed"), 0, Some(count)).send().await;
    north.stop().await;
    site.amend("orderly.yaml", NOWHERE, &broker.address());

    let (from, to) = (format!("{name}.bare"), format!("{name}.bare.results"));
    bare::declare(connection, &from).await;
    bare::declare(connection, &to).await;
    let rate = |time: Duration| count as f64 / time.as_secs_f64();
    let bare_published = rate(bare::publish(connection, &from, WINDOW, BODY_BYTES, count).await);
    let north = Running::start_node(&site, "north", "north", &["--only", "sources"]).await;
    let published = filled(broker, &format!("{name}.to.hospital"), count).await;
    north.stop().await;

    let limits = (PREFETCH, WINDOW);
    let bare_consumed = rate(bare::consume(connection, &from, &to, limits, RESULT_BYTES, count).await);
    let south = Running::start_node(&site, "south", "south", &["--only", "destinations"]).await;
    let consumed = filled(broker, &format!("{name}.results.north"), count).await;
    ward.wait_for(count).await;
    south.stop().await;
    // What was not acknowledged would be back.
    assert_eq!(Depth::of(broker, &format!("{name}.to.hospital")).await.now().await, 0);
    (Turn { bare_published, published, bare_consumed, consumed }, faults([&*ward]))
}

/// At which rate a queue is filled, from the first message that is seen on.
async fn filled(broker: &Broker, queue: &str, count: u64) -> f64 {
    let queue_depth = Depth::of(broker, queue).await;
    let (began, mut first) = (Instant::now(), None);
    loop {
        let depth = queue_depth.now().await;
        let now = Instant::now();
        if depth > 0 {
            let (at, before) = *first.get_or_insert((now, depth));
            if depth >= count {
                return (depth - before) as f64 / (now - at).as_secs_f64();
            }
        }
        assert!(began.elapsed() < PATIENCE, "{queue} has {depth} of {count}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn through(broker: &Broker, count: u64) {
    println!("{count} messages over 32 connections into one node, messages a second");
    println!("order        carrier       in     out  peak memory  repeats, out of order");
    for order in [Order::Fifo, Order::PerPatient] {
        for carrier in ["journal", "amqp"] {
            let (ward, address) = Ward::open((Ipv4Addr::LOCALHOST, 0).into(), order, Duration::ZERO).await;
            let (at, prefix) = (broker.address(), format!("through.{}", order.name()));
            let site = match carrier {
                "amqp" => site(Some((&at, &prefix, AHEAD_DEFAULT)), order, order.lanes(), address),
                _ => site(None, order, order.lanes(), address),
            };
            let node = Running::start(&site).await;
            let peak = Peak::of(node.pid());
            let began = Instant::now();
            Feed::new(node.address("feed"), 0, Some(count)).send().await;
            let taken_in = began.elapsed();
            ward.wait_for(count).await;
            println!(
                "{:<11} {carrier:>8} {:>8.0} {:>7.0} {:>9.1} MB  {}",
                order.name(),
                count as f64 / taken_in.as_secs_f64(),
                count as f64 / began.elapsed().as_secs_f64(),
                peak.take_mb(),
                faults([&*ward])
            );
        }
    }
}

async fn drain(broker: &Broker, order: Order, count: u64) {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port").local_addr();
    let address = address.expect("its address");
    let (at, prefix) = (broker.address(), format!("drain.{}", order.name()));
    let site = site(Some((&at, &prefix, AHEAD_DEFAULT)), order, order.lanes(), address);
    let north = Running::start_node(&site, "north", "north", &["--only", "sources"]).await;
    let south = Running::start_node(&site, "south", "south", &["--only", "destinations"]).await;
    let peaks = [Peak::of(north.pid()), Peak::of(south.pid())];
    let print_peaks = || {
        let [north, south] = peaks.each_ref().map(Peak::take_mb);
        println!("  peak memory of who takes in, who delivers  {north:>7.1} MB {south:>7.1} MB");
    };
    println!("{}, {count} messages while the receiver is away", order.name());
    let began = Instant::now();
    Feed::new(north.address("feed"), 0, Some(count)).send().await;
    println!("  in, messages a second   {:>10.0}", count as f64 / began.elapsed().as_secs_f64());
    print_peaks();

    let (ward, _) = Ward::open(address, order, Duration::ZERO).await;
    ward.wait_for(1).await;
    let began = Instant::now();
    let mut quarter = 0;
    for until in [count / 4, count / 2, count / 4 * 3, count] {
        ward.wait_for(until).await;
        quarter += 1;
        println!("  after {quarter} of 4 quarters, {:.0} s", began.elapsed().as_secs_f64());
        print_peaks();
    }
    println!("  out, messages a second  {:>10.0}", count as f64 / began.elapsed().as_secs_f64());
    println!("  repeats, out of order   {:>10}", faults([&*ward]));
}

/// A feed to one destination, by way of a broker at this address, with names that begin so, and so many ahead there; or without a broker.
fn site(broker: Option<(&str, &str, u64)>, order: Order, lanes: usize, address: SocketAddr) -> Site {
    let carrier = broker.map(|(at, prefix, ahead)| queue(at, prefix) + &format!("  ahead: {ahead}\n"));
    let lanes = match order {
        Order::Fifo => String::new(),
        Order::PerPatient => format!("    lanes: {lanes}\n"),
    };
    let text = format!(
        "{}site: carrier\nsources:\n  feed:\n    mllp:\n      listen: 127.0.0.1:0\ndestinations:\n  hospital:\n    order: {}\n{lanes}    retry: {{ then: 1s }}\n    mllp:\n      address: {address}\n",
        carrier.unwrap_or_default(),
        order.name(),
    );
    let site = measured::site(
        &text,
        "route: feed\nfrom: feed\nto:\n  - destination: hospital\n    mapping: five-rules\n",
    );
    site.write("password", orderly_tests::broker::PASSWORD);
    site
}
