//! Any byte stream, cut anywhere, whatever is refused, gives the same frames, problems and deviations, and no frame beyond the limit.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderly_transport::mllp_frame::{Decoder, DecoderSettings, Event, Tally, Tolerance};

const FRAME_BYTES_MAX: usize = 64;

fuzz_target!(|input: (Vec<u8>, Vec<u8>, u16)| {
    let (stream, cuts, refused) = input;
    let is_refused = |(bit, _): &(usize, Tolerance)| refused >> bit & 1 == 1;
    let refused = Tolerance::ALL.into_iter().enumerate().filter(is_refused).map(|(_, tolerance)| tolerance);
    let settings = DecoderSettings { frame_bytes_max: FRAME_BYTES_MAX, refused: refused.collect() };
    let whole = decoded(settings, &[&stream]);
    for event in &whole.0 {
        if let Event::Frame(frame) = event {
            assert!(!frame.is_empty() && frame.len() <= FRAME_BYTES_MAX);
        }
    }
    let mut parts = Vec::new();
    let mut rest = stream.as_slice();
    for cut in cuts {
        let (part, after) = rest.split_at(usize::from(cut).min(rest.len()));
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    assert_eq!(decoded(settings, &parts), whole);
});

fn decoded(settings: DecoderSettings, parts: &[&[u8]]) -> (Vec<Event>, Tally) {
    let mut decoder = Decoder::new(settings);
    let mut events = Vec::new();
    for part in parts {
        let mut rest = *part;
        while let Some(event) = decoder.next(&mut rest) {
            let fatal = matches!(&event, Event::Problem(problem) if problem.kind.is_fatal());
            events.push(event);
            if fatal {
                return (events, decoder.take_tally());
            }
        }
    }
    events.extend(decoder.on_end());
    (events, decoder.take_tally())
}
