//! A country's code.

use std::fmt;

/// A country as ISO 3166-1 alpha-2 writes it: two upper-case letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// The country with this code, whatever the case of its letters.
    pub fn parse(code: &str) -> Option<Self> {
        let letters: [u8; 2] = code.as_bytes().try_into().ok()?;
        letters
            .iter()
            .all(u8::is_ascii_alphabetic)
            .then(|| Country(letters.map(|letter| letter.to_ascii_uppercase())))
    }

    /// The two letters of its code.
    pub fn code(self) -> [u8; 2] {
        self.0
    }

    /// Its code.
    pub fn as_str(&self) -> &str {
        // Letters are always UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_letters_are_a_country_and_nothing_else_is() {
        assert_eq!(Country::parse("CN").unwrap().as_str(), "CN");
        assert_eq!(Country::parse("hk").unwrap().to_string(), "HK");
        for wrong in ["", "C", "CHN", "C1", "é", "ß"] {
            assert_eq!(Country::parse(wrong), None, "{wrong}");
        }
    }
}
