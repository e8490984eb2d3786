//! Values of message headers.

use super::error::BrokerError;
use lapin::types::{AMQPValue, FieldTable, ShortString};

/// The value of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// Text.
    Text(String),
    /// A whole number of any width.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// Anything else that may come: fractions, tables, bytes that are no text. It is known to be there, and not read.
    Other,
}

impl HeaderValue {
    /// What came.
    pub(super) fn read(value: &AMQPValue) -> Self {
        match value {
            AMQPValue::Boolean(flag) => Self::Flag(*flag),
            AMQPValue::ShortShortInt(number) => Self::Number(i64::from(*number)),
            AMQPValue::ShortShortUInt(number) => Self::Number(i64::from(*number)),
            AMQPValue::ShortInt(number) => Self::Number(i64::from(*number)),
            AMQPValue::ShortUInt(number) => Self::Number(i64::from(*number)),
            AMQPValue::LongInt(number) => Self::Number(i64::from(*number)),
            AMQPValue::LongUInt(number) => Self::Number(i64::from(*number)),
            AMQPValue::LongLongInt(number) => Self::Number(*number),
            AMQPValue::Timestamp(seconds) => i64::try_from(*seconds).map_or(Self::Other, Self::Number),
            AMQPValue::ShortString(text) => Self::Text(text.as_str().to_owned()),
            AMQPValue::LongString(text) => {
                str::from_utf8(text.as_bytes()).map_or(Self::Other, |text| Self::Text(text.to_owned()))
            }
            AMQPValue::Float(_)
            | AMQPValue::Double(_)
            | AMQPValue::DecimalValue(_)
            | AMQPValue::FieldArray(_)
            | AMQPValue::FieldTable(_)
            | AMQPValue::ByteArray(_)
            | AMQPValue::Void => Self::Other,
        }
    }

    fn write(&self) -> AMQPValue {
        match self {
            Self::Text(text) => AMQPValue::LongString(text.as_str().into()),
            Self::Number(number) => AMQPValue::LongLongInt(*number),
            Self::Flag(flag) => AMQPValue::Boolean(*flag),
            Self::Other => AMQPValue::Void,
        }
    }
}

/// Headers or arguments as lapin wants them.
pub(super) fn table(entries: &[(String, HeaderValue)]) -> Result<FieldTable, BrokerError> {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(short("header's name", name)?, value.write());
    }
    Ok(table)
}

/// A text that AMQP keeps in at most 255 bytes.
pub(super) fn short(what: &'static str, text: &str) -> Result<ShortString, BrokerError> {
    ShortString::try_new(text).map_err(|_| BrokerError::TooLong { what, bytes: text.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapin::types::{DecimalValue, FieldArray, LongString};
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = AMQPValue> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(AMQPValue::Boolean),
            any::<i8>().prop_map(AMQPValue::ShortShortInt),
            any::<u8>().prop_map(AMQPValue::ShortShortUInt),
            any::<i16>().prop_map(AMQPValue::ShortInt),
            any::<u16>().prop_map(AMQPValue::ShortUInt),
            any::<i32>().prop_map(AMQPValue::LongInt),
            any::<u32>().prop_map(AMQPValue::LongUInt),
            any::<i64>().prop_map(AMQPValue::LongLongInt),
            any::<u64>().prop_map(AMQPValue::Timestamp),
            any::<f64>().prop_map(AMQPValue::Double),
            (any::<u8>(), any::<u32>())
                .prop_map(|(scale, value)| AMQPValue::DecimalValue(DecimalValue { scale, value })),
            prop::collection::vec(any::<u8>(), 0..40)
                .prop_map(|bytes| AMQPValue::LongString(LongString::from(bytes))),
            prop::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| AMQPValue::ByteArray(bytes.into())),
            Just(AMQPValue::Void),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop::collection::vec(inner, 0..4)
                .prop_map(|values| AMQPValue::FieldArray(FieldArray::from(values)))
        })
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_and_what_is_text_stays_it(value in any_value()) {
            let is_text = matches!(&value, AMQPValue::LongString(text) if str::from_utf8(text.as_bytes()).is_ok());
            prop_assert_eq!(matches!(HeaderValue::read(&value), HeaderValue::Text(_)), is_text);
        }

        #[test]
        fn what_is_written_is_read_again(text in ".*", number: i64, flag: bool) {
            for value in [HeaderValue::Text(text), HeaderValue::Number(number), HeaderValue::Flag(flag)] {
                prop_assert_eq!(HeaderValue::read(&value.write()), value);
            }
        }

        #[test]
        fn names_are_taken_up_to_what_amqp_allows(name in "\\PC{0,300}") {
            prop_assert_eq!(short("name", &name).is_ok(), name.len() <= 255);
        }
    }
}
