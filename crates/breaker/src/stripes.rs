//! Counting without standing in each other's way.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering as StdOrdering};
use std::sync::{Arc, OnceLock};

use crate::shared::Core;
use crate::sync::{AtomicU64, Ordering};

/// One thread's way to a circuit: a reference count of its own, and a counter of its own.
///
/// Reference counts and counters that threads share take more time than all else a call does: each
/// change fetches the cache line from the other core.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Stripe {
    pub(crate) core: Arc<Core>,
    pub(crate) counter: usize,
}

/// The successes that one thread has counted, and that nobody has collected yet.
///
/// The era is in the upper half, the count in the lower, so that a call of another era cannot count.
#[derive(Debug)]
#[repr(align(128))] // two lines of 64 bytes: they are often fetched in pairs
pub(crate) struct Counter {
    word: AtomicU64,
}

// ===== impl Stripe =====

impl Stripe {
    /// Which of `stripes` belongs to this thread. Threads take turns.
    #[inline]
    pub(crate) fn of_this_thread(stripes: &[Arc<Self>]) -> &Arc<Self> {
        let thread = THREAD.with(|thread| match thread.get() {
            UNKNOWN => number_this_thread(thread),
            known => known,
        });
        &stripes[thread % stripes.len()]
    }

    #[inline]
    pub(crate) fn counter(&self) -> &Counter {
        &self.core.counters()[self.counter]
    }
}

// ===== impl Counter =====

// Relaxed throughout: counts guard no memory. That a counter has begun an era before anybody counts in it is
// the business of the state word.
impl Counter {
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
        }
    }

    /// Counts a success of this era. Returns how many there were before it; `None` if the era is over.
    #[inline]
    pub(crate) fn count(&self, era: u32) -> Option<u32> {
        self.word
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
                let (current, count) = split(word);
                // A full counter stays full, rather than to count in the next era.
                (current == era).then(|| word + u64::from(count != u32::MAX))
            })
            .ok()
            .map(|word| split(word).1)
    }

    /// Takes what has been counted.
    pub(crate) fn collect(&self, era: u32) -> u32 {
        split(self.word.swap(begin(era), Ordering::Relaxed)).1
    }
}

const fn begin(era: u32) -> u64 {
    (era as u64) << 32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "each half of a 64-bit word has 32 bits"
)]
const fn split(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

// ===== threads =====

thread_local! {
    static THREAD: Cell<usize> = const { Cell::new(UNKNOWN) };
}

const UNKNOWN: usize = usize::MAX;

#[cold]
fn number_this_thread(thread: &Cell<usize>) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, StdOrdering::Relaxed) % UNKNOWN;
    thread.set(number);
    number
}

/// How many threads can run at once, but no more than `most`.
pub(crate) fn stripes_for_this_machine(most: usize) -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    let cores = *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
    cores.next_power_of_two().clamp(1, most)
}
