//! The two gates of a retry budget: how many at once, and how many of late.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Counts active calls and retries in one word, so that a retry is admitted against both as they are
/// at the same moment.
pub(crate) struct Concurrency {
    /// Active calls in the upper half, retries in the lower.
    word: AtomicU64,
}

/// A bucket of tokens.
pub(crate) struct History {
    tokens: AtomicU32,
    capacity: u32,
}

// Relaxed throughout: the counts guard no memory, they only have to add up, and each update is one
// atomic read-modify-write.

impl Concurrency {
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(crate) fn enter(&self) {
        self.word.fetch_add(CALL, Ordering::Relaxed);
    }

    /// Gives back a call's place, and the slot of its retry, if it has one, at the same moment.
    #[inline]
    pub(crate) fn leave(&self, retrying: bool) {
        let held = if retrying { CALL + RETRY } else { CALL };
        self.word.fetch_sub(held, Ordering::Relaxed);
    }

    /// Takes a slot if one is free of the `max` that the number of active calls allows.
    #[inline]
    pub(crate) fn try_retry(&self, max: impl Fn(u32) -> u32) -> bool {
        self.word
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
                let (calls, retries) = split(word);
                (retries < max(calls)).then_some(word + RETRY)
            })
            .is_ok()
    }

    #[inline]
    pub(crate) fn retry_ended(&self) {
        self.word.fetch_sub(RETRY, Ordering::Relaxed);
    }

    pub(crate) fn active(&self) -> u32 {
        split(self.word.load(Ordering::Relaxed)).0
    }

    pub(crate) fn retries(&self) -> u32 {
        split(self.word.load(Ordering::Relaxed)).1
    }
}

impl History {
    pub(crate) fn new(capacity: u32) -> Self {
        Self {
            tokens: AtomicU32::new(capacity),
            capacity,
        }
    }

    #[inline]
    pub(crate) fn tokens(&self) -> u32 {
        self.tokens.load(Ordering::Relaxed)
    }

    /// Adds tokens, up to the capacity. A full bucket costs one load.
    #[inline]
    pub(crate) fn deposit(&self, tokens: u32) {
        if self.tokens() < self.capacity {
            self.refill(tokens);
        }
    }

    fn refill(&self, deposit: u32) {
        // A compare-and-swap loop and not load, add, store, which loses deposits under contention.
        let refilled = self
            .tokens
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| {
                Some(tokens.saturating_add(deposit).min(self.capacity))
            });
        debug_assert!(refilled.is_ok(), "every state can be refilled");
    }

    /// Takes all of `cost`, or nothing.
    #[inline]
    pub(crate) fn withdraw(&self, cost: u32) -> bool {
        self.tokens
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| {
                tokens.checked_sub(cost)
            })
            .is_ok()
    }
}

const RETRY: u64 = 1;
const CALL: u64 = 1 << 32;

#[expect(
    clippy::cast_possible_truncation,
    reason = "each half of a 64-bit word has 32 bits"
)]
const fn split(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

#[cfg(all(test, not(buttress_loom)))]
mod tests;

#[cfg(all(test, buttress_loom))]
mod loom_tests;
