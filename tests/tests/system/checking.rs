//! `orderly check`: all errors at once, each at its place.

use orderly_tests::running::orderly;
use orderly_tests::site::Site;
use serde_json::json;

/// Errors in all three kinds of file.
fn wrong() -> Site {
    let site = Site::filing();
    site.amend("orderly.yaml", "listen: 127.0.0.1:0", "listen: nowhere");
    site.amend("orderly.yaml", "then: 50ms", "then: 50");
    site.write(
        "routes/relay.yaml",
        "route: relay\nfrom: clinic\nto:\n  - destination: hopsital\n    mapping: warts\n",
    );
    site.write(
        "mappings/wards.yaml",
        "mapping: wards\ninput: hl7v2 2.5.1\noutput: hl7v2\nrules:\n  - set:\n      PV1-3.1: ${PV1-3.1 | uper}\n      PVI1-2: I\n",
    );
    site
}

/// What is wrong there, and where, counted by hand.
const PLACES: &[(&str, &str, u64, u64)] = &[
    ("config-address", "orderly.yaml", 4, 15),
    ("config-value", "orderly.yaml", 8, 13),
    ("route-unknown-destination", "routes/relay.yaml", 4, 18),
    ("route-unknown-mapping", "routes/relay.yaml", 5, 14),
];

#[tokio::test]
async fn a_sound_site_is_fine() {
    let site = Site::filing();
    let ran = orderly(&site, ["check"]).await.ended(0);
    assert!(ran.out.starts_with("fine: 1 route, 0 mappings, plan "), "{}", ran.out);
    let ran = orderly(&site, ["check", "--json"]).await.ended(0);
    assert_eq!(ran.out, "");
}

#[tokio::test]
async fn all_errors_come_at_once_with_their_places() {
    let site = wrong();
    let found = orderly(&site, ["check", "--json"]).await.ended(1).json();
    let place = |code: &str| found.iter().find(|found| found["code"] == code);
    for (code, file, line, column) in PLACES {
        let found = place(code).unwrap_or_else(|| panic!("{code} is not among {found:?}"));
        let expected = json!([file, line, column]);
        assert_eq!(json!([found["file"], found["line"], found["column"]]), expected, "{found}");
        assert_eq!(found["severity"], "error");
    }
    let in_mapping: Vec<_> = found.iter().filter(|found| found["file"] == "mappings/wards.yaml").collect();
    let places: Vec<_> = in_mapping.iter().map(|found| json!([found["line"], found["column"]])).collect();
    assert_eq!(places, [json!([6, 28]), json!([7, 7])], "{in_mapping:?}");
    assert_eq!(found.len(), PLACES.len() + 2, "one mistake, one error: {found:?}");
}

#[tokio::test]
async fn people_see_the_line_and_what_to_do() {
    let ran = orderly(&wrong(), ["check"]).await.ended(1);
    for (code, file, line, column) in PLACES {
        assert!(ran.out.contains(&format!("error[{code}]")), "{}", ran.out);
        assert!(ran.out.contains(&format!("{file}:{line}:{column}")), "{}", ran.out);
    }
    for text in
        ["did you mean `hospital`?", "did you mean `wards`?", "listen: nowhere", "6 errors, 0 warnings"]
    {
        assert!(ran.out.contains(text), "{text} is not in:\n{}", ran.out);
    }
}

#[tokio::test]
async fn a_file_that_can_not_be_read_hides_no_other_error() {
    let site = wrong();
    site.write("mappings/latin.yaml", b"mapping: M\xfcller\n");
    std::os::unix::fs::symlink(site.path("nowhere"), site.path("routes/lost.yaml")).unwrap();
    let found = orderly(&site, ["check", "--json"]).await.ended(1).json();
    let codes: Vec<_> = found.iter().filter_map(|found| found["code"].as_str()).collect();
    assert_eq!(codes.iter().filter(|code| **code == "config-unreadable").count(), 2, "{found:?}");
    assert_eq!(found.len(), PLACES.len() + 4, "{found:?}");
}

#[tokio::test]
async fn a_source_that_nobody_takes_from_is_warned_of() {
    let site = Site::filing();
    site.amend("orderly.yaml", "sources:\n", "sources:\n  lab:\n    files:\n      folder: inbox\n");
    let ran = orderly(&site, ["check"]).await.ended(0);
    assert!(ran.out.contains("no route takes what comes from `lab`"), "{}", ran.out);
}

#[tokio::test]
async fn folders_that_are_one_by_a_link_are_refused() {
    let site = Site::filing();
    site.write("inbox/keep.txt", "");
    std::os::unix::fs::symlink(site.path("inbox"), site.path("outbox2")).unwrap();
    site.amend(
        "orderly.yaml",
        "sources:\n",
        "sources:\n  lab:\n    files:\n      folder: inbox\n  imaging:\n    files:\n      folder: outbox2\n",
    );
    let ran = orderly(&site, ["check"]).await.ended(1);
    assert!(
        ran.out.contains("`imaging` watches the folder that `lab` already watches (by their real paths)"),
        "{}",
        ran.out
    );
    let ran = orderly(&site, ["run"]).await.ended(2);
    assert!(ran.err.contains("config-folder-twice"), "{}", ran.err);
}

#[tokio::test]
async fn broken_yaml_and_a_missing_file_are_told_apart() {
    let site = Site::filing();
    site.write("orderly.yaml", "sources: [\n");
    let found = orderly(&site, ["check", "--json"]).await.ended(1).json();
    assert_eq!(found[0]["file"], "orderly.yaml", "{found:?}");
    site.write("orderly.yaml", "");
    let found = orderly(&site, ["check", "--json"]).await.ended(1).json();
    let [found] = found.as_slice() else { panic!("one mistake, one error: {found:?}") };
    assert_eq!(found["code"], "config-not-a-map");
    let missing = orderly(&site, ["check", "--config", "elsewhere.yaml"]).await.ended(2);
    assert!(missing.err.contains("elsewhere.yaml cannot be read"), "{}", missing.err);
    assert!(missing.err.contains("--config"), "{}", missing.err);
}

#[tokio::test]
async fn a_secret_that_stands_there_is_not_shown_beside_what_is_wrong() {
    let site = Site::filing();
    site.amend(
        "orderly.yaml",
        "    files:\n      folder: filed\n      name: ${message.control_id}.hl7\n",
        "    http:\n      url: https://hub.example.org/\n      basic: { user: u, pasword: hunter2 }\n      headers: { X-Api-Key: 'open sesame' }\n",
    );
    let ran = orderly(&site, ["check"]).await.ended(1);
    let shown = ran.out + &ran.err;
    assert!(shown.contains("pasword") && shown.contains("X-Api-Key"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("sesame"), "{shown}");
    let ran = orderly(&site, ["run"]).await.ended(2);
    assert!(!ran.err.contains("hunter2") && !ran.err.contains("sesame"), "{}", ran.err);
}

const MISSPELT: &str = "\
sources:
  clinic:
    answer: from [hospital, other] within 10s
    mllp:
      listen: 127.0.0.1:0
  other:
    answer:
      from: hospital
    mllp:
      listen: 127.0.0.1:0
  hub:
    amqp:
      hosts: [localhost]
      user: hub
      password: ${env:HUB}
      queue: in
destinations:
  hospital:
    on_answer: { amqp-nack: retry }
    amqp:
      brokers: [localhost]
      user: hub
      password: ${env:HUB}
      exchange: ${message.type}
      routing_key: x
";

#[tokio::test]
async fn what_is_meant_is_said_in_so_many_words() {
    let site = Site::of(&[
        ("orderly.yaml", MISSPELT),
        (
            "routes/relay.yaml",
            "route: relay\nfrom: [clinic, other]\nto:\n  - destination: [hospital, other]\n  - destination: [hospital]\n",
        ),
    ]);
    let found = orderly(&site, ["check", "--json"]).await.ended(1).json();
    let helps: Vec<_> = found.iter().map(|found| (found["line"].as_u64(), found["help"].as_str())).collect();
    let one_line = "write answer: from lab-system within 10s";
    let expected = [
        (3, one_line),
        (8, "write answer: from lab-system within 10s; one destination answers"),
        (13, "add `brokers:`"),
        (
            13,
            "there are brokers, virtual_host, user, password, heartbeat, connect_timeout, tls, queue, prefetch, \
             message_size_max, on_unreadable",
        ),
        (19, "did you mean `amqp-refused`?"),
        (
            24,
            "write its name; what differs by message goes into `routing_key`, and bindings take it from there",
        ),
        (2, "write a route for each source; they may name the same mappings"),
        (4, "write `- destination:` for each, with its own `when` and `mapping`"),
        (5, "write it without the brackets: `destination: hospital`"),
    ];
    assert_eq!(helps, expected.map(|(line, help)| (Some(line), Some(help))));
}

#[tokio::test]
async fn errors_come_before_warnings_and_both_in_the_order_of_the_files() {
    let site = Site::filing();
    site.amend(
        "orderly.yaml",
        "destinations:\n",
        "  idle:\n    mllp:\n      listen: 127.0.0.1:0\ndestinations:\n  web:\n    http:\n      url: http://example.org/\n      \
         bearer: ${file:none}\n",
    );
    site.write("mappings/unused.yaml", "mapping: unused\ninput: any\noutput: json\nbuild:\n  a: b\n");
    let found = orderly(&site, ["check", "--json"]).await.ended(1).json();
    let told: Vec<_> =
        found.iter().map(|found| (found["code"].as_str().unwrap(), found["line"].as_u64())).collect();
    let expected = [
        ("secret-missing", Some(12)),
        ("config-plain-secret", Some(11)),
        ("mapping-unused", Some(1)),
        ("config-source-unrouted", None),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        found[0]["message"],
        "destination web: `bearer` has no value: the file none is not there; put the secret into it, alone on one line"
    );
}
