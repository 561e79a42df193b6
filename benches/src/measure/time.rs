//! Nanoseconds per call.

use std::time::Duration;

use tokio::time::Instant;

use crate::bench::Worker;
use crate::case::Case;

/// Rounds per case. The rows of a group take turns in each, so that a disturbance meets them all.
const ROUNDS: usize = 61;
/// How long each turn lasts, about.
const TURN: Duration = Duration::from_micros(400);

/// The median of the rounds for each case.
#[must_use]
pub fn measure(cases: &[Case]) -> Vec<f64> {
    let groups = cases.chunk_by(|a, b| a.group == b.group);
    groups.flat_map(measure_group).collect()
}

fn measure_group(cases: &[Case]) -> Vec<f64> {
    let mut runners: Vec<(Worker, u64)> = cases
        .iter()
        .map(|case| {
            let mut worker = case.worker();
            let calls = calls_within(TURN, &mut worker);
            (worker, calls)
        })
        .collect();
    let mut rounds = vec![Vec::with_capacity(ROUNDS); cases.len()];
    for _ in 0..ROUNDS {
        for ((worker, calls), times) in runners.iter_mut().zip(&mut rounds) {
            times.push(nanoseconds(time(worker, *calls), *calls));
        }
    }
    rounds.into_iter().map(median).collect()
}

/// How many calls it takes to fill so much time.
pub(super) fn calls_within(limit: Duration, worker: &mut Worker) -> u64 {
    let mut calls = 1;
    while time(worker, calls) < limit {
        calls *= 2;
    }
    calls
}

pub(super) fn time(worker: &mut Worker, calls: u64) -> Duration {
    let start = Instant::now();
    worker(calls);
    Instant::now() - start
}

#[expect(clippy::cast_precision_loss, reason = "call counts are far below 2^52")]
pub(super) fn nanoseconds(time: Duration, calls: u64) -> f64 {
    time.as_secs_f64() * 1e9 / calls as f64
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
