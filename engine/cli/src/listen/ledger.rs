//! Which control ids have come: tells a repeat from a new message, and a message that came too late from one in its turn.
//!
//! A control id is read as a prefix and a number (`L1C2N00000007`: `L1C2N` and 7), as senders that count make them; each prefix has
//! an order of its own. What has come is kept as ranges of numbers, so that a million messages in order take the room of one.

use std::collections::{BTreeMap, HashMap};

/// What a message's control id says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Never seen, and higher than all others of its prefix.
    InOrder,
    /// Never seen, and lower than another of its prefix that came before it.
    OrderBreak,
    /// Seen before.
    Repeat,
    /// Cannot be told: it has no control id, or too many different ones have come to remember another.
    Unknown,
}

/// The control ids that have come.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    numbers: HashMap<Box<str>, Numbers>,
    ranges_count: usize,
}

/// How many ranges are kept, about 100 bytes each with their prefixes: enough for a million ids without any order.
const RANGES_MAX: usize = 1_000_000;

/// How many of an id's last digits are read as its number: as many as always fit 64 bits.
const DIGITS_MAX: usize = 18;

impl Ledger {
    /// Notes a message's control id and says what it tells.
    pub(super) fn note(&mut self, control_id: &str) -> Arrival {
        if control_id.is_empty() {
            return Arrival::Unknown;
        }
        let (prefix, number) = split(control_id);
        let is_full = self.ranges_count >= RANGES_MAX;
        if !self.numbers.contains_key(prefix) {
            if is_full {
                return Arrival::Unknown;
            }
            self.numbers.insert(prefix.into(), Numbers::default());
        }
        let Some(numbers) = self.numbers.get_mut(prefix) else { return Arrival::Unknown };
        let before = numbers.ranges.len();
        let arrival = numbers.note(number, is_full);
        self.ranges_count = self.ranges_count + numbers.ranges.len() - before;
        arrival
    }
}

/// A control id's prefix and number; an id that ends in no digit has the number 0.
fn split(control_id: &str) -> (&str, u64) {
    let digits = control_id.bytes().rev().take(DIGITS_MAX).take_while(u8::is_ascii_digit).count();
    let (prefix, digits) = control_id.split_at_checked(control_id.len() - digits).unwrap_or((control_id, ""));
    (prefix, digits.parse().unwrap_or(0))
}

/// The numbers of one prefix that have come: ranges that neither overlap nor touch, as their first and last number.
#[derive(Debug, Default)]
struct Numbers {
    ranges: BTreeMap<u64, u64>,
}

impl Numbers {
    fn note(&mut self, number: u64, is_full: bool) -> Arrival {
        let highest = self.ranges.last_key_value().map(|(_, last)| *last);
        let mut below = self.ranges.range_mut(..=number).next_back();
        let arrival = match (&below, highest) {
            (Some((_, last)), _) if **last >= number => return Arrival::Repeat,
            (_, Some(highest)) if highest > number => Arrival::OrderBreak,
            _ => Arrival::InOrder,
        };
        match &mut below {
            // It lengthens the range below it, and may close the gap to the one above.
            Some((first, last)) if last.checked_add(1) == Some(number) => {
                let first = **first;
                **last = number;
                self.join_above(first, number);
            }
            _ if is_full => return Arrival::Unknown,
            _ => {
                self.ranges.insert(number, number);
                self.join_above(number, number);
            }
        }
        arrival
    }

    /// Joins the range that begins with `first` and ends with `last` to one that follows without a gap.
    fn join_above(&mut self, first: u64, last: u64) {
        if let Some(above) = last.checked_add(1).and_then(|next| self.ranges.remove(&next)) {
            self.ranges.insert(first, above);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn order_is_by_prefix() {
        let mut ledger = Ledger::default();
        for (control_id, expected) in [
            ("A1", Arrival::InOrder),
            ("A2", Arrival::InOrder),
            ("B1", Arrival::InOrder),
            ("A2", Arrival::Repeat),
            ("A5", Arrival::InOrder),
            ("A4", Arrival::OrderBreak),
            ("A4", Arrival::Repeat),
            ("A3", Arrival::OrderBreak),
            ("A3", Arrival::Repeat),
            ("B0002", Arrival::InOrder),
            ("7", Arrival::InOrder),
            ("6", Arrival::OrderBreak),
            ("no number", Arrival::InOrder),
            ("no number", Arrival::Repeat),
            ("", Arrival::Unknown),
            ("99999999999999999999999", Arrival::InOrder),
            ("99999999999999999999999", Arrival::Repeat),
            ("A1-1", Arrival::InOrder),
            ("\u{e9}1", Arrival::InOrder),
        ] {
            assert_eq!(ledger.note(control_id), expected, "{control_id}");
        }
    }

    #[test]
    fn messages_in_order_take_one_range() {
        let mut ledger = Ledger::default();
        for number in 1..=10_000 {
            assert_eq!(ledger.note(&format!("A{number:08}")), Arrival::InOrder);
        }
        assert_eq!(ledger.ranges_count, 1);
    }

    #[test]
    fn ranges_agree_with_a_plain_set() {
        // Numbers in an order that makes gaps, closes them and repeats some: multiples of 37 modulo 101, and every third again.
        let numbers = (0..300_u64).map(|index| (index * 37 + index / 3) % 101);
        let (mut ledger, mut plain, mut highest) = (Ledger::default(), HashSet::new(), None);
        for number in numbers {
            let expected = match (plain.insert(number), highest) {
                (false, _) => Arrival::Repeat,
                (true, Some(highest)) if number < highest => Arrival::OrderBreak,
                (true, _) => Arrival::InOrder,
            };
            highest = highest.max(Some(number));
            assert_eq!(ledger.note(&format!("A{number}")), expected, "{number}");
            let kept: usize = ledger.numbers.values().map(|numbers| numbers.ranges.len()).sum();
            assert_eq!(ledger.ranges_count, kept);
        }
        assert_eq!((plain.len(), ledger.ranges_count), (101, 1));
    }
}
