//! The real binary: a running engine, and commands beside it.
//!
//! What always holds: an engine ends with its test, however that ends; whatever is waited for has a limit in time, and
//! who waits in vain is shown the engine's log.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use orderly_queue::planted::Fault;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::sync::watch;

use crate::site::Site;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition that nobody announces is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The binary under test, which cargo puts beside the folder of the tests, and beside other binaries.
#[must_use]
pub fn binary() -> PathBuf {
    let test = env::current_exe().expect("a test has a path");
    let folder = test.parent().expect("a program lies in a folder");
    let profile = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    let binary = profile.expect("tests lie in target/<profile>/deps").join("orderly");
    assert!(
        binary.exists(),
        "{} is missing; build it first: cargo build --workspace --bins",
        binary.display()
    );
    binary
}

/// A running engine.
pub struct Running {
    child: Child,
    log: watch::Receiver<Vec<String>>,
}

impl Running {
    /// Starts `orderly run` on a site and waits until it has started.
    pub async fn start(site: &Site) -> Running {
        Running::start_as(site, Command::new(binary())).await
    }

    /// The same with a fault planted, or without.
    pub async fn start_with(site: &Site, fault: Option<Fault>) -> Running {
        Running::start_planted(site, &[], fault).await
    }

    /// The same by way of another program, such as one that sets limits: `wrapper` gets the binary's path and its
    /// arguments after its own.
    pub async fn start_under(site: &Site, wrapper: &[&str]) -> Running {
        let (program, arguments) = wrapper.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(arguments).arg(binary());
        Running::start_as(site, command).await
    }

    /// Starts it as a node of several that share a broker, with its journal in this folder of the site, and with more arguments.
    pub async fn start_node(site: &Site, name: &str, journal: &str, more: &[&str]) -> Running {
        let journal = site.path(journal);
        let journal = journal.to_str().expect("a path of text");
        Running::start_planted(site, &[&["--node", name, "--journal", journal], more].concat(), None).await
    }

    /// Starts it with more arguments, and with a fault planted or without.
    pub async fn start_planted(site: &Site, arguments: &[&str], fault: Option<Fault>) -> Running {
        let mut command = Command::new(binary());
        if let Some(fault) = fault {
            command.env("ORDERLY_PLANTED_FAULT", (fault as u8).to_string());
        }
        Running::started(Running::spawn(site, command, arguments)).await
    }

    async fn start_as(site: &Site, command: Command) -> Running {
        Running::started(Running::spawn(site, command, &[])).await
    }

    async fn started(running: Running) -> Running {
        running.logged("started").await;
        running
    }

    fn spawn(site: &Site, mut command: Command, arguments: &[&str]) -> Running {
        command.args(["run", "--config"]).arg(site.path("orderly.yaml")).args(arguments);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let log = follow(&mut child);
        Running { child, log }
    }

    /// Where a source listens, or did last.
    #[must_use]
    pub fn address(&self, source: &str) -> SocketAddr {
        let log = self.log();
        let mut announced = log.iter().rev().filter_map(|line| listening(line));
        let found = announced.find(|(name, _)| name == source);
        found.unwrap_or_else(|| panic!("{source} listens nowhere:\n{}", log.join("\n"))).1
    }

    /// Where a source listens that a reload has brought: waits until the log says so.
    pub async fn new_address(&self, source: &str) -> SocketAddr {
        let listens = |line: &String| listening(line).is_some_and(|(name, _)| name == source);
        let mut log = self.log.clone();
        // When it does not come, `address` says what the log holds instead.
        let _ = tokio::time::timeout(PATIENCE, log.wait_for(|lines| lines.iter().any(listens))).await;
        self.address(source)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a line of the log holds this text.
    pub async fn logged(&self, text: &str) {
        self.logged_times(text, 1).await;
    }

    /// Waits until so many lines of the log hold this text.
    pub async fn logged_times(&self, text: &str, times: usize) {
        let mut log = self.log.clone();
        let said = log.wait_for(|lines| lines.iter().filter(|line| line.contains(text)).count() >= times);
        let said = matches!(tokio::time::timeout(PATIENCE, said).await, Ok(Ok(_)));
        assert!(said, "the log does not say {text:?} {times} times:\n{}", self.log().join("\n"));
    }

    /// The log so far.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// Asks it to stop, without waiting for it.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Freezes it: its connections stay, and it does nothing.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("the engine runs");
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(self) -> ExitStatus {
        self.terminate();
        self.ended().await
    }

    /// Waits until it has ended.
    pub async fn ended(mut self) -> ExitStatus {
        until("the engine to end", || self.child.try_wait().expect("a child can be waited for")).await
    }

    /// Ends it at once, as a crash would.
    pub async fn kill(mut self) {
        self.child.kill().expect("the engine runs");
        self.ended().await;
    }

    /// The most memory it ever had resident, in bytes.
    #[must_use]
    pub fn memory_bytes_max(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the engine runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel counts");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Reads the log as it is written, so that the engine never waits for its reader.
fn follow(child: &mut Child) -> watch::Receiver<Vec<String>> {
    let stderr = child.stderr.take().expect("it is piped");
    let (lines, log) = watch::channel(Vec::new());
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            lines.send_modify(|lines| lines.push(line));
        }
    });
    log
}

/// The source and its address, in a line that says so.
fn listening(line: &str) -> Option<(String, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    if line["message"] != "listening" {
        return None;
    }
    Some((line["source"].as_str()?.to_owned(), line["address"].as_str()?.parse().ok()?))
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub out: String,
    /// What it said beside that.
    pub err: String,
}

impl Ran {
    /// The JSON objects it printed, one a line.
    #[must_use]
    pub fn json(&self) -> Vec<Value> {
        let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        self.out.lines().map(read).collect()
    }

    /// Itself, when its exit code is this one.
    #[track_caller]
    pub fn ended(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

/// Runs a command in a site's folder, to its end.
pub async fn orderly<A: AsRef<OsStr>>(site: &Site, arguments: impl IntoIterator<Item = A>) -> Ran {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(site.folder()).stdin(Stdio::null());
    let running = tokio::task::spawn_blocking(move || command.output().expect("the command runs"));
    let output = tokio::time::timeout(PATIENCE, running).await.expect("it ends in time").expect("it ends");
    Ran {
        code: output.status.code().expect("it was not killed"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// Waits for something that nobody announces.
pub async fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = found() {
                return found;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
