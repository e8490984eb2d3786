//! `orderly demo`: every sample meets the fate written down for it.

use orderly_tests::broker::{Broker, PASSWORD, USER};
use orderly_tests::running::orderly;
use orderly_tests::site::Site;

/// How many messages the samples hold.
const MESSAGES: usize = 58;

#[tokio::test]
async fn people_see_a_table_and_the_totals() {
    let ran = orderly(&Site::of(&[]), ["demo", "--once"]).await.ended(0);
    assert!(ran.out.contains("every message met the fate written down for it"), "{}", ran.out);
    for text in ["northside-lab", "lakeside-clinic", "CDA", "quarantined", "archived"] {
        assert!(ran.out.contains(text), "{text} is not in:\n{}", ran.out);
    }
    let lines = ran.out.lines().count();
    assert!(lines < 30, "{lines} lines do not fit a screen:\n{}", ran.out);
    let table = ran.out.lines().take_while(|line| !line.is_empty());
    let columns = table.map(|line| line.chars().count()).max().unwrap_or_default();
    assert!(columns <= 140, "{columns} columns do not fit a screen:\n{}", ran.out);
}

#[tokio::test]
async fn each_message_can_have_its_own_line() {
    let ran = orderly(&Site::of(&[]), ["demo", "--once", "--each"]).await.ended(0);
    for text in ["RV000101", "ADT^A40", "CDA^CCD", "hl7v2/batch_one_bad_member.hl7"] {
        assert!(ran.out.contains(text), "{text} is not in:\n{}", ran.out);
    }
}

#[tokio::test]
async fn programs_get_one_object() {
    let objects = orderly(&Site::of(&[]), ["demo", "--json"]).await.ended(0).json();
    let [report] = objects.as_slice() else { panic!("{objects:?}") };
    assert_eq!(report["all_as_expected"], true);
    assert_eq!((&report["messages"], report["samples"].as_array().unwrap().len()), (&MESSAGES.into(), 54));
    assert_eq!(report["samples"][0]["messages"][0]["deliveries"]["hospital-ehr"], "delivered");
}

#[tokio::test]
async fn its_files_can_be_kept_and_looked_into() {
    let site = Site::of(&[]);
    orderly(&site, ["demo", "--json", "--keep", "kept"]).await.ended(0);
    let found = orderly(&site, ["messages", "--config", "kept/orderly.yaml", "--limit", "100", "--json"])
        .await
        .ended(0)
        .json();
    assert_eq!(found.len(), MESSAGES);
    let again = orderly(&site, ["demo", "--once", "--keep", "kept"]).await.ended(2);
    assert!(again.err.contains("kept cannot be made"), "{}", again.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_carries_its_deliveries_to_another_node() {
    let broker = Broker::shared();
    let url = format!("amqp://{USER}:{PASSWORD}@{}/%2f", broker.address());
    let ran = orderly(&Site::of(&[]), ["demo", "--once", "--amqp", &url]).await.ended(0);
    assert!(ran.out.contains("every message met the fate written down for it"), "{}", ran.out);
    let left = broker.node(0).control(&["list_queues", "name"]);
    assert!(!left.contains("orderly-demo"), "it takes away what it made: {left}");
    let wrong = format!("amqp://{USER}:wrong@{}/%2f", broker.address());
    let refused = orderly(&Site::of(&[]), ["demo", "--once", "--amqp", &wrong]).await.ended(2);
    assert!(refused.err.contains("the broker cannot be used"), "{}", refused.err);
    assert!(!refused.err.contains(":wrong"), "{}", refused.err);
}
