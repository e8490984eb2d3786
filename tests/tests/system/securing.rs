//! TLS, tokens and HTTP from end to end: a sender by MLLP over TLS, an engine that passes on by HTTPS to another one, each showing who it is.

use std::fs;

use orderly_journal::DeliveryState;
use orderly_tests::authority::Authority;
use orderly_tests::peers::admission;
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;

/// Takes in over MLLP with TLS from `clinic.example` alone, and passes on by HTTPS.
const FIRST: &str = "\
sources:
  clinic:
    mllp:
      listen: 127.0.0.1:0
      tls:
        certificate: tls/first.pem
        key: tls/first.key
        client_ca: tls/ca.pem
        clients: clinic.example
destinations:
  hospital:
    retry:
      then: 50ms
    http:
      url: https://ADDRESS/hl7/${message.type}
      bearer: ${file:token}
      tls:
        ca: tls/ca.pem
        certificate: tls/first.pem
        key: tls/first.key
        name: second.example
";

/// Takes in by HTTPS from `first.example` with a token.
const SECOND: &str = "\
sources:
  clinic:
    http:
      listen: 127.0.0.1:0
      path: /hl7/ADT
      bearer: ${file:token}
      tls:
        certificate: tls/second.pem
        key: tls/second.key
        client_ca: tls/ca.pem
        clients: first.example
destinations:
  hospital:
    files:
      folder: filed
      name: ${message.control_id}.hl7
";

const ROUTE: &str = "route: relay\nfrom: clinic\nto:\n  - destination: hospital\n";
const TOKEN: &str = "open-sesame-4711";

/// `orderly send` of one message by a sender that shows this certificate, and whether it is accepted.
async fn send(site: &Site, engine: &Running, control_id: &str, shown: &str, code: i32) -> String {
    site.write("one.hl7", admission(control_id));
    let (certificate, key) = (format!("tls/{shown}.pem"), format!("tls/{shown}.key"));
    let address = engine.address("clinic").to_string();
    let tls = ["--tls", "--ca", "tls/ca.pem", "--certificate", &certificate, "--key", &key];
    let arguments = [&["send", &address, "one.hl7", "--json"][..], &tls].concat();
    orderly(site, arguments).await.ended(code).out
}

async fn delivered(site: &Site, id: u64) {
    until("a delivery", || (site.state_of(id) == [DeliveryState::Delivered]).then_some(())).await;
}

#[tokio::test]
async fn everybody_shows_who_it_is_and_renewals_need_no_restart() {
    let authority = Authority::default();
    let second = Site::of(&[("orderly.yaml", SECOND), ("routes/relay.yaml", ROUTE), ("token", TOKEN)]);
    authority.issue(&second, "second", "second.example");
    let receiving = Running::start(&second).await;
    let main = FIRST.replace("ADDRESS", &receiving.address("clinic").to_string());
    let first = Site::of(&[("orderly.yaml", &main), ("routes/relay.yaml", ROUTE), ("token", TOKEN)]);
    authority.issue(&first, "first", "first.example");
    authority.issue(&first, "clinic", "clinic.example");
    let engine = Running::start(&first).await;

    send(&first, &engine, "S1", "clinic", 0).await;
    delivered(&first, 1).await;
    assert!(send(&first, &engine, "S2", "first", 1).await.contains("does not let us in"));
    engine.logged("tls-not-allowed").await;

    // A token that is wrong holds the line, and one that is right again lets it go on.
    second.write("token", "another");
    send(&first, &engine, "S3", "clinic", 0).await;
    engine.logged("answered 401").await;
    second.write("token", TOKEN);
    delivered(&first, 2).await;

    // The first engine's certificate is for somebody else now: the next connection shows it, which the end of the other makes.
    authority.issue(&first, "first", "stranger.example");
    assert_eq!(receiving.stop().await.code(), Some(0));
    second.amend("orderly.yaml", "127.0.0.1:0", main_address(&main));
    let receiving = Running::start(&second).await;
    send(&first, &engine, "S4", "clinic", 0).await;
    receiving.logged("none of `clients`").await;
    authority.issue(&first, "first", "first.example");
    delivered(&first, 3).await;

    assert_eq!(second.filed().len(), 3);
    for running in [engine, receiving] {
        assert!(!running.log().join("").contains(TOKEN));
        assert_eq!(running.stop().await.code(), Some(0));
    }
    for entry in fs::read_dir(first.path("journal")).unwrap() {
        let path = entry.unwrap().path();
        let holds = |bytes: Vec<u8>| bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
        assert!(!path.is_file() || !holds(fs::read(&path).unwrap()), "{}", path.display());
    }
}

fn main_address(main: &str) -> &str {
    main.split("https://").nth(1).and_then(|rest| rest.split('/').next()).unwrap()
}

#[tokio::test]
async fn what_is_missing_is_told_before_anything_runs() {
    let authority = Authority::default();
    let site = Site::of(&[("orderly.yaml", SECOND), ("routes/relay.yaml", ROUTE)]);
    authority.issue(&site, "second", "second.example");
    let codes = async |code: i32| -> Vec<String> {
        let found = orderly(&site, ["check", "--json"]).await.ended(code).json();
        found.iter().map(|found| format!("{}:{}", found["code"].as_str().unwrap(), found["line"])).collect()
    };
    assert_eq!(codes(1).await, ["secret-missing:6"]);
    orderly(&site, ["run"]).await.ended(2);
    site.write("token", TOKEN);
    assert_eq!(codes(0).await, Vec::<String>::new());
    authority.issue(&site, "other", "other.example");
    site.amend("orderly.yaml", "second.key", "other.key");
    assert_eq!(codes(1).await, ["tls-files:7"]);
}
