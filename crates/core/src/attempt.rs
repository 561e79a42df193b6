//! The how-manieth call this is.

use std::num::NonZeroU32;

use crate::Outcome;

/// The how-manieth attempt at a call this is, and how the one before it ended.
///
/// A retry layer puts it into the extensions of each request it sends. Inner layers read it there;
/// an inner retry layer that finds it leaves retrying to the outer one, so that attempts do not
/// multiply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    number: NonZeroU32,
    previous: Option<Outcome>,
}

impl Attempt {
    /// The first attempt.
    pub const FIRST: Self = Self {
        number: NonZeroU32::MIN,
        previous: None,
    };

    /// The attempt of this number, after one that ended with `previous`.
    #[must_use]
    pub const fn after(number: NonZeroU32, previous: Outcome) -> Self {
        Self {
            number,
            previous: Some(previous),
        }
    }

    /// Its number; the first call is 1.
    #[must_use]
    pub const fn number(&self) -> NonZeroU32 {
        self.number
    }

    /// How the attempt before this one ended; `None` for the first.
    #[must_use]
    pub const fn previous(&self) -> Option<Outcome> {
        self.previous
    }
}

/// The number of attempts that a call took, in the extensions of its response.
///
/// A retry layer leaves it in every response. 1 means that the first attempt was the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempts(pub NonZeroU32);
