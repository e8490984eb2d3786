//! TQ1, and quantity/timing (type TQ) of versions before 2.5: when a drug is to be taken.

use orderly_record::{Coded, Medication, Quantity, Text, Timestamp, Timing};

use super::Fields;
use super::values::{amount, flag, text, time};
use crate::view::View;

/// As a priority (HL7 table 0485) and at either end of a repeat pattern (table 0335): only when needed.
const AS_NEEDED: &str = "PRN";

/// What both forms say.
struct Schedule {
    timing: Timing,
    is_as_needed: bool,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    words: Option<Text>,
}

/// The first TQ1.
pub(super) fn timing(tq1: &Fields<'_>, medication: &mut Medication) {
    schedule(read(tq1), medication);
}

/// A TQ1 after the first, as of a dose that is slowly reduced: how often is then told in words alone, since no period holds for the whole;
/// it begins with the first and ends with the last.
pub(super) fn further(tq1: &Fields<'_>, medication: &mut Medication) {
    let Schedule { timing, is_as_needed, starts_at, ends_at, words } = read(tq1);
    let was_as_needed = medication.as_needed.take() == Some(true);
    let is_only_as_needed = is_as_needed && was_as_needed;
    let timing = match medication.timing.take() {
        Some(before) if timing == Timing::default() => before,
        Some(before) => {
            let before = how_often(&before, was_as_needed && !is_only_as_needed);
            let text = join(before, how_often(&timing, is_as_needed && !is_only_as_needed), ", ");
            Timing { text, ..Timing::default() }
        }
        None => timing,
    };
    let starts_at = starts_at.filter(|_| medication.starts_at.is_none());
    schedule(Schedule { timing, is_as_needed: is_only_as_needed, starts_at, ends_at, words }, medication);
}

/// In words, be it a period alone; with that it is as needed, where this is not true of the whole.
fn how_often(timing: &Timing, tells_as_needed: bool) -> Option<Text> {
    let units =
        |period: &Quantity| period.units.as_ref().and_then(|units| units.code.clone()).unwrap_or_default();
    let period = || timing.period.as_ref().map(|period| format!("{} {}", period.value, units(period)).into());
    let needed = (tells_as_needed && !is_as_needed(timing)).then(|| Text::new_static(AS_NEEDED));
    join(timing.text.clone().or_else(period), needed, " ")
}

fn read(tq1: &Fields<'_>) -> Schedule {
    let patterns: Vec<Text> = tq1.field(3).children().filter_map(text).collect();
    let first = tq1.first(3);
    let timing = Timing {
        period: amount(first.child(5), first.child(6)).or_else(|| period(&patterns)),
        institution_specified: flag(first.child(7)),
        event: text(first.child(8)),
        text: (!patterns.is_empty()).then(|| patterns.join(" ").into()),
        period_max: None,
    };
    let is_priority = tq1.field(9).children().any(|view| text(view).as_deref() == Some(AS_NEEDED));
    Schedule {
        is_as_needed: is_priority || is_as_needed(&timing),
        timing,
        starts_at: time(tq1.first(7)),
        ends_at: time(tq1.first(8)),
        words: text(tq1.first(11)),
    }
}

/// TQ: quantity ^ interval ^ duration ^ start ^ end ^ priority ^ condition ^ text.
pub(super) fn old_timing(tq: View<'_>, medication: &mut Medication) {
    if tq.raw().is_empty() {
        return;
    }
    let [_, interval, _, start, end, priority, _, words] = tq.parts();
    let pattern = text(interval);
    let timing = Timing { period: period(pattern.as_slice()), text: pattern, ..Timing::default() };
    let is_priority = text(priority).as_deref() == Some(AS_NEEDED);
    schedule(
        Schedule {
            is_as_needed: is_priority || is_as_needed(&timing),
            timing,
            starts_at: time(start),
            ends_at: time(end),
            words: text(words),
        },
        medication,
    );
}

/// Sets what is said. When something was handed out or given is told by its own segment, not by the order's schedule.
fn schedule(schedule: Schedule, medication: &mut Medication) {
    if schedule.timing != Timing::default() {
        medication.timing = Some(schedule.timing);
    }
    if schedule.is_as_needed {
        medication.as_needed = Some(true);
    }
    let is_order = medication.category.as_deref().is_none_or(|category| category == "order");
    if is_order || (medication.starts_at.is_none() && medication.given_by.is_empty()) {
        medication.starts_at = schedule.starts_at.or(medication.starts_at.take());
        medication.ends_at = schedule.ends_at.or(medication.ends_at.take());
    }
    medication.instructions = join(medication.instructions.take(), schedule.words, "\n");
}

fn join(first: Option<Text>, second: Option<Text>, between: &str) -> Option<Text> {
    match (first, second) {
        (Some(first), Some(second)) => Some(format!("{first}{between}{second}").into()),
        (first, second) => first.or(second),
    }
}

fn is_as_needed(timing: &Timing) -> bool {
    let mut words = timing.text.iter().flat_map(|text| text.split(' '));
    words.any(|word| word.starts_with(AS_NEEDED) || word.ends_with(AS_NEEDED))
}

/// `Q<integer><unit>`, when it is the only pattern: every so many seconds, minutes, hours, days or weeks (table 0335).
fn period(patterns: &[Text]) -> Option<Quantity> {
    let [pattern] = patterns else { return None };
    let (number, unit) = pattern.strip_prefix('Q')?.split_at_checked(pattern.len().checked_sub(2)?)?;
    let unit = match unit {
        "S" => "s",
        "M" => "min",
        "H" => "h",
        "D" => "d",
        "W" => "wk",
        _ => return None,
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let units = Coded { code: Some(unit.into()), system: Some("UCUM".into()), ..Coded::default() };
    is_number.then(|| Quantity { value: number.into(), comparator: None, units: Some(units) })
}

#[cfg(test)]
mod tests {
    use crate::parse::{Settings, parse};

    /// Pattern, period with its unit, whether as needed, of an RXE with this quantity/timing or this TQ1 after it.
    fn read(old: &str, tq1: &str) -> (Option<String>, Option<String>, Option<bool>) {
        let message = format!("MSH|^~\\&|||||||RDE^O11|1\rRXE|{old}|X\rTQ1|1||{tq1}\r");
        let message = parse(message.as_bytes(), &Settings::default()).unwrap();
        let medication = crate::normalize(&message).medications.remove(0);
        let timing = medication.timing.unwrap_or_default();
        let period = timing.period.map(|period| {
            let units = period.units.and_then(|units| units.code).unwrap_or_default();
            format!("{} {units}", period.value)
        });
        (timing.text.map(Into::into), period, medication.as_needed)
    }

    #[test]
    fn both_forms_say_how_often() {
        let words = |text: &str| Some(text.to_owned());
        assert_eq!(read("1^Q6H", ""), (words("Q6H"), words("6 h"), None));
        assert_eq!(read("1^Q6H&0600,1200", "TID"), (words("TID"), None, None));
        assert_eq!(read("", "Q2D&Every other day&L"), (words("Q2D"), words("2 d"), None));
        assert_eq!(read("", "^^^^90^min"), (None, words("90 min"), None));
        assert_eq!(read("", "QAM~QHS"), (words("QAM QHS"), None, None));
        for odd in ["Q", "QH", "Q6", "Qé", "Q6J1", "QHS", "6H", "Q-1H"] {
            assert_eq!(read("", odd), (words(odd), None, None), "{odd}");
        }
    }

    #[test]
    fn as_needed_is_a_pattern_or_a_priority() {
        for (old, tq1) in [("1^Q6H^^^^PRN", ""), ("1^Q6HPRN", ""), ("", "PRNQ6H"), ("", "Q6H||||||R~PRN")] {
            assert_eq!(read(old, tq1).2, Some(true), "{old} {tq1}");
        }
    }

    #[test]
    fn several_timings_are_told_together_and_have_no_period() {
        let tq1 = ["TQ1|1||TID||||20260301|20260305|||Whole", "TQ1|2||Q12H||||20260306|20260310|||Half"];
        let message = format!("MSH|^~\\&|||||||RDE^O11|1\rRXE||X\r{}\r", tq1.join("\r"));
        let message = parse(message.as_bytes(), &Settings::default()).unwrap();
        let medication = crate::normalize(&message).medications.remove(0);
        let timing = medication.timing.unwrap();
        assert_eq!((timing.text.as_deref(), timing.period), (Some("TID, Q12H"), None));
        assert_eq!(medication.instructions.as_deref(), Some("Whole\nHalf"));
        let times = [medication.starts_at, medication.ends_at].map(|time| time.unwrap().to_string());
        assert_eq!(times, ["2026-03-01", "2026-03-10"]);
    }

    #[test]
    fn what_is_only_in_part_as_needed_says_which_part() {
        let read = |first: &str, second: &str| {
            let message = format!("MSH|^~\\&|||||||RDE^O11|1\rRXE||X\rTQ1|1||{first}\rTQ1|2||{second}\r");
            let message = parse(message.as_bytes(), &Settings::default()).unwrap();
            let medication = crate::normalize(&message).medications.remove(0);
            (medication.timing.unwrap().text.unwrap().to_string(), medication.as_needed)
        };
        assert_eq!(read("Q8H||||||PRN", "QHS"), ("Q8H PRN, QHS".into(), None));
        assert_eq!(read("QHS", "PRNQ8H"), ("QHS, PRNQ8H".into(), None));
        assert_eq!(read("Q8H||||||PRN", "QHS||||||PRN"), ("Q8H, QHS".into(), Some(true)));
        assert_eq!(read("^^^^90^min", "QHS"), ("90 min, QHS".into(), None));
    }
}
