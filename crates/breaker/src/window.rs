//! What has become of the calls of late.

mod calls;
mod time;

use std::time::Instant;

use crate::policy::Window;
use calls::CallRing;
use time::TimeRing;

/// The calls of a [`Window`](crate::Window).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// All that counted, failed or not.
    pub calls: u32,
    /// Those that failed.
    pub failures: u32,
    /// Those that were slow, failed or not.
    pub slow: u32,
}

/// A window that slides.
#[derive(Debug)]
pub(crate) enum Tally {
    Time(TimeRing),
    Calls(CallRing),
}

/// What a window keeps of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) failed: bool,
    pub(crate) slow: bool,
}

// ===== impl Tally =====

impl Tally {
    pub(crate) fn new(window: Window, epoch: Instant) -> Self {
        match window {
            Window::Time(time) => Self::Time(TimeRing::new(time, epoch)),
            Window::Calls(calls) => Self::Calls(CallRing::new(calls)),
        }
    }

    /// Counts a call that has just ended.
    pub(crate) fn record(&mut self, call: Call, now: Instant) {
        match self {
            Self::Time(ring) => {
                ring.turn(now);
                ring.add(Counts::of(call));
            }
            Self::Calls(ring) => ring.push(call),
        }
    }

    /// Counts successes since the last turn.
    pub(crate) fn absorb(&mut self, successes: u32) {
        match self {
            Self::Time(ring) => ring.add(Counts {
                calls: successes,
                ..Counts::default()
            }),
            Self::Calls(ring) => ring.push_successes(successes),
        }
    }

    /// Goes on to the present.
    pub(crate) fn turn(&mut self, now: Instant) {
        if let Self::Time(ring) = self {
            ring.turn(now);
        }
    }

    /// When there is something to [turn](Self::turn), in nanoseconds since the epoch.
    pub(crate) fn turns_at(&self) -> u64 {
        match self {
            Self::Time(ring) => ring.turns_at(),
            Self::Calls(_) => u64::MAX,
        }
    }

    pub(crate) fn counts(&self, now: Instant) -> Counts {
        match self {
            Self::Time(ring) => ring.counts(now),
            Self::Calls(ring) => ring.counts(),
        }
    }

    pub(crate) fn clear(&mut self) {
        match self {
            Self::Time(ring) => ring.clear(),
            Self::Calls(ring) => ring.clear(),
        }
    }
}

// ===== impl Counts =====

impl Counts {
    fn of(call: Call) -> Self {
        Self {
            calls: 1,
            failures: u32::from(call.failed),
            slow: u32::from(call.slow),
        }
    }

    /// Those that ended well.
    #[must_use]
    pub const fn successes(&self) -> u32 {
        self.calls.saturating_sub(self.failures)
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            failures: self.failures.saturating_add(other.failures),
            slow: self.slow.saturating_add(other.slow),
        }
    }
}

#[cfg(all(test, not(buttress_loom)))]
mod tests;
