//! The circuit on a bench, with a clock of its own.

mod any_order;
mod by_hand;
mod closed;
mod half_open;
mod open;

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use buttress_core::{Kind, Outcome};

use super::{Admission, Circuit, CircuitState};
use crate::policy::Policy;

const SECOND: Duration = Duration::from_secs(1);
const BROKEN: Outcome = Outcome::new(Kind::Transient);
const WELL: Outcome = Outcome::SUCCESS;

/// A circuit, a clock, and no jitter unless asked for.
struct Bench {
    circuit: Circuit,
    now: Instant,
    sample: f64,
}

impl Bench {
    #[expect(
        clippy::disallowed_methods,
        reason = "any moment will do to start from"
    )]
    fn new(policy: Policy) -> Self {
        let now = Instant::now();
        Self {
            circuit: Circuit::new(policy, now),
            now,
            sample: 0.0,
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn admit(&mut self) -> Option<Admission> {
        self.circuit.admit(self.now, self.sample).ok()
    }

    fn admitted(&mut self) -> Admission {
        self.admit().expect("it lets calls through")
    }

    fn record(&mut self, admission: Admission, outcome: Outcome) {
        self.record_after(admission, outcome, None);
    }

    fn record_after(&mut self, admission: Admission, outcome: Outcome, took: Option<Duration>) {
        self.circuit
            .record(admission, &outcome, took, self.now, self.sample);
    }

    fn call(&mut self, outcome: Outcome) {
        let admission = self.admitted();
        self.record(admission, outcome);
    }

    fn calls(&mut self, outcomes: impl IntoIterator<Item = Outcome>) {
        outcomes.into_iter().for_each(|outcome| self.call(outcome));
    }

    fn state(&self) -> CircuitState {
        self.circuit.state()
    }

    fn left(&self) -> Duration {
        self.circuit.left(self.now).unwrap_or_default()
    }

    /// Opens it by failures in a row.
    fn trip(&mut self) {
        self.calls([BROKEN; 5]);
        assert_eq!(self.state(), CircuitState::Open);
    }

    fn wait_until_it_asks(&mut self) {
        let left = self.left();
        self.pass(left);
    }

    fn tripped(policy: Policy) -> Self {
        let mut bench = Self::new(policy);
        bench.trip();
        bench
    }
}

fn n(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).expect("it is not 0")
}
