//! The figures that users feel, measured through the real binary: start, acknowledgement, throughput, memory.
//!
//! `cargo build --release && cargo bench -p orderly-tests --bench speed -- [MESSAGES]` (100,000 unless told otherwise).
//! Generator, engine and receiver share the machine, flushes are on, the journal lies in the system's temporary folder
//! (set TMPDIR to measure another disk). One source, one destination, a mapping of five rules, an ADT of 1 KB.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use orderly_tests::measured::{self, root};
use serde_json::Value;

const CONNECTIONS: &str = "32";
const SINGLE_COUNT: &str = "3000";
const FLUSHES: usize = 1000;

fn main() {
    // `cargo test --benches` and `cargo bench` pass flags of their own.
    let count =
        std::env::args().skip(1).find(|arg| arg.parse::<u64>().is_ok()).unwrap_or("100000".to_owned());
    let binary = root().join("target/release/orderly");
    assert!(binary.exists(), "{} is missing: run `cargo build --release` first", binary.display());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let message = fs::read(root().join("samples/load/adt_1kb.hl7")).expect("the sample");

    let (mut receiver, receiver_address) = listen(&binary);
    write_site(folder.path(), &receiver_address);
    let (mut engine, address, start) = run(&binary, folder.path());
    println!("start to listening        {:>10.0} ms", start.as_secs_f64() * 1e3);

    let flush_before = median_flush(folder.path(), &message);
    let single = send(&binary, &address, "1", SINGLE_COUNT);
    let flush = (flush_before + median_flush(folder.path(), &message)) / 2.0;
    let acknowledgement = single["latency_ms"]["p50"].as_f64().unwrap_or(f64::NAN);
    println!("append and fdatasync, p50 {flush:>10.3} ms   ({} bytes, same disk, same run)", message.len());
    println!("acknowledgement, p50      {acknowledgement:>10.3} ms   (one connection)");
    println!("acknowledgement / flush   {:>10.2}", acknowledgement / flush);

    let many = send(&binary, &address, CONNECTIONS, &count);
    let number = |name: &str| many[name].as_f64().unwrap_or(f64::NAN);
    println!("messages                  {:>10}", number("messages"));
    println!(
        "in, messages a second     {:>10.0}   ({CONNECTIONS} connections)",
        number("messages_per_second")
    );
    println!("  first tenth             {:>10.0}", number("messages_per_second_first_tenth"));
    println!("  last tenth              {:>10.0}", number("messages_per_second_last_tenth"));
    let (first, last) = (number("messages_per_second_first_tenth"), number("messages_per_second_last_tenth"));
    println!("  last / first            {:>10.2}", last / first);
    println!("  acknowledgement p50     {:>10.2} ms", many["latency_ms"]["p50"].as_f64().unwrap_or(f64::NAN));
    println!("  acknowledgement p99     {:>10.2} ms", many["latency_ms"]["p99"].as_f64().unwrap_or(f64::NAN));
    println!("engine, peak memory       {:>10.1} MB", peak_memory(&engine));

    let stopping = Instant::now();
    stop(&mut engine);
    println!("stop                      {:>10.0} ms", stopping.elapsed().as_secs_f64() * 1e3);
    let totals = received(&mut receiver);
    println!("received                  {:>10}", totals["messages"]);
    println!(
        "  a second                {:>10.0}",
        totals["messages_per_second"].as_f64().unwrap_or(f64::NAN)
    );
    println!("  repeats, order breaks   {:>10} {}", totals["repeats"], totals["order_breaks"]);
    println!("journal                   {:>10.1} MB", size(&folder.path().join("journal")) as f64 / 1e6);
}

fn write_site(folder: &Path, receiver: &str) {
    let site = format!(
        "site: speed\nsources:\n  feed:\n    mllp:\n      listen: 127.0.0.1:0\n\
         destinations:\n  ehr:\n    mllp:\n      address: {receiver}\n"
    );
    let route = "route: feed\nfrom: feed\nto:\n  - destination: ehr\n    mapping: five-rules\n";
    measured::write_site(folder, &site, route);
}

/// A receiver and where it listens.
fn listen(binary: &Path) -> (Child, String) {
    let mut command = Command::new(binary);
    command.args(["listen", "127.0.0.1:0", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut receiver = command.spawn().expect("the receiver starts");
    let mut line = String::new();
    let mut output = BufReader::new(receiver.stdout.take().expect("its output"));
    output.read_line(&mut line).expect("its first line");
    receiver.stdout = Some(output.into_inner());
    let address = json(&line)["listening"].as_str().expect("its address").to_owned();
    (receiver, address)
}

/// The engine, where its source listens, and how long it took until it did.
fn run(binary: &Path, folder: &Path) -> (Child, String, Duration) {
    let started = Instant::now();
    let mut command = Command::new(binary);
    command.args(["run", "--config"]).arg(folder.join("orderly.yaml")).stderr(Stdio::piped());
    let mut engine = command.spawn().expect("the engine starts");
    let mut log = BufReader::new(engine.stderr.take().expect("its log")).lines();
    let listening = |line: String| {
        let event = json(&line);
        (event["message"] == "listening").then(|| event["address"].as_str().expect("an address").to_owned())
    };
    let address = log.by_ref().map_while(Result::ok).find_map(listening).expect("the engine listens");
    let elapsed = started.elapsed();
    // Whatever it logs from now on must not fill the pipe.
    std::thread::spawn(move || log.for_each(drop));
    (engine, address, elapsed)
}

fn send(binary: &Path, address: &str, connections: &str, count: &str) -> Value {
    let sample = root().join("samples/load/adt_1kb.hl7");
    let mut command = Command::new(binary);
    command.args(["send", address]).arg(sample);
    command.args(["--connections", connections, "--count", count, "--json"]);
    let output = command.stderr(Stdio::inherit()).output().expect("the generator runs");
    let text = String::from_utf8_lossy(&output.stdout);
    json(text.lines().last().unwrap_or_default())
}

/// The median of appending the message to a file and flushing it, in milliseconds.
fn median_flush(folder: &Path, message: &[u8]) -> f64 {
    let mut file = File::create(folder.join("flush")).expect("a file");
    let mut times: Vec<f64> = (0..FLUSHES)
        .map(|_| {
            let began = Instant::now();
            file.write_all(message).expect("an append");
            file.sync_data().expect("a flush");
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[FLUSHES / 2]
}

fn peak_memory(engine: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", engine.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes * 1024.0 / 1e6)
}

fn stop(process: &mut Child) {
    let asked = Command::new("kill").arg("-TERM").arg(process.id().to_string()).status();
    assert!(asked.is_ok_and(|status| status.success()), "kill");
    process.wait().expect("it ends");
}

fn received(receiver: &mut Child) -> Value {
    let output = receiver.stdout.take();
    stop(receiver);
    let lines: Vec<String> =
        BufReader::new(output.expect("its output")).lines().map_while(Result::ok).collect();
    json(lines.last().map_or("", String::as_str))
}

fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON ({error}): {line}"))
}
