//! Who served a call, and what became of those who were asked before.

use buttress_core::{Acceptance, Kind, Outcome, Reason};

use crate::name::TierName;

/// Who served a call that the primary did not: in the extensions of the response.
///
/// A response without it is the primary's own. A *failed* response carries it, too, if others have been
/// asked than the one that gave it.
#[derive(Debug, Clone)]
pub struct ServedBy {
    pub(crate) tier: usize,
    pub(crate) name: TierName,
    pub(crate) degraded: bool,
    pub(crate) before: Tries,
}

/// How it went with one tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    name: TierName,
    outcome: Outcome,
}

/// How it went with all of them, in order; bounded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tries {
    list: Vec<Tried>,
    omitted: usize,
}

// ===== impl ServedBy =====

impl ServedBy {
    /// The place of the tier: 0 is the primary, 1 the first tier after it.
    #[must_use]
    pub const fn tier(&self) -> usize {
        self.tier
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Whether the answer is less than what was asked for: a smaller model's, a kept one, a static one.
    #[must_use]
    pub const fn is_degraded(&self) -> bool {
        self.degraded
    }

    /// What became of the others, in the order in which they were asked: 16 at most.
    #[must_use]
    pub fn reasons(&self) -> &[Tried] {
        &self.before.list
    }
}

impl ServedBy {
    /// The same, of an answer that came through a fallback further inside: who gave it in the end counts.
    pub(crate) fn through(mut self, inner: Self) -> Self {
        self.name = inner.name;
        self.degraded |= inner.degraded;
        self.before.extend(inner.before);
        self
    }
}

// ===== impl Tried =====

impl Tried {
    pub(crate) const fn new(name: TierName, outcome: Outcome) -> Self {
        Self { name, outcome }
    }

    /// The name of the tier.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// What came of it.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether it was passed over without having been sent anything: its circuit is open, its queue is full,
    /// the request could not be made for it.
    #[must_use]
    pub const fn was_skipped(&self) -> bool {
        is_skip(&self.outcome)
    }

    pub(crate) const fn tier_name(&self) -> &TierName {
        &self.name
    }
}

/// Nothing was sent, be it that one of our layers refused or that there was nothing to send.
pub(crate) const fn is_skip(outcome: &Outcome) -> bool {
    // Time may also have run out after something was sent.
    let refused = matches!(outcome.kind, Kind::Unavailable)
        && !matches!(outcome.acceptance, Acceptance::Unknown);
    refused || matches!(outcome.reason, Some(Reason::Local))
}

// ===== impl Tries =====

impl Tries {
    /// The most that are remembered: an error is passed on, logged and wrapped again.
    pub(crate) const MAX: usize = 16;

    pub(crate) fn add(&mut self, tried: Tried) {
        if self.list.len() < Self::MAX {
            self.list.push(tried);
        } else {
            self.omitted += 1;
        }
    }

    /// Adds one, and those whom a fallback inside of it has asked: the first of them is that one, by the name that it
    /// has inside.
    pub(crate) fn add_with(&mut self, tried: Tried, inside: &[Tried]) {
        match inside.split_first() {
            Some((own, others)) => {
                self.add(Tried::new(tried.name, own.outcome));
                others.iter().cloned().for_each(|other| self.add(other));
            }
            None => self.add(tried),
        }
    }

    fn extend(&mut self, others: Self) {
        let Self { list, omitted } = others;
        list.into_iter().for_each(|tried| self.add(tried));
        self.omitted += omitted;
    }

    pub(crate) fn list(&self) -> &[Tried] {
        &self.list
    }

    pub(crate) const fn omitted(&self) -> usize {
        self.omitted
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len() + self.omitted
    }

    /// What it all means to an outer layer: the last word, the shortest wait after which somebody may
    /// serve, and the most that anybody may have done with the request.
    ///
    /// No wait is none to be told. How long an account has nothing left says nothing of those who have something.
    pub(crate) fn sum_up(&self, last: Outcome) -> Outcome {
        let all = || self.list.iter().map(Tried::outcome).chain([last]);
        let mut sum = last;
        let waits = all()
            .filter(|outcome| outcome.kind != Kind::OutOfQuota || last.kind == Kind::OutOfQuota);
        let waits = waits.filter_map(|outcome| outcome.retry_after);
        sum.retry_after = waits.filter(|wait| !wait.is_zero()).min();
        for outcome in all() {
            sum.acceptance = match (sum.acceptance, outcome.acceptance) {
                (Acceptance::Unknown, _) | (_, Acceptance::Unknown) => Acceptance::Unknown,
                (Acceptance::Answered, _) | (_, Acceptance::Answered) => Acceptance::Answered,
                (Acceptance::Rejected, Acceptance::Rejected) => Acceptance::Rejected,
            };
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use buttress_core::{Acceptance, Kind, Outcome};

    use super::{TierName, Tried, Tries};

    fn tries(outcomes: impl IntoIterator<Item = Outcome>) -> Tries {
        let mut tries = Tries::default();
        for outcome in outcomes {
            tries.add(Tried::new(TierName::literal("t"), outcome));
        }
        tries
    }

    #[test]
    fn f37_the_shortest_wait_of_all_is_passed_on() {
        let throttled = Outcome::new(Kind::Throttled).after(Duration::from_secs(7));
        let open = Outcome::CIRCUIT_OPEN.after(Duration::from_secs(3));
        let refused = Outcome::new(Kind::Transient);
        let sum = tries([throttled, open, refused]).sum_up(refused);
        assert_eq!(sum.kind, Kind::Transient);
        assert_eq!(sum.retry_after, Some(Duration::from_secs(3)));
    }

    #[test]
    fn no_wait_and_the_wait_of_an_unpaid_account_are_nobody_elses() {
        let seconds = Duration::from_secs;
        let zero = Outcome::new(Kind::Throttled).after(Duration::ZERO);
        let throttled = Outcome::new(Kind::Throttled).after(seconds(30));
        let unpaid = Outcome::new(Kind::OutOfQuota).after(seconds(21_600));
        let down = Outcome::new(Kind::Overloaded);
        let wait = |all: &[Outcome], last| tries(all.to_vec()).sum_up(last).retry_after;
        assert_eq!(wait(&[zero, throttled], down), Some(seconds(30)));
        assert_eq!(wait(&[zero], down), None);
        assert_eq!(wait(&[unpaid], down), None);
        assert_eq!(wait(&[down], unpaid), Some(seconds(21_600)));
        assert_eq!(wait(&[throttled], unpaid), Some(seconds(30)));
    }

    #[test]
    fn who_was_sent_something_was_not_passed_over() {
        let over = Outcome::DEADLINE_EXCEEDED;
        let name = || TierName::literal("t");
        assert!(Tried::new(name(), over).was_skipped());
        let sent = over.accepted(Acceptance::Unknown);
        assert!(!Tried::new(name(), sent).was_skipped());
    }

    #[test]
    fn nobody_took_the_request_on_only_if_nobody_did() {
        let rejected = Outcome::CIRCUIT_OPEN;
        let answered = Outcome::new(Kind::Throttled).accepted(Acceptance::Answered);
        let acceptance = |all: &[Outcome]| tries(all.to_vec()).sum_up(rejected).acceptance;
        assert_eq!(acceptance(&[rejected]), Acceptance::Rejected);
        assert_eq!(acceptance(&[answered, rejected]), Acceptance::Answered);
        let lost = Outcome::IDLE_ELAPSED;
        assert_eq!(acceptance(&[answered, lost]), Acceptance::Unknown);
    }

    #[test]
    fn f25_what_is_remembered_has_a_bound() {
        let many = tries((0..1_000).map(|_| Outcome::CIRCUIT_OPEN));
        assert_eq!((many.list().len(), many.len()), (Tries::MAX, 1_000));
    }
}
