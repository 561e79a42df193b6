//! Two threads that share one policy.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use super::time::{calls_within, median, nanoseconds, time};
use crate::case::Case;

const ROUNDS: usize = 5;
/// How long one thread works alone, in each round.
const TURN: Duration = Duration::from_millis(5);
/// Who takes longer than this for a call has slept: threads do not stand in each other's way asleep.
const ASLEEP: f64 = 100_000.0;

/// How many calls two threads get done in the time in which one gets done one: at best 2. `None` for
/// those that sleep.
#[must_use]
pub fn measure(cases: &[Case]) -> Vec<Option<f64>> {
    cases.iter().map(ratio).collect()
}

fn ratio(case: &Case) -> Option<f64> {
    let bench = (case.bench)();
    let calls = calls_within(TURN, &mut case.held(&bench));
    let rounds: Option<Vec<f64>> = (0..ROUNDS)
        .map(|_| {
            let alone = nanoseconds(time(&mut case.held(&bench), calls), calls);
            let start = Barrier::new(2);
            let workers = [case.held(&bench), case.held(&bench)];
            let together = thread::scope(|scope| {
                let threads = workers.map(|mut worker| {
                    let start = &start;
                    scope.spawn(move || {
                        start.wait();
                        nanoseconds(time(&mut worker, calls), calls)
                    })
                });
                threads.map(|thread| thread.join().expect("its calls were counted right"))
            });
            let [a, b] = together;
            (alone < ASLEEP).then(|| alone / a + alone / b)
        })
        .collect();
    rounds.map(median)
}
