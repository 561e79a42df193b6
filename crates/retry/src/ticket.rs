//! What one call holds of the budget.

use std::num::NonZeroU32;
use std::sync::Arc;

use buttress_core::thread_number;

use crate::budget::{Exhausted, RetryBudget};
use crate::gates::ActiveCalls;
use crate::layer::Settings;
use crate::stripes::{Stripe, Striped};

/// What all calls of a service and its clones share.
pub(crate) struct Shared<C, R> {
    settings: Arc<Settings<C, R>>,
    held: Striped<Held<C, R>>,
}

/// What a call holds of it, as the calls of some other threads do.
struct Held<C, R> {
    settings: Arc<Settings<C, R>>,
    /// The budget, if there is one, and where these threads count their calls.
    budget: Option<(RetryBudget, Arc<Stripe<ActiveCalls>>)>,
}

/// A call's place in the budget: it counts as active, and perhaps holds a retry's slot, until this is
/// dropped, however the call ends.
pub(crate) struct Ticket<C, R> {
    held: Arc<Stripe<Held<C, R>>>,
    /// What the retry under way has cost; `None` before the first retry.
    spent: Option<NonZeroU32>,
}

// ===== impl Shared =====

impl<C, R> Shared<C, R> {
    pub(crate) fn new(settings: Arc<Settings<C, R>>) -> Self {
        Self {
            settings,
            held: Striped::new(),
        }
    }

    #[inline]
    pub(crate) fn settings(&self) -> &Settings<C, R> {
        &self.settings
    }

    /// A call starts, on this thread.
    #[inline]
    pub(crate) fn ticket(&self) -> Ticket<C, R> {
        let slot = thread_number();
        let held = self.held.get_or_make(slot, || self.hold(slot));
        if let Some((_, calls)) = &held.budget {
            calls.enter();
        }
        Ticket {
            held: Arc::clone(held),
            spent: None,
        }
    }

    #[cold]
    fn hold(&self, slot: usize) -> Held<C, R> {
        let budget = self.settings.budget.clone();
        Held {
            settings: Arc::clone(&self.settings),
            budget: budget.map(|budget| {
                let calls = budget.calls(slot);
                (budget, calls)
            }),
        }
    }
}

// ===== impl Ticket =====

impl<C, R> Ticket<C, R> {
    #[inline]
    pub(crate) fn settings(&self) -> &Settings<C, R> {
        &self.held.settings
    }

    /// Ends the retry under way, if there is one, and starts another at this cost.
    pub(crate) fn start_retry(&mut self, cost: NonZeroU32) -> Result<(), Exhausted> {
        if let Some((budget, _)) = &self.held.budget {
            if self.spent.take().is_some() {
                budget.retry_ended();
            }
            budget.start_retry(cost.get())?;
            self.spent = Some(cost);
        }
        Ok(())
    }

    /// Undoes a start that came to nothing.
    pub(crate) fn cancel_retry(&mut self) {
        if let (Some(cost), Some((budget, _))) = (self.spent.take(), &self.held.budget) {
            budget.deposit(cost.get());
            budget.retry_ended();
        }
    }

    /// The call has ended well: the last retry's cost comes back, or one token for a first try.
    #[inline]
    pub(crate) fn succeeded(&self) {
        if let Some((budget, _)) = &self.held.budget {
            budget.deposit(self.spent.map_or(1, NonZeroU32::get));
        }
    }
}

impl<C, R> Drop for Ticket<C, R> {
    #[inline]
    fn drop(&mut self) {
        if let Some((budget, calls)) = &self.held.budget {
            calls.leave();
            if self.spent.is_some() {
                budget.retry_ended();
            }
        }
    }
}
