//! `orderly explain`: a message's way through routes and rules, and back from its output.

use orderly_tests::running::orderly;
use orderly_tests::site::Site;
use serde_json::json;

fn site() -> Site {
    let site = Site::filing();
    site.write("routes/relay.yaml", "route: relay\nfrom: clinic\nwhen: message.type = 'ADT'\nto:\n  - destination: hospital\n    mapping: wards\n");
    site.write("mappings/wards.yaml", "mapping: wards\ninput: hl7v2 2.5.1\noutput: hl7v2\nrules:\n  - set:\n      PV1-2: ${PV1-2 | lower}\n  - when: PID-8 = 'X'\n    set:\n      PID-8: U\n");
    site.write("admit.hl7", "MSH|^~\\&|A|B|C|D|20260305||ADT^A01|M1|P|2.5.1\rPID|1||7\rPV1|1|I\r");
    site
}

#[tokio::test]
async fn people_see_rules_with_their_lines_and_where_fields_come_from() {
    let ran = orderly(&site(), ["explain", "admit.hl7"]).await.ended(0);
    for line in [
        "ADT^A01 M1 from clinic: routed",
        "route relay takes it",
        "  when message.type = 'ADT': holds (routes/relay.yaml:3)",
        "to hospital through wards: ready",
        "  + mappings/wards.yaml:6  PV1-2: ${PV1-2 | lower}",
        "      PV1-2: `I` → `i`",
        "  - mappings/wards.yaml:7  when: PID-8 = 'X'",
        "      by mappings/wards.yaml:6, from PV1-2 (byte 61)",
        "  PV1-2              Patient Class (byte 61): to PV1-2",
    ] {
        assert!(ran.out.lines().any(|found| found == line), "no line {line:?} in\n{}", ran.out);
    }
}

#[tokio::test]
async fn programs_get_the_same() {
    let site = site();
    let found =
        orderly(&site, ["explain", "admit.hl7", "--mapping", "wards", "--json"]).await.ended(0).json();
    let passage = &found[0]["routes"][0]["destinations"][0];
    assert_eq!(passage["rules"][0]["reads"], json!([{ "path": "PV1-2", "text": "I", "decides": false }]));
    let output =
        passage["outputs"].as_array().expect("outputs").iter().find(|output| output["path"] == "PV1-2");
    let from = json!([{ "path": "PV1-2", "name": "Patient Class", "offset": 61, "element": null }]);
    assert_eq!(output.map(|output| &output["from"]), Some(&from));
    let rule = json!({ "file": "mappings/wards.yaml", "line": 6, "column": 7 });
    assert_eq!(output.map(|output| &output["rule"]), Some(&rule));
    orderly(&site, ["explain", "admit.hl7", "--route", "relai"]).await.ended(2);
    site.write("memo.hl7", "no message");
    orderly(&site, ["explain", "memo.hl7"]).await.ended(1);
}
