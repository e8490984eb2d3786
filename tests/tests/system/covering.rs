//! `orderly coverage`: the fields that mappings use and forget, over files and over what was accepted; what is new in a feed.

use orderly_tests::peers::Sender;
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;
use serde_json::json;

fn site() -> Site {
    let site = Site::filing();
    site.write(
        "routes/relay.yaml",
        "route: relay\nfrom: clinic\nto:\n  - destination: hospital\n    mapping: shown\n",
    );
    site.write("mappings/shown.yaml", "mapping: shown\ninput: hl7v2 2.5.1\noutput: json\nignore:\n  MSH: the portal knows its sender\n  PID-1: a number without a meaning\nbuild:\n  mrn: ${PID-3.1}\n");
    site
}

fn message(control_id: &str, pid: &str) -> Vec<u8> {
    format!("MSH|^~\\&|A|B|C|D|20260305||ADT^A01|{control_id}|P|2.5.1\r{pid}\r").into_bytes()
}

#[tokio::test]
async fn files_are_counted_by_field() {
    let site = site();
    site.write("one.hl7", message("M1", "PID|1||7|||||F"));
    let ran = orderly(&site, ["coverage", "one.hl7", "--route", "relay"]).await.ended(1);
    let first = "route relay: 1 message, 13 fields (6 mapped, 0 copied, 0 removed, 6 ignored, 1 unmapped)";
    assert!(ran.out.starts_with(first), "{}", ran.out);
    assert!(ran.out.contains(" unmapped  PID-8    Administrative Sex"), "{}", ran.out);
    site.amend("mappings/shown.yaml", "PID-1:", "PID-8: not shown\n  PID-1:");
    orderly(&site, ["coverage", "one.hl7", "--source", "clinic"]).await.ended(0);
    // Of a site with one source it is that one.
    orderly(&site, ["coverage", "one.hl7"]).await.ended(0);
    let ran = orderly(&site, ["coverage", "one.hl7", "--source", "clinik"]).await.ended(2);
    assert!(ran.err.contains("there is no source `clinik`"), "{}", ran.err);
}

#[tokio::test]
async fn what_the_feed_never_had_before_is_told() {
    let site = site();
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    clinic.send(&message("M1", "PID|1||7|||||F")).await;
    clinic.send(&message("M2", "PID|1||8|||||M\rZPI|1")).await;
    until("both files", || (site.filed().len() == 2).then_some(())).await;
    engine.stop().await;
    let accepted_at = site.journal().message(2).expect("a journal").expect("the second").accepted_at_us;
    let since = jiff::Timestamp::from_microsecond(accepted_at).expect("a time").to_string();
    let found = orderly(&site, ["coverage", "--json", "--since", &since]).await.ended(1).json();
    assert_eq!((&found[0]["route"], &found[0]["messages"]), (&json!("relay"), &json!(1)));
    let new: Vec<_> = found[1..].iter().map(|new| json!([new["code"], new["message"]])).collect();
    let expected = [
        json!(["feed-new-segment", "ZPI is new in what clinic sends: message 2"]),
        json!(["feed-new-code", "PID-8 has the new code M in what clinic sends: message 2"]),
    ];
    assert_eq!(new, expected);
    // Without a time there is no before.
    let all = orderly(&site, ["coverage", "--json"]).await.ended(1).json();
    assert_eq!((all.len(), &all[0]["messages"]), (1, &json!(2)));
}
