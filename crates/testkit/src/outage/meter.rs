use std::{
    iter::Sum,
    ops::Add,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{LENGTH, Scenario};

/// What was counted, second by second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    scenario: Scenario,
    seconds: Vec<Second>,
}

/// What happened in one second, or in several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    /// Calls that arrived at the client: the offered load.
    pub offered: u32,
    /// Calls that arrived at the upstream, retries included.
    pub upstream: u32,
    /// Callers who got an answer with a status of success.
    pub goodput: u32,
    /// Calls that arrived at the client in this second and in the end came to nothing.
    pub lost: u32,
}

/// Counts by the clock. Clones count together.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    start: Instant,
    seconds: Arc<Mutex<Vec<Second>>>,
}

// ===== impl Run =====

impl Run {
    /// What the upstream went through.
    #[must_use]
    pub const fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// All that was counted while calls arrived. What comes later, as their last retries, is not.
    #[must_use]
    pub fn seconds(&self) -> &[Second] {
        &self.seconds
    }

    /// The seconds of trouble.
    #[must_use]
    pub fn during(&self) -> &[Second] {
        let during = self.scenario.during();
        &self.seconds[index(during.start)..index(during.end)]
    }

    /// The seconds after the trouble.
    #[must_use]
    pub fn after(&self) -> &[Second] {
        &self.seconds[index(self.scenario.during().end)..]
    }

    /// How many times the offered load the upstream had to bear in the worst second.
    #[must_use]
    pub fn worst_amplification(&self) -> f64 {
        let all = self.seconds.iter().map(Second::amplification);
        all.fold(0.0, f64::max)
    }

    /// How long after the trouble the last call arrived that was lost, in whole seconds. `None` if
    /// calls are lost to the end.
    #[must_use]
    pub fn recovered_after(&self) -> Option<Duration> {
        let after = self.after();
        let bad = after.iter().rposition(|second| second.lost > 0);
        let good_from = bad.map_or(0, |last| last + 1);
        (good_from < after.len()).then(|| Duration::from_secs(good_from as u64))
    }
}

// ===== impl Second =====

impl Second {
    /// Calls to the upstream that were not the first attempt: that goes out as soon as a call arrives,
    /// in a client that is always ready.
    #[must_use]
    pub const fn retries(&self) -> u32 {
        self.upstream.saturating_sub(self.offered)
    }

    /// How many times the offered load the upstream had to bear.
    #[must_use]
    pub fn amplification(&self) -> f64 {
        f64::from(self.upstream) / f64::from(self.offered)
    }

    /// The share of the offered load that did get its answer.
    #[must_use]
    pub fn success(&self) -> f64 {
        f64::from(self.goodput) / f64::from(self.offered)
    }
}

impl Add for Second {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            offered: self.offered + other.offered,
            upstream: self.upstream + other.upstream,
            goodput: self.goodput + other.goodput,
            lost: self.lost + other.lost,
        }
    }
}

impl<'a> Sum<&'a Self> for Second {
    fn sum<I: Iterator<Item = &'a Self>>(seconds: I) -> Self {
        seconds.fold(Self::default(), |sum, second| sum + *second)
    }
}

// ===== impl Meter =====

impl Meter {
    pub(super) fn start() -> Self {
        Self {
            start: Instant::now(),
            seconds: Arc::new(Mutex::new(vec![Second::default(); index(LENGTH)])),
        }
    }

    /// The instant of a time since the start.
    pub(super) fn instant(&self, time: Duration) -> Instant {
        self.start + time
    }

    /// The time since the start.
    pub(super) fn now(&self) -> Duration {
        Instant::now() - self.start
    }

    pub(super) fn count(&self, time: Duration, what: impl FnOnce(&mut Second)) {
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(second) = seconds.get_mut(index(time)) {
            what(second);
        }
    }

    pub(super) fn finish(&self, scenario: Scenario) -> Run {
        let seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        Run {
            scenario,
            seconds: seconds.clone(),
        }
    }
}

/// The second that a time lies in.
fn index(time: Duration) -> usize {
    usize::try_from(time.as_secs()).unwrap_or(usize::MAX)
}
