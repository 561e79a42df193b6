//! A circuit that threads share.

mod core;
mod word;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::circuit::{Circuit, CircuitState};
use crate::clock;
use crate::error::CircuitOpen;
use crate::permit::Permit;
use crate::policy::Policy;
use crate::stripes::{Slots, Stripe, slots, stripes_for_this_machine};
use crate::window::Counts;

pub(crate) use self::core::Core;
pub(crate) use self::word::Word;

/// A [`Circuit`](crate::Circuit) that threads share.
///
/// What a healthy circuit has to do for a call takes no lock, and touches nothing that another thread writes
/// to: a call reads in its thread's own stripe that the circuit is closed, and its success is counted there.
/// Whoever has something else to say takes the lock, collects what the stripes have counted, says it, and has
/// the stripes tell where that has led to. While the circuit refuses calls a lock is not needed, either.
///
/// # Clone
/// Clones are the same circuit.
#[derive(Clone)]
pub(crate) struct Shared {
    ways: Arc<Ways>,
}

struct Ways {
    core: Arc<Core>,
    stripes: Slots,
}

impl Shared {
    pub(crate) fn new(policy: Policy, name: Option<Arc<str>>) -> Self {
        Self::with_stripes(policy, name, clock::now(), stripes_for_this_machine())
    }

    pub(crate) fn with_stripes(
        policy: Policy,
        name: Option<Arc<str>>,
        epoch: Instant,
        stripes: usize,
    ) -> Self {
        let (core, stripes) = Core::striped(policy, name, epoch, stripes);
        let stripes = slots(&stripes);
        Self {
            ways: Arc::new(Ways { core, stripes }),
        }
    }

    /// Lets a call through, or not. Reads the clock only if the circuit is not closed.
    #[inline]
    pub(crate) fn acquire(&self) -> Result<Permit, Box<CircuitOpen>> {
        self.acquire_at(clock::now)
    }

    #[inline]
    pub(crate) fn acquire_at(
        &self,
        now: impl FnOnce() -> Instant,
    ) -> Result<Permit, Box<CircuitOpen>> {
        let stripe = Stripe::of_this_thread(&self.ways.stripes);
        let word = stripe.word();
        let admission = match word.admission() {
            Some(admission) => admission,
            None => stripe.core().ask(word, now())?,
        };
        Ok(Permit::new(Arc::clone(stripe), admission))
    }

    /// Lets a call through if the circuit is closed. Otherwise it decides nothing, and says nothing to anybody.
    #[inline]
    pub(crate) fn acquire_if_closed(&self) -> Option<Permit> {
        let stripe = Stripe::of_this_thread(&self.ways.stripes);
        let admission = stripe.word().admission()?;
        Some(Permit::new(Arc::clone(stripe), admission))
    }

    /// Whether nothing is lost with it.
    pub(crate) fn is_forgettable(&self) -> bool {
        let now = clock::now();
        self.core().look(|circuit| circuit.is_forgettable(now))
    }

    /// Whether calls are let through whatever comes.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.ways.core.word().is_closed()
    }

    /// How long a call made now would have to wait, if it would be refused. Takes no lock, and no probe's
    /// place.
    pub(crate) fn wait(&self) -> Option<Duration> {
        match self.core().word() {
            word if word.is_closed() => None,
            word => self.core().left(word, clock::now()),
        }
    }

    pub(crate) fn force_open(&self) {
        let now = clock::now();
        self.core()
            .with(now, None, |circuit, _| circuit.force_open());
    }

    pub(crate) fn force_closed(&self) {
        let now = clock::now();
        self.core()
            .with(now, None, |circuit, _| circuit.force_closed());
    }

    pub(crate) fn reset(&self) {
        let now = clock::now();
        self.core().with(now, None, |circuit, _| circuit.reset(now));
    }

    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        self.core().name()
    }

    pub(crate) fn policy(&self) -> &Policy {
        self.core().policy()
    }

    pub(crate) fn state(&self) -> CircuitState {
        self.core().look(Circuit::state)
    }

    /// What the window holds, and what the stripes have counted for it.
    pub(crate) fn counts(&self) -> Counts {
        let now = clock::now();
        self.core()
            .with(now, None, |circuit, _| circuit.counts(now))
    }

    pub(crate) fn consecutive_failures(&self) -> u32 {
        self.core().look(Circuit::consecutive_failures)
    }

    pub(crate) fn left(&self) -> Option<Duration> {
        let now = clock::now();
        self.core().look(|circuit| circuit.left(now))
    }

    pub(crate) fn watch(&self) -> watch::Receiver<CircuitState> {
        self.core().watch()
    }

    /// What all stripes lead to.
    pub(crate) fn core(&self) -> &Core {
        &self.ways.core
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core().fmt(f)
    }
}

#[cfg(all(test, buttress_loom))]
mod loom_tests;
#[cfg(all(test, not(buttress_loom)))]
mod tests;
