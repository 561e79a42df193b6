use std::{ops::Range, time::Duration};

use http::StatusCode;

/// What becomes of an upstream, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    trouble: Trouble,
    during: Range<Duration>,
}

/// What is wrong with an upstream for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It answers nothing but this, after 20 ms.
    Fails(StatusCode),
    /// Its work takes so many times as long.
    Slows(u32),
}

// ===== impl Scenario =====

impl Scenario {
    /// From second 10 to second 40 every call is answered with this status.
    #[must_use]
    pub const fn outage(status: StatusCode) -> Self {
        Self::new(Trouble::Fails(status), 10, 40)
    }

    /// From second 10 to second 20 the work takes four times as long, so that the upstream can do but
    /// 300 calls a second; then it is as before. What matters is what happens *then*.
    #[must_use]
    pub const fn brown_out() -> Self {
        Self::new(Trouble::Slows(4), 10, 20)
    }

    /// Nothing happens at all.
    #[must_use]
    pub const fn calm() -> Self {
        Self::new(Trouble::Slows(1), 0, 0)
    }

    const fn new(trouble: Trouble, from: u64, to: u64) -> Self {
        Self {
            trouble,
            during: Duration::from_secs(from)..Duration::from_secs(to),
        }
    }

    /// What is wrong.
    #[must_use]
    pub const fn trouble(&self) -> Trouble {
        self.trouble
    }

    /// When it is: whole seconds since the start.
    #[must_use]
    pub const fn during(&self) -> &Range<Duration> {
        &self.during
    }

    /// What is wrong at this time.
    pub(super) fn trouble_at(&self, time: Duration) -> Option<Trouble> {
        self.during.contains(&time).then_some(self.trouble)
    }
}
