//! A circuit that threads share.

mod core;
mod word;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::error::CircuitOpen;
use crate::permit::Permit;
use crate::policy::Policy;
use crate::stripes::{Stripe, stripes_for_this_machine};

pub(crate) use self::core::Core;

/// A [`Circuit`](crate::Circuit) that threads share.
///
/// What a healthy circuit has to do for a call takes no lock, and no two threads write to the same place:
/// admission is a load of the state word, a success is counted in the thread's own stripe. Whoever has
/// something else to say takes the lock, collects what the stripes have counted, says it, and publishes
/// where that has led to. While the circuit refuses calls a lock is not needed, either.
///
/// # Clone
/// Clones are the same circuit.
#[derive(Clone)]
pub(crate) struct Shared {
    stripes: Arc<[Arc<Stripe>]>,
}

impl Shared {
    /// A circuit for many threads at a time.
    pub(crate) fn new(policy: Policy, name: Option<Arc<str>>, epoch: Instant) -> Self {
        Self::with_stripes(policy, name, epoch, stripes_for_this_machine(MOST_STRIPES))
    }

    /// One of many circuits: fewer threads meet at each, and it takes less memory.
    pub(crate) fn keyed(policy: Policy, name: Option<Arc<str>>, epoch: Instant) -> Self {
        let stripes = stripes_for_this_machine(MOST_STRIPES_OF_A_KEY);
        Self::with_stripes(policy, name, epoch, stripes)
    }

    pub(crate) fn with_stripes(
        policy: Policy,
        name: Option<Arc<str>>,
        epoch: Instant,
        stripes: usize,
    ) -> Self {
        let core = Arc::new(Core::new(policy, name, epoch, stripes));
        let stripes = (0..stripes).map(|counter| {
            Arc::new(Stripe {
                core: Arc::clone(&core),
                counter,
            })
        });
        Self {
            stripes: stripes.collect(),
        }
    }

    /// Lets a call through, or not. Reads the clock only if the circuit is not closed.
    #[inline]
    pub(crate) fn acquire(&self, now: impl FnOnce() -> Instant) -> Result<Permit, CircuitOpen> {
        let stripe = Stripe::of_this_thread(&self.stripes);
        let admission = stripe.core.admit(now)?;
        Ok(Permit::new(Arc::clone(stripe), admission))
    }

    /// What all stripes lead to.
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.stripes[0].core
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core().fmt(f)
    }
}

/// With more cores than this some share a stripe.
const MOST_STRIPES: usize = 16;
/// A stripe is half a kilobyte, and there may be ten thousand keys.
const MOST_STRIPES_OF_A_KEY: usize = 4;
