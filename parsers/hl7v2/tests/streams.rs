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
        "SH|^~\\&|A",
        "BTSx",
        "\u{e9}",
        "\u{1a}",
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

/// Stray lines before, between and after: pieces of anything between the lines of a batch.
fn strewn() -> impl Strategy<Value = Vec<u8>> {
    let line = |text: &'static str| {
        (prop::collection::vec(piece(), 0..4), prop::sample::select(vec!["\r", "\r\n", "\n\n", "\u{b}"]))
            .prop_map(move |(stray, end)| {
                [stray.concat().as_slice(), end.as_bytes(), text.as_bytes()].concat()
            })
    };
    let lines = ["FHS|^~\\&\r", "BHS|^~\\&\r", "MSH|^~\\&|A\r", "MSH|^~\\&|B\r", "BTS|2\r", "FTS|1\r", ""];
    lines.map(line).prop_map(|lines| lines.concat())
}

/// What no member has: no line of it may be anything but the header or trailer of a batch.
fn is_no_content(between: &[u8]) -> bool {
    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0x0b);
    between.split(is_line_end).map(without_blanks).all(|line| match line {
        [] | [b'F' | b'B', b'H' | b'T', b'S'] => true,
        [b'F' | b'B', b'H' | b'T', b'S', separator, ..] => separator.is_ascii_punctuation(),
        _ => false,
    })
}

fn without_blanks(line: &[u8]) -> &[u8] {
    match line {
        [0xEF, 0xBB, 0xBF, rest @ ..] => without_blanks(rest),
        [first, rest @ ..] if first.is_ascii() && !first.is_ascii_graphic() => without_blanks(rest),
        rest => rest,
    }
}

#[test]
fn a_message_in_utf_16_is_one_member() {
    let text = "\u{feff}MSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5\r\nPID|1||7\r\n";
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut splitter = read(&bytes, &[7], bytes.len());
    assert_eq!(splitter.next_member().map(|member| member.bytes), Some(bytes.clone()));
    assert!(matches!(split(&bytes).members.as_slice(), [all] if *all == (0..bytes.len())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_vanishes_between_members(bytes in prop_oneof![stream(), strewn()]) {
        let mut end = 0;
        for range in split(&bytes).members {
            prop_assert!(range.start >= end && is_no_content(&bytes[end..range.start]));
            prop_assert!(!range.is_empty() || bytes.is_empty());
            end = range.end;
        }
        prop_assert!(is_no_content(&bytes[end..]));
    }

    #[test]
    fn a_stream_has_the_members_of_the_whole(bytes in prop_oneof![stream(), strewn()], sizes in prop::collection::vec(1_usize..20, 1..6)) {
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
    fn a_limit_cuts_and_loses_no_member(bytes in prop_oneof![stream(), strewn()], sizes in prop::collection::vec(1_usize..20, 1..6), limit in 0_usize..40) {
        let mut splitter = read(&bytes, &sizes, limit);
        let members: Vec<_> = std::iter::from_fn(|| splitter.next_member()).collect();
        let starts: Vec<_> = members.iter().map(|member| usize::try_from(member.offset).unwrap()).collect();
        let mut ranges = split(&bytes).members;
        if ranges.first() == Some(&(0..bytes.len())) && bytes.len() > limit {
            // Where the limit has no room for all, what stands before the header of a message that is alone is a member, or blank.
            prop_assert!(matches!(starts.len(), 1..=2) && is_no_content(&bytes[..starts[0]]));
            let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
            ranges = starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect();
        }
        prop_assert_eq!(members.len(), ranges.len());
        for ((member, start), range) in members.iter().zip(starts).zip(ranges) {
            prop_assert_eq!(start, range.start);
            let whole = &bytes[range];
            prop_assert_eq!(&member.bytes, &whole[..whole.len().min(limit)]);
            prop_assert_eq!(member.cut, whole.len() > limit);
        }
    }
}
