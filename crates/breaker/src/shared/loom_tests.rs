//! Every interleaving of a few threads: `RUSTFLAGS="--cfg buttress_loom" cargo test -p buttress-breaker --lib`.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use buttress_core::{Kind, Outcome};
use loom::thread;

use super::Shared;
use crate::circuit::CircuitState;
use crate::permit::Permit;
use crate::policy::Policy;

const BROKEN: Outcome = Outcome::new(Kind::Transient);
const WELL: Outcome = Outcome::SUCCESS;

/// A circuit, and two moments: one while it is open, and one after.
#[derive(Clone)]
struct Bench {
    circuit: Shared,
    start: Instant,
    later: Instant,
}

impl Bench {
    #[expect(
        clippy::disallowed_methods,
        reason = "any moment will do to start from"
    )]
    fn new(policy: Policy) -> Self {
        let start = Instant::now();
        Self {
            circuit: Shared::with_stripes(policy, None, start, 2),
            start,
            later: start + Duration::from_secs(600),
        }
    }

    /// Trips at the second failure in a row.
    fn fragile() -> Self {
        Self::new(Policy::DEFAULT.consecutive_failures(NonZeroU32::new(2)))
    }

    fn tripped(policy: Policy) -> Self {
        let bench = Self::new(policy);
        let core = bench.circuit.core();
        core.with(bench.start, None, |circuit, _| {
            for _ in 0..5 {
                let call = circuit.admit(bench.start, 0.0).expect("it is closed");
                circuit.record(call, &BROKEN, None, bench.start, 0.0);
            }
        });
        assert_eq!(bench.state(), CircuitState::Open);
        bench
    }

    /// Loom's threads are one to the system, so that they say which stripe is theirs.
    fn acquire(&self, stripe: usize, now: Instant) -> Option<Permit> {
        let stripe = &self.circuit.ways.stripes[stripe];
        let word = stripe.word();
        let admission = match word.admission() {
            Some(admission) => admission,
            None => stripe.core().ask(word, now).ok()?,
        };
        Some(Permit::new(Arc::clone(stripe), admission))
    }

    fn state(&self) -> CircuitState {
        self.circuit.state()
    }

    fn counts(&self, now: Instant) -> (u32, u32) {
        let counts = self
            .circuit
            .core()
            .with(now, None, |circuit, _| circuit.counts(now));
        (counts.calls, counts.failures)
    }
}

fn explore(most_preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(most_preemptions);
    builder.check(model);
}

#[test]
fn f1_half_open_admits_exactly_k_of_n() {
    for (probes, threads) in [(1, 2), (1, 3), (2, 3)] {
        explore(2, move || {
            let policy = Policy::DEFAULT.probes(NonZeroU32::new(probes).unwrap());
            let bench = Bench::tripped(policy);
            let callers: Vec<_> = (1..threads)
                .map(|n| {
                    let bench = bench.clone();
                    thread::spawn(move || bench.acquire(n % 2, bench.later))
                })
                .collect();
            let mine = bench.acquire(0, bench.later);
            let permits: Vec<_> = callers
                .into_iter()
                .filter_map(|caller| caller.join().unwrap())
                .chain(mine)
                .collect();
            assert_eq!(permits.len(), probes as usize);
            for permit in permits {
                permit.settle(&WELL, || bench.later);
            }
            assert_eq!(bench.state(), CircuitState::Closed);
        });
    }
}

#[test]
fn f2_the_place_of_a_probe_that_was_given_up_is_taken_once() {
    explore(3, || {
        let bench = Bench::tripped(Policy::DEFAULT);
        let probe = bench.acquire(0, bench.later).unwrap();
        let other = {
            let bench = bench.clone();
            thread::spawn(move || bench.acquire(1, bench.later))
        };
        drop(probe);
        let next = bench.acquire(0, bench.later);
        let other = other.join().unwrap();
        let taken = usize::from(next.is_some()) + usize::from(other.is_some());
        assert_eq!(taken, 1, "the place was free, and there is one");
    });
}

#[test]
fn no_outcome_is_lost_or_doubled() {
    explore(3, || {
        let bench = Bench::fragile();
        let others: Vec<_> = [(0, WELL), (1, BROKEN)]
            .into_iter()
            .map(|(stripe, outcome)| {
                let bench = bench.clone();
                thread::spawn(move || {
                    let permit = bench.acquire(stripe, bench.start).unwrap();
                    permit.settle(&outcome, || bench.start);
                })
            })
            .collect();
        // On the stripe that another thread uses, too.
        let permit = bench.acquire(0, bench.start).unwrap();
        permit.settle(&WELL, || bench.start);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(bench.counts(bench.start), (3, 1));
        assert_eq!(bench.state(), CircuitState::Closed);
    });
}

#[test]
fn a_success_beside_a_failure_comes_before_it_or_after_it() {
    explore(3, || {
        let bench = Bench::fragile();
        let broken = bench.acquire(0, bench.start).unwrap();
        broken.settle(&BROKEN, || bench.start);

        let well = bench.acquire(0, bench.start).unwrap();
        let broken = bench.acquire(1, bench.start).unwrap();
        let start = bench.start;
        let other = thread::spawn(move || broken.settle(&BROKEN, || start));
        well.settle(&WELL, || bench.start);
        other.join().unwrap();
        match bench.state() {
            CircuitState::Closed => {
                assert_eq!(bench.circuit.consecutive_failures(), 1, "well, then broken");
                assert_eq!(bench.counts(bench.start), (3, 2));
            }
            // Broken, then well, which came too late.
            state => assert_eq!(state, CircuitState::Open),
        }
    });
}

#[test]
fn f5_a_call_of_an_earlier_era_decides_nothing() {
    for outcome in [WELL, BROKEN] {
        explore(3, move || {
            let policy = Policy::DEFAULT.consecutive_failures(Some(NonZeroU32::MIN));
            let bench = Bench::new(policy);
            let early = bench.acquire(0, bench.start).unwrap();
            let fatal = bench.acquire(1, bench.start).unwrap();
            let later = bench.later;
            let other = {
                let bench = bench.clone();
                thread::spawn(move || {
                    fatal.settle(&BROKEN, || bench.start);
                    // Refused only if the early call has failed later than that.
                    let probe = bench.acquire(1, later);
                    if let Some(probe) = probe {
                        probe.settle(&WELL, || later);
                    }
                })
            };
            early.settle(&outcome, || bench.start);
            other.join().unwrap();
            assert_eq!(bench.state(), CircuitState::Closed, "by its probe");
            assert_eq!(bench.counts(later), (0, 0), "the new era has seen no call");
        });
    }
}

#[test]
fn who_is_admitted_to_an_era_counts_in_it() {
    explore(3, || {
        let bench = Bench::tripped(Policy::DEFAULT);
        let probe = bench.acquire(0, bench.later).unwrap();
        let other = {
            let bench = bench.clone();
            thread::spawn(move || {
                let call = bench.acquire(1, bench.later);
                call.map(|call| call.settle(&WELL, || bench.later))
                    .is_some()
            })
        };
        probe.settle(&WELL, || bench.later);
        let admitted = other.join().unwrap();
        assert_eq!(bench.counts(bench.later), (u32::from(admitted), 0));
    });
}

#[test]
fn a_reset_forgets_what_happens_beside_it() {
    explore(3, || {
        let bench = Bench::fragile();
        let early = bench.acquire(0, bench.start).unwrap();
        let start = bench.start;
        let other = thread::spawn(move || early.settle(&WELL, || start));
        let core = bench.circuit.core();
        core.with(start, None, |circuit, _| circuit.reset(start));
        other.join().unwrap();
        assert_eq!(bench.counts(start), (0, 0));
    });
}

#[test]
fn a_window_that_turns_loses_nothing() {
    explore(3, || {
        let bench = Bench::fragile();
        let soon = bench.start + Duration::from_secs(7); // another bucket
        let other = {
            let bench = bench.clone();
            thread::spawn(move || {
                let mut permit = bench.acquire(0, bench.start).unwrap();
                permit.waiting_at(|| soon);
                permit.settle(&WELL, || soon);
            })
        };
        let permit = bench.acquire(0, bench.start).unwrap();
        permit.settle(&WELL, || bench.start);
        other.join().unwrap();
        assert_eq!(bench.counts(soon), (2, 0));
    });
}
