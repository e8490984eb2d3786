//! Software of others, as `tests/foreign/install` brings it: processes that send or receive, told what to do by the small programs in
//! `tests/foreign`, and telling what they see as lines of JSON.
//!
//! What always holds: a process ends with its test, however that ends (it is killed, and those that receive also end with their standard
//! input); whatever is waited for has a limit in time; a test whose software is not there fails.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use crate::running::until;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running program.
pub struct Foreign {
    child: Child,
    said: watch::Receiver<Vec<Value>>,
}

impl Foreign {
    /// Starts one of the Python programs in `tests/foreign`.
    #[must_use]
    pub fn python<'a>(program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Foreign {
        Foreign::start(Command::new(installed().join("python/bin/python")), program, arguments)
    }

    /// Starts one of those for Node.js.
    #[must_use]
    pub fn node<'a>(program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Foreign {
        let mut command = Command::new("node");
        command.env("NODE_PATH", installed().join("npm/node_modules"));
        Foreign::start(command, program, arguments)
    }

    fn start<'a>(
        mut command: Command,
        program: &str,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Foreign {
        command.arg(programs().join(program)).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let out = child.stdout.take().expect("it is piped");
        let (lines, said) = watch::channel(Vec::new());
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let said = serde_json::from_str(&line).unwrap_or(Value::String(line));
                lines.send_modify(|lines| lines.push(said));
            }
        });
        Foreign { child, said }
    }

    /// Where it receives, which is the first thing it says.
    pub async fn port(&self) -> u16 {
        let said = self.said(1).await.swap_remove(0);
        said["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or_else(|| panic!("{said}"))
    }

    /// Waits until it has said so many things, and gives all of them.
    pub async fn said(&self, count: usize) -> Vec<Value> {
        let mut said = self.said.clone();
        let all = tokio::time::timeout(PATIENCE, said.wait_for(|said| said.len() >= count)).await;
        let is_there = matches!(all, Ok(Ok(_)));
        let said = self.said.borrow().clone();
        assert!(is_there, "of {count} things it said {said:#?}");
        said
    }

    /// Waits until it has ended well, and gives all it said.
    pub async fn ended(mut self) -> Vec<Value> {
        let status = until("a program to end", || self.child.try_wait().expect("a child can be waited for"));
        let status = status.await;
        // The sender of lines goes when all is read.
        let closed = async { while self.said.changed().await.is_ok() {} };
        tokio::time::timeout(PATIENCE, closed).await.expect("its output ends with it");
        let said = self.said.borrow().clone();
        assert!(status.success(), "{status}, after {said:#?}");
        said
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign")
}

/// The folder with the software, which is there in the versions that are asked for.
fn installed() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/foreign");
    for list in ["requirements.txt", "package-lock.json"] {
        let (there, wanted) = (fs::read(folder.join(list)), fs::read(programs().join(list)));
        let is_there = matches!((there, wanted), (Ok(there), Ok(wanted)) if there == wanted);
        assert!(
            is_there,
            "the software of others is not installed as {list} has it: run tests/foreign/install"
        );
    }
    folder
}
