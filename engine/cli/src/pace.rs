//! `--rate`: how fast a command hands over what is to be sent.

use std::time::{Duration, Instant};

/// So many a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate(f64);

/// Reads `10`, `10/s`, `600/m`.
pub(crate) fn parse(text: &str) -> Result<Rate, String> {
    let (number, seconds) = match text.split_once('/') {
        None | Some((_, "s")) => (text.strip_suffix("/s").unwrap_or(text), 1.0),
        Some((number, "m")) => (number, 60.0),
        Some((number, "h")) => (number, 3600.0),
        Some(_) => ("", 1.0),
    };
    let rate =
        number.parse::<u32>().ok().filter(|number| *number > 0).map(|number| f64::from(number) / seconds);
    rate.map(Rate).ok_or_else(|| "write 10/s, 600/m or 5000/h".to_owned())
}

/// Keeps to a rate, where one is given.
pub(crate) struct Pace {
    rate: Option<Rate>,
    began: Instant,
    done: u32,
}

impl Pace {
    /// From now on.
    pub(crate) fn new(rate: Option<Rate>) -> Pace {
        Pace { rate, began: Instant::now(), done: 0 }
    }

    /// How many to hand over at a time: as many as usual, or what a quarter of a second allows.
    pub(crate) fn chunk(&self, usual: usize) -> usize {
        match self.rate {
            None => usual,
            // Between 1 and what is usual.
            Some(Rate(rate)) => ((rate / 4.0).ceil() as usize).clamp(1, usual),
        }
    }

    /// Waits until so many more may have been handed over.
    pub(crate) fn wait(&mut self, count: usize) {
        self.done = self.done.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        if let Some(Rate(rate)) = self.rate {
            let due = self.began + Duration::from_secs_f64(f64::from(self.done) / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        assert_eq!(
            (parse("10"), parse("10/s"), parse("600/m")),
            (Ok(Rate(10.0)), Ok(Rate(10.0)), Ok(Rate(10.0)))
        );
        for wrong in ["", "0", "-1", "10/d", "x/s", "1.5"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn chunks_are_small_when_it_goes_slowly() {
        let chunk = |text: Option<&str>| Pace::new(text.map(|text| parse(text).unwrap())).chunk(200);
        assert_eq!((chunk(None), chunk(Some("1/s")), chunk(Some("40/s"))), (200, 1, 10));
        assert_eq!(chunk(Some("100000/s")), 200);
    }
}
