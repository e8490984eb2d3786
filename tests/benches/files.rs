//! Files through the real binary: how many a second out of a full folder, how fast one of a gigabyte, what watching costs, and memory.
//!
//! `cargo build --release && cargo bench -p orderly-tests --bench files -- [FILES] [MEGABYTES]` (100,000 and 1,000 unless told otherwise).
//! Flushes are on; inbox, archive and journal lie in the system's temporary folder (set TMPDIR to measure another disk). Each message is
//! an ADT of 1 KB that goes to a folder nobody reads, by a route that filters it, so that taking in is what is measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use orderly_tests::measured::root;
/// How long watching a folder of files that stay is measured.
const WATCHED: Duration = Duration::from_secs(20);

fn main() {
    // `cargo test --benches` and `cargo bench` pass flags of their own.
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<usize>().ok());
    let (files, megabytes) = (numbers.next().unwrap_or(100_000), numbers.next().unwrap_or(1_000));
    let binary = root().join("target/release/orderly");
    assert!(binary.exists(), "{} is missing: run `cargo build --release` first", binary.display());
    let message = fs::read(root().join("samples/load/adt_1kb.hl7")).expect("the sample");

    full_folder(&binary, &message, files);
    one_large_file(&binary, &message, megabytes);
    files_that_stay(&binary, &message, files);
}

/// All files lie there before the engine starts.
fn full_folder(binary: &Path, message: &[u8], files: usize) {
    let site = Site::new("archive");
    for number in 0..files {
        fs::write(site.inbox().join(format!("{number:08}.hl7")), message).expect("a file");
    }
    let began = Instant::now();
    let mut engine = site.run(binary);
    site.wait_until_empty();
    let seconds = began.elapsed().as_secs_f64();
    println!("files                     {files:>10}   (one ADT of {} bytes each)", message.len());
    println!(
        "  a second                {:>10.0}   (start, listing and archiving included)",
        files as f64 / seconds
    );
    println!("  engine, peak memory     {:>10.1} MB", peak_memory(&engine));
    stop(&mut engine);
}

fn one_large_file(binary: &Path, message: &[u8], megabytes: usize) {
    let site = Site::new("archive");
    let count = megabytes * 1_000_000 / message.len();
    fs::write(site.inbox().join("year.hl7"), message.repeat(count)).expect("a file");
    let began = Instant::now();
    let mut engine = site.run(binary);
    site.wait_until_empty();
    let seconds = began.elapsed().as_secs_f64();
    println!("one file                  {megabytes:>10} MB  ({count} messages)");
    println!("  messages a second       {:>10.0}", count as f64 / seconds);
    println!("  engine, peak memory     {:>10.1} MB", peak_memory(&engine));
    stop(&mut engine);
}

/// What it costs to look at them again and again.
fn files_that_stay(binary: &Path, message: &[u8], files: usize) {
    let site = Site::new("leave");
    for number in 0..files {
        fs::write(site.inbox().join(format!("{number:08}.hl7")), message).expect("a file");
    }
    let mut engine = site.run(binary);
    site.wait_until_stored(files);
    let (before, began) = (processor_seconds(&engine), Instant::now());
    std::thread::sleep(WATCHED);
    let used = (processor_seconds(&engine) - before) / began.elapsed().as_secs_f64();
    println!("files that stay           {files:>10}");
    println!("  processor, watching     {:>10.1} %", used * 100.0);
    println!("  engine, peak memory     {:>10.1} MB", peak_memory(&engine));
    stop(&mut engine);
}

/// A site with one watched folder.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new(after: &str) -> Site {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let site = format!(
            "site: files\nsources:\n  lab:\n    files:\n      folder: inbox\n      complete: renamed\n      after: {after}\n\
             destinations:\n  nobody:\n    files:\n      folder: out\n"
        );
        let route = "route: lab\nfrom: lab\nto:\n  - destination: nobody\n    when: message.type = 'NONE'\n";
        for name in ["routes", "mappings", "inbox"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        fs::write(folder.path().join("orderly.yaml"), site).expect("orderly.yaml");
        fs::write(folder.path().join("routes/lab.yaml"), route).expect("the route");
        Site { folder }
    }

    fn inbox(&self) -> PathBuf {
        self.folder.path().join("inbox")
    }

    fn run(&self, binary: &Path) -> Child {
        let mut command = Command::new(binary);
        command.args(["run", "--config"]).arg(self.folder.path().join("orderly.yaml"));
        command.stderr(Stdio::null()).spawn().expect("the engine starts")
    }

    /// The folder of what was taken is all that is left.
    fn wait_until_empty(&self) {
        let is_empty = || {
            let mut entries = fs::read_dir(self.inbox()).expect("the inbox").flatten();
            entries.all(|entry| entry.file_name() == "archive")
        };
        while !is_empty() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_until_stored(&self, files: usize) {
        let stored = || {
            let reader = orderly_journal::Reader::open(&self.folder.path().join("journal")).ok()?;
            let counts = reader.counts().ok()?;
            Some(counts.messages.iter().map(|line| line.count).sum::<u64>())
        };
        while stored().is_none_or(|stored| stored < files as u64) {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn peak_memory(engine: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", engine.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes * 1024.0 / 1e6)
}

/// Time on the processors so far, in seconds: fields 14 and 15 of /proc/PID/stat, in hundredths.
fn processor_seconds(engine: &Child) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", engine.id())).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn stop(process: &mut Child) {
    let asked = Command::new("kill").arg("-TERM").arg(process.id().to_string()).status();
    assert!(asked.is_ok_and(|status| status.success()), "kill");
    process.wait().expect("it ends");
}
