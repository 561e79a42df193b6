//! Chance, shared without a lock.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A stream of evenly spread samples in `[0, 1)`, shared by all who hold it.
///
/// Good for spreading retries, worthless for secrets. One atomic addition per sample. The same
/// seed gives the same samples.
///
/// # Source
/// `SplitMix64`: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA
/// 2014. Its state is a plain counter, which is what lets threads share it with one `fetch_add`.
#[derive(Debug)]
pub struct Sampler {
    state: AtomicU64,
}

impl Sampler {
    /// A stream that differs in each process and for each sampler.
    #[must_use]
    pub fn new() -> Self {
        // The standard library keys its hash maps at random: that is all the chance we need.
        Self::seeded(RandomState::new().build_hasher().finish())
    }

    /// The stream of this seed: for tests, and for replaying what happened.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self {
            state: AtomicU64::new(seed),
        }
    }

    /// The next sample.
    #[inline]
    pub fn sample(&self) -> f64 {
        // Relaxed: samples order nothing, each caller only needs a state of its own.
        let state = self.state.fetch_add(GAMMA, Ordering::Relaxed);
        let bits = mix(state.wrapping_add(GAMMA)) >> 11;
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
        let sample = bits as f64 * (1.0 / (1_u64 << 53) as f64);
        sample
    }
}

impl Default for Sampler {
    fn default() -> Self {
        Self::new()
    }
}

/// The odd number nearest to 2^64 divided by the golden ratio: steps of it visit every state.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads a state over all bits (the finaliser of the paper's reference, after Stafford).
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::Sampler;

    #[test]
    fn a_seed_gives_its_samples_again() {
        let draw = |seed| {
            let sampler = Sampler::seeded(seed);
            [(); 8].map(|()| sampler.sample().to_bits())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn samples_are_spread_evenly_over_the_unit_interval() {
        let sampler = Sampler::seeded(1);
        let mut buckets = [0_u32; 10];
        for _ in 0..100_000 {
            let sample = sampler.sample();
            assert!((0.0..1.0).contains(&sample));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0..10"
            )]
            let bucket = (sample * 10.0) as usize;
            buckets[bucket] += 1;
        }
        for count in buckets {
            assert!((9_500..10_500).contains(&count), "{buckets:?}");
        }
    }

    #[test]
    fn two_samplers_differ() {
        assert_ne!(
            Sampler::new().sample().to_bits(),
            Sampler::new().sample().to_bits()
        );
    }
}
