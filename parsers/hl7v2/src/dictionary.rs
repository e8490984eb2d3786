//! The dictionary of HL7 v2, 2.1 to 2.8.2: segments and their fields, data types and their components, code tables, message structures.
//!
//! It knows names and rules and judges nothing: what a message has beside them is as good as what stands here. It is made from facts of
//! openly licensed sources (`dictionary/README.md`), lies in the binary as text of half a megabyte, and is read where it is first asked.

mod listing;
mod structures;
mod tables;
mod version;

use std::sync::LazyLock;

use listing::Listing;
pub(crate) use structures::{Child, Structure, own_structure, structure};
pub use tables::Table;
pub use version::Version;

/// A field of a segment, or a component of a data type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its name, `Patient Identifier List`.
    pub title: &'static str,
    /// Its data type, `CX`; `varies` where another field says it; empty where no source says it.
    pub data_type: &'static str,
    /// Whether the standard requires it.
    pub required: bool,
    /// Whether it may repeat.
    pub repeats: bool,
    /// Whether the standard has withdrawn it.
    pub withdrawn: bool,
    /// The most characters it may have, where the standard says it; since 2.8 it does not.
    pub length: Option<usize>,
    /// The number of its code table.
    pub table: Option<u16>,
}

static SEGMENTS: LazyLock<Listing> =
    LazyLock::new(|| Listing::read(include_str!("../dictionary/segments.txt")));
static TYPES: LazyLock<Listing> = LazyLock::new(|| Listing::read(include_str!("../dictionary/types.txt")));

/// What a segment is called, whatever the version; `None` for a segment of the site's own (Z) or of nobody's.
pub fn segment(name: &str) -> Option<&'static str> {
    SEGMENTS.title(name)
}

/// The names of all segments.
pub fn segments() -> impl Iterator<Item = &'static str> {
    SEGMENTS.names()
}

/// A field of a segment in a version, or as the nearest version has it that knows it.
pub fn field(segment: &str, number: usize, version: Version) -> Option<&'static Part> {
    SEGMENTS.part(segment, number, version)
}

/// Whether this version itself has the field.
pub fn has_field(segment: &str, number: usize, version: Version) -> bool {
    SEGMENTS.has_part(segment, number, version)
}

/// The first version that has the field.
pub fn field_since(segment: &str, number: usize) -> Option<Version> {
    SEGMENTS.since(segment, number)
}

/// How many fields a segment has in the version that has the most.
pub fn field_count(segment: &str) -> usize {
    SEGMENTS.count(segment)
}

/// The data types that a field has had in any version.
pub fn data_types(segment: &str, number: usize) -> impl Iterator<Item = &'static str> {
    SEGMENTS.data_types(segment, number)
}

/// The data types that a component has had in any version.
pub fn component_types(data_type: &str, number: usize) -> impl Iterator<Item = &'static str> {
    TYPES.data_types(data_type, number)
}

/// The names of all groups of all message structures.
pub fn groups() -> impl Iterator<Item = &'static str> {
    structures::groups()
}

/// A component of a data type in a version, or as the nearest version has it that knows it. A data type without components is its own
/// text.
pub fn component(data_type: &str, number: usize, version: Version) -> Option<&'static Part> {
    TYPES.part(data_type, number, version)
}

/// How many components a data type has in the version that has the most; 0 for text.
pub fn component_count(data_type: &str) -> usize {
    TYPES.count(data_type)
}

/// A code table by its number.
pub fn table(number: u16) -> Option<&'static Table> {
    tables::table(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::named(text).unwrap()
    }

    #[test]
    fn fields_are_as_their_version_has_them() {
        let old = field("PID", 3, version("2.2")).unwrap();
        assert_eq!((old.title, old.data_type, old.table), ("Patient ID", "CM_PAT_ID", None));
        let new = field("PID", 3, version("2.5.1")).unwrap();
        assert_eq!((new.title, new.data_type), ("Patient Identifier List", "CX"));
        assert!(new.required && new.repeats && !new.withdrawn);
        assert_eq!(new.length, Some(250));
        let sex = field("PID", 8, version("2.5")).unwrap();
        assert_eq!((sex.title, sex.data_type, sex.table), ("Administrative Sex", "IS", Some(1)));
    }

    #[test]
    fn what_a_version_lacks_is_as_the_nearest_has_it() {
        assert_eq!(field("PID", 39, version("2.1")).unwrap().title, "Tribal Citizenship");
        assert!(!has_field("PID", 39, version("2.1")) && has_field("PID", 39, version("2.5")));
        assert_eq!((field_since("PID", 33), field_since("PID", 99)), (Version::named("2.4"), None));
        assert!(field("PID", 99, version("2.5")).is_none());
        assert!(field("ZPI", 1, version("2.5")).is_none());
        assert!(field("PID", 0, version("2.5")).is_none());
    }

    #[test]
    fn components_and_segments_have_names() {
        assert_eq!(segment("PID"), Some("Patient Identification"));
        assert_eq!(segment("ZPI"), None);
        assert_eq!(component("CX", 4, version("2.5.1")).unwrap().title, "Assigning Authority");
        assert_eq!(component("HD", 2, version("2.5.1")).unwrap().title, "Universal ID");
        assert_eq!((component_count("ST"), component_count("HD")), (0, 3));
        assert_eq!(field_count("PID"), 40);
        assert!(segments().count() > 180);
    }

    /// The facts were made by a program: what it wrote is all read.
    #[test]
    fn every_line_is_read() {
        for (text, listing) in [
            (include_str!("../dictionary/segments.txt"), &*SEGMENTS),
            (include_str!("../dictionary/types.txt"), &*TYPES),
        ] {
            let parts = text.lines().filter(|line| line.starts_with(' ')).count();
            assert_eq!(listing.lines(), parts);
            for name in listing.names() {
                for number in 1..=listing.count(name) {
                    assert!(listing.part(name, number, Version::DEFAULT).is_some(), "{name}-{number}");
                }
            }
        }
    }
}
