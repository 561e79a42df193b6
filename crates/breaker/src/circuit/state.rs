//! Where a circuit is.

use std::fmt;
use std::time::Instant;

/// Where a circuit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CircuitState {
    /// Calls go through.
    Closed,
    /// Calls are refused.
    Open,
    /// A few calls go through, to find out whether the upstream is back.
    HalfOpen,
    /// Calls go through whatever becomes of them, until somebody says otherwise.
    ForcedClosed,
    /// Calls are refused until somebody says otherwise.
    ForcedOpen,
}

impl CircuitState {
    /// A short lower-case name for logs and dashboards.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedClosed => "forced_closed",
            Self::ForcedOpen => "forced_open",
        }
    }
}

impl fmt::Display for CircuitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum State {
    Closed {
        since: Instant,
    },
    Open {
        /// `None` past the end of time.
        until: Option<Instant>,
        /// The probes of the era before, if their lease ran out: some may only be slow.
        lapsed: Option<Probes>,
    },
    HalfOpen(Probes),
    ForcedClosed,
    ForcedOpen,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Probes {
    pub(super) under_way: u32,
    pub(super) succeeded: u32,
    /// Until when those under way may take: the lease of the first of them. `None` past the end of time.
    pub(super) lease: Option<Instant>,
}

/// When something is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    At(Instant),
    Never,
}

// ===== impl Probes =====

impl Probes {
    pub(super) const fn taken(&self) -> u32 {
        self.under_way + self.succeeded
    }

    /// Lets another one go.
    ///
    /// It extends nobody's lease: one that hangs would never be noticed while others come and go.
    pub(super) fn admit(&mut self, lease: Option<Instant>) {
        if self.under_way == 0 {
            self.lease = lease;
        }
        self.under_way += 1;
    }

    /// Takes one back that has ended. `false` if none is out: it has been recorded already.
    pub(super) fn take_back(&mut self) -> bool {
        let left = self.under_way.checked_sub(1);
        self.under_way = left.unwrap_or_default();
        left.is_some()
    }

    pub(super) fn has_overrun(&self, now: Instant) -> bool {
        self.under_way > 0 && self.lease.is_some_and(|end| now >= end)
    }
}
