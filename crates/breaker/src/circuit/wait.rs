//! How long a circuit stays open.

use std::time::Duration;

use crate::policy::Policy;

/// A wait that grows while the upstream stays away.
#[derive(Debug, Default)]
pub(crate) struct OpenWait {
    /// The last one, without jitter. Zero before the first.
    last: Duration,
}

impl OpenWait {
    /// The next wait. `closed_for` is how long the circuit was closed before; `None` if a probe has failed.
    ///
    /// After a time of calm as long as the last wait it begins anew.
    pub(crate) fn next(
        &mut self,
        policy: &Policy,
        closed_for: Option<Duration>,
        sample: f64,
    ) -> Duration {
        let calm = closed_for.is_some_and(|closed_for| closed_for >= self.last);
        let wait = if calm {
            policy.open_wait
        } else {
            // Half as much again. Where nothing came before this is no more than the first wait.
            self.last
                .saturating_add(self.last / 2)
                .max(policy.open_wait)
        };
        self.last = wait.min(policy.max_open_wait);
        self.last.saturating_add(jitter(self.last, sample))
    }

    /// The last wait, without jitter. Zero before the first.
    pub(crate) const fn last(&self) -> Duration {
        self.last
    }
}

/// Up to a tenth, so that those who were shut out together do not all come back together. Added, since the
/// upstream was promised the whole wait.
fn jitter(wait: Duration, sample: f64) -> Duration {
    let sample = if sample > 0.0 { sample.min(1.0) } else { 0.0 }; // NaN is none, too
    let spread = wait / 10;
    Duration::try_from_secs_f64(spread.as_secs_f64() * sample).map_or(spread, |j| j.min(spread))
}
