//! The header of a message, which is the engine's in part: no rule may make it say what is not so.

use super::Compiler;
use crate::Format;
use crate::plan::{Place, Start};
use crate::yaml::Span;

/// The segment that every message begins with.
pub(super) const HEADER: &str = "MSH";

/// Whether a place is the header of the working message, or in it.
pub(super) fn is_header(place: &Place) -> bool {
    matches!(&place.start, Start::Segment { received: false, segment } if &*segment.name == HEADER)
}

impl Compiler<'_> {
    /// Why no rule may write or delete this part of the header, and what to do; `None` where one may.
    pub(super) fn kept_of_header(&self, place: &Place) -> Option<(&'static str, &'static str)> {
        match place.part.field.filter(|_| is_header(place))? {
            1 | 2 => Some(("the delimiters of a message can't be changed", "remove this line")),
            12 if self.output_version.is_some() || self.begins_empty => {
                let message = "the version of the message is that of `output`";
                Some((message, "remove this line: MSH-12 says it"))
            }
            18 => {
                let help = "remove this line; below `output`, `charset: UNICODE UTF-8` writes the message in that charset and sets MSH-18";
                Some(("MSH-18 says in which charset the message is written", help))
            }
            _ => None,
        }
    }

    /// An `each` over the header would reach all of it by numbers alone.
    pub(super) fn check_walked_header(&self, place: &Place, span: &Span) -> Option<()> {
        if self.output != Format::Hl7v2 {
            return Some(());
        }
        self.check_one_header(is_header(place) && place.part.field.is_none(), span)?;
        let Some((message, help)) = self.kept_of_header(place) else { return Some(()) };
        self.problems.error("mapping-header", span, message).help(help);
        None
    }

    /// Reports that something is done with the whole of a header as if there were several.
    pub(super) fn check_one_header(&self, is_header: bool, span: &Span) -> Option<()> {
        if !is_header {
            return Some(());
        }
        self.problems
            .error("mapping-header", span, "a message has one header")
            .help("set its fields, as in MSH-3: ORDERLY");
        None
    }
}
