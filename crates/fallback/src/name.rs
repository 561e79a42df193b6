//! What a tier is called.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

/// What a tier is called: in errors, in events, in a header of the answer.
///
/// 1 to 64 visible ASCII characters, without spaces. Clones share one string.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TierName(Arc<str>);

/// Why something is no [`TierName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidName {
    /// It is empty, or longer than [`TierName::MAX_LEN`].
    Length {
        /// How long it is, in bytes.
        len: usize,
    },
    /// It holds something other than visible ASCII.
    Character {
        /// Where, in bytes from its start.
        at: usize,
    },
}

impl TierName {
    /// The longest name, in bytes: it goes into headers, and into errors with all the others.
    pub const MAX_LEN: usize = 64;

    /// A name, for those that come from files and flags.
    ///
    /// # Errors
    /// [`InvalidName`] says what is wrong with it.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        let len = name.len();
        if len == 0 || len > Self::MAX_LEN {
            return Err(InvalidName::Length { len });
        }
        match name.bytes().position(|byte| !byte.is_ascii_graphic()) {
            Some(at) => Err(InvalidName::Character { at }),
            None => Ok(Self(name.into())),
        }
    }

    /// A name that stands in a program.
    pub(crate) fn literal(name: &str) -> Self {
        match Self::new(name) {
            Ok(name) => name,
            Err(error) => panic!("{error}"),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn header_value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("visible ASCII is a field value")
    }
}

impl fmt::Debug for TierName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for TierName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { len } => write!(
                f,
                "the name of a tier has 1 to {} bytes, this one {len}",
                TierName::MAX_LEN
            ),
            Self::Character { at } => {
                write!(
                    f,
                    "character not allowed in the name of a tier at byte {at}"
                )
            }
        }
    }
}

impl Error for InvalidName {}

#[cfg(test)]
mod tests {
    use super::{InvalidName, TierName};

    #[test]
    fn what_is_no_name_says_which_number_mattered() {
        assert_eq!(TierName::new(""), Err(InvalidName::Length { len: 0 }));
        let long = "a".repeat(65);
        assert_eq!(TierName::new(&long), Err(InvalidName::Length { len: 65 }));
        let character = |at| Err(InvalidName::Character { at });
        assert_eq!(TierName::new("a b"), character(1));
        assert_eq!(TierName::new("ab\n"), character(2));
        assert_eq!(TierName::new("\u{e9}"), character(0));
        assert_eq!(
            TierName::new("gpt-4o@azure").unwrap().as_str(),
            "gpt-4o@azure"
        );
    }
}
