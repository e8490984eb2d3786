//! `orderly demo`: every sample meets the fate written down for it.

use orderly_tests::running::orderly;
use orderly_tests::site::Site;

#[tokio::test]
async fn people_see_a_table_and_the_totals() {
    let ran = orderly(&Site::of(&[]), ["demo", "--once"]).await.ended(0);
    assert!(ran.out.contains("every message met the fate written down for it"), "{}", ran.out);
    for text in ["RV000101", "northside-lab", "ADT^A40", "quarantined"] {
        assert!(ran.out.contains(text), "{text} is not in:\n{}", ran.out);
    }
}

#[tokio::test]
async fn programs_get_one_object() {
    let objects = orderly(&Site::of(&[]), ["demo", "--json"]).await.ended(0).json();
    let [report] = objects.as_slice() else { panic!("{objects:?}") };
    assert_eq!(report["all_as_expected"], true);
    assert_eq!(report["messages"], 21);
    assert_eq!(report["samples"][0]["deliveries"]["hospital-ehr"], "delivered");
}

#[tokio::test]
async fn its_files_can_be_kept_and_looked_into() {
    let site = Site::of(&[]);
    orderly(&site, ["demo", "--json", "--keep", "kept"]).await.ended(0);
    let found = orderly(&site, ["messages", "--config", "kept/orderly.yaml", "--json"]).await.ended(0).json();
    assert_eq!(found.len(), 21);
    let again = orderly(&site, ["demo", "--once", "--keep", "kept"]).await.ended(2);
    assert!(again.err.contains("kept cannot be made"), "{}", again.err);
}
