//! Any text is a path or refused, and so is any text a date.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderly_hl7v2::Path;
use orderly_record::Moment;

fuzz_target!(|text: &str| {
    let _ = text.parse::<Path<std::convert::Infallible>>();
    if let Some(moment) = Moment::parse_hl7(text) {
        // What is shown of a date reads as what is shown.
        let shown = moment.to_string();
        assert_eq!(Moment::parse_hl7(&shown).map(|again| again.to_string()), Some(shown));
    }
});
