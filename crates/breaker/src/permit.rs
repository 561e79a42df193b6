//! What a call holds of the circuit.

mod age;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use buttress_core::{Kind, Outcome, Report};

use crate::circuit::{Admission, Bearing};
use crate::clock;
use crate::stripes::{HIGH_COUNT, Stripe};
use age::Age;

/// The right to make one call, until it is settled.
///
/// Dropped before that, the caller went away: the place of a probe is free again, a call that had waited
/// long for its first content counts as failed, and one whose head was all that mattered as what that was.
pub struct Permit {
    /// `None` once the call is settled.
    stripe: Option<Arc<Stripe>>,
    admission: Admission,
    age: Age,
}

impl Permit {
    #[inline]
    pub(crate) const fn new(stripe: Arc<Stripe>, admission: Admission) -> Self {
        Self {
            stripe: Some(stripe),
            admission,
            age: Age::NEVER_PENDING,
        }
    }

    /// This permit, and one that is settled in its place.
    #[inline]
    pub(crate) const fn take(&mut self) -> Self {
        Self {
            stripe: self.stripe.take(),
            admission: self.admission,
            age: self.age,
        }
    }

    pub(crate) const fn is_settled(&self) -> bool {
        self.stripe.is_none()
    }

    /// Only the head of the answer matters: it will have no body, or none that could be judged.
    pub(crate) const fn decide_at_head(&mut self) {
        self.age = self.age.head_only();
    }

    #[inline]
    pub(crate) const fn is_decided_at_head(&self) -> bool {
        self.age.is_head_only()
    }

    /// The head has come: until its body is asked for, nobody waits.
    #[inline]
    pub(crate) fn answered(&mut self) {
        if self.age.is_waiting() {
            self.pause(clock::now);
        }
    }

    /// The call is pending: an answer, or its first content, is waited for. Reads the clock the first time, and
    /// again after a pause.
    #[inline]
    pub(crate) fn waiting(&mut self) {
        self.waiting_at(clock::now);
    }

    #[inline]
    pub(crate) fn waiting_at(&mut self, now: impl FnOnce() -> Instant) {
        if self.age.can_begin() {
            if let Some(stripe) = &self.stripe {
                self.age = first_waiting(stripe, self.age, now);
            }
        }
    }

    #[inline(never)]
    pub(crate) fn pause(&mut self, now: impl FnOnce() -> Instant) {
        if let Some(stripe) = &self.stripe {
            self.age = self.age.paused(stripe.core().millis(now()));
        }
    }

    /// The first content of the answer has come.
    pub(crate) fn content(&mut self, now: impl FnOnce() -> Instant) {
        let Some(stripe) = &self.stripe else {
            return;
        };
        let core = stripe.core();
        let is_timed = core.policy().slow_calls.is_some() && !self.age.is_never_pending();
        if !is_timed && !self.admission.is_probe() {
            self.age = self.age.content_after(None);
            return;
        }
        let now = now();
        let took = self.age.took(core.millis(now));
        if self.admission.is_probe() {
            self.admission = core.with(now, None, |circuit, sample| {
                circuit.first_content(self.admission, took, now, sample)
            });
        }
        self.age = self.age.content_after(took);
    }

    /// The call has ended well: what happens most, and is short.
    #[inline]
    pub(crate) fn succeed(self) {
        self.succeed_at(clock::now);
    }

    /// A call that was never pending reads the clock at every 64th success.
    #[inline(always)] // shorter than a call, but for what is elsewhere
    pub(crate) fn succeed_at(mut self, now: impl FnOnce() -> Instant) {
        let Some(stripe) = self.stripe.take() else {
            return;
        };
        if self.age.is_never_pending() {
            match stripe.count(self.admission) {
                // What the window makes of it may come 63 calls late.
                Some(count) if count % SAMPLE != 0 => return,
                Some(count) => return sample(stripe, count, now),
                None => {}
            }
        }
        succeed_slowly(stripe, self.admission, self.age, now);
    }

    /// The call has ended.
    pub(crate) fn settle(mut self, outcome: &Outcome, now: impl FnOnce() -> Instant) {
        if outcome.is_success() {
            self.succeed_at(now);
        } else if let Some(stripe) = self.stripe.take() {
            fail(stripe, self.admission, outcome, self.age, now());
        }
    }
}

#[inline(never)]
fn first_waiting(stripe: &Stripe, age: Age, now: impl FnOnce() -> Instant) -> Age {
    age.since(stripe.core().tick(now()))
}

#[cold]
#[expect(
    clippy::needless_pass_by_value,
    reason = "dropped here, out of the way"
)]
fn sample(stripe: Arc<Stripe>, count: u32, now: impl FnOnce() -> Instant) {
    if count >= HIGH_COUNT {
        stripe.core().with(now(), None, |_, _| {});
    } else {
        stripe.core().turn(now);
    }
}

/// A success that has waited for something, so that there is time to read the clock, or that takes more than
/// to be counted.
#[inline(never)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "dropped here, out of the way"
)]
fn succeed_slowly(
    stripe: Arc<Stripe>,
    admission: Admission,
    age: Age,
    now: impl FnOnce() -> Instant,
) {
    let (now, core) = (now(), stripe.core());
    let took = age.took(core.tick(now));
    let slow = core.policy().slow_calls.zip(took);
    let is_slow = slow.is_some_and(|(slow, took)| slow.is_slow(took));
    if is_slow || stripe.count(admission).is_none() {
        say(&stripe, admission, &Outcome::SUCCESS, age, now);
    }
}

#[inline(never)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "dropped here, out of the way"
)]
fn fail(stripe: Arc<Stripe>, admission: Admission, outcome: &Outcome, age: Age, now: Instant) {
    say(&stripe, admission, outcome, age, now);
}

/// Tells the circuit itself.
#[cold]
fn say(stripe: &Stripe, admission: Admission, outcome: &Outcome, age: Age, now: Instant) {
    let core = stripe.core();
    // With the first content somebody who waits has become somebody who reads.
    let took = if outcome.kind == Kind::Abandoned && !age.is_waiting() {
        None
    } else {
        age.took(core.millis(now))
    };
    let bearing = Bearing::of(outcome, took, core.policy());
    if bearing == Bearing::Neutral && !admission.is_probe() {
        return;
    }
    core.with(now, Some(outcome), |circuit, sample| {
        circuit.record(admission, outcome, took, now, sample);
    });
}

impl Report for Permit {
    #[inline]
    fn waiting(&mut self) {
        self.waiting_at(clock::now);
    }

    fn first_content(&mut self) {
        self.content(clock::now);
    }

    fn head_suffices(&mut self) {
        self.age = self.age.head_suffices();
    }

    #[inline(never)] // what is worth inlining is to succeed
    fn report(self, outcome: Outcome) {
        self.settle(&outcome, clock::now);
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if let Some(stripe) = self.stripe.take() {
            abandon(stripe, self.admission, self.age);
        }
    }
}

#[cold]
fn abandon(stripe: Arc<Stripe>, admission: Admission, age: Age) {
    abandon_at(stripe, admission, age, clock::now);
}

fn abandon_at(
    stripe: Arc<Stripe>,
    admission: Admission,
    age: Age,
    now: impl Fn() -> Instant + Copy,
) {
    let core = stripe.core();
    let is_long = || {
        let policy = core.policy();
        age.is_waiting() && policy.has_waited_long(age.took(core.millis(now())))
    };
    if age.is_head_enough() && !is_long() {
        let permit = Permit {
            stripe: Some(stripe),
            admission,
            age,
        };
        permit.succeed_at(now);
    } else if age.is_waiting() || admission.is_probe() {
        let gone = Outcome::new(Kind::Abandoned);
        say(&stripe, admission, &gone, age, now());
    } else if age.has_content() && stripe.word().is_stirred_for(admission) {
        core.with(now(), None, |circuit, _| {
            circuit.left_after_content(admission);
        });
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
