//! Decimal numbers as they are written: no binary floating point, so that `0.1` is a tenth and `2.50` keeps its digits.

use rust_decimal::Decimal;

/// The number that a text writes: digits, with a sign before and a point between them. No exponents, no `inf`, no separators of
/// thousands; at most 28 digits. Anything else is none.
pub(crate) fn read(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let is_plain = |letter: char| letter.is_ascii_digit() || matches!(letter, '.' | '-' | '+');
    let is_number = text.chars().all(is_plain) && text.contains(|letter: char| letter.is_ascii_digit());
    // `from_str` would round what is longer; a number is never silently another one.
    is_number.then(|| Decimal::from_str_exact(text).ok()).flatten()
}

/// What a result beyond what could be measured says before its number, `<5` or `>= 100`, and the number.
pub(crate) fn compared(text: &str) -> (&str, &str) {
    let trimmed = text.trim();
    let number = trimmed.trim_start_matches(['<', '>', '=']);
    trimmed.split_at_checked(trimmed.len() - number.len()).unwrap_or(("", trimmed))
}

/// A power of ten, where it can be written in 28 digits.
pub(crate) fn power_of_ten(exponent: u32) -> Option<Decimal> {
    (0..exponent).try_fold(Decimal::ONE, |power, _| power.checked_mul(Decimal::TEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_words_are_none() {
        let cases = [
            ("2.50", Some("2.50")),
            (" -7 ", Some("-7")),
            ("+1", Some("1")),
            ("007", Some("7")),
            ("0.1", Some("0.1")),
            ("", None),
            (".", None),
            ("-", None),
            ("1e3", None),
            ("1,000", None),
            ("1_000", None),
            ("inf", None),
            ("1-2", None),
            ("<5", None),
            ("12345678901234567890123456789012345", None),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).map(|number| number.to_string()).as_deref(), expected, "{text}");
        }
        assert_eq!(power_of_ten(3).map(|power| power.to_string()).as_deref(), Some("1000"));
        assert_eq!(power_of_ten(29), None);
    }
}
