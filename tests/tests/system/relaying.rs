//! Relays: the sender of a query gets the destination's own answer, or AE and why there is none; no answer ever reaches another message.

use std::net::SocketAddr;
use std::sync::{Mutex, mpsc};

use orderly_hl7v2::AckCode;
use orderly_journal::DeliveryState::{Delivered, Expired, Failed, Filtered, Parked, Waiting};
use orderly_queue::planted::Fault;
use orderly_tests::peers::{PATIENCE, Peer, Sender, acknowledgement, control_id, framed};
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;
use orderly_transport::listeners::Answer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A query by name.
fn query(control_id: &str, name: &str) -> Vec<u8> {
    format!(
        "MSH|^~\\&|PORTAL|NORTH|LAB|LAB|20260305141500||QBP^Q11^QBP_Q11|{control_id}|P|2.5\rQPD|Q11|{name}\r"
    )
    .into_bytes()
}

/// What a laboratory answers: in Latin-1, with an id of its own and segments that nobody knows.
fn response(about: &str, code: &str) -> Vec<u8> {
    let head = format!(
        "MSH|^~\\&|LAB|LAB|ENGINE|HUB|20260305141501||RSP^K11|77|P|2.5||||||8859/1\rMSA|{code}|{about}||\r"
    );
    [head.as_bytes(), b"QAK|T1|OK\rZRS|M\xFCller \\X41\\ | \r"].concat()
}

/// A site whose portal gets the laboratory's answers. Queries go out with an id of our own; those for `bad`, `held` and `nobody` do not.
fn asking(lab: SocketAddr, within: &str) -> Site {
    let site = Site::relay(lab);
    let portal = format!("  clinic:\n    answer: from hospital within {within}");
    site.amend("orderly.yaml", "  clinic:", &portal);
    site.amend("orderly.yaml", "answer_timeout: 300ms", "answer_timeout: 20s");
    site.amend(
        "routes/relay.yaml",
        "destination: hospital",
        "destination: hospital\n    when: QPD-2 != 'nobody'\n    mapping: ask",
    );
    site.write(
        "mappings/ask.yaml",
        "mapping: ask\ninput: hl7v2 2.5\noutput: hl7v2\nrules:\n  - when: QPD-2 = 'bad'\n    fail: a name nobody has\n  \
         - when: QPD-2 = 'held'\n    park: to be looked at\n  - set:\n      MSH-10: OUT-${MSH-10}\n",
    );
    site
}

async fn answer(portal: &mut Sender, message: &[u8]) -> Vec<u8> {
    portal.write(&framed(message)).await;
    portal.receive(PATIENCE).await.unwrap()
}

/// The answer that must be AE, and say this.
async fn none(portal: &mut Sender, id: &str, name: &str, why: &str) {
    let answer = answer(portal, &query(id, name)).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains(&format!("MSA|AE|{id}|")), "{answer}");
    assert!(
        answer.contains("the message is stored; there is no answer: ") && answer.contains(why),
        "{answer}"
    );
}

#[tokio::test]
async fn the_answer_is_passed_on_as_it_is_and_names_the_query() {
    let lab = Peer::answering(|before, message| {
        Answer::one(response(&control_id(message), if before == 1 { "AE" } else { "AA" }))
    })
    .await;
    let site = asking(lab.address, "10s");
    let engine = Running::start(&site).await;
    let mut portal = Sender::connect(engine.address("clinic")).await;
    assert_eq!(answer(&mut portal, &query("Q1", "TESTER")).await, response("Q1", "AA"));
    // A refusal is an answer too, and what is refused is parked as ever.
    assert_eq!(answer(&mut portal, &query("Q2", "TESTER")).await, response("Q2", "AE"));
    assert_eq!(lab.control_ids(), ["OUT-Q1", "OUT-Q2"]);
    until("the results", || (site.state_of(1) == [Delivered] && site.state_of(2) == [Parked]).then_some(()))
        .await;

    // A batch of queries is answered one by one.
    let batch = [query("Q3", "A"), query("Q4", "B")].concat();
    portal.write(&framed(&batch)).await;
    for id in ["Q3", "Q4"] {
        assert_eq!(portal.receive(PATIENCE).await.unwrap(), response(id, "AA"));
    }
    orderly(&site, ["balance"]).await.ended(0);
}

#[tokio::test]
async fn who_asks_again_right_after_the_answer_gets_it_again() {
    let lab = Peer::answering(|_, message| Answer::one(response(&control_id(message), "AA"))).await;
    // Longer than this test waits: an answer that is missed would come when it is over.
    let site = asking(lab.address, "10m");
    site.amend("orderly.yaml", "  clinic:", "  clinic:\n    repeats:\n      within: 1h");
    let engine = Running::start(&site).await;
    let mut portal = Sender::connect(engine.address("clinic")).await;
    for number in 1..=20 {
        let id = format!("Q{number}");
        for _ in 0..2 {
            assert_eq!(answer(&mut portal, &query(&id, "TESTER")).await, response(&id, "AA"));
        }
    }
    assert_eq!(lab.control_ids().len(), 20, "each is asked once");
}

#[tokio::test]
async fn whoever_gets_no_answer_is_told_why_at_once() {
    let lab = Peer::answering(|_, message| acknowledgement(message, AckCode::CA)).await;
    let site = asking(lab.address, "60s");
    site.amend("routes/relay.yaml", "from: clinic", "from: clinic\nwhen: message.event != 'Q99'");
    let engine = Running::start(&site).await;
    let mut portal = Sender::connect(engine.address("clinic")).await;
    none(&mut portal, "Q1", "bad", "nothing could be made of it for hospital").await;
    none(&mut portal, "Q2", "held", "it was set aside for hospital until").await;
    none(&mut portal, "Q3", "nobody", "it is not for hospital").await;
    none(&mut portal, "Q4", "TESTER", "it answered CA").await;
    let unrouted = String::from_utf8(query("Q5", "x")).unwrap().replace("Q11^QBP_Q11", "Q99");
    let told = String::from_utf8(answer(&mut portal, unrouted.as_bytes()).await).unwrap();
    assert!(told.contains("no route takes it to hospital"), "{told}");
    until("the results", || (site.state_of(4) == [Delivered]).then_some(())).await;
    assert_eq!([site.state_of(1), site.state_of(2), site.state_of(3)], [[Failed], [Parked], [Filtered]]);

    orderly(&site, ["pause", "hospital", "--reason", "upgrade"]).await.ended(0);
    none(&mut portal, "Q6", "TESTER", "hospital is paused by ").await;
    assert_eq!(site.state_of(6), [Waiting]);
    // What cannot be read is answered as ever, and an acknowledgement is not.
    let unreadable = String::from_utf8(answer(&mut portal, b"MSH|^~\\&|A|B|C|D").await).unwrap();
    assert!(unreadable.contains("MSA|A"), "{unreadable}");
    portal.write(&framed(b"MSH|^~\\&|PORTAL|NORTH|LAB|LAB|2026||ACK|A1|P|2.5\rMSA|AA|X\r")).await;
    none(&mut portal, "Q7", "TESTER", "paused").await;
    orderly(&site, ["resume", "hospital"]).await.ended(0);
    until("the delivery", || (site.state_of(6) == [Delivered]).then_some(())).await;
}

/// A laboratory that says when it is asked, and answers when it is told to, once for each message.
async fn held_back() -> (Peer, mpsc::Sender<()>, tokio::sync::mpsc::UnboundedReceiver<()>) {
    let (go, wait) = mpsc::channel();
    let (came, asked) = tokio::sync::mpsc::unbounded_channel();
    let wait = Mutex::new(wait);
    let lab = Peer::answering(move |_, message| {
        came.send(()).ok();
        let went = tokio::task::block_in_place(|| wait.lock().unwrap().recv());
        let code = if went.is_ok() { "AA" } else { "AR" };
        Answer::one(response(&control_id(message), code))
    });
    (lab.await, go, asked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_late_answer_is_kept_and_given_to_nobody_else() {
    let (lab, go, _asked) = held_back().await;
    let site = asking(lab.address, "300ms");
    site.amend("orderly.yaml", "    answer:", "    repeats: { within: 1h }\n    answer:");
    let engine = Running::start(&site).await;
    let mut portal = Sender::connect(engine.address("clinic")).await;
    none(&mut portal, "Q1", "TESTER", "hospital has not answered within 0.3 s").await;
    // The next query waits behind the first, and is answered by its own answer or by none.
    none(&mut portal, "Q2", "TESTER", "has not answered within 0.3 s").await;
    go.send(()).unwrap();
    go.send(()).unwrap();
    until("both results", || {
        (site.state_of(1) == [Delivered] && site.state_of(2) == [Delivered]).then_some(())
    })
    .await;
    go.send(()).unwrap();
    assert_eq!(answer(&mut portal, &query("Q3", "TESTER")).await, response("Q3", "AA"));
    // Asked once more, the first query gets what came for it, and the laboratory is not asked again.
    assert_eq!(answer(&mut portal, &query("Q1", "TESTER")).await, response("Q1", "AA"));
    assert_eq!(lab.control_ids(), ["OUT-Q1", "OUT-Q2", "OUT-Q3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reload_waits_for_no_answer_and_changes_whose_it_is() {
    let (lab, go, mut asked) = held_back().await;
    let site = asking(lab.address, "60s");
    let engine = Running::start(&site).await;
    let mut portal = Sender::connect(engine.address("clinic")).await;
    portal.write(&framed(&query("Q1", "TESTER"))).await;
    asked.recv().await.unwrap();
    site.amend("orderly.yaml", "    answer: from hospital within 60s\n", "");
    orderly(&site, ["reload"]).await.ended(0);
    // Whoever asked before has asked for the laboratory's answer.
    let mut other = Sender::connect(engine.address("clinic")).await;
    let stored = String::from_utf8(answer(&mut other, &query("Q2", "TESTER")).await).unwrap();
    assert!(stored.contains("MSA|AA|Q2\r"), "{stored}");
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!(portal.receive(PATIENCE).await.unwrap(), response("Q1", "AA"));
}

async fn posted(address: SocketAddr, body: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        format!("POST / HTTP/1.1\r\nhost: e\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn what_is_posted_is_answered_by_the_destination_too() {
    let lab = Peer::answering(|_, message| Answer::one(response(&control_id(message), "AA"))).await;
    let site = asking(lab.address, "10s");
    site.amend("orderly.yaml", "    mllp:\n      listen", "    http:\n      listen");
    let engine = Running::start(&site).await;
    let address = engine.address("clinic");
    let found = posted(address, &query("H1", "TESTER")).await;
    assert!(
        found.starts_with(b"HTTP/1.1 200 ") && found.ends_with(&response("H1", "AA")),
        "{}",
        found.escape_ascii()
    );
    let none = posted(address, &query("H2", "bad")).await;
    let none = String::from_utf8(none).unwrap();
    assert!(none.starts_with("HTTP/1.1 504 ") && none.contains("MSA|AE|H2|"), "{none}");
}

/// A laboratory that answers over HTTP: each request by the next of these statuses and bodies.
async fn answering_by_http(answers: Vec<(u16, Vec<u8>)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"QPD|Q11|TESTER\r") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0, "a request that ends early");
            }
            let head = format!(
                "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: x-application/hl7-v2+er7\r\n\
                 content-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn what_is_about_another_message_is_passed_on_to_nobody() {
    let others = response("OUT-OTHER", "AA");
    let answers = vec![(400, others.clone()), (200, others), (200, response("OUT-Q3", "AA"))];
    let lab = answering_by_http(answers).await;
    let site = asking(lab, "10s");
    let by_mllp = format!("    mllp:\n      address: {lab}\n      answer_timeout: 20s\n");
    let by_http = format!("    on_answer: {{ foreign-answer: park }}\n    http:\n      url: http://{lab}/\n");
    site.amend("orderly.yaml", &by_mllp, &by_http);
    site.amend("orderly.yaml", "  clinic:", "  clinic:\n    repeats:\n      within: 1h");
    let engine = Running::start(&site).await;
    let mut portal = Sender::connect(engine.address("clinic")).await;
    // The second time from the journal.
    for id in ["Q1", "Q1", "Q2", "Q2"] {
        none(&mut portal, id, "TESTER", "about another message").await;
    }
    assert_eq!(answer(&mut portal, &query("Q3", "TESTER")).await, response("Q3", "AA"));
}

/// An address at which nobody listens.
fn nowhere() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn whoever_waits_in_vain_is_told_what_the_destination_is_waited_for() {
    let site = asking(nowhere(), "300ms");
    site.amend("orderly.yaml", "then: 50ms", "then: 10m");
    let engine = Running::start(&site).await;
    let mut portal = Sender::connect(engine.address("clinic")).await;
    // The second was never tried: what it waits for is the destination.
    for id in ["Q1", "Q2"] {
        let told = String::from_utf8(answer(&mut portal, &query(id, "TESTER")).await).unwrap();
        assert!(
            told.contains("hospital has not answered within 0.3 s: it is tried in vain since "),
            "{told}"
        );
        assert!(told.contains("the last attempt failed (connect-refused), the next one is in "), "{told}");
        assert!(!told.contains("127.0.0.1"), "no address of ours: {told}");
    }
}

#[tokio::test]
async fn whoever_waits_for_what_expires_is_told_at_once() {
    let site = asking(nowhere(), "60s");
    site.amend(
        "orderly.yaml",
        "    mllp:\n      address",
        "    expires_after: 200ms\n    mllp:\n      address",
    );
    site.amend("orderly.yaml", "  clinic:", "  clinic:\n    repeats:\n      within: 1h");
    let engine = Running::start(&site).await;
    let mut portal = Sender::connect(engine.address("clinic")).await;
    // The second time from the journal.
    for _ in 0..2 {
        none(&mut portal, "Q1", "TESTER", "it waited for longer than `expires_after` of hospital").await;
    }
    assert_eq!(site.state_of(1), [Expired]);
}

/// How many ask at once.
const ASKING: u64 = 8;

/// Several ask at once, each by a name of its own, and the laboratory answers with the name: each must get its own. Says who did not.
async fn each_its_own(fault: Option<Fault>) -> Result<(), String> {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let lab = Peer::answering(move |_, message| {
        tokio::task::block_in_place(|| wait.lock().unwrap().recv()).unwrap();
        let text = String::from_utf8_lossy(message);
        let name = text.split("QPD|Q11|").nth(1).unwrap_or_default().trim_end().to_owned();
        let answer = response(&control_id(message), "AA");
        Answer::one([answer, format!("ZNM|{name}\r").into_bytes()].concat())
    })
    .await;
    let site = asking(lab.address, "20s");
    let engine = Running::start_with(&site, fault).await;
    let mut portals = Vec::new();
    for number in 0..ASKING {
        let mut portal = Sender::connect(engine.address("clinic")).await;
        portal.write(&framed(&query(&format!("E{number}"), &format!("NAME{number}")))).await;
        portals.push(portal);
    }
    let stored = |id| site.journal().message(id).unwrap().is_some();
    until("all to have asked", || (1..=ASKING).all(stored).then_some(())).await;
    (0..ASKING).for_each(|_| go.send(()).unwrap());
    for (number, portal) in portals.iter_mut().enumerate() {
        let told = portal.receive(PATIENCE).await.map_err(|_| "a sender got no answer at all")?;
        let told = String::from_utf8_lossy(&told).into_owned();
        if !told.contains(&format!("ZNM|NAME{number}\r")) {
            return Err("a sender got the answer to another one's message".to_owned());
        }
        assert!(told.contains(&format!("MSA|AA|E{number}|")), "{told}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_gets_its_own_answer_and_a_planted_fault_is_seen() {
    assert_eq!(each_its_own(None).await, Ok(()));
    let seen = each_its_own(Some(Fault::AnswerToAnother)).await;
    assert_eq!(seen, Err("a sender got the answer to another one's message".to_owned()));
}
