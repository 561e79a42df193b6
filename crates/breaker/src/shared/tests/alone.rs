//! What threads share does what the circuit alone does.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use buttress_core::{Kind, Outcome, Ratio};
use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::TestCaseError;

use super::{SECOND, epoch};
use crate::circuit::{Admission, Circuit, CircuitState};
use crate::permit::Permit;
use crate::policy::{Policy, SlowCalls, Window};
use crate::shared::Shared;

#[derive(Debug, Clone, Copy)]
enum Step {
    Pass(u64),
    Begin,
    Content(usize),
    End(usize, Kind),
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop::sample::select(vec![
        Kind::Success,
        Kind::Success,
        Kind::Success,
        Kind::Transient,
        Kind::Throttled,
        Kind::OutOfQuota,
        Kind::Invalid,
        Kind::Abandoned,
    ]);
    prop_oneof![
        2 => (0_u64..3_000).prop_map(Step::Pass),
        4 => prop::strategy::Just(Step::Begin),
        1 => any::<usize>().prop_map(Step::Content),
        4 => (any::<usize>(), kind).prop_map(|(call, kind)| Step::End(call, kind)),
        1 => prop::strategy::Just(Step::Look),
    ]
}

/// A call of both.
struct Call {
    permit: Permit,
    admission: Admission,
    begun: Instant,
    content_after: Option<Duration>,
}

/// Two circuits that the same happens to.
struct Both {
    shared: Shared,
    alone: Circuit,
    now: Instant,
    calls: Vec<Call>,
}

impl Both {
    fn new(policy: Policy) -> Self {
        let now = epoch();
        Self {
            shared: super::circuit(policy, now),
            alone: Circuit::new(policy, now),
            now,
            calls: Vec::new(),
        }
    }

    /// Each call is pending at once.
    fn begin(&mut self) -> Result<(), TestCaseError> {
        let now = self.now;
        let permit = self.shared.acquire_at(|| now);
        let admission = self.alone.admit(now, 0.0);
        prop_assert_eq!(permit.is_ok(), admission.is_ok());
        if let (Ok(mut permit), Ok(admission)) = (permit, admission) {
            permit.waiting_at(|| now);
            self.alone.turn(now, 0.0);
            self.calls.push(Call {
                permit,
                admission,
                begun: now,
                content_after: None,
            });
        }
        Ok(())
    }

    fn content(&mut self, call: usize) {
        let Some(call) = self.calls.get_mut(call) else {
            return;
        };
        if call.content_after.is_none() {
            let took = self.now - call.begun;
            call.permit.content(|| self.now);
            call.admission = self
                .alone
                .first_content(call.admission, Some(took), self.now, 0.0);
            call.content_after = Some(took);
        }
    }

    fn end(&mut self, call: usize, kind: Kind) {
        let call = self.calls.swap_remove(call);
        let (outcome, now) = (Outcome::new(kind), self.now);
        call.permit.settle(&outcome, || now);
        let took = match call.content_after {
            Some(_) if kind == Kind::Abandoned => None,
            Some(took) => Some(took),
            None => Some(now - call.begun),
        };
        if kind == Kind::Success {
            self.alone.turn(now, 0.0);
        }
        self.alone.record(call.admission, &outcome, took, now, 0.0);
    }

    fn look(&self) -> Result<(), TestCaseError> {
        let counts = super::counts(&self.shared, self.now);
        prop_assert_eq!(counts, self.alone.counts(self.now));
        Ok(())
    }
}

proptest! {
    #[test]
    fn what_threads_share_does_what_the_circuit_alone_does(
        steps in prop::collection::vec(step(), 0..400),
        by_calls in any::<bool>(),
    ) {
        let window = if by_calls {
            Window::Calls(12.try_into().unwrap())
        } else {
            Window::Time(10 * SECOND)
        };
        let policy = Policy::DEFAULT
            .window(window)
            .consecutive_failures(NonZeroU32::new(4))
            .minimum_calls(NonZeroU32::new(4).unwrap())
            .slow_calls(Some(SlowCalls::new(SECOND, Ratio::percent(60))))
            .open_wait(30 * SECOND, 30 * SECOND)
            .probes(NonZeroU32::new(2).unwrap())
            .single_credential(true);
        let mut both = Both::new(policy);
        for step in steps {
            let calls = both.calls.len();
            match step {
                Step::Pass(millis) => both.now += Duration::from_millis(millis),
                Step::Begin => both.begin()?,
                Step::Content(call) if calls > 0 => both.content(call % calls),
                Step::End(call, kind) if calls > 0 => both.end(call % calls, kind),
                Step::Look => both.look()?,
                Step::Content(_) | Step::End(..) => {}
            }
            let state = both.alone.state();
            prop_assert_eq!(both.shared.state(), state);
            prop_assert_eq!(both.shared.consecutive_failures(), both.alone.consecutive_failures());
            // Only the wait of the shared one is jittered.
            if state == CircuitState::Open {
                let now = both.now;
                both.now += both.shared.core().look(|circuit| circuit.left(now)).unwrap_or_default();
            }
        }
        both.look()?;
    }
}
