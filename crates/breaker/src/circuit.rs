//! The circuit itself: time, chance and outcomes in, decisions out.

mod admission;
mod bearing;
mod look;
mod state;
mod wait;

use std::time::{Duration, Instant};

use buttress_core::Outcome;

use crate::error::CircuitOpen;
use crate::policy::Policy;
use crate::window::{Call, Tally};

pub use admission::Admission;
pub(crate) use admission::ERA_SHIFT;
pub(crate) use bearing::Bearing;
pub(crate) use look::PROBING;
pub use state::CircuitState;
pub(crate) use state::End;
use state::{Probes, State};
use wait::OpenWait;

/// Decides who is let through: a circuit breaker without threads, clocks or services.
///
/// Ask [`admit`](Self::admit) before a call, and [`record`](Self::record) what has become of it.
/// `now` should not go backwards (if it does, nothing is lost but precision), and `sample` is a number in
/// `[0, 1)`, of which the jitter is made.
///
/// ```text
///                 failures in a row, or a rate of failures or slow calls
///        Closed ────────────────────────────────────────────────────────▶ Open
///          ▲                                                              │ ▲
///          │                            its wait is over, and a call asks │ │ a probe failed,
///          │                                                              ▼ │ or its lease ran out
///          └────────────────────────────────────────────────────────── HalfOpen
///                 all probes succeeded, be it after their lease
/// ```
///
/// Each change begins a new era, and every admission carries the number of its own: what a call of an earlier
/// era comes to decides nothing.
///
/// # Examples
///
/// ```
/// use buttress_breaker::{Circuit, CircuitState, Policy};
/// use buttress_core::{Kind, Outcome};
/// use std::time::Duration;
///
/// # let now = tokio::time::Instant::now().into_std();
/// let mut circuit = Circuit::new(Policy::DEFAULT, now);
/// for _ in 0..5 {
///     let admission = circuit.admit(now, 0.0)?;
///     circuit.record(admission, &Outcome::new(Kind::Transient), None, now, 0.0);
/// }
/// let refusal = circuit.admit(now, 0.0).unwrap_err();
/// assert_eq!(refusal.retry_after(), Duration::from_secs(30));
///
/// let later = now + refusal.retry_after();
/// let probe = circuit.admit(later, 0.0)?;
/// circuit.record(probe, &Outcome::SUCCESS, None, later, 0.0);
/// assert_eq!(circuit.state(), CircuitState::Closed);
/// # Ok::<(), buttress_breaker::CircuitOpen>(())
/// ```
///
/// # Source
/// Nygard, *Release It!*, 2007. The windows and the outcome that counts for nothing are after
/// resilience4j, the era of an admission is after Polly.
#[derive(Debug)]
pub struct Circuit {
    policy: Policy,
    state: State,
    era: u32,
    /// Failures without a success between them, in this era.
    consecutive: u32,
    /// The latest moment until which the failures among them have asked to be left alone.
    hinted: Option<Instant>,
    tally: Tally,
    wait: OpenWait,
}

// ===== impl Circuit =====

impl Circuit {
    /// A closed circuit. Its window counts from `epoch`.
    #[must_use]
    pub fn new(policy: Policy, epoch: Instant) -> Self {
        Self {
            policy,
            state: State::Closed { since: epoch },
            era: 0,
            consecutive: 0,
            hinted: None,
            tally: Tally::new(policy.window, epoch),
            wait: OpenWait::default(),
        }
    }

    /// Lets a call through, or not. Half-open, an admission is one of the probes.
    ///
    /// # Errors
    /// [`CircuitOpen`] with what is left to wait.
    pub fn admit(&mut self, now: Instant, sample: f64) -> Result<Admission, CircuitOpen> {
        match self.state {
            // ## Open => HalfOpen
            State::Open {
                until: Some(until), ..
            } if now >= until => {
                self.enter(State::HalfOpen(Probes::default()));
            }
            // ## HalfOpen => Open
            State::HalfOpen(probes) if probes.has_overrun(now) => {
                self.open(Some(probes), now, sample);
            }
            _ => {}
        }
        let lease = now.checked_add(self.wait.last().max(MIN_LEASE));
        let (era, allowed) = (self.era, self.policy.probes.get());
        match &mut self.state {
            State::Closed { .. } | State::ForcedClosed => Ok(Admission::call(era)),
            State::HalfOpen(probes) if probes.taken() < allowed => {
                probes.admit(lease);
                Ok(Admission::probe(era))
            }
            _ => Err(CircuitOpen::new(self.left(now).unwrap_or_default())),
        }
    }

    /// What has become of a call.
    ///
    /// `took` is how long it took to its head, or to its first content where that is watched for; of a call
    /// that was [abandoned](buttress_core::Kind::Abandoned), how long it has waited for that in vain. `None`
    /// where it is not known, or no longer matters.
    pub fn record(
        &mut self,
        admission: Admission,
        outcome: &Outcome,
        took: Option<Duration>,
        now: Instant,
        sample: f64,
    ) {
        let bearing = Bearing::of(outcome, took, &self.policy);
        let slow = self.is_slow(took);
        if !admission.is_probe() {
            if admission.is_of(self.era) && matches!(self.state, State::Closed { .. }) {
                self.count(bearing, slow, now, sample);
            }
        } else if self.probes_of(admission).is_some_and(Probes::take_back) {
            match bearing {
                Bearing::Neutral => {}
                Bearing::Success if !(slow && self.policy.opens_for_slow_calls()) => {
                    self.probe_succeeded(admission, now);
                }
                _ => self.probe_failed(bearing, now, sample),
            }
        }
    }

    /// The first content of a call's answer has come, after `took`.
    ///
    /// A probe is decided by it. What becomes of that call later is an ordinary outcome of the era that then
    /// begins: record it with the admission that this returns.
    pub fn first_content(
        &mut self,
        admission: Admission,
        took: Option<Duration>,
        now: Instant,
        sample: f64,
    ) -> Admission {
        if !admission.is_probe() || self.probes_of(admission).is_none() {
            return admission;
        }
        // Either this begins a new era, or one of the other probes will: if by closing the circuit, the
        // call counts in it; if by opening it, nothing does.
        let next = Admission::call(Admission::after(self.era));
        self.record(admission, &Outcome::SUCCESS, took, now, sample);
        next
    }

    /// The reader of this call has left after its first content: how it would have ended nobody knows, but the
    /// upstream was there.
    pub(crate) fn left_after_content(&mut self, admission: Admission) {
        if admission.is_of(self.era) {
            self.end_row();
        }
    }

    /// Counts calls that have succeeded since the window last turned, all at once.
    ///
    /// The same as to [record](Self::record) them one by one, none of them slow, before anything else that has
    /// happened after them.
    pub fn absorb(&mut self, successes: u32) {
        if successes > 0 && matches!(self.state, State::Closed { .. }) {
            self.end_row();
            self.tally.absorb(successes);
        }
    }

    /// Lets the window slide to the present, and opens the circuit if what remains in it says so.
    pub fn turn(&mut self, now: Instant, sample: f64) {
        self.tally.turn(now);
        self.evaluate(now, sample);
    }

    /// Refuses all calls until [`reset`](Self::reset) or [`force_closed`](Self::force_closed).
    pub fn force_open(&mut self) {
        self.enter(State::ForcedOpen);
    }

    /// Lets all calls through, whatever becomes of them, until [`reset`](Self::reset) or
    /// [`force_open`](Self::force_open).
    pub fn force_closed(&mut self) {
        self.enter(State::ForcedClosed);
    }

    /// Closes the circuit and forgets all that has happened.
    pub fn reset(&mut self, now: Instant) {
        self.wait = OpenWait::default();
        self.close(now);
    }

    fn count(&mut self, bearing: Bearing, slow: bool, now: Instant, sample: f64) {
        let failed = match bearing {
            Bearing::Neutral => return,
            Bearing::Success => {
                self.end_row();
                false
            }
            Bearing::Failure { .. } => {
                self.consecutive = self.consecutive.saturating_add(1);
                true
            }
            Bearing::Throttled { .. } | Bearing::OutOfQuota { .. } => true,
        };
        self.tally.record(Call { failed, slow }, now);
        self.heed(bearing, now);
        if matches!(bearing, Bearing::OutOfQuota { .. }) {
            self.open(None, now, sample); // ## Closed => Open
        } else {
            self.evaluate(now, sample);
        }
    }

    fn end_row(&mut self) {
        self.consecutive = 0;
        self.hinted = None; // it takes calls again, whatever it has said
    }

    /// Keeps what a failure asks for, until the circuit opens: it need not be the last one that asks.
    fn heed(&mut self, bearing: Bearing, now: Instant) {
        let wait = bearing.least_wait(&self.policy);
        if !wait.is_zero() {
            self.hinted = self.hinted.max(now.checked_add(wait));
        }
    }

    fn evaluate(&mut self, now: Instant, sample: f64) {
        if matches!(self.state, State::Closed { .. }) && self.is_too_bad(now) {
            self.open(None, now, sample); // ## Closed => Open
        }
    }

    fn is_too_bad(&self, now: Instant) -> bool {
        let policy = &self.policy;
        let in_a_row = policy.consecutive_failures.map(|limit| limit.get());
        if in_a_row.is_some_and(|limit| self.consecutive >= limit) {
            return true;
        }
        let counts = self.counts(now);
        let reached = |part, rate: buttress_core::Ratio| {
            part > 0 && counts.calls >= policy.enough_calls() && rate.is_reached(part, counts.calls)
        };
        policy
            .failure_rate
            .is_some_and(|rate| reached(counts.failures, rate))
            || policy
                .slow_calls
                .and_then(|slow| slow.rate)
                .is_some_and(|rate| reached(counts.slow, rate))
    }

    fn is_slow(&self, took: Option<Duration>) -> bool {
        match (self.policy.slow_calls, took) {
            (Some(slow), Some(took)) => slow.is_slow(took),
            _ => false,
        }
    }

    /// Those that this one is among, if it still matters what becomes of it.
    fn probes_of(&mut self, admission: Admission) -> Option<&mut Probes> {
        match &mut self.state {
            State::HalfOpen(probes) if admission.is_of(self.era) => Some(probes),
            State::Open { lapsed, .. } if admission.next_era() == self.era => lapsed.as_mut(),
            _ => None,
        }
    }

    fn probe_succeeded(&mut self, admission: Admission, now: Instant) {
        let needed = self.policy.probes.get();
        if let Some(probes) = self.probes_of(admission) {
            probes.succeeded += 1;
            if probes.succeeded == needed {
                self.close(now); // ## (HalfOpen | Open) => Closed
            }
        }
    }

    fn probe_failed(&mut self, bearing: Bearing, now: Instant, sample: f64) {
        match &mut self.state {
            State::Open { lapsed, .. } => *lapsed = None, // it was open for this already
            // ## HalfOpen => Open
            _ => {
                self.heed(bearing, now);
                self.open(None, now, sample);
            }
        }
    }

    fn close(&mut self, now: Instant) {
        self.enter(State::Closed { since: now });
        self.tally.turn(now); // what is absorbed from here on is of the present
    }

    fn open(&mut self, lapsed: Option<Probes>, now: Instant, sample: f64) {
        let closed_for = match self.state {
            State::Closed { since } => Some(now.saturating_duration_since(since)),
            _ => None,
        };
        let wait = self.wait.next(&self.policy, closed_for, sample);
        let until = now.checked_add(wait);
        self.enter(State::Open {
            until: until.map(|until| self.hinted.map_or(until, |hinted| hinted.max(until))),
            lapsed,
        });
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.era = Admission::after(self.era);
        self.end_row();
        self.tally.clear();
    }
}

/// An answer may take its time even where the open wait is short.
const MIN_LEASE: Duration = Duration::from_secs(30);

#[cfg(all(test, not(buttress_loom)))]
mod tests;
