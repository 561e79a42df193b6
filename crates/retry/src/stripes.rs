//! Sharing without standing in each other's way.
//!
//! Counts that threads share take more time than all else a call does: each change fetches the cache line from
//! the other core. So what a call changes is there several times, and each thread keeps to one of them.

use std::array;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// One `T` for each slot, made when a thread of that slot first needs it.
pub(crate) struct Striped<T> {
    slots: [OnceLock<Arc<Stripe<T>>>; SLOTS],
}

/// Threads take turns at the slots; with more threads than that some share one. A number that the compiler knows,
/// so that a slot is found without a check.
const SLOTS: usize = 16;

/// A `T` on two cache lines of its own, and its reference counts on two of theirs: lines are often fetched in
/// pairs.
#[repr(align(128))]
pub(crate) struct Stripe<T>(T);

impl<T> Striped<T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: array::from_fn(|_| OnceLock::new()),
        }
    }

    #[inline]
    pub(crate) fn get_or_make(&self, slot: usize, make: impl FnOnce() -> T) -> &Arc<Stripe<T>> {
        self.slots[slot % SLOTS].get_or_init(|| Arc::new(Stripe(make())))
    }

    /// Those that have been made.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let made = self.slots.iter().filter_map(OnceLock::get);
        made.map(|stripe| &***stripe)
    }
}

impl<T> Deref for Stripe<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}
