//! `orderly test`: cases beside a mapping, for people, for programs and for build servers.

use std::fs;
use std::path::Path;

use orderly_tests::running::orderly;
use orderly_tests::site::Site;
use serde_json::json;

const MAPPING: &str = "mapping: wards\ninput: hl7v2 2.5.1\noutput: hl7v2\nrules:\n  - set:\n      PV1-2: INPATIENT\n  - when: PID-8 = 'X'\n    set:\n      PID-8: U\n";
const TEST: &str = "# By hand.\ntest: wards\ncases:\n  - name: an inpatient\n    input: admit.hl7\n    expect:\n      PV1-2: INPATIENT # the EHR's word\n";

fn site() -> Site {
    let site = Site::filing();
    site.write("mappings/wards.yaml", MAPPING);
    site.write("mappings/wards.test.yaml", TEST);
    site.write("admit.hl7", "MSH|^~\\&|A|B|C|D|20260305||ADT^A01|M1|P|2.5.1\rPID|1||7\rPV1|1|I\r");
    site
}

#[tokio::test]
async fn what_holds_passes_and_what_no_case_used_is_told() {
    let site = site();
    let ran = orderly(&site, ["test"]).await.ended(0);
    let expected = "mappings/wards.test.yaml\n  ok      an inpatient\n\nno test ever fired mappings/wards.yaml:7:5  when: PID-8 = 'X'\n1 case passed; 1 of 3 lines of 1 mapping fired\n";
    assert_eq!(ran.out, expected);
    orderly(&site, ["test", "mappings/wards.yaml"]).await.ended(0);
    orderly(&site, ["test", "routes"]).await.ended(2);
}

#[tokio::test]
async fn what_does_not_hold_fails_and_can_be_rewritten() {
    let site = site();
    site.amend("mappings/wards.test.yaml", "INPATIENT #", "I #");
    let told = "mappings/wards.test.yaml:7:14: PV1-2 Patient Class: expected I, got INPATIENT";
    let ran = orderly(&site, ["test", "--junit", "results.xml"]).await.ended(1);
    assert!(ran.out.contains(told), "{}", ran.out);
    let results = fs::read_to_string(site.path("results.xml")).expect("results");
    assert!(
        results.contains("<testsuite name=\"mappings/wards.test.yaml\" tests=\"1\" failures=\"1\">"),
        "{results}"
    );
    let found = orderly(&site, ["test", "--json"]).await.ended(1).json();
    let mismatch = json!([{ "place": "mappings/wards.test.yaml:7:14", "what": "PV1-2 Patient Class", "expected": "I", "got": "INPATIENT" }]);
    assert_eq!((&found[0]["passed"], &found[0]["mismatches"]), (&json!(false), &mismatch));
    assert_eq!(found[1]["coverage"][0]["never_fired"], json!(["mappings/wards.yaml:7:5"]));
    orderly(&site, ["test", "--update"]).await.ended(0);
    assert_eq!(fs::read_to_string(site.path("mappings/wards.test.yaml")).expect("the test"), TEST);
}

/// A rewritten input would make every test of it true.
#[tokio::test]
async fn an_input_is_never_rewritten() {
    let site = site();
    let input = fs::read(site.path("admit.hl7")).expect("the input");
    site.write(
        "mappings/wards.test.yaml",
        "test: wards\ncases:\n  - name: stays\n    input: admit.hl7\n    expect: admit.hl7\n",
    );
    orderly(&site, ["test"]).await.ended(1);
    let ran = orderly(&site, ["test", "--update"]).await.ended(1);
    assert!(ran.err.contains("admit.hl7 stays as it is: it is the input of a test"), "{}", ran.err);
    assert_eq!(fs::read(site.path("admit.hl7")).expect("the input"), input);
}

#[tokio::test]
async fn a_wrong_test_file_is_a_matter_of_check() {
    let site = site();
    site.amend("mappings/wards.test.yaml", "input: admit.hl7", "inptu: admit.hl7");
    let found = orderly(&site, ["check", "--json"]).await.ended(1).json();
    let places: Vec<_> =
        found.iter().map(|found| json!([found["code"], found["file"], found["line"]])).collect();
    let file = "mappings/wards.test.yaml";
    let unused = json!(["mapping-unused", "mappings/wards.yaml", 1]);
    let wrong = [json!(["config-missing-key", file, 4]), json!(["config-unknown-key", file, 5])];
    assert_eq!(places, [&wrong[..], &[unused]].concat(), "errors first");
    orderly(&site, ["test"]).await.ended(2);
}

/// Copies a folder into the site.
fn copy(site: &Site, root: &Path, below: &str) {
    for entry in fs::read_dir(root.join(below)).expect("a folder") {
        let name = format!("{below}/{}", entry.expect("an entry").file_name().to_string_lossy());
        match root.join(&name).is_dir() {
            true => copy(site, root, &name),
            false => site.write(&name, fs::read(root.join(&name)).expect("a file")),
        }
    }
}

/// The tests of the sample network hold, and so do those that the documentation shows.
#[tokio::test]
async fn the_documentations_tests_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let site = Site::of(&[]);
    site.write("orderly.yaml", fs::read(root.join("orderly.yaml")).expect("the site"));
    for folder in ["routes", "mappings", "samples"] {
        copy(&site, root, folder);
    }
    let page = fs::read_to_string(root.join("docs/testing.md")).expect("the page");
    let mut shown = 0;
    for block in page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        let folder = if block.starts_with("test: riverside") { "routes" } else { "mappings" };
        site.write(&format!("{folder}/shown.test.yaml"), block);
        shown += 1;
    }
    assert_eq!(shown, 2);
    let ran = orderly(&site, ["test"]).await.ended(0);
    assert_eq!(ran.out.matches("shown.test.yaml").count(), 2, "{}", ran.out);
}

/// The files that the page on a first route shows are a site without errors, whose tests hold and use every line, and nothing is forgotten.
#[tokio::test]
async fn the_first_route_of_the_documentation_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let page = fs::read_to_string(root.join("docs/first-route.md")).expect("the page");
    let site = Site::of(&[]);
    // A block of a file has the file's path behind its kind.
    for block in page.split("\n```").filter(|block| block.contains('\n')) {
        let (head, text) = block.split_once('\n').expect("a first line");
        if let Some((_, path)) =
            head.split_once(' ').filter(|(kind, _)| ["yaml", "csv", "hl7"].contains(kind))
        {
            site.write(path, format!("{text}\n"));
        }
    }
    let ran = orderly(&site, ["check"]).await.ended(0);
    assert!(ran.out.starts_with("fine: 1 route, 2 mappings, 2 test files"), "{}{}", ran.out, ran.err);
    let ran = orderly(&site, ["test"]).await.ended(0);
    assert!(ran.out.ends_with("4 cases passed; 9 of 9 lines of 2 mappings fired\n"), "{}", ran.out);
    orderly(&site, ["coverage", "samples/admit.hl7"]).await.ended(0);
}
