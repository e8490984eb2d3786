//! Whatever a receiver answers, over MLLP or by FHIR, is judged; and of its words nothing is told but codes, numbers and places.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderly_pipeline::{Verdict, judge_answer, judge_fhir_answer};

/// How long a text can get: three entries of a Bundle with three issues each, each with a code of 32 and a place of 100 characters.
const TEXT_BYTES_MAX: usize = 2_000;

fuzz_target!(|answer: &[u8]| {
    told(judge_fhir_answer(answer, b"{}"));
    told(judge_fhir_answer(answer, br#"{"resourceType":"Bundle","type":"batch","entry":[{},{}]}"#));
    told(judge_answer(answer, "S1"));
    told(judge_answer(answer, ""));
});

fn told(verdict: Verdict) {
    if let Verdict::Retryable { code, text } | Verdict::Refused { code, text } = verdict {
        let is_of_code = |c: char| c.is_ascii_alphanumeric() || c == '-';
        assert!(!code.is_empty() && code.len() <= 32 && code.chars().all(is_of_code), "{code}");
        assert!(text.is_ascii() && !text.contains(char::is_control), "{text}");
        assert!(text.len() <= TEXT_BYTES_MAX, "{text}");
    }
}
