//! What a call ends with when nobody could serve it.

use std::error::Error;
use std::fmt;

use buttress_core::BoxError;

use crate::served::{Tried, Tries};

/// Nobody could serve the call, and the last whose failure [goes outward](crate::FallbackLayer) gave no answer at
/// all.
///
/// Holds the outcome of everybody who was asked or passed over, 16 at most; its source is the error of that last
/// one. It comes in a [`Failure`], whose outcome is that one's, with the shortest wait that any of them named.
///
/// [`Failure`]: buttress_core::Failure
#[derive(Debug)]
pub struct AllTiersFailed {
    tries: Tries,
    source: BoxError,
}

impl AllTiersFailed {
    pub(crate) const fn new(tries: Tries, source: BoxError) -> Self {
        Self { tries, source }
    }

    /// How it went with each, in the order in which they were asked; the primary is the first.
    #[must_use]
    pub fn reasons(&self) -> &[Tried] {
        self.tries.list()
    }

    /// How many there were, those included for which [`reasons`](Self::reasons) has no room.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tries.len()
    }
}

/// Names the tiers and their outcomes, never what an upstream wrote. The text may change.
impl fmt::Display for AllTiersFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all {} tiers failed", self.count())?;
        let mut separator = ": ";
        for tried in self.reasons() {
            let outcome = tried.outcome();
            write!(f, "{separator}{} ({}", tried.name(), outcome.kind.as_str())?;
            if let Some(reason) = outcome.reason {
                write!(f, ", {}", reason.as_str())?;
            }
            f.write_str(")")?;
            separator = ", ";
        }
        match self.tries.omitted() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl Error for AllTiersFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
