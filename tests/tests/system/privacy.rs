//! No patient data in the log, whatever happens to a message and however much is logged.

use orderly_hl7v2::AckCode;
use orderly_tests::peers::{Peer, Sender, acknowledgement, admission, framed};
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;
use orderly_transport::listeners::Answer;

/// What [`admission`] says of its patient, and what the odd messages below say of theirs.
const PATIENT: [&str; 6] = ["TESTER", "ALMA", "70014", "19840211", "SECRET", "CLIN2"];

const MAPPING: &str = "\
mapping: wards
input: hl7v2 2.5.1
output: hl7v2
tables:
  ward:
    rows:
      OTHER: O1
    unmapped: fail
rules:
  - when: MSH-10 = 'FAIL'
    set:
      PV1-3.1: ${PV1-3.1 | lookup(ward)}
  - when: MSH-10 = 'DATE'
    set:
      PID-7: ${PID-5.1 | date('yyyy')}
";

#[tokio::test]
async fn the_log_of_a_bad_day_names_nobody() {
    let hospital = Peer::answering(|before, message| match before {
        0 => Answer::one(b"TESTER^ALMA?".to_vec()),
        1 => Answer::one(b"MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.3\rMSA|AE|GOOD|TESTER unknown\r".to_vec()),
        _ => acknowledgement(message, AckCode::AA),
    });
    let hospital = hospital.await;
    let site = Site::relay(hospital.address);
    site.write("mappings/wards.yaml", MAPPING);
    site.amend("routes/relay.yaml", "destination: hospital", "destination: hospital\n    mapping: wards");
    let engine = Running::start_under(&site, &["env", "ORDERLY_LOG=orderly=trace,debug"]).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for id in ["GOOD", "FAIL", "DATE"] {
        assert_eq!(clinic.send(&admission(id)).await.code, Some(AckCode::AA));
    }
    let unreadable: [&[u8]; 3] = [
        b"PID|1||70014||SECRET\r",
        b"MSH|^~\\&|A|B|C|D|1|||X|P|2.3\rPID|1||70014||SECRET\r",
        b"MSH|^~\\&|A|B|C|D|1||ADT^A04|X|P|2.3\rSECRET segment\rPID|1||70014||SECRET\\Xzz\\\r",
    ];
    for bytes in unreadable {
        clinic.send(bytes).await;
    }
    clinic.write(&framed(&admission("CUT"))[..150]).await;
    drop(clinic);
    hospital.received(3).await;
    until("seven messages", || {
        (site.journal().counts().unwrap().messages.iter().map(|line| line.count).sum::<u64>() == 7)
            .then_some(())
    })
    .await;
    assert_eq!(orderly(&site, ["replay", "--state", "failed"]).await.code, 1, "it fails again");
    engine.terminate();
    engine.logged("\"stopped\"").await;
    let log = engine.log();
    assert!(log.iter().any(|line| line.contains("DEBUG")), "it was to say much:\n{}", log.join("\n"));
    for line in &log {
        assert!(!PATIENT.iter().any(|word| line.contains(word)), "{line}");
    }
}
