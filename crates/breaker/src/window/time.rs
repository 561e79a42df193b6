//! The calls of some time: a ring of ten buckets.

use std::time::{Duration, Instant};

use crate::clock::nanos_since;
use crate::window::Counts;

/// Ten buckets, of which the last one fills. Turning it takes ten steps at most, however long nothing
/// happened.
#[derive(Debug)]
pub(crate) struct TimeRing {
    epoch: Instant,
    /// Of one bucket, in nanoseconds.
    width: u64,
    buckets: [Counts; BUCKETS],
    /// The number of the bucket that fills, counted from the epoch.
    current: u64,
}

const BUCKETS: usize = 10;

impl TimeRing {
    pub(crate) fn new(window: Duration, epoch: Instant) -> Self {
        let width = (window / 10).as_nanos();
        Self {
            epoch,
            width: u64::try_from(width).unwrap_or(u64::MAX).max(1),
            buckets: [Counts::default(); BUCKETS],
            current: 0,
        }
    }

    /// Empties the buckets that have come round. A clock that goes backwards turns nothing.
    pub(crate) fn turn(&mut self, now: Instant) {
        let number = self.number(now);
        for passed in (self.current..number).take(BUCKETS) {
            self.buckets[slot(passed + 1)] = Counts::default();
        }
        self.current = self.current.max(number);
    }

    /// Counts in the bucket that fills.
    pub(crate) fn add(&mut self, counts: Counts) {
        let bucket = &mut self.buckets[slot(self.current)];
        *bucket = bucket.plus(counts);
    }

    pub(crate) fn turns_at(&self) -> u64 {
        self.width.saturating_mul(self.current.saturating_add(1))
    }

    pub(crate) fn counts(&self, now: Instant) -> Counts {
        let last = self.number(now).max(self.current);
        let first = last.saturating_sub(BUCKETS as u64 - 1);
        (first..=self.current)
            .map(|number| self.buckets[slot(number)])
            .fold(Counts::default(), Counts::plus)
    }

    pub(crate) fn clear(&mut self) {
        self.buckets = [Counts::default(); BUCKETS];
    }

    fn number(&self, now: Instant) -> u64 {
        nanos_since(self.epoch, now) / self.width
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the remainder is below 10")]
const fn slot(number: u64) -> usize {
    (number % BUCKETS as u64) as usize
}
