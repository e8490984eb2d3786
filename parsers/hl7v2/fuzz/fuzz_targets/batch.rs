//! Members are in order, do not overlap, and lie within the input; what is outside them is no message.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderly_hl7v2::{Settings, parse, split};

fuzz_target!(|bytes: &[u8]| {
    let batch = split(bytes);
    let mut end = 0;
    for member in batch.members {
        assert!(member.start >= end && member.end <= bytes.len());
        end = member.end;
        if let Ok(message) = parse(&bytes[member.clone()], &Settings::default()) {
            assert_eq!(message.encode(), &bytes[member]);
        }
    }
});
