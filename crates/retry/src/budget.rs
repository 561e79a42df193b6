//! How much retrying is too much.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use buttress_core::{Kind, Ratio};

use crate::gates::{ActiveCalls, Concurrency, History};
use crate::stripes::Stripe;

/// A limit on retries that all clones share, so that retrying cannot make an outage worse.
///
/// Two gates, and a retry passes both:
///
/// - **Concurrency**: retries that wait or are in flight are at most
///   max([`min_concurrency`](BudgetLimits::min_concurrency), [`ratio`](BudgetLimits::ratio) of the
///   active calls). A call is active from its start to its commit, in backoff, too, so that the gate
///   does not starve itself when everything fails at once. A retry holds one slot for its whole life.
/// - **History**: a bucket of [`capacity`](BudgetLimits::capacity) tokens. A retry costs 14 after a
///   transient failure or an overload and 5 after throttling, times the request's own weight. The cost
///   of the last retry comes back when it succeeds; a success at the first try adds 1.
///
/// A retry holds its slot while it waits, too: where calls are much shorter than the backoff, few retries are
/// admitted per second. That is meant for calls that take seconds; for shorter ones shorten the backoff.
///
/// Lock-free; neither gate reads a clock, so days without traffic cost nothing. Calls are counted by each thread for
/// itself, and added up where a retry asks for more than `min_concurrency`.
///
/// # Clone
/// Clones share both gates. Give one budget to every layer that calls the same upstream.
///
/// # Source
/// Concurrency: Envoy's retry budget. History: the AWS SDKs' standard retry quota, version 2.1.
#[derive(Clone)]
pub struct RetryBudget {
    shared: Arc<Shared>,
}

struct Shared {
    limits: BudgetLimits,
    concurrency: Concurrency,
    history: History,
}

/// The numbers of a [`RetryBudget`].
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | `min_concurrency` | 3 | a quiet service may still retry |
/// | `ratio` | 20 % | in an outage the upstream has about a fifth more to bear |
/// | `capacity` | 500 | about 35 failed retries in a row |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetLimits {
    min_concurrency: u32,
    ratio: Ratio,
    capacity: u32,
}

/// Which gate refused a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exhausted {
    Concurrency,
    History,
}

// ===== impl RetryBudget =====

impl RetryBudget {
    /// A full budget with these limits.
    #[must_use]
    pub fn new(limits: BudgetLimits) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits,
                concurrency: Concurrency::new(),
                history: History::new(limits.capacity),
            }),
        }
    }

    /// Its limits.
    #[must_use]
    pub fn limits(&self) -> BudgetLimits {
        self.shared.limits
    }

    /// The tokens in the bucket.
    #[must_use]
    pub fn tokens(&self) -> u32 {
        self.shared.history.tokens()
    }

    /// The calls between start and commit.
    #[must_use]
    pub fn active_calls(&self) -> u32 {
        self.shared.concurrency.active()
    }

    /// The retries that wait or are in flight.
    #[must_use]
    pub fn active_retries(&self) -> u32 {
        self.shared.concurrency.retries()
    }

    /// Where calls that start on threads of this slot are counted.
    pub(crate) fn calls(&self, slot: usize) -> Arc<Stripe<ActiveCalls>> {
        self.shared.concurrency.calls(slot)
    }

    /// Takes a slot and `cost` tokens, or neither.
    #[inline]
    pub(crate) fn start_retry(&self, cost: u32) -> Result<(), Exhausted> {
        let limits = &self.shared.limits;
        let has_slot = self
            .shared
            .concurrency
            .try_retry(|calls| limits.max_retries(calls));
        if !has_slot {
            return Err(Exhausted::Concurrency);
        }
        if !self.shared.history.withdraw(cost) {
            self.shared.concurrency.retry_ended();
            return Err(Exhausted::History);
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn retry_ended(&self) {
        self.shared.concurrency.retry_ended();
    }

    #[inline]
    pub(crate) fn deposit(&self, tokens: u32) {
        self.shared.history.deposit(tokens);
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new(BudgetLimits::default())
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget")
            .field("limits", &self.shared.limits)
            .field("tokens", &self.tokens())
            .field("active_calls", &self.active_calls())
            .field("active_retries", &self.active_retries())
            .finish()
    }
}

// ===== impl BudgetLimits =====

impl BudgetLimits {
    /// So many retries at once are always allowed. Default: 3.
    #[must_use]
    pub const fn min_concurrency(mut self, retries: u32) -> Self {
        self.min_concurrency = retries;
        self
    }

    /// The share of active calls that may be retries. Default: 20 %.
    #[must_use]
    pub const fn ratio(mut self, ratio: Ratio) -> Self {
        self.ratio = ratio;
        self
    }

    /// The tokens of a full bucket. Default: 500. Zero allows no retry at all.
    #[must_use]
    pub const fn capacity(mut self, tokens: u32) -> Self {
        self.capacity = tokens;
        self
    }

    /// The most retries at once while so many calls are active.
    #[must_use]
    #[inline]
    pub fn max_retries(&self, active_calls: u32) -> u32 {
        self.ratio.of(active_calls).max(self.min_concurrency)
    }
}

impl Default for BudgetLimits {
    fn default() -> Self {
        Self {
            min_concurrency: 3,
            ratio: Ratio::percent(20),
            capacity: 500,
        }
    }
}

/// The tokens that a retry costs after a failure of this kind.
pub(crate) const fn cost_after(kind: Kind) -> NonZeroU32 {
    match kind {
        // The upstream works; it only wants us slower.
        Kind::Throttled => const { NonZeroU32::new(5).expect("5 is not 0") },
        _ => const { NonZeroU32::new(14).expect("14 is not 0") },
    }
}
