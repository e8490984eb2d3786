//! `orderly show`: a file or a stored message, whole or in part, as a tree, a record or bytes.

use std::net::SocketAddr;

use orderly_journal::DeliveryState::Delivered;
use orderly_tests::peers::{Sender, admission};
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A name in ISO 8859-1, as MSH-18 says.
const ACCENTED: &[u8] = b"MSH|^~\\&|REGI|NORTH|HUB|HUB|20260305141500||ADT^A04|L1|P|2.3||||||8859/1\r\
PID|1||70014^^^NORTH^MR~99^^^NORTH^PI||M\xfcller^Ren\xe9e\r";

fn with_file() -> Site {
    let site = Site::filing();
    site.write("admission.hl7", admission("W1"));
    site.write("accented.hl7", ACCENTED);
    site
}

#[tokio::test]
async fn a_file_is_shown_as_a_tree() {
    let site = with_file();
    let ran = orderly(&site, ["show", "accented.hl7"]).await.ended(0);
    for line in [
        "PID-3[2].1",
        "Müller",
        "PID-5[1].2",
        "Patient Identification",
        "Family",
        "PI (Patient internal identifier)",
    ] {
        assert!(ran.out.contains(line), "{line} is not in:\n{}", ran.out);
    }
    let shown = orderly(&site, ["show", "accented.hl7", "--json"]).await.ended(0).json();
    assert_eq!(shown[0]["segments"][1]["segment"], "PID");
    assert_eq!(shown[0]["segments"][1]["fields"]["PID-5[1].1"], "Müller");
    assert_eq!(shown[0]["segments"][1]["names"]["PID-3[2].1"], "Patient ID / ID");
}

#[tokio::test]
async fn a_message_is_compared_with_its_version() {
    let site = Site::filing();
    site.write(
        "odd.hl7",
        "MSH|^~\\&|A|B|C|D|20260305||ADT^A04|L1|P|2.5.1\rEVN||20260305\rPID|1||70014||TESTER^ALMA||19840231|K\rPV1|1|O\r",
    );
    site.write(
        "right.hl7",
        "MSH|^~\\&|A|B|C|D|20260305||ADT^A04^ADT_A01|L1|P|2.5.1\rEVN||20260305\rPID|1||70014||TESTER^ALMA||19840229|F\rPV1|1|O\r",
    );
    let ran = orderly(&site, ["show", "odd.hl7", "--validate"]).await.ended(1);
    for text in ["PID-7[1] (byte 87)", "this is no date and time", "table 0001, Administrative Sex"] {
        assert!(ran.out.contains(text), "{text} is not in:\n{}", ran.out);
    }
    assert!(!ran.out.contains("19840231"), "values stay where they are:\n{}", ran.out);
    let found = orderly(&site, ["show", "odd.hl7", "--validate", "--json"]).await.ended(1).json();
    assert_eq!(found[0]["path"], "PID-7[1]");
    let ran = orderly(&site, ["show", "right.hl7", "--validate"]).await.ended(0);
    assert!(ran.out.contains("as its version says"), "{}", ran.out);
}

#[tokio::test]
async fn places_are_picked_and_a_missing_one_is_a_no() {
    let site = with_file();
    let shown = orderly(&site, ["show", "accented.hl7", "PID-3[2].1", "PID-5.1", "--json"]).await.ended(0);
    let expected =
        [json!({ "path": "PID-3[2].1", "value": "99" }), json!({ "path": "PID-5[1].1", "value": "Müller" })];
    assert_eq!(shown.json(), expected);
    let shown = orderly(&site, ["show", "accented.hl7", "PID-3[*].1"]).await.ended(0);
    let values: Vec<_> = shown.out.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(values, ["70014", "99"]);
    orderly(&site, ["show", "accented.hl7", "PID-30"]).await.ended(1);
    orderly(&site, ["show", "accented.hl7", "ZZZ-1"]).await.ended(1);
    let wrong = orderly(&site, ["show", "accented.hl7", "PID-"]).await.ended(2);
    assert!(wrong.err.contains("PID-"), "{}", wrong.err);
}

#[tokio::test]
async fn the_record_is_json_and_encoding_gives_the_bytes_back() {
    let site = with_file();
    let ran = orderly(&site, ["show", "accented.hl7", "--record"]).await.ended(0);
    let record: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(record["patient"]["name"]["family"], "Müller", "{record}");
    assert_eq!(record["patient"]["identifiers"][0]["value"], "70014");
    let ran = orderly(&site, ["show", "admission.hl7", "--encode"]).await.ended(0);
    assert_eq!(ran.out.as_bytes(), admission("W1"));
}

#[tokio::test]
async fn a_stored_message_is_shown_with_its_fate() {
    let site = Site::filing();
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    clinic.send(&admission("W1")).await;
    clinic.send(b"no header").await;
    assert_eq!(engine.stop().await.code(), Some(0));
    let ran = orderly(&site, ["show", "1"]).await.ended(0);
    for text in ["message 1 from clinic, accepted 20", "routed", "delivered", "PID-5[1].1", "TESTER"] {
        assert!(ran.out.contains(text), "{text} is not in:\n{}", ran.out);
    }
    let shown = orderly(&site, ["show", "1", "--json"]).await.ended(0).json();
    assert_eq!(shown[0]["message"]["deliveries"][0]["attempts"][0]["outcome"], "delivered");
    let ran = orderly(&site, ["show", "1", "PID-5.1"]).await.ended(0);
    assert_eq!(ran.out.split_whitespace().collect::<Vec<_>>(), ["PID-5[1].1", "TESTER"]);
    let ran = orderly(&site, ["show", "1", "--encode"]).await.ended(0);
    assert_eq!(ran.out.as_bytes(), admission("W1"));
    // What cannot be read still has a fate.
    let ran = orderly(&site, ["show", "2"]).await.ended(1);
    assert!(ran.out.contains("quarantined"), "{}", ran.out);
    let unreadable = orderly(&site, ["show", "2", "--json"]).await.ended(1).json();
    assert_eq!(unreadable[0]["message"]["fate"], "quarantined", "{unreadable:?}");
    let ran = orderly(&site, ["show", "2", "--raw"]).await.ended(0);
    assert!(!ran.out.is_empty(), "its bytes are kept");
    // A slip in the configuration hides nothing.
    site.write("mappings/slip.yaml", "mapping: slip\nrules:\n  - stop\n");
    orderly(&site, ["check"]).await.ended(1);
    orderly(&site, ["show", "1"]).await.ended(0);
    orderly(&site, ["messages"]).await.ended(0);
}

#[tokio::test]
async fn a_stored_message_is_read_as_its_source_is_configured() {
    let site = Site::filing();
    site.amend("orderly.yaml", "  clinic:\n", "  clinic:\n    charset: UTF-8\n");
    let engine = Running::start(&site).await;
    let message = "MSH|^~\\&|A|B|C|D|20260305||ADT^A04|W1|P|2.3||||||8859/1\rPID|1||7||Müller\r";
    Sender::connect(engine.address("clinic")).await.send(message.as_bytes()).await;
    let shown = orderly(&site, ["show", "1", "PID-5", "--json"]).await.ended(0).json();
    assert_eq!(shown[0]["value"], "Müller");
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let site = Site::filing();
    let ran = orderly(&site, ["show", "nothing.hl7"]).await.ended(2);
    assert!(ran.err.contains("nothing.hl7 cannot be read"), "{}", ran.err);
    Running::start(&site).await.stop().await;
    let ran = orderly(&site, ["show", "77"]).await.ended(2);
    assert!(ran.err.contains("there is no message 77"), "{}", ran.err);
}

const DOCUMENT: &str = "\
<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><templateId root=\"2.16.840.1.113883.10.20.22.1.2\" extension=\"2015-08-01\"/>
<id root=\"2.16.840.1.113883.19.5.77\" extension=\"DOC-1\"/><code code=\"34133-9\" codeSystem=\"2.16.840.1.113883.6.1\"/>
<title>Summary</title><recordTarget><patientRole><id root=\"2.16.840.1.113883.19.5\" extension=\"70014\"/>
<id root=\"2.16.840.1.113883.19.6\" extension=\"99\"/><patient><name><given>Alma</given><family>Tester</family></name>
</patient></patientRole></recordTarget><component><structuredBody><component><section><code code=\"29762-2\"/>
<title>Social history</title><text>Never smoked</text><entry><observation classCode=\"OBS\" moodCode=\"EVN\">
<code code=\"72166-2\"/></observation></entry><entry><observationMedia classCode=\"OBS\" moodCode=\"EVN\"/></entry></section></component></structuredBody></component></ClinicalDocument>";

#[tokio::test]
async fn a_document_is_shown_by_its_sections_and_what_the_record_does_not_hold() {
    let site = Site::of(&[("ccd.xml", DOCUMENT)]);
    let shown = orderly(&site, ["show", "ccd.xml"]).await.ended(0).out;
    for text in [
        "document   CCD",
        "id         DOC-1",
        "title      Summary",
        "1 of the social history",
        "1 observationMedia",
    ] {
        assert!(shown.contains(text), "{text} is not in:\n{shown}");
    }
    let record = orderly(&site, ["show", "ccd.xml", "--record"]).await.ended(0);
    let record: serde_json::Value = serde_json::from_str(&record.out).unwrap();
    assert_eq!(record["patient"]["name"]["family"], "Tester", "{record}");
    assert_eq!(record["sections"][0]["text"], "Never smoked", "{record}");
    let page = orderly(&site, ["show", "ccd.xml", "--html"]).await.ended(0).out;
    assert!(page.contains("<h2>Social history</h2>") && page.contains("Never smoked"), "{page}");
    let refused = orderly(&site, ["show", "ccd.xml", "--encode"]).await.ended(2);
    assert!(refused.err.contains("`--raw` gives its bytes"), "{}", refused.err);
}

#[tokio::test]
async fn places_of_a_document_are_picked_by_path() {
    let site = Site::of(&[("ccd.xml", DOCUMENT)]);
    let role = "/ClinicalDocument/recordTarget/patientRole";
    let path = format!("{role}/id[2]/@extension");
    let shown = orderly(&site, ["show", "ccd.xml", &path, "--json"]).await.ended(0).json();
    assert_eq!(shown, [json!({ "path": path, "value": "99" })]);
    let shown = orderly(&site, ["show", "ccd.xml", &format!("{role}/patient")]).await.ended(0).out;
    let lines: Vec<&str> = shown.lines().collect();
    let name = format!("{role}/patient/name");
    assert_eq!(lines, [format!("{name}/given  Alma"), format!("{name}/family  Tester")]);
    let all = orderly(&site, ["show", "ccd.xml", "--json"]).await.ended(0).json();
    assert_eq!(all[0]["elements"][&path], "99");
    orderly(&site, ["show", "ccd.xml", &format!("{role}/id[3]")]).await.ended(1);
    let wrong = orderly(&site, ["show", "ccd.xml", "patientRole"]).await.ended(2);
    assert!(wrong.err.contains("is no path into a document"), "{}", wrong.err);
}

const TO_FHIR: &str = "\
sources:
  clinic:
    mllp:
      listen: 127.0.0.1:0
destinations:
  registry:
    fhir:
      base: http://ADDRESS/r4
      prefer: OperationOutcome
";

/// A FHIR server that takes one request and answers it with this.
async fn answering(body: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.trim_ascii_end().ends_with(b"}") {
            assert!(stream.read_buf(&mut request).await.unwrap() > 0, "a request that ends early");
        }
        let length = body.len();
        let head = format!(
            "HTTP/1.1 201 Created\r\ncontent-type: application/fhir+json\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.unwrap();
    });
    address
}

#[tokio::test]
async fn what_a_server_remarked_about_what_it_took_is_shown() {
    let server = answering(
        r#"{"resourceType":"OperationOutcome","issue":[
            {"severity":"warning","code":"business-rule","expression":["Patient.name"],"diagnostics":"no given name\u001b"},
            {"severity":"warning","code":"code-invalid"},
            {"severity":"information","code":"informational","details":{"text":"stored as 17"}}]}"#,
    )
    .await;
    let site = Site::of(&[
        ("orderly.yaml", &TO_FHIR.replace("ADDRESS", &server.to_string())),
        (
            "routes/all.yaml",
            "route: all\nfrom: clinic\nto:\n  - destination: registry\n    mapping: patient\n",
        ),
        (
            "mappings/patient.yaml",
            "mapping: patient\ninput: any\noutput: json\nbuild:\n  resourceType: Patient\n",
        ),
    ]);
    let engine = Running::start(&site).await;
    Sender::connect(engine.address("clinic")).await.send(&admission("W1")).await;
    until("the delivery", || (site.state_of(1) == [Delivered]).then_some(())).await;
    let ran = orderly(&site, ["show", "1"]).await.ended(0);
    let told = "delivery 1: registry answered with 1 information, 2 warning\n  \
                warning[business-rule] at Patient.name: no given name\\u{1b}\n  \
                warning[code-invalid]\n  \
                information[informational]: stored as 17\n";
    assert!(ran.out.contains(told), "{}", ran.out);
    let shown = orderly(&site, ["show", "1", "--json"]).await.ended(0).json();
    let issues = &shown[0]["message"]["deliveries"][0]["attempts"][0]["issues"];
    assert_eq!(
        issues[1],
        json!({ "entry": null, "severity": "warning", "code": "code-invalid", "place": null, "text": null })
    );
    assert_eq!(issues.as_array().map(Vec::len), Some(3));
}
