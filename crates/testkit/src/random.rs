//! Chance that can be repeated.

use std::time::Duration;

/// Sebastiano Vigna's generator of the same name: 64 bits of state, any seed will do.
#[derive(Debug)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// An exponentially distributed time: between the arrivals of many who know nothing of each other.
    pub(crate) fn exponential(&mut self, mean: Duration) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
        let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        mean.mul_f64(-(1.0 - uniform).ln())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_times_have_their_mean_and_their_spread() {
        let mut random = SplitMix64::seeded(1);
        let mean = Duration::from_millis(50);
        let times: Vec<_> = (0..100_000).map(|_| random.exponential(mean)).collect();
        let sum: Duration = times.iter().sum();
        let found = sum / 100_000;
        assert!(found.abs_diff(mean) < mean / 50, "{found:?}");
        // Of an exponential distribution 1/e lie above the mean.
        let above = times.iter().filter(|time| **time > mean).count();
        assert!((36_000..37_600).contains(&above), "{above}");
    }
}
