//! The two gates of a retry budget: how many at once, and how many of late.

use std::sync::Arc;

use crate::stripes::{Stripe, Striped};
use crate::sync::{AtomicU32, Ordering};

/// Counts active calls and retries.
///
/// Calls come and go all the time, so threads count them apart, and whoever asks for a retry adds up. What he
/// finds is the number of no single moment, but each call in it was active while he looked, and none is in it
/// twice.
pub(crate) struct Concurrency {
    retries: AtomicU32,
    calls: Striped<ActiveCalls>,
}

/// How many calls of some threads are active.
pub(crate) struct ActiveCalls {
    count: AtomicU32,
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
            retries: AtomicU32::new(0),
            calls: Striped::new(),
        }
    }

    /// Where the threads of this slot count.
    pub(crate) fn calls(&self, slot: usize) -> Arc<Stripe<ActiveCalls>> {
        let calls = self.calls.get_or_make(slot, || ActiveCalls {
            count: AtomicU32::new(0),
        });
        Arc::clone(calls)
    }

    /// Takes a slot if one is free of the `max` that a number of active calls allows. The calls are counted only
    /// where it depends on them: more calls never allow less.
    #[inline]
    pub(crate) fn try_retry(&self, max: impl Fn(u32) -> u32) -> bool {
        self.retries
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |retries| {
                (retries < max(0) || retries < max(self.active())).then_some(retries + 1)
            })
            .is_ok()
    }

    #[inline]
    pub(crate) fn retry_ended(&self) {
        self.retries.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn active(&self) -> u32 {
        let counts = self.calls.iter().map(ActiveCalls::count);
        counts.fold(0, u32::saturating_add)
    }

    pub(crate) fn retries(&self) -> u32 {
        self.retries.load(Ordering::Relaxed)
    }
}

impl ActiveCalls {
    #[inline]
    pub(crate) fn enter(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives back the place of a call that has entered here, on whichever thread it ends.
    #[inline]
    pub(crate) fn leave(&self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
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

    #[cold]
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

#[cfg(all(test, not(buttress_loom)))]
mod tests;

#[cfg(all(test, buttress_loom))]
mod loom_tests;
