//! What a stream may not be, and what a field may not hold.

use std::error::Error;
use std::fmt;

/// Which bound a stream went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// The bytes of one line, without its end.
    Line,
    /// The bytes of one event's data, over all of its lines.
    Event,
}

/// A line or an event is longer than the parser was told to keep.
///
/// The text of its `Display` is not specified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitExceeded {
    limit: Limit,
    max_bytes: usize,
}

impl LimitExceeded {
    pub(crate) const fn new(limit: Limit, max_bytes: usize) -> Self {
        Self { limit, max_bytes }
    }

    /// Which limit it was.
    #[must_use]
    pub const fn limit(&self) -> Limit {
        self.limit
    }

    /// What the limit stood at.
    #[must_use]
    pub const fn max_bytes(&self) -> usize {
        self.max_bytes
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.limit {
            Limit::Line => "a line",
            Limit::Event => "the data of an event",
        };
        write!(f, "{what} is longer than {} bytes", self.max_bytes)
    }
}

impl Error for LimitExceeded {}

/// A name or an id holds a character that would break its line, or make clients ignore it.
///
/// The text of its `Display` is not specified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidField {
    field: &'static str,
    character: char,
    at: usize,
}

impl InvalidField {
    pub(crate) fn check(field: &'static str, value: &str, banned: &[char]) -> Result<(), Self> {
        match value
            .char_indices()
            .find(|(_, found)| banned.contains(found))
        {
            Some((at, character)) => Err(Self {
                field,
                character,
                at,
            }),
            None => Ok(()),
        }
    }

    /// The name of the field: `event` or `id`.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }

    /// Where the character stands, in bytes from the start of the value.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            character,
            at,
        } = self;
        write!(
            f,
            "character {character:?} at byte {at} is not allowed in the field `{field}`"
        )
    }
}

impl Error for InvalidField {}
