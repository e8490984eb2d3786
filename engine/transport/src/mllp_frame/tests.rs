//! The decoder on all that senders do, in one read, byte by byte, and cut anywhere.

use super::*;
use proptest::prelude::*;

const SETTINGS: DecoderSettings = DecoderSettings { frame_bytes_max: 64 * 1024, refused: Tolerances::NONE };

/// All events of a stream that comes in these reads and then ends, and the deviations met.
fn decode(settings: DecoderSettings, reads: &[&[u8]]) -> (Vec<Event>, Tally) {
    let mut decoder = Decoder::new(settings);
    let mut events = Vec::new();
    for read in reads {
        let mut input = *read;
        while let Some(event) = decoder.next(&mut input) {
            events.push(event);
        }
        assert!(input.is_empty(), "what gives no event is taken whole");
    }
    events.extend(decoder.on_end());
    assert_eq!((decoder.waiting(), decoder.on_end()), (Waiting::Nothing, None));
    (events, decoder.take_tally())
}

/// The same in one read and byte by byte, which must be the same.
fn decode_both_ways(name: &str, settings: DecoderSettings, bytes: &[u8]) -> (Vec<Event>, Tally) {
    let whole = decode(settings, &[bytes]);
    let single = decode(settings, &bytes.chunks(1).collect::<Vec<_>>());
    assert_eq!(whole, single, "{name}: in one read, and byte by byte");
    whole
}

fn refusing(refused: &[Tolerance]) -> DecoderSettings {
    DecoderSettings { refused: refused.iter().copied().collect(), ..SETTINGS }
}

fn frame(content: &[u8]) -> Event {
    Event::Frame(content.to_vec())
}

fn problem(kind: ProblemKind, offset: u64, bytes: &[u8]) -> Event {
    let (bytes, bytes_count) = (bytes.to_vec(), bytes.len() as u64);
    Event::Problem(Problem { kind, offset, bytes_count, bytes })
}

/// What was met: which, how often, and where last.
fn met(seen: &[(Tolerance, u64, u64)]) -> Tally {
    let mut tally = Tally::default();
    for (tolerance, count, last_offset) in seen {
        tally.add(Seen { tolerance: *tolerance, count: *count, last_offset: *last_offset });
    }
    tally
}

#[test]
fn a_peer_that_sends_nothing_but_pieces_is_given_up() {
    for piece in [&b"x\x1c"[..], b"\x1c", b"\x0bx"] {
        let (events, _) = decode_both_ways("pieces", SETTINGS, &piece.repeat(5_000));
        assert!(events.len() <= 101, "{} problems", events.len());
        let kind = |event: &Event| match event {
            Event::Problem(problem) => Some(problem.kind),
            Event::Frame(_) => None,
        };
        assert_eq!(events.last().and_then(kind), Some(ProblemKind::NotMllp));
    }
    // A frame between them shows that the peer does speak MLLP.
    let (events, _) = decode_both_ways("pieces and frames", SETTINGS, &b"x\x0bMSH|\x1c\r".repeat(500));
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Frame(_))).count(), 500);
}

type Case = (&'static str, &'static [u8], Vec<Event>, &'static [(Tolerance, u64, u64)]);

fn check(cases: Vec<Case>) {
    for (name, bytes, events, seen) in cases {
        assert_eq!(decode_both_ways(name, SETTINGS, bytes), (events, met(seen)), "{name}");
    }
}

#[test]
fn frames_and_what_may_stand_between_them() {
    use Tolerance::*;
    check(vec![
        ("a frame", b"\x0bMSH|A\r\x1c\r", vec![frame(b"MSH|A\r")], &[]),
        ("two frames in one read", b"\x0bA\x1c\r\x0bB\x1c\r", vec![frame(b"A"), frame(b"B")], &[]),
        ("nothing", b"", vec![], &[]),
        ("CR and LF inside are content", b"\x0bA\rB\r\nC\x1c\r", vec![frame(b"A\rB\r\nC")], &[]),
        (
            "a byte order mark in the frame stays",
            b"\x0b\xef\xbb\xbfA\x1c\r",
            vec![frame(b"\xef\xbb\xbfA")],
            &[],
        ),
        ("keep-alive bytes", b"\r\n\0 ", vec![], &[(Filler, 4, 3)]),
        ("an empty frame as keep-alive", b"\x0b\x1c\r\x0bA\x1c\r", vec![frame(b"A")], &[(EmptyFrame, 1, 0)]),
        ("a frame of line ends as keep-alive", b"\x0b\r\n\x1c\r", vec![], &[(EmptyFrame, 1, 0)]),
        (
            "LF after the frame and before the next",
            b"\x0bA\x1c\r\n\n\x0bB\x1c\r",
            vec![frame(b"A"), frame(b"B")],
            &[(LineFeedAfterEnd, 1, 4), (Filler, 1, 5)],
        ),
        (
            "NUL between frames",
            b"\x0bA\x1c\r\0\0\x0bB\x1c\r",
            vec![frame(b"A"), frame(b"B")],
            &[(Filler, 2, 5)],
        ),
        (
            "a byte order mark before the frame",
            b"\xef\xbb\xbf\x0bA\x1c\r",
            vec![frame(b"A")],
            &[(Filler, 3, 2)],
        ),
        (
            "a banner",
            b"hello\r\n\x0bA\x1c\r",
            vec![problem(ProblemKind::Noise, 0, b"hello\r\n"), frame(b"A")],
            &[(Noise, 1, 0)],
        ),
        (
            "a banner after filler",
            b"\r\nhello\x0bA\x1c\r",
            vec![problem(ProblemKind::Noise, 2, b"hello"), frame(b"A")],
            &[(Filler, 2, 1), (Noise, 1, 2)],
        ),
        (
            "the end of something whose beginning was lost",
            b"PID|1\r\x1c\r\x0bA\x1c\r",
            vec![problem(ProblemKind::Noise, 0, b"PID|1\r"), frame(b"A")],
            &[(Noise, 1, 0), (Filler, 1, 7)],
        ),
        (
            "the connection ends in noise",
            b"hello",
            vec![problem(ProblemKind::Noise, 0, b"hello")],
            &[(Noise, 1, 0)],
        ),
    ]);
}

#[test]
fn how_senders_begin_and_end_their_frames() {
    use Tolerance::*;
    check(vec![
        ("a doubled start block", b"\x0b\x0bA\x1c\r", vec![frame(b"A")], &[(DoubledStartBlock, 1, 1)]),
        (
            "no start block",
            b"MSH|lost\rPID|1\r\x1c\r\x0bA\x1c\r",
            vec![frame(b"MSH|lost\rPID|1\r"), frame(b"A")],
            &[(NoStartBlock, 1, 0)],
        ),
        (
            "no start block, after a frame",
            b"\x0bA\x1c\rMSH|B\x1c\r",
            vec![frame(b"A"), frame(b"MSH|B")],
            &[(NoStartBlock, 1, 4)],
        ),
        (
            "what only looks like a message",
            b"MSX|\x0bA\x1c\r",
            vec![problem(ProblemKind::Noise, 0, b"MSX|"), frame(b"A")],
            &[(Noise, 1, 0)],
        ),
        (
            "no CR, and the next frame follows",
            b"\x0bA\x1c\x0bB\x1c\r",
            vec![frame(b"A"), frame(b"B")],
            &[(EndWithoutReturn, 1, 2)],
        ),
        ("LF instead of CR", b"\x0bA\x1c\n", vec![frame(b"A")], &[(EndWithoutReturn, 1, 2)]),
        ("form feed instead of CR", b"\x0bA\x1c\x0c", vec![frame(b"A")], &[(EndWithoutReturn, 1, 2)]),
        ("no CR, and the connection ends", b"\x0bA\x1c", vec![frame(b"A")], &[(EndWithoutReturn, 1, 2)]),
        ("1C twice", b"\x0bA\x1c\x1c\r", vec![frame(b"A")], &[(EndWithoutReturn, 1, 2), (Filler, 1, 4)]),
        (
            "an empty frame without CR",
            b"\x0b\x1c\x0bA\x1c\r",
            vec![frame(b"A")],
            &[(EndWithoutReturn, 1, 1), (EmptyFrame, 1, 0)],
        ),
        (
            "1C before something printable is content",
            b"\x0bA\x1cB\x1c\r",
            vec![frame(b"A\x1cB")],
            &[(EndBlockInside, 1, 2)],
        ),
        (
            "a start block inside a frame",
            b"\x0bMSH|old\x0bMSH|new\x1c\r",
            vec![problem(ProblemKind::Restarted, 0, b"MSH|old"), frame(b"MSH|new")],
            &[(Restarted, 1, 8)],
        ),
        (
            "a start block inside a frame without one",
            b"MSH|old\x0bMSH|new\x1c\r",
            vec![problem(ProblemKind::Restarted, 0, b"MSH|old"), frame(b"MSH|new")],
            &[(NoStartBlock, 1, 0), (Restarted, 1, 7)],
        ),
    ]);
}

#[test]
fn what_is_no_frame_at_all() {
    use ProblemKind::*;
    check(vec![
        ("the connection ends inside a frame", b"\x0bMSH|A", vec![problem(CutOff, 0, b"MSH|A")], &[]),
        ("the connection ends after a start block", b"\x0b", vec![problem(CutOff, 0, b"")], &[]),
        (
            "a message without a start block and without an end",
            b"MSH|A\r",
            vec![problem(CutOff, 0, b"MSH|A\r")],
            &[(Tolerance::NoStartBlock, 1, 0)],
        ),
        (
            "TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x0b\x1c\r",
            vec![problem(SpeaksTls, 0, b"\x16\x03")],
            &[],
        ),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", vec![problem(SpeaksHttp, 0, b"GET ")], &[]),
        (
            "HTTP's word later is just noise",
            b"\x0bA\x1c\rGET /",
            vec![frame(b"A"), problem(Noise, 4, b"GET /")],
            &[(Tolerance::Noise, 1, 4)],
        ),
    ]);
}

/// Each deviation, followed by a good frame: what comes of it when it is refused. Where the stream is of use no more, the good
/// frame is not taken either.
#[test]
fn each_deviation_can_be_refused_and_spoils_no_more_than_it_must() {
    use Tolerance::*;
    let cases: Vec<(Tolerance, &[u8], Vec<Event>)> = vec![
        (
            NoStartBlock,
            b"MSH|A\x1c\r\x0bZ\x1c\r",
            vec![problem(ProblemKind::Refused(NoStartBlock), 0, b"MSH|A"), frame(b"Z")],
        ),
        (
            DoubledStartBlock,
            b"\x0b\x0bA\x1c\r\x0bZ\x1c\r",
            vec![problem(ProblemKind::Refused(DoubledStartBlock), 1, b"A"), frame(b"Z")],
        ),
        (
            EndWithoutReturn,
            b"\x0bA\x1c\x0bZ\x1c\r",
            vec![problem(ProblemKind::Refused(EndWithoutReturn), 2, b"A"), frame(b"Z")],
        ),
        (
            EndWithoutReturn,
            b"\x0bA\x1c\n\x0bZ\x1c\r",
            vec![problem(ProblemKind::Refused(EndWithoutReturn), 2, b"A"), frame(b"Z")],
        ),
        (
            EndWithoutReturn,
            b"\x0bZ\x1c\r\x0bA\x1c",
            vec![frame(b"Z"), problem(ProblemKind::Refused(EndWithoutReturn), 6, b"A")],
        ),
        (
            EndWithoutReturn,
            b"\x0bZ\x1c\r\x0bA\x1c\n",
            vec![frame(b"Z"), problem(ProblemKind::Refused(EndWithoutReturn), 6, b"A")],
        ),
        (
            EndBlockInside,
            b"\x0bA\x1cB\x1cC\x1c\r\x0bZ\x1c\r",
            vec![problem(ProblemKind::Refused(EndBlockInside), 2, b"A\x1cB\x1cC"), frame(b"Z")],
        ),
        (
            EmptyFrame,
            b"\x0b\r\x1c\r\x0bZ\x1c\r",
            vec![problem(ProblemKind::Refused(EmptyFrame), 0, b"\r"), frame(b"Z")],
        ),
        (Restarted, b"\x0bA\x0bB\x1c\r\x0bZ\x1c\r", vec![problem(ProblemKind::Refused(Restarted), 2, b"A")]),
        (
            LineFeedAfterEnd,
            b"\x0bZ\x1c\r\n\x0bA\x1c\r",
            vec![frame(b"Z"), problem(ProblemKind::Refused(LineFeedAfterEnd), 4, b"\n")],
        ),
        (
            Filler,
            b"\x0bZ\x1c\r\n\0\x0bA\x1c\r",
            vec![frame(b"Z"), problem(ProblemKind::Refused(Filler), 5, b"\0")],
        ),
        (
            Noise,
            b"\x0bZ\x1c\r \0hello\x0bA\x1c\r",
            vec![frame(b"Z"), problem(ProblemKind::Refused(Noise), 6, b"hello")],
        ),
    ];
    for (tolerance, bytes, expected) in &cases {
        let (events, tally) = decode_both_ways(tolerance.code(), refusing(&[*tolerance]), bytes);
        assert_eq!(&events, expected, "{tolerance:?}");
        assert!(tally.seen().iter().any(|seen| seen.tolerance == *tolerance), "{tolerance:?} is not counted");
        let others: Vec<_> = Tolerance::ALL.into_iter().filter(|other| other != tolerance).collect();
        let (events, _) = decode_both_ways(tolerance.code(), refusing(&others), bytes);
        let refused = events.iter().find(|event| {
            matches!(event, Event::Problem(problem) if problem.kind == ProblemKind::Refused(*tolerance))
        });
        assert_eq!(refused, None, "{tolerance:?} is refused only where it is named");
    }
    for tolerance in Tolerance::ALL {
        assert!(cases.iter().any(|(tested, ..)| *tested == tolerance), "{tolerance:?} has no case");
    }
}

#[test]
fn where_only_both_bytes_end_a_frame_1c_is_content() {
    let strict = refusing(&[Tolerance::EndWithoutReturn]);
    let bytes = b"\x0bA\x1c\nB\x1c\x1c\x1c\r\x0bC\x1c\r";
    let (events, tally) = decode_both_ways("strict", strict, bytes);
    assert_eq!(events, [frame(b"A\x1c\nB\x1c\x1c"), frame(b"C")]);
    assert_eq!(tally, met(&[(Tolerance::EndBlockInside, 3, 6)]));
    let both = refusing(&[Tolerance::EndWithoutReturn, Tolerance::EndBlockInside]);
    let (events, _) = decode_both_ways("both", both, bytes);
    let refused = ProblemKind::Refused(Tolerance::EndBlockInside);
    assert_eq!(events, [problem(refused, 2, b"A\x1c\nB\x1c\x1c"), frame(b"C")]);
}

#[test]
fn the_first_deviation_that_is_refused_is_named() {
    let all = refusing(&Tolerance::ALL);
    let (events, tally) = decode_both_ways("all", all, b"\x0b\x0bA\x1cB\x1c\r");
    assert_eq!(events, [problem(ProblemKind::Refused(Tolerance::DoubledStartBlock), 1, b"A\x1cB")]);
    assert_eq!(tally, met(&[(Tolerance::DoubledStartBlock, 1, 1), (Tolerance::EndBlockInside, 1, 3)]));
}

#[test]
fn the_limit_is_the_largest_content_that_passes() {
    let small = DecoderSettings { frame_bytes_max: 5, ..SETTINGS };
    assert_eq!(decode(small, &[b"\x0b12345\x1c\r"]).0, [frame(b"12345")]);
    let refused = [problem(ProblemKind::TooLarge, 0, b"12345")];
    assert_eq!(decode(small, &[b"\x0b123456\x1c\r\x0bA\x1c\r"]).0, refused);
    assert_eq!(decode(small, &[b"\x0b12345", b"6"]).0, refused);
    assert_eq!(decode(small, &[b"\x0b12345\x1c", b"6"]).0, refused);
}

#[test]
fn a_refused_frame_keeps_its_beginning_only() {
    let settings = DecoderSettings { frame_bytes_max: 1 << 20, ..SETTINGS };
    let bytes: Vec<u8> = [START_BLOCK].into_iter().chain(vec![b'x'; 2 << 20]).collect();
    let mut decoder = Decoder::new(settings);
    let event = decoder.next(&mut bytes.as_slice()).unwrap();
    let Event::Problem(problem) = event else { panic!("{event:?}") };
    assert_eq!((problem.kind, problem.bytes_count), (ProblemKind::TooLarge, 1 << 20));
    assert_eq!(problem.bytes.len(), KEPT_BYTES_MAX);
    assert!(problem.bytes.capacity() < 2 * KEPT_BYTES_MAX);
    assert_eq!(decoder.held.capacity(), 0);
}

#[test]
fn a_frame_takes_memory_as_it_comes() {
    let mut decoder = Decoder::new(DecoderSettings { frame_bytes_max: 64 << 20, ..SETTINGS });
    assert_eq!(decoder.next(&mut [START_BLOCK].as_slice()), None);
    assert_eq!(decoder.held.capacity(), 0);
    assert_eq!(decoder.next(&mut [b'x'; 1000].as_slice()), None);
    assert!(decoder.held.capacity() <= 2000);
}

#[test]
fn endless_noise_is_given_up() {
    let noise = vec![b'x'; NOISE_BYTES_MAX as usize + 1];
    let (events, _) = decode(SETTINGS, &[&noise]);
    let [Event::Problem(problem)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((problem.kind, problem.bytes_count), (ProblemKind::NotMllp, NOISE_BYTES_MAX));
    assert_eq!(problem.bytes.len(), KEPT_BYTES_MAX);
}

#[test]
fn silence_ends_what_can_be_ended() {
    let mut decoder = Decoder::new(SETTINGS);
    assert_eq!((decoder.waiting(), decoder.on_silence()), (Waiting::NextFrame, None));

    assert_eq!(decoder.next(&mut b"\x0bA\x1c".as_slice()), None);
    assert_eq!(decoder.waiting(), Waiting::EndOfFrame);
    assert_eq!(decoder.on_silence(), Some(frame(b"A")));
    assert_eq!(decoder.on_silence(), None);

    assert_eq!(decoder.next(&mut b"\rnoise".as_slice()), None);
    assert_eq!(decoder.waiting(), Waiting::EndOfNoise);
    assert_eq!(decoder.on_silence(), Some(problem(ProblemKind::Noise, 4, b"noise")));

    assert_eq!(decoder.next(&mut b"\x0bMSH".as_slice()), None);
    assert_eq!(decoder.waiting(), Waiting::RestOfFrame);
    assert_eq!(decoder.on_silence(), Some(problem(ProblemKind::Stalled, 9, b"MSH")));
    assert_eq!(decoder.waiting(), Waiting::Nothing);
    assert_eq!(decoder.next(&mut b"\x0bA\x1c\r".as_slice()), None);
}

#[test]
fn silence_after_an_end_that_is_refused_refuses_the_frame() {
    for bytes in [b"\x0bMSH|A\x1c".as_slice(), b"\x0bMSH|A\x1c\n"] {
        let mut decoder = Decoder::new(refusing(&[Tolerance::EndWithoutReturn]));
        assert_eq!(decoder.next(&mut { bytes }), None);
        assert_eq!(decoder.waiting(), Waiting::EndOfFrame);
        let refused = ProblemKind::Refused(Tolerance::EndWithoutReturn);
        assert_eq!(decoder.on_silence(), Some(problem(refused, 6, b"MSH|A")));
        assert_eq!(decoder.waiting(), Waiting::NextFrame);
    }
}

#[test]
fn a_message_that_was_cut_is_kept_whole() {
    let long = [b"MSH|".as_slice(), &[b'x'; 3 * KEPT_BYTES_MAX]].concat();
    let bytes = [b"\x0b", long.as_slice(), b"\x0bA\x1c\r"].concat();
    let (events, _) = decode(SETTINGS, &[&bytes]);
    assert_eq!(events, [problem(ProblemKind::Restarted, 0, &long), frame(b"A")]);
}

#[test]
fn problems_tell_no_content() {
    let (events, _) = decode(SETTINGS, &[b"\x0bPID|SECRET\x0bA\x1c\r"]);
    let Some(Event::Problem(problem)) = events.first() else { panic!("{events:?}") };
    assert!(!problem.kind.to_string().contains("SECRET"));
}

/// Streams that mean something more often than chance would have it.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..12),
        4 => "[ -~\r]{0,20}".prop_map(|content| {
            let mut out = Vec::new();
            encode(content.as_bytes(), &mut out);
            out
        }),
        2 => proptest::sample::select(vec![
            vec![START_BLOCK], vec![END_BLOCK], vec![CARRIAGE_RETURN], vec![b'\n'],
            b"MSH|".to_vec(), b"GET ".to_vec(), vec![0x16, 0x03], vec![END_BLOCK, b'\n'], vec![0],
        ]),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn settings() -> impl Strategy<Value = DecoderSettings> {
    let refused = proptest::sample::subsequence(Tolerance::ALL.to_vec(), 0..=Tolerance::ALL.len());
    (prop_oneof![Just(2_usize), Just(8), Just(1024)], refused).prop_map(|(frame_bytes_max, refused)| {
        DecoderSettings { frame_bytes_max, refused: refused.into_iter().collect() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn cuts_change_nothing(
        settings in settings(),
        bytes in stream(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let reads: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        prop_assert_eq!(decode(settings, &[&bytes]), decode(settings, &reads));
    }

    #[test]
    fn nothing_goes_beyond_the_limits(settings in settings(), bytes in stream()) {
        for event in decode(settings, &[&bytes]).0 {
            match event {
                Event::Frame(content) => {
                    prop_assert!(!content.is_empty() && content.len() <= settings.frame_bytes_max);
                }
                Event::Problem(problem) => {
                    prop_assert!(problem.bytes.len() as u64 <= problem.bytes_count);
                    let end = match problem.kind {
                        // Its offset is the deviation's, which may stand anywhere in it.
                        ProblemKind::Refused(_) => problem.offset.max(problem.bytes_count),
                        _ => problem.offset + problem.bytes_count,
                    };
                    prop_assert!(end <= bytes.len() as u64);
                }
            }
        }
    }

    #[test]
    fn what_is_encoded_comes_back(
        contents in proptest::collection::vec("MSH[ -~\r\u{80}-\u{2FF}]{0,200}", 0..6),
    ) {
        let mut bytes = Vec::new();
        for content in &contents {
            encode(content.as_bytes(), &mut bytes);
        }
        let expected: Vec<Event> = contents.iter().map(|content| frame(content.as_bytes())).collect();
        prop_assert_eq!(decode(SETTINGS, &[&bytes]), (expected, Tally::default()));
    }
}
