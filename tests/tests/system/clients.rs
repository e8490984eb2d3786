//! `orderly send` and `orderly listen`: against each other, and against an engine.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use orderly_hl7v2::AckCode;
use orderly_tests::peers::{Peer, acknowledgement, admission};
use orderly_tests::running::{Running, binary, orderly, until};
use orderly_tests::site::Site;
use serde_json::Value;

/// A running `orderly listen`, which ends with its test.
struct Listening {
    child: Child,
    out: BufReader<ChildStdout>,
    address: String,
}

impl Listening {
    fn start(arguments: &[&str]) -> Listening {
        let mut command = Command::new(binary());
        command.args(["listen", "127.0.0.1:0", "--json"]).args(arguments).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        Listening { child, out, address: ready["listening"].as_str().unwrap().to_owned() }
    }

    /// Waits for its end: the exit code and the totals.
    async fn ended(mut self) -> (Option<i32>, Value) {
        let status = until("listen to end", || self.child.try_wait().unwrap()).await;
        let mut totals = String::new();
        self.out.read_to_string(&mut totals).unwrap();
        (status.code(), serde_json::from_str(&totals).unwrap())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn with_files() -> Site {
    let site = Site::filing();
    site.write("one.hl7", admission("C1"));
    site.write("two.hl7", [admission("C2"), admission("C3")].concat());
    site
}

#[tokio::test]
async fn send_prints_each_answer() {
    let site = with_files();
    let receiver = Listening::start(&["--count", "3"]);
    let ran = orderly(&site, ["send", &receiver.address, "one.hl7", "two.hl7", "--json"]).await.ended(0);
    let answers: Vec<_> =
        ran.json().into_iter().map(|line| (line["acknowledges"].clone(), line["answer"].clone())).collect();
    assert_eq!(answers, ["C1", "C2", "C3"].map(|id| (Value::from(id), Value::from("AA"))));
    let (code, totals) = receiver.ended().await;
    assert_eq!((code, &totals["messages"], &totals["order_breaks"]), (Some(0), &3.into(), &0.into()));
}

#[tokio::test]
async fn a_refusal_is_a_no_on_both_sides_of_the_order() {
    let site = with_files();
    let receiver = Listening::start(&["--count", "3", "--answer", "AE", "--delay", "1"]);
    let ran = orderly(&site, ["send", &receiver.address, "two.hl7", "one.hl7"]).await.ended(1);
    assert_eq!(ran.out.matches(" AE ").count(), 3, "{}", ran.out);
    let (code, totals) = receiver.ended().await;
    assert_eq!((code, &totals["order_breaks"]), (Some(1), &1.into()), "C1 after C3 breaks the order");
}

#[tokio::test]
async fn nobody_there_and_no_file_are_reasons_not_to_begin() {
    let site = with_files();
    let gone = Peer::accepting().await.address.to_string();
    let ran = orderly(&site, ["send", &gone, "one.hl7"]).await.ended(2);
    assert!(ran.err.contains("nobody listens there"), "{}", ran.err);
    let ran = orderly(&site, ["send", &gone, "none.hl7"]).await.ended(2);
    assert!(ran.err.contains("cannot read none.hl7"), "{}", ran.err);
}

#[tokio::test]
async fn listen_says_when_its_port_is_taken() {
    let peer = Peer::accepting().await;
    let ran = orderly(&Site::of(&[]), ["listen", &peer.address.to_string()]).await.ended(2);
    assert!(ran.err.contains("is in use"), "{}", ran.err);
}

#[tokio::test]
async fn a_load_goes_through_the_engine_in_order_and_once() {
    let hospital = Peer::answering(|_, message| acknowledgement(message, AckCode::AA)).await;
    let site = Site::relay(hospital.address);
    site.write("one.hl7", admission("C1"));
    let engine = Running::start(&site).await;
    let address = engine.address("clinic").to_string();
    let arguments = ["send", &address, "one.hl7", "--count", "300", "--connections", "8", "--json"];
    let figures = &orderly(&site, arguments).await.ended(0).json()[0];
    assert_eq!((&figures["answered"], &figures["answers"]["AA"]), (&300.into(), &300.into()), "{figures}");
    hospital.received(300).await;
    let arrived = hospital.control_ids();
    let mut stored =
        site.journal().search(&orderly_journal::Query { limit: 1000, ..Default::default() }).unwrap();
    stored.reverse();
    let stored: Vec<String> = stored.into_iter().map(|message| message.control_id).collect();
    assert_eq!(arrived, stored, "in the order of the journal");
    assert_eq!(arrived.iter().collect::<std::collections::HashSet<_>>().len(), 300, "each once");
}
