//! The errors of the four limits, one type each.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use buttress_core::{Failure, Outcome};

/// Nothing came of the answer's body: no head, or no byte behind it.
///
/// Means [`Outcome::FIRST_FRAME_ELAPSED`]. The text of its `Display` is not specified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstFrameElapsed {
    limit: Duration,
}

/// A body that had begun gave no more bytes.
///
/// Means [`Outcome::IDLE_ELAPSED`]. The text of its `Display` is not specified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdleElapsed {
    limit: Duration,
}

/// Bytes may have come, content did not.
///
/// Means [`Outcome::PROGRESS_ELAPSED`]. The text of its `Display` is not specified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressElapsed {
    limit: Duration,
}

/// The whole call, its body included, took too long.
///
/// Means [`Outcome::TOTAL_ELAPSED`]. The text of its `Display` is not specified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotalElapsed {
    limit: Duration,
}

/// One of the four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    FirstFrame,
    Idle,
    Progress,
    Total,
}

impl Limit {
    /// Its name in events.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::FirstFrame => "first_frame",
            Self::Idle => "idle",
            Self::Progress => "progress",
            Self::Total => "total",
        }
    }

    /// What the caller gets once it has elapsed.
    pub(crate) fn failure(self, limit: Duration) -> Failure {
        match self {
            Self::FirstFrame => {
                Failure::new(Outcome::FIRST_FRAME_ELAPSED, FirstFrameElapsed { limit })
            }
            Self::Idle => Failure::new(Outcome::IDLE_ELAPSED, IdleElapsed { limit }),
            Self::Progress => Failure::new(Outcome::PROGRESS_ELAPSED, ProgressElapsed { limit }),
            Self::Total => Failure::new(Outcome::TOTAL_ELAPSED, TotalElapsed { limit }),
        }
    }
}

// ===== impl FirstFrameElapsed =====

impl FirstFrameElapsed {
    /// The limit that has elapsed.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }
}

impl fmt::Display for FirstFrameElapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no first frame within {:?}", self.limit)
    }
}

impl Error for FirstFrameElapsed {}

// ===== impl IdleElapsed =====

impl IdleElapsed {
    /// The limit that has elapsed.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }
}

impl fmt::Display for IdleElapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no data received for {:?}", self.limit)
    }
}

impl Error for IdleElapsed {}

// ===== impl ProgressElapsed =====

impl ProgressElapsed {
    /// The limit that has elapsed.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }
}

impl fmt::Display for ProgressElapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no content received for {:?}", self.limit)
    }
}

impl Error for ProgressElapsed {}

// ===== impl TotalElapsed =====

impl TotalElapsed {
    /// The limit that has elapsed.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }
}

impl fmt::Display for TotalElapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not finished within {:?}", self.limit)
    }
}

impl Error for TotalElapsed {}
