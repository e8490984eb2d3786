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
