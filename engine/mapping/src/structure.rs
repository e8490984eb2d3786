//! Structure apart from a message: what `hl7('A^B&C')` puts into a field, or what is carried from one message into another.
//!
//! Mappings write it with the recommended delimiters `^ ~ \ &`; it is kept as leaves, so that it can be written into a message
//! that uses other delimiters or another charset.

use orderly_hl7v2::{Delimiters, Encoding, Level, Message, Position, Unencodable, View};

/// Repetitions of components of subcomponents, each leaf as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Structure {
    repetitions: Vec<Vec<Vec<String>>>,
}

impl Structure {
    /// Reads what stands in `hl7('...')`; any text is structure of some kind.
    pub(crate) fn parse(text: &str) -> Structure {
        let encoding =
            Encoding { delimiters: Delimiters::default(), charset: orderly_hl7v2::Charset::utf_8() };
        let leaf = |raw: &str| orderly_hl7v2::escape::unescape(raw.as_bytes(), &encoding).into_owned();
        let component = |raw: &str| raw.split('&').map(leaf).collect();
        let repetition = |raw: &str| raw.split('^').map(component).collect();
        Structure { repetitions: text.split('~').map(repetition).collect() }
    }

    /// What is below a part of a message, whatever the message's delimiters and charset.
    pub(crate) fn of(view: &View<'_>) -> Structure {
        let leaf = |view: &View<'_>| view.whole_text().into_owned();
        let component = |view: &View<'_>| parts(view, Level::Component).iter().map(leaf).collect();
        let repetition = |view: &View<'_>| parts(view, Level::Repetition).iter().map(component).collect();
        Structure { repetitions: parts(view, Level::Field).iter().map(repetition).collect() }
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
    pub(crate) fn first_leaf(&self) -> &str {
        self.repetitions.iter().flatten().flatten().next().map_or("", String::as_str)
    }

    /// Bytes of all its leaves.
    pub(crate) fn len(&self) -> usize {
        self.repetitions.iter().flatten().flatten().map(String::len).sum()
    }

    /// Writes it to a place, in place of all that is there.
    pub(crate) fn write(&self, message: &mut Message<'_>, at: &Position) -> Result<(), Unencodable> {
        message.replace(at, b"")?;
        for (repetition, components) in self.repetitions.iter().enumerate() {
            for (component, subcomponents) in components.iter().enumerate() {
                for (subcomponent, text) in
                    subcomponents.iter().enumerate().filter(|(_, text)| !text.is_empty())
                {
                    let part = [repetition + 1, component + 1, subcomponent + 1];
                    message.set_text(&self.leaf(at, part, components.len(), subcomponents.len()), text)?;
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
