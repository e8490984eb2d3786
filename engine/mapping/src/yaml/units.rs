//! Durations and sizes as configuration writes them: always with a unit, because a bare number says nothing.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// `500ms`, `10s`, `5m`, `2h`, `30d`, also `1h 30m`. A day has 24 hours; a negative duration is none.
pub fn duration(text: &str) -> Option<Duration> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let span: Span = text.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?.try_into().ok()
}

/// `512B`, `256KiB`, `64MiB`, `1GiB`, in bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let bytes: u64 = match unit.trim_start() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let cases = [
            ("500ms", Some(500)),
            ("10s", Some(10_000)),
            ("5m", Some(300_000)),
            ("2h", Some(7_200_000)),
            ("30d", Some(2_592_000_000)),
            ("1h 30m", Some(5_400_000)),
            ("10", None),
            ("-10s", None),
            ("s", None),
            ("", None),
            ("10 parsecs", None),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(duration(text), milliseconds.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn sizes_have_units() {
        let cases = [
            ("512B", Some(512)),
            ("256KiB", Some(262_144)),
            ("64MiB", Some(67_108_864)),
            ("1 GiB", Some(1_073_741_824)),
            ("64", None),
            ("64MB", None),
            ("MiB", None),
            ("99999999999999999999B", None),
            ("18446744073709551615GiB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text), bytes, "{text}");
        }
    }
}
