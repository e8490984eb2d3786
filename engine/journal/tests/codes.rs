//! Codes without a row: counted, found, released one delivery at a time.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod harness;

use std::sync::Arc;

use harness::{Running, delivery};
use orderly_journal::*;

fn parked(destination: &str, code: Option<&str>) -> NewDelivery {
    let unmapped =
        code.map(|code| UnmappedCode { mapping: "adt".into(), table: "ward".into(), code: code.to_owned() });
    NewDelivery { state: DeliveryState::Parked, unmapped, ..delivery(destination, None) }
}

fn ready(destination: &str) -> NewDelivery {
    delivery(destination, Some(&Arc::from(b"out".as_slice())))
}

fn accept(running: &Running, accepted_at_us: i64, deliveries: Vec<NewDelivery>) {
    let message = NewMessage { accepted_at_us, deliveries, ..running.message("MSH|1", &[]) };
    running.accept(message).unwrap();
}

fn release(
    running: &Running,
    message_id: u64,
    parked: u64,
    deliveries: Vec<NewDelivery>,
) -> Result<usize, CommitError> {
    running.reprocess(Reprocessed {
        message_id,
        at_us: 900,
        plan: "p2".into(),
        fate: Fate::Routed,
        reason: None,
        deliveries,
        also_delivered: false,
        also_cancelled: false,
        only: Some(Only::Parked(vec![parked])),
    })
}

/// Code, destination, count, waiting, first, last of each.
fn codes(reader: &Reader) -> Vec<(String, String, u64, u64, i64, i64)> {
    let codes = reader.codes().unwrap().into_iter();
    codes
        .map(|code| {
            assert_eq!((code.table.as_str(), code.mapping.as_str()), ("ward", "adt"));
            (code.code, code.destination, code.count, code.waiting, code.first_us, code.last_us)
        })
        .collect()
}

fn standing(
    code: &str,
    destination: &str,
    counts: (u64, u64),
    times: (i64, i64),
) -> (String, String, u64, u64, i64, i64) {
    (code.to_owned(), destination.to_owned(), counts.0, counts.1, times.0, times.1)
}

fn found(reader: &Reader, code: Option<&str>) -> Vec<(u64, Vec<u64>)> {
    let filter = CodeFilter { table: Some("ward".to_owned()), code: code.map(str::to_owned) };
    let found = reader.parked_for_codes(&filter).unwrap().into_iter();
    found.map(|parked| (parked.message_id, parked.deliveries)).collect()
}

#[test]
fn a_code_is_counted_once_a_delivery_and_waits_until_each_went_on() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options::new(folder.path()));
    accept(&running, 100, vec![parked("ehr", Some("W9")), ready("lab")]);
    accept(&running, 200, vec![parked("ehr", Some("W9"))]);
    accept(&running, 300, vec![parked("ehr", Some("W7")), parked("lab", None)]);
    // Beside the engine, as a command reads it.
    let reader = Reader::open(folder.path()).unwrap();
    let (w7, w9) = (standing("W7", "ehr", (1, 1), (300, 300)), standing("W9", "ehr", (2, 2), (100, 200)));
    assert_eq!(codes(&reader), [w7, w9.clone()]);
    assert_eq!(found(&reader, None), [(1, vec![1]), (2, vec![3]), (3, vec![4])]);
    assert_eq!(found(&reader, Some("W9")), [(1, vec![1]), (2, vec![3])]);
    assert_eq!(found(&reader, Some("W1")), []);

    assert_eq!(release(&running, 3, 4, vec![ready("ehr"), ready("lab"), ready("new")]), Ok(1));
    let states: Vec<_> =
        reader.message(3).unwrap().unwrap().deliveries.iter().map(|delivery| delivery.state).collect();
    assert_eq!(states, [DeliveryState::Waiting, DeliveryState::Parked], "the others are left alone");
    let w7 = standing("W7", "ehr", (1, 0), (300, 300));
    assert_eq!(codes(&reader), [w7.clone(), w9.clone()]);

    assert_eq!(release(&running, 1, 1, vec![parked("ehr", Some("W9")), ready("lab")]), Ok(0));
    assert_eq!(codes(&reader), [w7.clone(), w9], "it waits as before");
    assert_eq!(release(&running, 2, 3, vec![parked("ehr", Some("W8"))]), Ok(0));
    let w8 = standing("W8", "ehr", (1, 1), (900, 900));
    let after = [w7, w8, standing("W9", "ehr", (2, 1), (100, 200))];
    assert_eq!(codes(&reader), after);
    assert_eq!(release(&running, 3, 4, vec![parked("ehr", Some("W7"))]), Ok(0), "it is not parked any more");
    assert_eq!(codes(&reader), after);

    drop(running);
    let running = Running::open(Options::new(folder.path()));
    assert_eq!(codes(&running.journal().reader()), after);
    assert_eq!(found(&running.journal().reader(), None), [(1, vec![1]), (2, vec![3])]);
}

#[test]
fn what_waits_is_found_over_all_segment_files_in_the_order_of_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(Options { segment_bytes_max: 1, ..Options::new(folder.path()) });
    for number in 0..3 {
        accept(&running, number, vec![parked("ehr", Some("W9")), parked("lab", Some("W9"))]);
    }
    let reader = Reader::open(folder.path()).unwrap();
    assert_eq!(found(&reader, None), [(1, vec![1, 2]), (2, vec![3, 4]), (3, vec![5, 6])]);
    let both = [standing("W9", "ehr", (3, 3), (0, 2)), standing("W9", "lab", (3, 3), (0, 2))];
    assert_eq!(codes(&reader), both);
}
