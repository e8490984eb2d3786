//! Where an element of the record comes from, in the words of its format.

use std::fmt;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::Text;

/// The place in the source that an element of the record was read from; as JSON its text, for example `OBX[3]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, JsonSchema)]
#[schemars(
    with = "String",
    description = "Where the element was read from, for example OBX[3]: the third OBX of the message; of a document the element's path."
)]
pub enum Location {
    /// An HL7 v2 segment.
    Segment {
        /// Its name.
        name: &'static str,
        /// Which of that name in the message, counted from 1.
        occurrence: usize,
    },
    /// An element of a document, by its path from the root: names, with a number where there are several of a name.
    Element(Text),
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment { name, occurrence } => write!(formatter, "{name}[{occurrence}]"),
            Self::Element(path) => formatter.write_str(path),
        }
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
