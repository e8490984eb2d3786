//! Any bytes are an answer or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderly_hl7v2::read_reply;

fuzz_target!(|bytes: &[u8]| {
    let _ = read_reply(bytes);
});
