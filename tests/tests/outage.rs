//! Retries must not make an outage worse. Simulated on paused time, with 1,000 calls a second; the output
//! names the seed of each run.

use std::num::NonZeroU32;
use std::time::Duration;

use buttress::classify::Profile;
use buttress::core::Backoff;
use buttress::retry::{RetryBudget, RetryLayer};
use buttress_testkit::outage::{PATIENCE, Run, Scenario, Second, simulate};
use http::StatusCode;
use tower::Layer;
use tower::timeout::Timeout;

const SEEDS: [u64; 3] = [1, 2, 3];

/// What a quarter more is: an upstream with that much to spare survives.
const BOUND: f64 = 1.25;

/// The layer as it comes, but for the seed.
fn ours(seed: u64) -> RetryLayer<Profile> {
    RetryLayer::llm(Profile::OPENAI).seed(seed)
}

/// Four attempts in a loop.
fn naive(seed: u64) -> RetryLayer<Profile> {
    ours(seed)
        .without_budget()
        .max_attempts(NonZeroU32::MIN.saturating_add(3))
        .backoff(Backoff::constant(Duration::ZERO))
}

#[expect(clippy::print_stdout, reason = "a failing run is told by its seed")]
async fn run(scenario: Scenario, seed: u64, layer: RetryLayer<Profile>) -> Run {
    let run = simulate(scenario, seed, |upstream| {
        layer.layer(Timeout::new(upstream, PATIENCE))
    })
    .await;
    println!(
        "seed {seed}, {:?}: at worst {:.2} times the offered load, recovered after {:?}",
        run.scenario().trouble(),
        run.worst_amplification(),
        run.recovered_after()
    );
    run
}

/// In each single second, from the first call to the last.
fn assert_bounded(run: &Run) {
    for (at, second) in run.seconds().iter().enumerate() {
        assert!(
            second.amplification() <= BOUND,
            "in second {at}: {second:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn while_all_is_well_every_call_succeeds_and_none_is_repeated() {
    let [seed, ..] = SEEDS;
    let run = run(Scenario::calm(), seed, ours(seed)).await;
    let all: Second = run.seconds().iter().sum();
    assert!((59_000..61_000).contains(&all.offered), "{all:?}");
    assert_eq!((all.upstream, all.lost), (all.offered, 0));
    assert!(all.success() > 0.99, "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_the_upstream_at_most_a_quarter_more_and_ends_when_it_ends() {
    let failures = [
        // Each with the cap of the backoff after it.
        (StatusCode::INTERNAL_SERVER_ERROR, 8),
        (StatusCode::SERVICE_UNAVAILABLE, 30),
        (StatusCode::TOO_MANY_REQUESTS, 30),
    ];
    for ((status, cap), seed) in failures.into_iter().zip(SEEDS) {
        let run = run(Scenario::outage(status), seed, ours(seed)).await;
        assert_bounded(&run);
        let down: Second = run.during().iter().sum();
        assert!(down.success() < 0.01, "{down:?}");
        let recovered = run.recovered_after().expect("it recovers");
        assert!(recovered <= Duration::from_secs(cap), "{recovered:?}");
        let up: Second = run.after().iter().sum();
        assert!(up.success() > 0.99, "{up:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_its_budget_the_layer_would_triple_the_load_of_an_outage() {
    let [seed, ..] = SEEDS;
    let scenario = Scenario::outage(StatusCode::INTERNAL_SERVER_ERROR);
    let run = run(scenario, seed, ours(seed).without_budget()).await;
    let down: Second = run.during().iter().sum();
    assert!(down.amplification() > 2.0, "{down:?}");
}

#[tokio::test(start_paused = true)]
async fn f13_f15_a_brown_out_ends_with_its_cause_and_leaves_the_budget_whole() {
    for seed in SEEDS {
        let budget = RetryBudget::default();
        let full = budget.tokens();
        let layer = ours(seed).budget(budget.clone());
        let run = run(Scenario::brown_out(), seed, layer).await;
        assert_bounded(&run);
        // With 200 calls a second to spare, the queue of 2,000 is empty by then if nothing is added.
        let drained = Duration::from_secs(10);
        let recovered = run.recovered_after().expect("it recovers");
        assert!(recovered <= drained, "{recovered:?}");
        let up: Second = run.after().iter().skip(10).sum();
        assert!(up.success() > 0.99, "{up:?}");
        assert_eq!(budget.tokens(), full);
        assert_eq!((budget.active_calls(), budget.active_retries()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn f13_without_its_budget_the_layer_would_keep_a_brown_out_alive() {
    let [.., seed] = SEEDS;
    let layer = ours(seed).without_budget();
    assert_stays_down(&run(Scenario::brown_out(), seed, layer).await);
}

#[tokio::test(start_paused = true)]
async fn f13_naive_retries_keep_a_brown_out_alive() {
    let [first, second, _] = SEEDS;
    for seed in [first, second] {
        assert_stays_down(&run(Scenario::brown_out(), seed, naive(seed)).await);
    }
}

/// Its cause is gone for forty seconds, and still nobody gets an answer in time: the retries alone keep
/// the queue full.
fn assert_stays_down(run: &Run) {
    for (after, second) in run.after().iter().enumerate() {
        assert!(second.success() < 0.05, "{after} s after: {second:?}");
    }
    assert_eq!(run.recovered_after(), None);
}

#[tokio::test(start_paused = true)]
async fn a_seed_decides_everything() {
    let [seed, ..] = SEEDS;
    let scenario = Scenario::brown_out;
    let first = run(scenario(), seed, ours(seed)).await;
    assert_eq!(first, run(scenario(), seed, ours(seed)).await);
}
