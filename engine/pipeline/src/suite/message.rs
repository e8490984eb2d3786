//! Two HL7 v2 messages compared segment by segment, field by field: what a receiver reads, not the delimiters that may be left out.

use orderly_hl7v2::{Level, Message, Position, Presence, View, dictionary};

/// The most pairs of segments that are tried to find which belong together. Beyond it they are taken in their order: nobody writes an
/// expectation of more than two thousand segments by hand.
const PAIRS_MAX: usize = 4_000_000;

/// A place where two messages differ.
pub(crate) struct Difference {
    /// The path, with its name in the standard.
    pub(crate) what: String,
    /// What was expected; nothing where there should be no such segment.
    pub(crate) expected: Option<String>,
    /// What there is; nothing where the segment is missing.
    pub(crate) got: Option<String>,
    /// The index of the expected segment it belongs to, or of the one it should follow.
    pub(crate) segment: usize,
}

/// Where two messages differ.
pub(crate) fn differences(expected: &Message<'_>, got: &Message<'_>) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut last = 0;
    for pair in pairs(expected, got) {
        match pair {
            (Some(one), Some(other)) => {
                last = one;
                fields(expected, one, got, other, &mut found);
            }
            (Some(one), None) => {
                last = one;
                let expected = Some(line(expected, one));
                found.push(Difference {
                    what: segment_name(expected_name(&expected)),
                    expected,
                    got: None,
                    segment: one,
                });
            }
            (None, Some(other)) => {
                let got = Some(line(got, other));
                found.push(Difference {
                    what: segment_name(expected_name(&got)),
                    expected: None,
                    got,
                    segment: last,
                });
            }
            (None, None) => {}
        }
    }
    found
}

/// The name that a segment's line begins with.
fn expected_name(line: &Option<String>) -> &str {
    line.as_deref().and_then(|line| line.get(..3)).unwrap_or_default()
}

/// A segment's name, and what it is called.
fn segment_name(name: &str) -> String {
    match dictionary::segment(name) {
        Some(title) => format!("{name} {title}"),
        None => name.to_owned(),
    }
}

/// A segment as it stands.
pub(super) fn line(message: &Message<'_>, index: usize) -> String {
    let mut raw = Vec::new();
    if let Some(segment) = message.segments().get(index) {
        segment.encode_into(message.encoding().delimiters.field, &mut raw);
    }
    message.encoding().charset.decode(&raw).into_owned()
}

type Pair = (Option<usize>, Option<usize>);

/// Which segments belong together: as many as can of the same name, in order, and of those the most that are equal.
fn pairs(expected: &Message<'_>, got: &Message<'_>) -> Vec<Pair> {
    let lines = |message: &Message<'_>| -> Vec<String> {
        (0..message.segments().len()).map(|index| line(message, index)).collect()
    };
    let (one, other) = (lines(expected), lines(got));
    if one.len().saturating_mul(other.len()) > PAIRS_MAX {
        let longest = one.len().max(other.len());
        let within = |index: usize, lines: &[String]| (index < lines.len()).then_some(index);
        return (0..longest).map(|index| (within(index, &one), within(index, &other))).collect();
    }
    let best = Best::of(&one, &other);
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < one.len() || j < other.len() {
        let (skip, add) = (best.at(i + 1, j), best.at(i, j + 1));
        if i < one.len()
            && j < other.len()
            && best.at(i, j) == best.at(i + 1, j + 1) + likeness(&one, i, &other, j)
            && likeness(&one, i, &other, j) > 0
        {
            pairs.push((Some(i), Some(j)));
            (i, j) = (i + 1, j + 1);
        } else if i < one.len() && (j == other.len() || skip >= add) {
            pairs.push((Some(i), None));
            i += 1;
        } else {
            pairs.push((None, Some(j)));
            j += 1;
        }
    }
    pairs
}

/// How well two segments fit: not at all with different names, best when they are equal.
fn likeness(one: &[String], i: usize, other: &[String], j: usize) -> usize {
    let (Some(one), Some(other)) = (one.get(i), other.get(j)) else { return 0 };
    match (one == other, one.get(..3) == other.get(..3)) {
        (true, _) => 3,
        (false, true) => 2,
        (false, false) => 0,
    }
}

/// For each two ends of the lists, how well they can be paired.
struct Best {
    width: usize,
    scores: Vec<usize>,
}

impl Best {
    fn of(one: &[String], other: &[String]) -> Best {
        let width = other.len() + 1;
        let mut best = Best { width, scores: vec![0; (one.len() + 1) * width] };
        for i in (0..one.len()).rev() {
            for j in (0..other.len()).rev() {
                let likeness = likeness(one, i, other, j);
                let paired = if likeness > 0 { best.at(i + 1, j + 1) + likeness } else { 0 };
                let score = paired.max(best.at(i + 1, j)).max(best.at(i, j + 1));
                if let Some(place) = best.scores.get_mut(i * width + j) {
                    *place = score;
                }
            }
        }
        best
    }

    fn at(&self, i: usize, j: usize) -> usize {
        if j >= self.width { 0 } else { self.scores.get(i * self.width + j).copied().unwrap_or(0) }
    }
}

fn fields(expected: &Message<'_>, one: usize, got: &Message<'_>, other: usize, found: &mut Vec<Difference>) {
    let last = |message: &Message<'_>, index: usize| {
        message.segments().get(index).map_or(0, orderly_hl7v2::Segment::last_field)
    };
    for field in 1..=last(expected, one).max(last(got, other)) {
        let mut tell = |at: Position, wanted: String, there: String| {
            let what = called(got, &at);
            found.push(Difference { what, expected: Some(wanted), got: Some(there), segment: one });
        };
        differ(expected.field(one, field), got.field(other, field), Position::field(other, field), &mut tell);
    }
}

/// Goes down to the leaves that differ.
fn differ(expected: View<'_>, got: View<'_>, at: Position, tell: &mut dyn FnMut(Position, String, String)) {
    if expected.level() == Level::Subcomponent
        || expected.count().max(got.count()) <= 1 && is_leaf(expected) && is_leaf(got)
    {
        let (wanted, there) = (shown(expected), shown(got));
        if wanted != there {
            tell(at, wanted, there);
        }
        return;
    }
    let count = expected.count().max(got.count());
    for number in 1..=count {
        let below = match (expected.level(), count) {
            (Level::Field, 1) => at,
            (Level::Field, _) => Position { repetition: Some(number), ..at },
            (Level::Repetition, _) => Position { component: Some(number), ..at },
            (Level::Component | Level::Subcomponent, _) => Position { subcomponent: Some(number), ..at },
        };
        differ(expected.child(number), got.child(number), below, tell);
    }
}

/// Whether nothing below a part is split any more.
fn is_leaf(view: View<'_>) -> bool {
    let mut part = view;
    while part.level() != Level::Subcomponent {
        if part.count() > 1 {
            return false;
        }
        part = part.child(1);
    }
    true
}

/// The text of a part, with delimiters as they stand where it is split; a null as HL7 writes it.
pub(super) fn shown(view: View<'_>) -> String {
    match view.presence() {
        Presence::Empty => String::new(),
        Presence::Null => "\"\"".to_owned(),
        Presence::Present if is_leaf(view) => view.whole_text().into_owned(),
        Presence::Present => view.encoding().charset.decode(view.raw()).into_owned(),
    }
}

/// A place's path, with its name in the standard.
pub(super) fn called(message: &Message<'_>, at: &Position) -> String {
    let path = message.path(at);
    match message.meaning(at).and_then(|meaning| meaning.titles.last().copied()) {
        Some(title) => format!("{path} {title}"),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use orderly_hl7v2::{Settings, parse};

    use super::*;

    fn told(expected: &str, got: &str) -> Vec<String> {
        let message = |lines: &str| format!("MSH|^~\\&|A|B|C|D|||ADT^A01|7|P|2.5.1\r{lines}\r").into_bytes();
        let (expected, got) = (message(expected), message(got));
        let settings = Settings::default();
        let (expected, got) = (parse(&expected, &settings).unwrap(), parse(&got, &settings).unwrap());
        let word = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
        let line =
            |found: Difference| format!("{}: {} {}", found.what, word(&found.expected), word(&found.got));
        differences(&expected, &got).into_iter().map(line).collect()
    }

    #[test]
    fn fields_that_differ_have_their_names() {
        assert_eq!(told("PV1|1|INPATIENT", "PV1|1|I"), ["PV1-2 Patient Class: INPATIENT I"]);
        let found = told("PID|1||7^^^A^MR~8", "PID|1||7^^^B&1^MR~9^^^X");
        assert_eq!(
            found,
            [
                "PID-3[1].4.1 Namespace ID: A B",
                "PID-3[1].4.2 Universal ID:  1",
                "PID-3[2].1 ID Number: 8 9",
                "PID-3[2].4 Assigning Authority:  X",
            ]
        );
        assert_eq!(told("PID|1|||||||\"\"", "PID|1"), ["PID-8 Administrative Sex: \"\" "]);
    }

    #[test]
    fn delimiters_that_may_be_left_out_are_no_difference() {
        assert_eq!(told("PID|1||7^^||Smith^|", "PID|1||7||Smith"), [""; 0]);
        assert_eq!(told("NTE|1||a \\T\\ b", "NTE|1||a \\X26\\ b"), [""; 0]);
    }

    #[test]
    fn segments_are_paired_by_name() {
        let found = told("PID|1\rNK1|1|A\rOBX|1|NM\rOBX|2|ST", "PID|1\rOBX|2|ST\rZPI|1");
        assert_eq!(
            found,
            [
                "NK1 Next of Kin / Associated Parties: NK1|1|A -",
                "OBX Observation/Result: OBX|1|NM -",
                "ZPI: - ZPI|1",
            ]
        );
    }
}
