//! What the dictionary says of a place in a message: what it is called, and what its code means.

use crate::dictionary::{self, Part, Version};
use crate::message::{Message, Position};

/// What a place is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// The titles on the way to it, the field's first: `["Patient Name", "Family Name", "Surname"]`.
    pub titles: Vec<&'static str>,
    /// The table of its codes.
    pub table: Option<u16>,
}

impl Message<'_> {
    /// What a place is called in the message's version; `None` for what the dictionary does not know.
    pub fn meaning(&self, at: &Position) -> Option<Meaning> {
        let version = Version::nearest(&self.header().version());
        let segment = self.segments().get(at.segment)?.name();
        let field = dictionary::field(segment, at.field, version)?;
        let mut meaning = Meaning { titles: vec![field.title], table: field.table };
        let mut data_type = self.data_type(segment, field, at.segment);
        for number in [at.component, at.subcomponent].into_iter().flatten() {
            let Some(part) = dictionary::component(&data_type, number, version) else { break };
            meaning.titles.push(part.title);
            // A coded element's table is its field's.
            let is_code = number == 1 && part.table.is_none();
            meaning.table = part.table.or(meaning.table.filter(|_| is_code));
            data_type = part.data_type.to_owned();
        }
        Some(meaning)
    }

    /// A field's data type; of an observation's value (OBX-5) the one that OBX-2 names.
    pub(crate) fn data_type(&self, segment: &str, field: &Part, index: usize) -> String {
        match (segment, field.data_type.eq_ignore_ascii_case("varies")) {
            ("OBX", true) => self.field(index, 2).text().trim().to_owned(),
            (_, true) => String::new(),
            (_, false) => field.data_type.to_owned(),
        }
    }
}

impl Meaning {
    /// What a code of this place means, where it has a table that names it.
    pub fn of_code(&self, code: &str) -> Option<&'static str> {
        dictionary::table(self.table?)?.name_of(code).filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Settings, parse};

    #[test]
    fn places_have_titles_and_codes_meanings() {
        let bytes = b"MSH|^~\\&|A|B|C|D|||ORU^R01|7|P|2.5.1\rPID|1||7^^^N^MR|||||F\rOBX|1|CE|A||B^C\rZPI|1\r";
        let message = parse(bytes, &Settings::default()).unwrap();
        let meaning = |segment, field, component| {
            message.meaning(&Position { component, ..Position::field(segment, field) })
        };
        let kind = meaning(1, 3, Some(5)).unwrap();
        assert_eq!(kind.titles, ["Patient Identifier List", "Identifier Type Code"]);
        assert_eq!(kind.of_code("MR"), Some("Medical record number"));
        assert_eq!(meaning(1, 8, None).unwrap().of_code("F"), Some("Female"));
        assert_eq!(meaning(1, 3, Some(1)).unwrap().table, None);
        assert_eq!(meaning(2, 5, Some(2)).unwrap().titles, ["Observation Value", "Text"]);
        assert_eq!((meaning(3, 1, None), meaning(1, 99, None), meaning(9, 1, None)), (None, None, None));
    }
}
