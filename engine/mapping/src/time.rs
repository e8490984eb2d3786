//! Dates and times at the precision they were given in.

use jiff::civil::DateTime;
use orderly_record::{Moment, Precision};

/// The date or time that a text gives, in HL7's form or the record's; `None` when it is none.
pub(crate) fn read(text: &str) -> Option<Moment> {
    Moment::parse_hl7(text)
}

/// A time without what lies below the precision.
pub(crate) fn cut(civil: DateTime, precision: Precision) -> DateTime {
    let part = |kept: bool, value: i8, least: i8| if kept { value } else { least };
    let fraction = match precision {
        Precision::Fraction(digits) => {
            let unit = 10_i32.pow(9 - u32::from(digits.clamp(1, 9)));
            civil.subsec_nanosecond() / unit * unit
        }
        _ => 0,
    };
    DateTime::new(
        civil.year(),
        part(precision >= Precision::Month, civil.month(), 1),
        part(precision >= Precision::Day, civil.day(), 1),
        part(precision >= Precision::Hour, civil.hour(), 0),
        part(precision >= Precision::Minute, civil.minute(), 0),
        part(precision >= Precision::Second, civil.second(), 0),
        fraction,
    )
    .unwrap_or(civil)
}
