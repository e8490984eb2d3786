//! Structure apart from a message: what `hl7('A^B&C')` puts into a field, or what is carried from one message into another.
//!
//! Mappings write it with the recommended delimiters `^ ~ \ &`; it is kept as leaves in these and in UTF-8, so that it can be written
//! into a message that uses other delimiters or another charset, and keeps its escape sequences on the way.

use std::borrow::Cow;

use orderly_hl7v2::escape::{transcode, unescape};
use orderly_hl7v2::{Charset, Delimiters, Encoding, Level, Message, Position, Unencodable, View};

/// Repetitions of components of subcomponents, each leaf as it stands between the recommended delimiters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Structure {
    repetitions: Vec<Vec<Vec<Vec<u8>>>>,
}

/// How leaves are kept.
fn encoding() -> Encoding {
    Encoding { delimiters: Delimiters::default(), charset: Charset::utf_8() }
}

impl Structure {
    /// Reads what stands in `hl7('...')`; any text is structure of some kind.
    pub(crate) fn parse(text: &str) -> Structure {
        let leaf = |raw: &str| raw.as_bytes().to_vec();
        let component = |raw: &str| raw.split('&').map(leaf).collect();
        let repetition = |raw: &str| raw.split('^').map(component).collect();
        Structure { repetitions: text.split('~').map(repetition).collect() }
    }

    /// What is below a part of a message, whatever the message's delimiters and charset.
    pub(crate) fn of(view: &View<'_>) -> Result<Structure, Unencodable> {
        let kept = encoding();
        let leaf = |view: &View<'_>| view.transcoded(&kept);
        let component = |view: &View<'_>| parts(view, Level::Component).iter().map(leaf).collect();
        let repetition = |view: &View<'_>| parts(view, Level::Repetition).iter().map(component).collect();
        let repetitions = parts(view, Level::Field).iter().map(repetition).collect::<Result<_, _>>()?;
        Ok(Structure { repetitions })
    }

    /// The highest level whose delimiter stands in it: it can be written to a place of that level or above.
    pub(crate) fn level(&self) -> Level {
        let mut components = self.repetitions.iter().flatten();
        match () {
            () if self.repetitions.len() > 1 => Level::Field,
            () if self.repetitions.iter().any(|components| components.len() > 1) => Level::Repetition,
            () if components.any(|subcomponents| subcomponents.len() > 1) => Level::Component,
            () => Level::Subcomponent,
        }
    }

    /// The first leaf's text.
    pub(crate) fn first_leaf(&self) -> Cow<'_, str> {
        let first = self.repetitions.iter().flatten().flatten().next();
        first.map_or(Cow::Borrowed(""), |raw| unescape(raw, &encoding()))
    }

    /// Bytes of all its leaves.
    pub(crate) fn len(&self) -> usize {
        self.repetitions.iter().flatten().flatten().map(Vec::len).sum()
    }

    /// Writes it to a place, in place of all that is there.
    pub(crate) fn write(&self, message: &mut Message<'_>, at: &Position) -> Result<(), Unencodable> {
        let kept = encoding();
        message.replace(at, b"")?;
        for (repetition, components) in self.repetitions.iter().enumerate() {
            for (component, subcomponents) in components.iter().enumerate() {
                for (subcomponent, raw) in subcomponents.iter().enumerate().filter(|(_, raw)| !raw.is_empty())
                {
                    let part = [repetition + 1, component + 1, subcomponent + 1];
                    let raw = transcode(raw, &kept, message.encoding())?;
                    message.replace(&self.leaf(at, part, components.len(), subcomponents.len()), &raw)?;
                }
            }
        }
        Ok(())
    }

    /// The place of a leaf below `at`. Levels that the structure does not use are left out, so that it can also be written where
    /// the message declares no delimiter for them.
    fn leaf(&self, at: &Position, part: [usize; 3], components: usize, subcomponents: usize) -> Position {
        let [repetition, component, subcomponent] = part;
        let mut leaf = *at;
        if leaf.repetition.is_none() && leaf.component.is_none() && self.repetitions.len() > 1 {
            leaf.repetition = Some(repetition);
        }
        if leaf.component.is_none() && (components > 1 || subcomponents > 1) {
            leaf.component = Some(component);
        }
        if leaf.subcomponent.is_none() && subcomponents > 1 {
            leaf.subcomponent = Some(subcomponent);
        }
        leaf
    }
}

/// The parts of a part that is of this level; one that lies deeper is its only one.
fn parts<'m>(view: &View<'m>, level: Level) -> Vec<View<'m>> {
    if view.level() == level { view.children().collect() } else { vec![*view] }
}
