//! Who is asked next: the idea of this crate, without Tower.
//!
//! ```text
//!            failed                     failed            failed
//!  primary ─────────► the next tier ───────────► … ─────────────► nobody is left: the last result
//!     │               that suits    │ skipped: as if it were not there
//!     └─ served: done               └─ served: done
//! ```

use std::num::NonZeroU32;
use std::time::Duration;

use buttress_core::{Kind, Outcome, Reason};

use crate::name::TierName;
use crate::served::{Tried, is_skip};
use crate::when::When;

/// What holds for all tiers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) max_attempts: NonZeroU32,
    pub(crate) min_attempt: Duration,
}

/// What a tier asks for before it is asked itself.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) name: TierName,
    pub(crate) when: When,
    /// Answers by itself: it costs no attempt and hardly any time.
    pub(crate) local: bool,
    /// Goes to the upstream with the caller's own credentials.
    pub(crate) same_account: bool,
    pub(crate) degraded: bool,
}

/// What the failure of a tier says about the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// It was passed over, or is one of our own.
    Nothing,
    /// Nothing to the caller: the tier's own account is at fault, or the request as it was made for the tier.
    ItsOwnFault,
    Something,
}

/// Where a call stands among its tiers.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The first tier that has not been considered: there is no way back, so that no loop can be.
    next: usize,
    attempts_left: u32,
    /// What the last who was asked has said. A tier that goes to an upstream must suit it: what one of
    /// them calls invalid is not sent to another.
    latest: When,
    /// What anybody has said.
    seen: When,
    /// What anybody has found wrong with the request: it goes only to those who ask for such ones.
    faults: When,
    /// The account of the caller has nothing left.
    account_spent: bool,
    visited: Vec<TierName>,
}

impl Plan {
    /// A plan for a call of which so many attempts are left, after those who have been visited.
    pub(crate) const fn new(attempts: u32, visited: Vec<TierName>) -> Self {
        Self {
            next: 0,
            attempts_left: attempts,
            latest: When::NOTHING,
            seen: When::NOTHING,
            faults: When::NOTHING,
            account_spent: false,
            visited,
        }
    }

    pub(crate) const fn attempts_left(&self) -> u32 {
        self.attempts_left
    }

    pub(crate) fn visited(&self) -> &[TierName] {
        &self.visited
    }

    /// The primary has failed.
    pub(crate) fn primary_failed(&mut self, outcome: &Outcome) {
        self.hear(outcome, true);
        if is_skip(outcome) {
            self.say(When::of(outcome)); // nobody was asked before it
        }
    }

    /// A tier has failed. What that says.
    pub(crate) fn tier_failed(&mut self, terms: &Terms, outcome: &Outcome) -> Says {
        if terms.local {
            return Says::Nothing;
        }
        self.hear(outcome, terms.same_account);
        if is_skip(outcome) {
            Says::Nothing
        } else if is_no_news(outcome, terms.same_account) {
            Says::ItsOwnFault
        } else {
            Says::Something
        }
    }

    /// Those whom a fallback inside of the last one has asked, whose outcome came of it.
    pub(crate) fn inner_tried(&mut self, inner: &[Tried], outcome: &Outcome) {
        let asked = inner.iter().filter(|tried| !tried.was_skipped()).count();
        // One of them has been counted as the tier that they are inside of, unless that was passed over.
        let counted = usize::from(!is_skip(outcome));
        let more = u32::try_from(asked.saturating_sub(counted)).unwrap_or(u32::MAX);
        self.attempts_left = self.attempts_left.saturating_sub(more);
        let names = inner.iter().map(Tried::tier_name);
        self.visited.extend(names.cloned());
    }

    fn hear(&mut self, outcome: &Outcome, callers_account: bool) {
        if is_skip(outcome) {
            return;
        }
        self.attempts_left = self.attempts_left.saturating_sub(1);
        if callers_account {
            self.account_spent |= outcome.kind == Kind::OutOfQuota;
        } else if is_own_fault(outcome) {
            return self.say(When::UNAVAILABLE);
        }
        self.say(When::of(outcome));
    }

    fn say(&mut self, what: When) {
        self.latest = what;
        self.seen = self.seen.or(what);
        self.faults = self.faults.or(what.only(When::FAULTS));
    }

    /// The next tier to be asked.
    pub(crate) fn next<'a>(
        &mut self,
        tiers: impl Iterator<Item = &'a Terms>,
        rules: &Rules,
        time_left: Option<Duration>,
    ) -> Option<usize> {
        // The clock decides: a budget that is used up may be one that the tier has for itself.
        let late = time_left.is_some_and(|left| left <= rules.min_attempt);
        let may_send = !late && self.attempts_left > 0;
        let (place, terms) = tiers.enumerate().skip(self.next).find(|(_, terms)| {
            let suits = if terms.local {
                terms.when.includes(self.seen)
            } else {
                may_send
                    && terms.when.includes(self.latest)
                    && self.faults.except(terms.when) == When::NOTHING
                    && !(terms.same_account && self.account_spent)
            };
            suits && !self.visited.contains(&terms.name)
        })?;
        self.next = place + 1;
        self.visited.push(terms.name.clone());
        Some(place)
    }
}

/// Whether a refusal is the fault of a tier that has credentials and a model of its own, and not of the
/// request.
fn is_own_fault(outcome: &Outcome) -> bool {
    let reason = outcome.reason;
    outcome.kind == Kind::Invalid && matches!(reason, Some(Reason::Credentials | Reason::NotFound))
}

/// Whether a refusal is no news to a caller who has heard of another failure before. He has not made the request
/// as the tier got it, and would look for a fault that is not his; what he heard first may pass.
fn is_no_news(outcome: &Outcome, callers_account: bool) -> bool {
    match outcome.kind {
        Kind::Invalid => true,
        Kind::OutOfQuota => !callers_account,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
