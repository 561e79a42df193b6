//! What a call holds of the circuit.

mod age;

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use buttress_core::{Kind, Outcome, Report};

use crate::circuit::{Admission, Bearing};
use crate::clock;
use crate::shared::Core;
use crate::stripes::Stripe;
use age::Age;

/// The right to make one call, until it is settled.
///
/// Dropped before that, the caller went away: the place of a probe is free again, and a call that had waited
/// long for its first content counts as failed.
pub struct Permit {
    stripe: Arc<Stripe>,
    admission: Admission,
    age: Age,
}

impl Permit {
    #[inline]
    pub(crate) fn new(stripe: Arc<Stripe>, admission: Admission) -> Self {
        Self {
            stripe,
            admission,
            age: Age::NEVER_PENDING,
        }
    }

    /// Only the head of the answer matters: it will have no body, or none that could be judged.
    pub(crate) fn decide_at_head(&mut self) {
        self.age = self.age.head_only();
    }

    pub(crate) const fn is_decided_at_head(&self) -> bool {
        self.age.is_head_only()
    }

    /// The call is pending: an answer, or its first content, is waited for. Reads the clock the first time, and
    /// never again.
    #[inline]
    pub(crate) fn waiting_at(&mut self, now: impl FnOnce() -> Instant) {
        if self.age.is_never_pending() {
            self.first_pending(now());
        }
    }

    fn first_pending(&mut self, now: Instant) {
        let core = self.core();
        core.turn(now);
        self.age = self.age.since(core.millis(now));
    }

    /// The first content of the answer has come.
    pub(crate) fn content(&mut self, now: impl FnOnce() -> Instant) {
        let times = self.core().policy().slow_calls.is_some() && self.age.is_waiting();
        if !times && !self.admission.is_probe() {
            self.age = self.age.content_after(None);
            return;
        }
        let now = now();
        let core = self.core();
        let took = self.age.took(core.millis(now));
        if self.admission.is_probe() {
            self.admission = core.with(now, None, |circuit, sample| {
                circuit.first_content(self.admission, took, now, sample)
            });
        }
        self.age = self.age.content_after(took);
    }

    /// The call has ended. One that was never pending reads the clock at every 64th success, if it went well.
    #[inline]
    pub(crate) fn settle(mut self, outcome: &Outcome, now: impl FnOnce() -> Instant) {
        let age = mem::replace(&mut self.age, Age::SETTLED);
        if outcome.is_success() && self.core().word().is_calm_for(self.admission) {
            if age.is_never_pending() {
                self.count_sampled(now);
            } else {
                self.succeed_after(age, now());
            }
        } else {
            self.say(outcome, age, now());
        }
    }

    /// Counts a success that cost no time. What the window makes of it may come 63 calls late.
    #[inline]
    fn count_sampled(&self, now: impl FnOnce() -> Instant) {
        let before = self.stripe.counter().count(self.admission.era());
        if before.is_some_and(|before| before % SAMPLE == SAMPLE - 1) {
            self.core().turn(now());
        }
    }

    /// Counts a success that has waited for something: there is time to read the clock.
    fn succeed_after(&self, age: Age, now: Instant) {
        let core = self.core();
        let took = age.took(core.millis(now));
        let slow = core.policy().slow_calls.zip(took);
        if slow.is_some_and(|(slow, took)| slow.is_slow(took)) {
            return self.say(&Outcome::SUCCESS, age, now);
        }
        core.turn(now);
        self.stripe.counter().count(self.admission.era());
    }

    /// Tells the circuit itself.
    #[cold]
    fn say(&self, outcome: &Outcome, age: Age, now: Instant) {
        let core = self.core();
        // With the first content somebody who waits has become somebody who reads.
        let took = if outcome.kind == Kind::Abandoned && !age.is_waiting() {
            None
        } else {
            age.took(core.millis(now))
        };
        let bearing = Bearing::of(outcome, took, core.policy());
        if bearing == Bearing::Neutral && !self.admission.is_probe() {
            return;
        }
        core.with(now, Some(outcome), |circuit, sample| {
            circuit.record(self.admission, outcome, took, now, sample);
        });
    }

    #[inline]
    fn core(&self) -> &Core {
        &self.stripe.core
    }
}

impl Report for Permit {
    #[inline]
    fn waiting(&mut self) {
        self.waiting_at(clock::now);
    }

    fn first_content(&mut self) {
        self.content(clock::now);
    }

    #[inline]
    fn report(self, outcome: Outcome) {
        self.settle(&outcome, clock::now);
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if !self.age.is_settled() && (self.age.is_waiting() || self.admission.is_probe()) {
            let age = mem::replace(&mut self.age, Age::SETTLED);
            self.say(&Outcome::new(Kind::Abandoned), age, clock::now());
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("probe", &self.admission.is_probe())
            .finish_non_exhaustive()
    }
}

/// How many successes that cost no time go to one reading of the clock.
const SAMPLE: u32 = 64;
