//! Members are in order, do not overlap, and lie within the input; what is outside them is no message. A stream has the same members.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderly_hl7v2::{Settings, Splitter, parse, split};

fuzz_target!(|bytes: &[u8]| {
    let batch = split(bytes);
    let mut splitter = Splitter::new(bytes.len());
    // The first byte says how the stream is cut into pieces.
    let piece = bytes.first().map_or(1, |&byte| usize::from(byte).max(1));
    bytes.chunks(piece).for_each(|chunk| splitter.push(chunk));
    splitter.finish();
    assert_eq!(splitter.diagnostics(), batch.diagnostics);
    let mut end = 0;
    for range in batch.members {
        assert!(range.start >= end && range.end <= bytes.len());
        end = range.end;
        let member = splitter.next_member().expect("a member");
        assert_eq!((member.offset, member.cut), (range.start as u64, false));
        assert_eq!(member.bytes, &bytes[range]);
        if let Ok(message) = parse(&member.bytes, &Settings::default()) {
            assert_eq!(message.encode(), member.bytes);
        }
    }
    assert_eq!(splitter.next_member(), None);
});
