//! Any byte stream, cut anywhere, gives the same frames and problems, and no frame beyond the limit.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderly_transport::mllp_frame::{Decoder, DecoderSettings, Event, FrameEnd};

const FRAME_BYTES_MAX: usize = 64;

fuzz_target!(|input: (Vec<u8>, Vec<u8>, bool)| {
    let (stream, cuts, strict) = input;
    let frame_end = if strict { FrameEnd::Strict } else { FrameEnd::Tolerant };
    let settings = DecoderSettings { frame_bytes_max: FRAME_BYTES_MAX, frame_end };
    let whole = decoded(settings, &[&stream]);
    for event in &whole {
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

fn decoded(settings: DecoderSettings, parts: &[&[u8]]) -> Vec<Event> {
    let mut decoder = Decoder::new(settings);
    let mut events = Vec::new();
    for part in parts {
        let mut rest = *part;
        while let Some(event) = decoder.next(&mut rest) {
            let fatal = matches!(&event, Event::Problem(problem) if problem.kind.is_fatal());
            events.push(event);
            if fatal {
                return events;
            }
        }
    }
    events.extend(decoder.on_end());
    events
}
