use std::time::Duration;

use buttress_core::{Kind, Outcome, Ratio};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{Bench, SECOND, WELL, n};
use crate::circuit::{Admission, CircuitState};
use crate::policy::{Policy, SlowCalls};

#[derive(Debug, Clone, Copy)]
enum Step {
    Pass(u64),
    Admit,
    FirstContent(usize),
    Record(usize, Kind, Option<u64>),
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop::sample::select(vec![
        Kind::Success,
        Kind::Transient,
        Kind::Throttled,
        Kind::Overloaded,
        Kind::OutOfQuota,
        Kind::Invalid,
        Kind::Unavailable,
        Kind::Abandoned,
    ]);
    prop_oneof![
        2 => (0_u64..60_000).prop_map(Step::Pass),
        4 => prop::strategy::Just(Step::Admit),
        1 => any::<usize>().prop_map(Step::FirstContent),
        4 => (any::<usize>(), kind, prop::option::of(0_u64..60_000))
            .prop_map(|(call, kind, took)| Step::Record(call, kind, took)),
    ]
}

proptest! {
    /// Whatever happens in whatever order, no more than `k` probes of one era are out, no refusal is without
    /// a wait, and the wait comes to an end.
    #[test]
    fn no_order_of_events_breaks_it(
        steps in prop::collection::vec(step(), 0..300),
        probes in 1_u32..4,
        single_credential in any::<bool>(),
    ) {
        let policy = Policy::DEFAULT
            .consecutive_failures(Some(n(2)))
            .probes(n(probes))
            .slow_calls(Some(SlowCalls::new(20 * SECOND, Ratio::percent(80))))
            .single_credential(single_credential);
        let mut bench = Bench::new(policy);
        let mut out: Vec<Admission> = Vec::new();
        for step in steps {
            match step {
                Step::Pass(millis) => bench.pass(Duration::from_millis(millis)),
                Step::Admit => {
                    let left = bench.circuit.left(bench.now);
                    match bench.circuit.admit(bench.now, bench.sample) {
                        Ok(admission) => {
                            prop_assert!(left.is_none_or(|left| left.is_zero()));
                            out.push(admission);
                        }
                        Err(refusal) => {
                            prop_assert!(!refusal.retry_after().is_zero());
                            prop_assert!(refusal.retry_after() <= 330 * SECOND);
                        }
                    }
                    let era = bench.circuit.era();
                    let of_this_era = out.iter().filter(|call| call.is_probe() && call.is_of(era));
                    prop_assert!(of_this_era.count() <= probes as usize);
                }
                Step::FirstContent(call) if !out.is_empty() => {
                    let call = call % out.len();
                    out[call] = bench.circuit.first_content(out[call], None, bench.now, 0.0);
                }
                Step::Record(call, kind, took) if !out.is_empty() => {
                    let call = out.swap_remove(call % out.len());
                    let took = took.map(Duration::from_millis);
                    bench.record_after(call, Outcome::new(kind), took);
                }
                _ => {}
            }
        }
        // It recovers, wherever it is, as soon as the upstream does.
        for call in out {
            bench.record(call, Outcome::new(Kind::Invalid));
        }
        // One of the next successes may be the call that makes a rate of what failed before: once.
        for _ in 0..policy.enough_calls() + probes {
            let left = bench.left();
            bench.pass(left);
            if let Some(call) = bench.admit() {
                bench.record(call, WELL);
            }
        }
        prop_assert_eq!(bench.state(), CircuitState::Closed);
    }
}
