//! Which of two texts is less: two numbers by value, two times by the calendar; anything else has no order.
//!
//! Times of different precision are compared by what both of them say, so that 2026-03 is neither before nor after 2026-03-05.

use std::cmp::Ordering;

use orderly_record::Moment;

use crate::{decimal, time};

/// The order of two texts, `None` when they are neither two numbers nor two times.
pub(crate) fn order(left: &str, right: &str) -> Option<Ordering> {
    if (is_time(left) || is_time(right))
        && let (Some(left), Some(right)) = (time::read(left), time::read(right))
    {
        return Some(moments(&left, &right));
    }
    numbers(left, right)
}

/// A text that is rather a time than a number: a day at least. A bare `2026` is a year only beside one of these.
fn is_time(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (digits >= 8 || text.contains('-')) && time::read(text).is_some()
}

fn moments(left: &Moment, right: &Moment) -> Ordering {
    if let (Some(one), Some(other)) = (left.offset, right.offset)
        && let (Ok(one), Ok(other)) = (one.to_timestamp(left.civil), other.to_timestamp(right.civil))
    {
        return one.cmp(&other);
    }
    let precision = left.precision.min(right.precision);
    time::cut(left.civil, precision).cmp(&time::cut(right.civil, precision))
}

fn numbers(left: &str, right: &str) -> Option<Ordering> {
    Some(decimal::read(left)?.cmp(&decimal::read(right)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_have_an_order() {
        let cases = [
            ("9", "10", Some(Ordering::Less)),
            ("2.50", "2.5", Some(Ordering::Equal)),
            ("-1", "0.5", Some(Ordering::Less)),
            ("900719925474099301", "900719925474099300", Some(Ordering::Greater)),
            ("19840211", "20260305", Some(Ordering::Less)),
            ("202603050915", "20260305", Some(Ordering::Equal)),
            ("2011", "20080101", Some(Ordering::Greater)),
            ("2008", "20080101", Some(Ordering::Equal)),
            ("2011", "2008", Some(Ordering::Greater)),
            ("202603050915", "20260304", Some(Ordering::Greater)),
            ("202603050915+0100", "202603050915+0000", Some(Ordering::Less)),
            ("2026-03-05T09:15", "202603050916", Some(Ordering::Less)),
            ("2026-03", "2026-04-01", Some(Ordering::Less)),
            ("12", "many", None),
            ("1e3", "10", None),
            ("inf", "10", None),
            ("", "10", None),
        ];
        for (left, right, expected) in cases {
            assert_eq!(order(left, right), expected, "{left} {right}");
        }
    }
}
