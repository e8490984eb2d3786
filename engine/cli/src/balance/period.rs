//! The period of a balance: a day or from one moment to another, in a zone that is said.

use std::ops::Range;

use clap::Args;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};

use crate::failure::Failure;
use crate::moment;

#[derive(Args)]
pub(crate) struct PeriodArgs {
    /// Messages accepted on this day: 2026-03-05, today, yesterday.
    #[arg(long, conflicts_with_all = ["from", "to"])]
    day: Option<String>,
    /// Accepted at this time or later: 2026-03-05, 2026-03-05T14:00, or how long ago: 30m, 2h, 3d.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Accepted before this time.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// The zone of days and times: Europe/Paris, America/New_York.
    #[arg(long, default_value = "UTC")]
    zone: String,
}

/// When messages were accepted.
pub(crate) struct Period {
    /// In microseconds since the epoch; everything when nothing is said.
    pub(crate) accepted: Option<Range<i64>>,
    /// The same in words.
    pub(crate) told: String,
}

impl PeriodArgs {
    pub(crate) fn read(&self) -> Result<Period, Failure> {
        self.read_at(Timestamp::now())
    }

    fn read_at(&self, now: Timestamp) -> Result<Period, Failure> {
        let zone = TimeZoneDatabase::bundled().get(&self.zone).map_err(|_| {
            Failure::new(format!("there is no time zone `{}`", self.zone))
                .help("write it as Europe/Paris or America/New_York")
        })?;
        if let Some(day) = &self.day {
            let accepted = day_of(day, now, &zone)?;
            return Ok(self.told(accepted.start, Some(accepted.end), &zone));
        }
        let parse = |text: &String| {
            moment::parse_at(text, now, &zone)
                .map_err(|help| Failure::new(format!("`{text}` is no time")).help(help))
        };
        let from = self.from.as_ref().map(parse).transpose()?;
        let to = self.to.as_ref().map(parse).transpose()?;
        match (from, to) {
            (None, None) => Ok(Period { accepted: None, told: "at any time".to_owned() }),
            (from, to) => Ok(self.told(from.unwrap_or(i64::MIN), to, &zone)),
        }
    }

    fn told(&self, start: i64, end: Option<i64>, zone: &TimeZone) -> Period {
        let shown = |micros: i64| {
            let time = Timestamp::from_microsecond(micros).unwrap_or_default();
            time.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
        };
        let mut told = Vec::new();
        if start > i64::MIN {
            told.push(format!("from {}", shown(start)));
        }
        told.extend(end.map(|end| format!("until {}", shown(end))));
        let told = format!("{} ({})", told.join(" "), self.zone);
        Period { accepted: Some(start..end.unwrap_or(i64::MAX)), told }
    }
}

/// From midnight to midnight, however long that is: a day has 23 hours when clocks are put forward.
fn day_of(day: &str, now: Timestamp, zone: &TimeZone) -> Result<Range<i64>, Failure> {
    let today = now.to_zoned(zone.clone()).date();
    let date = match day {
        "today" => Some(today),
        "yesterday" => today.yesterday().ok(),
        day => day.parse::<Date>().ok(),
    };
    let moment = |date: Date| Some(date.to_zoned(zone.clone()).ok()?.timestamp().as_microsecond());
    let range = date.and_then(|date| Some(moment(date)?..moment(date.checked_add(1.day()).ok()?)?));
    range.ok_or_else(|| {
        Failure::new(format!("`{day}` is no day")).help("write 2026-03-05, today or yesterday")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(day: Option<&str>, from: Option<&str>, to: Option<&str>, zone: &str) -> Result<String, String> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let args = PeriodArgs { day: text(day), from: text(from), to: text(to), zone: zone.to_owned() };
        let period = args.read_at("2026-03-30T23:30:00Z".parse().unwrap());
        period.map(|period| period.told).map_err(|failure| failure.message().to_owned())
    }

    #[test]
    fn a_day_is_from_midnight_to_midnight_in_its_zone() {
        let days = [
            ("2026-03-05", "UTC", "from 2026-03-05T00:00:00+00:00 until 2026-03-06T00:00:00+00:00 (UTC)"),
            (
                "2026-03-29",
                "Europe/Paris",
                "from 2026-03-29T00:00:00+01:00 until 2026-03-30T00:00:00+02:00 (Europe/Paris)",
            ),
            (
                "today",
                "Europe/Paris",
                "from 2026-03-31T00:00:00+02:00 until 2026-04-01T00:00:00+02:00 (Europe/Paris)",
            ),
            ("yesterday", "UTC", "from 2026-03-29T00:00:00+00:00 until 2026-03-30T00:00:00+00:00 (UTC)"),
        ];
        for (day, zone, told) in days {
            assert_eq!(read(Some(day), None, None, zone).unwrap(), told);
        }
    }

    #[test]
    fn times_are_in_the_zone_and_either_end_may_be_open() {
        let from = read(None, Some("2026-03-05T14:00"), None, "America/New_York").unwrap();
        assert_eq!(from, "from 2026-03-05T14:00:00-05:00 (America/New_York)");
        let to = read(None, None, Some("30m"), "UTC").unwrap();
        assert_eq!(to, "until 2026-03-30T23:00:00+00:00 (UTC)");
        assert_eq!(read(None, None, None, "UTC").unwrap(), "at any time");
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(read(Some("5.3."), None, None, "UTC").unwrap_err(), "`5.3.` is no day");
        assert_eq!(read(None, Some("noon"), None, "UTC").unwrap_err(), "`noon` is no time");
        assert_eq!(read(None, None, None, "Mars/Base").unwrap_err(), "there is no time zone `Mars/Base`");
    }
}
