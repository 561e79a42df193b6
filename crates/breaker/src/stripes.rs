//! Counting without standing in each other's way.

use std::sync::{Arc, OnceLock};

use buttress_core::thread_number;

use crate::circuit::Admission;
use crate::shared::{Core, Word};
use crate::sync::{AtomicU64, Ordering};

/// One thread's way to a circuit: with a reference count of its own, since its permits hold the stripe and
/// not the circuit, and a counter of its own.
///
/// Reference counts and counters that threads share take more time than all else a call does: each
/// change fetches the cache line from the other core.
pub(crate) struct Stripe {
    /// What is published of the circuit, in the upper half; in the lower the successes that have been counted
    /// under it, and that nobody has collected yet. In one word, so that none counts for another era.
    word: AtomicU64,
    core: Arc<Core>,
    /// With its two reference counts a stripe fills two cache lines, which are often fetched in pairs.
    _padding: [u64; 12],
}

impl Stripe {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self {
            word: AtomicU64::new(with_count_zero(Word::default())),
            core: Arc::clone(core),
            _padding: [0; 12],
        }
    }

    /// The one of this thread. Threads take turns.
    #[inline]
    pub(crate) fn of_this_thread(slots: &Slots) -> &Arc<Self> {
        &slots[thread_number() % SLOTS]
    }

    #[inline]
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    #[inline]
    pub(crate) fn word(&self) -> Word {
        // Acquire: who sees that it is open sees until when.
        split(self.word.load(Ordering::Acquire)).0
    }

    /// Counts a success, if that is all it does. Returns how many there are with it; `None` if the circuit
    /// itself has to be told, or the era of this call is over.
    #[inline]
    pub(crate) fn count(&self, admission: Admission) -> Option<u32> {
        // Relaxed: a count guards no memory.
        self.word
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
                split(word).0.is_calm_for(admission).then(|| word + 1)
            })
            .ok()
            .map(|before| split(before + 1).1)
    }

    /// Takes what has been counted, and publishes `word`.
    pub(crate) fn collect(&self, word: Word) -> u32 {
        // Release: until when it is open has been said before.
        let before = self.word.swap(with_count_zero(word), Ordering::Release);
        split(before).1
    }
}

/// A count that is as high as this is collected, long before it could run over.
pub(crate) const HIGH_COUNT: u32 = 1 << 31;

const fn with_count_zero(word: Word) -> u64 {
    (word.0 as u64) << 32
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "each half of a 64-bit word has 32 bits"
)]
const fn split(word: u64) -> (Word, u32) {
    (Word((word >> 32) as u32), word as u32)
}

// ===== slots =====

/// As many as there are ever stripes: with more threads at once than that some share one. A number that the
/// compiler knows, so that a thread's slot is found without a check.
pub(crate) type Slots = [Arc<Stripe>; SLOTS];
pub(crate) const SLOTS: usize = 16;

/// Several slots lead to the same stripe where there are fewer of these.
pub(crate) fn slots(stripes: &[Arc<Stripe>]) -> Slots {
    std::array::from_fn(|slot| Arc::clone(&stripes[slot % stripes.len()]))
}

/// A stripe for each thread that can run at once.
pub(crate) fn stripes_for_this_machine() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    let cores = *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
    cores.clamp(1, SLOTS)
}

#[cfg(all(test, not(buttress_loom)))]
mod tests {
    use buttress_core::Outcome;

    use super::*;
    use crate::permit::Permit;
    use crate::policy::{Policy, Window};

    #[test]
    fn a_count_that_is_high_is_collected_where_nothing_else_would_collect_it() {
        let last_ten = Window::Calls(std::num::NonZeroU16::new(10).unwrap());
        let now = crate::clock::now();
        let (core, stripes) = Core::striped(Policy::DEFAULT.window(last_ten), None, now, 1);
        let stripe = &stripes[0];
        let count = || split(stripe.word.load(Ordering::Relaxed)).1;
        stripe
            .word
            .fetch_add(u64::from(HIGH_COUNT) - 64, Ordering::Relaxed);
        for _ in 0..64 {
            let admission = stripe.word().admission().unwrap();
            Permit::new(Arc::clone(stripe), admission).settle(&Outcome::SUCCESS, || now);
        }
        assert_eq!(count(), 0);
        assert_eq!(core.look(|circuit| circuit.counts(now)).calls, 10);
    }
}
