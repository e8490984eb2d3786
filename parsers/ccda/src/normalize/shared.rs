//! What a group says once for all its members: who, when, which drug.
//!
//! Each member of the record holds its own copy, so a thousand performers of a thousand observations would be a million. The copies of a
//! whole document may be worth a few times its bytes; a member that gets none counts what it lacks as unread.

use super::Source;
use crate::document::Element;

/// What was read from a group, and what a copy of it is worth.
#[derive(Default)]
pub(super) struct Shared<'d, T> {
    pub(super) value: T,
    /// Bytes of the elements that it was read from.
    bytes: usize,
    first: Option<Element<'d>>,
}

impl<'d, T: Clone + Default> Shared<'d, T> {
    /// What these elements say.
    pub(super) fn new(value: T, elements: &[Element<'d>]) -> Self {
        let bytes = elements.iter().map(|element| element.bytes()).sum();
        Self { value, bytes, first: elements.first().copied() }
    }

    /// A copy for a member, as long as copies are left.
    pub(super) fn copy(&self, source: &Source<'d>) -> T {
        let left = source.bytes_left.get();
        match left.checked_sub(self.bytes) {
            Some(rest) => {
                source.bytes_left.set(rest);
                self.value.clone()
            }
            None => {
                self.first.into_iter().for_each(|first| source.unread(first));
                T::default()
            }
        }
    }

    /// This, or when it says nothing the same of the group around.
    pub(super) fn or(self, source: &Source<'d>, outer: &Self) -> Self {
        if self.first.is_some() {
            return self;
        }
        Self { value: outer.copy(source), bytes: outer.bytes, first: outer.first }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sections::tests::record;

    #[test]
    fn copies_end_before_they_are_many_times_the_document() {
        let many = |one: &str| one.repeat(300);
        let performers = many("<performer><assignedEntity><id root='1'/></assignedEntity></performer>");
        let observations = many("<component><observation><code code='1'/></observation></component>");
        let record = record(&format!(
            "<code code='8716-3'/><entry><organizer>{performers}{observations}</organizer></entry>"
        ));
        let performers: Vec<_> = record.vital_signs.iter().map(|one| one.observed_by.len()).collect();
        assert_eq!((performers.len(), performers[0], performers[299]), (300, 300, 0));
        let without = performers.iter().filter(|count| **count == 0).count();
        let unread = &record.sections[0].unread[0];
        assert_eq!((unread.element.as_str(), unread.count), ("performer", without));
    }

    #[test]
    fn a_group_of_usual_size_gives_all_to_all() {
        let performers = "<performer><assignedEntity><id root='1'/></assignedEntity></performer>".repeat(3);
        let observations = "<component><observation><code code='1'/></observation></component>".repeat(12);
        let record = record(&format!(
            "<code code='8716-3'/><entry><organizer>{performers}{observations}</organizer></entry>"
        ));
        assert!(record.vital_signs.iter().all(|one| one.observed_by.len() == 3));
        assert!(record.sections[0].unread.is_empty());
    }
}
