//! What one call holds of the budget.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::budget::{Exhausted, RetryBudget};
use crate::layer::Settings;

/// A call's place in the budget: it counts as active, and perhaps holds a retry's slot, until this is
/// dropped, however the call ends.
pub(crate) struct Ticket<C, R> {
    settings: Arc<Settings<C, R>>,
    /// What the retry under way has cost; `None` before the first retry.
    spent: Option<NonZeroU32>,
}

impl<C, R> Ticket<C, R> {
    #[inline]
    pub(crate) fn new(settings: Arc<Settings<C, R>>) -> Self {
        if let Some(budget) = &settings.budget {
            budget.call_started();
        }
        Self {
            settings,
            spent: None,
        }
    }

    #[inline]
    pub(crate) fn settings(&self) -> &Settings<C, R> {
        &self.settings
    }

    #[inline]
    fn budget(&self) -> Option<&RetryBudget> {
        self.settings.budget.as_ref()
    }

    /// Ends the retry under way, if there is one, and starts another at this cost.
    pub(crate) fn start_retry(&mut self, cost: NonZeroU32) -> Result<(), Exhausted> {
        self.end_retry();
        if let Some(budget) = self.budget() {
            budget.start_retry(cost.get())?;
            self.spent = Some(cost);
        }
        Ok(())
    }

    /// Undoes a start that came to nothing.
    pub(crate) fn cancel_retry(&mut self) {
        if let (Some(cost), Some(budget)) = (self.spent, self.budget()) {
            budget.deposit(cost.get());
        }
        self.end_retry();
    }

    /// The call has ended well: the last retry's cost comes back, or one token for a first try.
    #[inline]
    pub(crate) fn succeeded(&self) {
        if let Some(budget) = self.budget() {
            budget.deposit(self.spent.map_or(1, NonZeroU32::get));
        }
    }

    fn end_retry(&mut self) {
        if self.spent.take().is_some() {
            if let Some(budget) = self.budget() {
                budget.retry_ended();
            }
        }
    }
}

impl<C, R> Drop for Ticket<C, R> {
    #[inline]
    fn drop(&mut self) {
        if let Some(budget) = self.budget() {
            budget.call_ended(self.spent.is_some());
        }
    }
}
