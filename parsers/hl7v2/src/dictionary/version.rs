//! The versions of the standard, in their order.

use std::fmt;

/// The versions in order; their place here is their number in the dictionary's files.
const NAMES: [&str; 12] =
    ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2"];

/// A version that the dictionary knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u8);

impl Version {
    /// 2.5.1, for messages that say none: most of today's do, and later ones changed little of what is used.
    pub const DEFAULT: Self = Self(6);

    /// The version of this name, as MSH-12 has it.
    pub fn named(name: &str) -> Option<Self> {
        let place = NAMES.iter().position(|known| *known == name)?;
        u8::try_from(place).ok().map(Self)
    }

    /// The version of this name, or the nearest: of a later one the last before it, of a text that is no version the default.
    pub fn nearest(name: &str) -> Self {
        let name = name.trim();
        Self::named(name).unwrap_or_else(|| {
            let before = |known: &&&str| name.starts_with("2.") && numbers(known) <= numbers(name);
            NAMES.iter().rev().find(before).and_then(|known| Self::named(known)).unwrap_or(Self::DEFAULT)
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or_default()
    }

    /// Its place among the versions, from 0.
    pub(super) fn place(self) -> u8 {
        self.0
    }

    /// The version at this place, by the digit of the dictionary's files.
    pub(super) fn at(digit: char) -> Option<Self> {
        let place = digit.to_digit(16).and_then(|place| u8::try_from(place).ok())?;
        (usize::from(place) < NAMES.len()).then_some(Self(place))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

fn numbers(name: &str) -> Vec<u32> {
    name.split('.').map_while(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_version_is_taken() {
        for (name, nearest) in [
            ("2.5.1", "2.5.1"),
            (" 2.3 ", "2.3"),
            ("2.7.1", "2.7"),
            ("2.9", "2.8.2"),
            ("2.10", "2.8.2"),
            ("2.0", "2.5.1"),
            ("", "2.5.1"),
            ("3", "2.5.1"),
            ("2.", "2.5.1"),
            ("2.5.2", "2.5.1"),
        ] {
            assert_eq!(Version::nearest(name).name(), nearest, "{name}");
        }
    }

    #[test]
    fn versions_have_an_order() {
        assert!(Version::nearest("2.3") < Version::nearest("2.3.1"));
        assert_eq!(Version::at('6'), Some(Version::DEFAULT));
        assert_eq!(Version::at('c'), None);
    }
}
