//! `acknowledge: queued`: a positive answer means that the broker has the message's deliveries, a late broker is a negative one, and nothing is lost or
//! delivered twice. And `answer: from` where another node asks the destination.

use std::net::SocketAddr;

use orderly_hl7v2::AckCode;
use orderly_tests::broker::Broker;
use orderly_tests::peers::{PATIENCE, Peer, Sender, acknowledgement, admission, framed};
use orderly_tests::proxy::Proxy;
use orderly_tests::running::{Running, until};
use orderly_tests::site::Site;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A relay by a broker, whose source answers what is queued. What has the id `NOBODY` goes nowhere.
fn queueing(hospital: SocketAddr, broker: &str, prefix: &str, within: &str) -> Site {
    let site = Site::relay(hospital);
    let clinic =
        format!("  clinic:\n    acknowledge: queued within {within}\n    repeats: {{ within: 24h }}");
    site.amend("orderly.yaml", "  clinic:", &clinic);
    site.amend("routes/relay.yaml", "from: clinic", "from: clinic\nwhen: MSH-10 != 'NOBODY'");
    site.carry(broker, prefix);
    site
}

async fn answer(clinic: &mut Sender, message: &[u8]) -> String {
    clinic.write(&framed(message)).await;
    String::from_utf8(clinic.receive(PATIENCE).await.expect("an answer")).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_positive_answer_means_that_the_broker_has_it() {
    let hospital = Peer::accepting().await;
    let site = queueing(hospital.address, &Broker::shared().address(), "queueing1", "20s");
    let feeds = Running::start_node(&site, "feeds", "feeds", &["--only", "sources"]).await;
    let mut clinic = Sender::connect(feeds.address("clinic")).await;
    for number in 1..=20 {
        assert_eq!(clinic.send(&admission(&format!("M{number}"))).await.code, Some(AckCode::AA));
        assert_eq!(
            site.journal_in("feeds").carried_count().expect("a journal"),
            number,
            "right after the answer"
        );
    }
    // A batch is answered one by one, and what goes nowhere waits for nothing.
    let batch = [admission("B1"), admission("NOBODY"), admission("B2")].concat();
    clinic.write(&framed(&batch)).await;
    for id in ["B1", "NOBODY", "B2"] {
        let answer = String::from_utf8(clinic.receive(PATIENCE).await.expect("an answer")).expect("text");
        assert!(answer.contains(&format!("MSA|AA|{id}")), "{answer}");
    }
    assert_eq!(site.journal_in("feeds").carried_count().expect("a journal"), 22);
    feeds.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn past_its_time_the_answer_is_negative_and_a_repeat_gets_the_positive_one() {
    let hospital = Peer::accepting().await;
    let proxy = Proxy::to(&Broker::shared().address()).await;
    let site = queueing(hospital.address, &proxy.address(), "queueing2", "2s");
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    assert_eq!(clinic.send(&admission("M1")).await.code, Some(AckCode::AA));
    hospital.received(1).await;
    proxy.close(true);
    proxy.cut();
    let late = answer(&mut clinic, &admission("M2")).await;
    assert!(late.contains("MSA|AE|M2"), "{late}");
    let why = "the message is stored and will be delivered; the queue has not taken it within 2 s; send it again to know";
    assert!(late.contains(why), "{late}");
    let repeat = answer(&mut clinic, &admission("M2")).await;
    assert!(repeat.contains("MSA|AE|M2"), "it waits likewise: {repeat}");
    assert!(answer(&mut clinic, &admission("NOBODY")).await.contains("MSA|AA|NOBODY"));
    proxy.close(false);
    until("the broker to have it", || {
        (site.journal().to_queue(2).expect("a journal").is_empty()).then_some(())
    })
    .await;
    let repeat = answer(&mut clinic, &admission("M2")).await;
    assert!(repeat.contains("MSA|AA|M2"), "{repeat}");
    hospital.received(2).await;
    assert!(answer(&mut clinic, &admission("M3")).await.contains("MSA|AA|M3"));
    hospital.received(3).await;
    assert_eq!(hospital.first_arrivals(), ["M1", "M2", "M3"]);
    engine.stop().await;
}

/// Posts a message; gives the answer, head and body.
async fn post(address: SocketAddr, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: x-application/hl7-v2+er7\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("it reads");
    stream.write_all(body).await.expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it answers");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn by_http_a_late_broker_is_a_504() {
    let hospital = Peer::accepting().await;
    let proxy = Proxy::to(&Broker::shared().address()).await;
    let site = queueing(hospital.address, &proxy.address(), "queueing3", "1s");
    site.amend("orderly.yaml", "    mllp:\n      listen", "    http:\n      listen");
    let engine = Running::start(&site).await;
    proxy.close(true);
    proxy.cut();
    let late = post(engine.address("clinic"), &admission("H1")).await;
    assert!(late.starts_with("HTTP/1.1 504 ") && late.contains("MSA|AE|H1"), "{late}");
    proxy.close(false);
    hospital.received(1).await;
    let again = post(engine.address("clinic"), &admission("H1")).await;
    assert!(again.starts_with("HTTP/1.1 200 ") && again.contains("MSA|AA|H1"), "{again}");
    engine.stop().await;
    assert_eq!(hospital.first_arrivals(), ["H1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_another_node_asks_answers_the_sender() {
    let lab = Peer::answering(|_, message| acknowledgement(message, AckCode::AE)).await;
    let site = Site::relay(lab.address);
    site.amend("orderly.yaml", "  clinic:", "  clinic:\n    answer: from hospital within 20s");
    site.carry(&Broker::shared().address(), "queueing4");
    let feeds = Running::start_node(&site, "feeds", "feeds", &["--only", "sources"]).await;
    let out = Running::start_node(&site, "out", "out", &[]).await;
    let (mut portal, mut other) =
        (Sender::connect(feeds.address("clinic")).await, Sender::connect(out.address("clinic")).await);
    // Both nodes number their messages from 1: each sender gets the answer to its own.
    for number in 0..10 {
        let (one, two) = (format!("Q{number}"), format!("R{number}"));
        let (first, second) = (admission(&one), admission(&two));
        let answers = tokio::join!(answer(&mut portal, &first), answer(&mut other, &second));
        assert!(answers.0.contains(&format!("MSA|AE|{one}")), "{}", answers.0);
        assert!(answers.1.contains(&format!("MSA|AE|{two}")), "{}", answers.1);
        assert!(!answers.0.contains("there is no answer") && !answers.1.contains("there is no answer"));
    }
    assert_eq!(lab.first_arrivals().len(), 20);
    out.stop().await;
    feeds.stop().await;
}
