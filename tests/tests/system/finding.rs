//! `orderly messages`: by every kind of word, beside a running engine and without one.

use orderly_tests::peers::{Sender, admission};
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;
use serde_json::Value;

const RESULT: &str = "MSH|^~\\&|LAB|NORTH|HUB|HUB|20260305150000-0500||ORU^R01^ORU_R01|F2|P|2.5.1\r\
PID|1||80021^^^NORTH^MR||SAMPLER^BORIS||19700101|M\rPV1|1|O|||||||||||||||||VN5512\r\
ORC|RE|PL900|FI900\rOBR|1|PL900|FI900|2345-7^Glucose^LN\rOBX|1|NM|2345-7^Glucose^LN||5.4|mmol/L|||||F\r";

/// Three messages: an admission, a result, and bytes without a header.
async fn fed(site: &Site) -> Running {
    let engine = Running::start(site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    clinic.send(&admission("F1")).await;
    clinic.send(RESULT.as_bytes()).await;
    clinic.send(b"PID|1||no header\r").await;
    until("both files", || (site.filed().len() == 2).then_some(())).await;
    engine
}

async fn found(site: &Site, arguments: &[&str]) -> Vec<String> {
    let ran = orderly(site, [&["messages", "--json"], arguments].concat()).await;
    let ids: Vec<String> = ran.json().iter().map(|line| text(&line["control_id"])).collect();
    assert_eq!(
        ran.code,
        i32::from(ids.is_empty()),
        "{arguments:?}: exit code 1 means that nothing was found"
    );
    ids
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What is asked, and the control ids that it finds, the newest first.
const QUESTIONS: &[(&[&str], &[&str])] = &[
    (&[], &["", "F2", "F1"]),
    (&["--limit", "1"], &[""]),
    (&["--control-id", "F1"], &["F1"]),
    (&["--control-id", "F"], &[]),
    (&["--patient", "70014"], &["F1"]),
    (&["--patient", "TESTER ALMA"], &["F1"]),
    (&["--patient", "sampl"], &["F2"]),
    (&["--patient", "nobody"], &[]),
    (&["--visit", "VN5512"], &["F2"]),
    (&["--order", "PL900"], &["F2"]),
    (&["--order", "FI900"], &["F2"]),
    (&["--type", "ADT"], &["F1"]),
    (&["--type", "ADT^A04"], &["F1"]),
    (&["--type", "ORU^R02"], &[]),
    (&["--state", "delivered"], &["F2", "F1"]),
    (&["--state", "quarantined"], &[""]),
    (&["--state", "routed", "--type", "ORU"], &["F2"]),
    (&["--state", "parked"], &[]),
    (&["--source", "clinic", "--patient", "80021"], &["F2"]),
    (&["--source", "elsewhere"], &[]),
    (&["--since", "1h"], &["", "F2", "F1"]),
    (&["--until", "1h"], &[]),
    (&["--since", "2026-03-05", "--until", "1h"], &[]),
];

#[tokio::test]
async fn what_a_sender_writes_does_nothing_to_the_terminal() {
    let site = Site::filing();
    let engine = Running::start(&site).await;
    let long = "7".repeat(600);
    for control_id in ["RV\u{1b}[31mX\u{7}", &long] {
        let message = format!(
            "MSH|^~\\&|A|B|C|D|20260305||ADT^A\u{1b}[2J01|{control_id}|P|2.3\rPID|1||7||T\u{1b}[1mX\r"
        );
        Sender::connect(engine.address("clinic")).await.send(message.as_bytes()).await;
    }
    let listed = orderly(&site, ["messages"]).await.ended(0).out;
    assert!(listed.contains("RV\\u{1b}[31mX\\u{7}") && !listed.contains(['\u{1b}', '\u{7}']), "{listed}");
    assert!(listed.contains("777…") && !listed.contains(&long), "{listed}");
    let shown = orderly(&site, ["show", "1"]).await.ended(0).out;
    assert!(shown.contains("T\\u{1b}[1mX") && !shown.contains('\u{1b}'), "{shown}");
    assert_eq!(engine.stop().await.code(), Some(0));
}

#[tokio::test]
async fn every_word_finds_its_messages_with_and_without_an_engine() {
    let site = Site::filing();
    let engine = fed(&site).await;
    // The result of the last delivery follows its file within milliseconds.
    until("all delivered", || {
        site.journal().counts().unwrap().deliveries.iter().all(|d| d.count == 2).then_some(())
    })
    .await;
    for (arguments, expected) in QUESTIONS {
        assert_eq!(found(&site, arguments).await, *expected, "{arguments:?} beside the engine");
    }
    assert_eq!(engine.stop().await.code(), Some(0));
    for (arguments, expected) in QUESTIONS {
        assert_eq!(found(&site, arguments).await, *expected, "{arguments:?} without an engine");
    }
}

#[tokio::test]
async fn people_see_a_table() {
    let site = Site::filing();
    let _engine = fed(&site).await;
    let ran = orderly(&site, ["messages"]).await.ended(0);
    for text in ["CONTROL ID", "ADT^A04", "hospital ", "quarantined: "] {
        assert!(ran.out.contains(text), "{text} is not in:\n{}", ran.out);
    }
    let ran = orderly(&site, ["messages", "--patient", "nobody"]).await.ended(1);
    assert_eq!(ran.out, "no message found\n");
}

#[tokio::test]
async fn a_question_that_cannot_be_asked_says_why() {
    let site = Site::filing();
    let ran = orderly(&site, ["messages"]).await.ended(2);
    assert!(ran.err.contains("there is no journal in journal"), "{}", ran.err);
    let ran = orderly(&site, ["messages", "--since", "yesterday"]).await.ended(2);
    assert!(ran.err.contains("write 2026-03-05"), "{}", ran.err);
    let ran = orderly(&site, ["messages", "--state", "lost"]).await.ended(2);
    assert!(ran.err.contains("delivered"), "it names the states: {}", ran.err);
}
