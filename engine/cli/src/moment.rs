//! Moments as people write them on a command line: a date, a date and time, or how long ago.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Reads `2026-03-05`, `2026-03-05T14:00` (both in this machine's zone, where the person sits), a time with its offset,
/// or `30m`, `2h`, `3d` ago. Microseconds since the epoch.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    parse_at(text, Timestamp::now(), &TimeZone::system())
}

/// The same in another zone.
pub(crate) fn parse_at(text: &str, now: Timestamp, zone: &TimeZone) -> Result<i64, String> {
    let moment = ago(text, now)
        .or_else(|| text.parse::<Timestamp>().ok())
        // A date without a time is its midnight.
        .or_else(|| zone.to_timestamp(text.parse::<DateTime>().ok()?).ok());
    match moment {
        Some(moment) => Ok(moment.as_microsecond()),
        None => Err("write 2026-03-05, 2026-03-05T14:00, or how long ago: 30m, 2h, 3d".to_owned()),
    }
}

fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let unit = text.chars().last()?;
    let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    now.checked_sub(SignedDuration::from_secs(count.checked_mul(seconds)?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, String> {
        let now = "2026-03-05T12:00:00Z".parse().unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(-5));
        parse_at(text, now, &zone).map(|micros| Timestamp::from_microsecond(micros).unwrap().to_string())
    }

    #[test]
    fn dates_and_times_are_the_persons_own() {
        assert_eq!(parsed("2026-03-05").unwrap(), "2026-03-05T05:00:00Z");
        assert_eq!(parsed("2026-03-05T14:30").unwrap(), "2026-03-05T19:30:00Z");
        assert_eq!(parsed("2026-03-05T14:30:00+01:00").unwrap(), "2026-03-05T13:30:00Z");
    }

    #[test]
    fn ago_counts_from_now() {
        assert_eq!(parsed("30m").unwrap(), "2026-03-05T11:30:00Z");
        assert_eq!(parsed("2d").unwrap(), "2026-03-03T12:00:00Z");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "yesterday", "5x", "h", "99999999999999999d"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
