//! What comes in pieces is split as what is there at once, wherever the pieces end.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use orderly_hl7v2::{Splitter, split};
use proptest::prelude::*;

/// Everything that means something to splitting, and what looks like it.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let header = prop::sample::select(vec![
        "MSH|^~\\&|A",
        "MSH|^~\\&|",
        "MSH|",
        "MSH#^~\\&#B",
        "BHS|^~\\&|A",
        "FHS|^~\\&",
        "BHS",
        "FHS#",
    ]);
    let trailer = (
        prop::sample::select(vec!["BTS", "FTS"]),
        prop::sample::select(vec![
            "",
            "|",
            "|1",
            "|2|x",
            "| 1 ",
            "|00000000000000000000000000000000001",
            "#0",
        ]),
    )
        .prop_map(|(name, count)| format!("{name}{count}"));
    let other = prop::sample::select(vec![
        "PID|1||70014",
        "NTE|1||MSH|",
        "MSHAPE|x",
        "MS",
        "M",
        "BT",
        "MSH",
        "FT",
        " ",
        "\t",
        "ready",
        "x",
    ]);
    let ends = prop::sample::select(vec![
        "\r",
        "\n",
        "\r\n",
        "\r\r",
        "\u{b}",
        "\u{1c}\r",
        "\u{1c}\u{b}",
        "\0",
        "\u{feff}",
    ]);
    let text = |text: String| text.into_bytes();
    prop_oneof![
        3 => header.prop_map(|header| header.as_bytes().to_vec()),
        2 => trailer.prop_map(text),
        3 => other.prop_map(|other| other.as_bytes().to_vec()),
        8 => ends.prop_map(|end| end.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(), 0..40).prop_map(|pieces| pieces.concat())
}

/// The splitter after all of a stream, which is cut into pieces of these sizes, over and over.
fn read(bytes: &[u8], sizes: &[usize], message_bytes_max: usize) -> Splitter {
    let mut splitter = Splitter::new(message_bytes_max);
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        let (chunk, after) = rest.split_at((*size).min(rest.len()));
        splitter.push(chunk);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    splitter.finish();
    splitter
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_stream_has_the_members_of_the_whole(bytes in stream(), sizes in prop::collection::vec(1_usize..20, 1..6)) {
        let mut splitter = read(&bytes, &sizes, bytes.len());
        let batch = split(&bytes);
        prop_assert_eq!(splitter.diagnostics(), batch.diagnostics);
        for range in batch.members {
            let member = splitter.next_member().unwrap();
            prop_assert_eq!(member.offset, range.start as u64);
            prop_assert_eq!(member.bytes, &bytes[range]);
            prop_assert!(!member.cut);
        }
        prop_assert_eq!(splitter.next_member(), None);
    }

    #[test]
    fn a_limit_cuts_and_loses_no_member(bytes in stream(), sizes in prop::collection::vec(1_usize..20, 1..6), limit in 0_usize..40) {
        let mut splitter = read(&bytes, &sizes, limit);
        for range in split(&bytes).members {
            let member = splitter.next_member().unwrap();
            // What stands before the header of a message that is alone is left out where the limit has no room for both.
            let start = usize::try_from(member.offset).unwrap();
            prop_assert!(start == range.start || (range == (0..bytes.len()) && range.len() > limit));
            let whole = &bytes[start..range.end];
            prop_assert_eq!(&member.bytes, &whole[..whole.len().min(limit)]);
            prop_assert_eq!(member.cut, whole.len() > limit);
        }
        prop_assert_eq!(splitter.next_member(), None);
    }
}
