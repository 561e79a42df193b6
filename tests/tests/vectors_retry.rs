//! The vectors about backoff and retry budgets, every one of them asserted or listed with a reason.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a vector that cannot be read is a failed test; calls run side by side"
)]

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress::core::{Acceptance, Backoff, Jitter, Kind, Never, Outcome, Ratio, Verdict};
use buttress::retry::{BudgetLimits, Cloned, RetryBudget, RetryLayer};
use buttress_testkit::probe::{Reply, ScriptedService};
use buttress_tests::{Listed, Suite, asserted, asserted_late, vectors};
use serde_json::Value;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

/// Judges every vector of a suite by the assertions of `check`.
fn suite(name: &str, listed: &[Listed], mut check: impl FnMut(&str, &Value)) {
    buttress_tests::suite(name, listed, |id, vector| asserted(|| check(id, vector)));
}

fn secs(value: &Value) -> Duration {
    Duration::from_secs_f64(value.as_f64().unwrap())
}

fn millis(value: &Value) -> Duration {
    secs(value) / 1_000
}

fn int(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

#[test]
fn backoff_and_jitter() {
    const LINEAR: &str = "ours grows exponentially or not at all";
    const AROUND: &str = "ours spreads below the delay, or above it, never around it";
    const DECORRELATED: &str = "ours depends on the retry's number alone, not on the delay before";
    let listed = [
        ("polly_linear_0", LINEAR),
        ("polly_linear_1", LINEAR),
        ("polly_linear_2", LINEAR),
        ("finagle_linear", LINEAR),
        ("finagle_linear_max", LINEAR),
        ("polly_jitter_constant_0_0.0", AROUND),
        ("polly_jitter_constant_0_0.4", AROUND),
        ("polly_jitter_constant_1_0.6", AROUND),
        ("polly_jitter_constant_0_1.0", AROUND),
        ("polly_jitter_linear_2_0.0", AROUND),
        ("polly_jitter_linear_2_0.5", AROUND),
        ("polly_jitter_linear_2_0.6", AROUND),
        ("polly_jitter_linear_2_1.0", AROUND),
        ("polly_jitter_bounds", AROUND),
        ("polly_decorr_bounds", DECORRELATED),
        ("polly_decorr_v2_r0.5", DECORRELATED),
        ("finagle_decorrelated_bounds", DECORRELATED),
        ("aws_decorrelated", DECORRELATED),
        ("cenkalti_defaults", "another project's defaults"),
    ];
    suite("backoff_and_jitter", &listed, |id, vector| {
        let (input, expected) = (&vector["input"], &vector["expected"]);
        let attempt = || int(&input["attempt"]);
        match id {
            "polly_constant_0"
            | "polly_constant_1"
            | "polly_constant_2"
            | "polly_constant_zero_base" => {
                let backoff = Backoff::constant(secs(&input["base_s"]));
                assert_eq!(
                    backoff.ceiling(attempt()),
                    secs(&expected["delay_s"]),
                    "{id}"
                );
            }
            "polly_exponential_1" | "polly_exponential_zero_base" => {
                let backoff = Backoff::exponential(secs(&input["base_s"]), Duration::MAX);
                assert_eq!(
                    backoff.ceiling(attempt()),
                    secs(&expected["delay_s"]),
                    "{id}"
                );
            }
            "polly_max_delay" => {
                let (base, max) = (secs(&input["base_s"]), secs(&input["max_s"]));
                let exponential = Backoff::exponential(base, max);
                assert_eq!(exponential.ceiling(attempt()), secs(&expected["delay_s"]));
                let constant = Backoff::constant(base).cap(max);
                assert_eq!(constant.ceiling(attempt()), secs(&expected["delay_s"]));
            }
            "polly_overflow_no_max" => {
                let backoff = Backoff::exponential(secs(&input["base_s"]), Duration::MAX);
                assert_eq!(backoff.ceiling(attempt()), Duration::MAX);
            }
            "polly_decorr_t1024_not_negative" => {
                let backoff = Backoff::exponential(SECOND, Duration::MAX);
                assert_eq!(backoff.ceiling(attempt()), Duration::MAX, "and not wrapped");
                assert!(backoff.delay(attempt(), 0.5) > Duration::from_secs(1 << 60));
            }
            "finagle_exp" => {
                let backoff = Backoff::exponential(millis(&input["start_ms"]), Duration::MAX)
                    .factor(input["multiplier"].as_f64().unwrap())
                    .unwrap();
                for (n, delay) in (0..).zip(expected["delays_ms"].as_array().unwrap()) {
                    assert_eq!(backoff.ceiling(n), millis(delay));
                }
            }
            "finagle_equal_bounds" => {
                // At the cap theirs sleeps exactly as long as everybody else; ours is still spread.
                let start = Duration::from_millis(100);
                let backoff =
                    Backoff::exponential(start, Duration::from_secs(3_600)).jitter(Jitter::Equal);
                for n in 1..8 {
                    let half = start * 2_u32.pow(n - 1);
                    assert_eq!(backoff.delay(n, 0.0), half);
                    assert_eq!(backoff.delay(n, 0.5), half + half / 2);
                    assert_eq!(backoff.delay(n, 1.0), half * 2);
                }
            }
            "hashicorp_0" | "hashicorp_1" | "hashicorp_63" | "hashicorp_128" => {
                let backoff = Backoff::exponential(secs(&input["min_s"]), secs(&input["max_s"]));
                assert_eq!(
                    backoff.ceiling(attempt()),
                    secs(&expected["delay_s"]),
                    "{id}"
                );
            }
            _ => panic!("{id} is neither asserted nor listed"),
        }
    });
}

// ===== the concurrency gate =====

/// A service that always fails, behind a budget that limits only how many retry at once.
fn failing(limits: BudgetLimits) -> (RetryBudget, impl Fn() -> tokio::task::JoinHandle<()>) {
    let budget = RetryBudget::new(limits.capacity(u32::MAX));
    // Not at once: all that have been started are active before the first of them fails.
    let (inner, _handle) = ScriptedService::<(), Reading, ()>::from_fn(|_, ()| {
        Reply::Ok(Reading::Server).after(Duration::from_millis(1))
    });
    let layer = RetryLayer::new(Readings)
        .max_attempts(NonZeroU32::MAX)
        .backoff(Backoff::constant(SECOND).jitter(Jitter::None))
        .budget(budget.clone());
    let retry = layer.layer(inner);
    (budget, move || {
        let call = retry.clone().oneshot(());
        tokio::spawn(async move { assert!(call.await.is_ok(), "nothing here fails by itself") })
    })
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

#[tokio::test(start_paused = true)]
async fn envoy_retry_budget() {
    let listed = [(
        "overrides_max_retries",
        "their budget replaces a limit on retries; ours stands beside the limit on attempts",
    )];
    let mut admission = None;
    let mut counting = false;
    suite("envoy_retry_budget", &listed, |id, vector| {
        let (input, expected) = (&vector["input"], &vector["expected"]);
        match vector.get("kind").and_then(Value::as_str) {
            None => {
                let percent = input["budget_percent"].as_f64().unwrap();
                let limits = BudgetLimits::default()
                    .ratio(Ratio::try_new(percent / 100.0).unwrap())
                    .min_concurrency(int(&input["min_retry_concurrency"]));
                // With us a call that waits for its turn is active, too.
                let active = int(&input["active_requests"]) + int(&input["pending_requests"]);
                let max = limits.max_retries(active);
                assert_eq!(max, int(&expected["max_concurrent_retries"]), "{id}");
            }
            Some("defaults") => {
                let limits = BudgetLimits::default();
                assert_eq!(
                    limits.max_retries(0),
                    int(&expected["min_retry_concurrency"])
                );
                let percent = expected["budget_percent"].as_f64().unwrap();
                assert_eq!(
                    limits,
                    limits.ratio(Ratio::try_new(percent / 100.0).unwrap())
                );
            }
            Some("admission") => admission = Some(vector.clone()),
            Some("known_bug") => counting = true,
            other => panic!("{id}: {other:?} is neither asserted nor listed"),
        }
    });

    let admission = admission.unwrap();
    let max = int(&admission["input"]["max"]);
    let current = admission["input"]["current"].as_array().unwrap();
    let admit = admission["expected"]["admit"].as_array().unwrap();
    for (current, admit) in current.iter().zip(admit) {
        let limits = BudgetLimits::default()
            .ratio(Ratio::ZERO)
            .min_concurrency(max);
        let (budget, call) = failing(limits);
        for _ in 0..int(current) {
            call();
        }
        settle().await;
        // More than are allowed never come to be.
        let before = budget.active_retries();
        assert_eq!(before, int(current).min(max));
        call();
        settle().await;
        assert_eq!(budget.active_retries() > before, admit.as_bool().unwrap());
    }

    // A retry holds one slot for its whole life, and while it waits its call is active.
    assert!(counting);
    let (budget, call) = failing(BudgetLimits::default());
    let calls: Vec<_> = (0..100).map(|_| call()).collect();
    settle().await;
    assert_eq!(
        budget.active_retries(),
        20,
        "a fifth of those that were active"
    );
    let failed = calls.iter().filter(|call| call.is_finished()).count();
    assert_eq!(failed, 80, "the others had their failure at once");
}

// ===== the history gate =====

#[derive(Debug, Clone, Copy, PartialEq)]
enum Reading {
    Well,
    Server,
    Throttling,
}

#[derive(Debug, Clone, Copy)]
struct Readings;

impl buttress::core::Classify<Reading, ()> for Readings {
    type Watch = Never;

    fn classify(&self, result: Result<&Reading, &()>) -> Verdict<Never> {
        let kind = match result {
            Ok(Reading::Well) => return Verdict::Final(Outcome::SUCCESS),
            Ok(Reading::Throttling) => Kind::Throttled,
            _ => Kind::Transient,
        };
        Verdict::Final(Outcome::new(kind).accepted(Acceptance::Answered))
    }
}

/// What was seen of each attempt: when it began, and the tokens at that moment.
#[derive(Debug, Default)]
struct Run {
    starts: Vec<(Instant, u32)>,
}

impl Run {
    fn delays(&self) -> Vec<Duration> {
        let starts = self.starts.iter().zip(&self.starts[1..]);
        starts.map(|((a, _), (b, _))| *b - *a).collect()
    }
}

async fn run(
    layer: &RetryLayer<Readings, Cloned>,
    budget: &RetryBudget,
    events: &[Reading],
) -> Run {
    let run = Arc::new(Mutex::new(Run::default()));
    let (inner, handle) = {
        let (run, budget, events) = (Arc::clone(&run), budget.clone(), events.to_vec());
        ScriptedService::<(), Reading, ()>::from_fn(move |call, ()| {
            let seen = (Instant::now(), budget.tokens());
            run.lock().unwrap().starts.push(seen);
            Reply::Ok(events[call])
        })
    };
    layer.layer(inner).oneshot(()).await.unwrap();
    drop(handle);
    Arc::into_inner(run).unwrap().into_inner().unwrap()
}

fn reading(event: &Value) -> Reading {
    match event.as_str().unwrap() {
        "ok" => Reading::Well,
        "throttling" => Reading::Throttling,
        "server" => Reading::Server,
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn smithy_standard_retry() {
    const OLD_COSTS: &str = "the 2.0 costs of 5 and 10; ours are those of 2.1";
    let listed = [
        ("v20_eventual_success", OLD_COSTS),
        ("v20_no_more_attempts", OLD_COSTS),
        ("v20_no_quota", OLD_COSTS),
        ("v20_poll_success_release", OLD_COSTS),
        ("v20_backoff_timing", OLD_COSTS),
        ("v20_transient_costs_double", OLD_COSTS),
    ];
    let mut suite = Suite::default();
    for vector in vectors("smithy_standard_retry") {
        let id = vector["id"].as_str().unwrap();
        suite.judge(id, asserted_late(smithy_row(id, &vector)).await);
    }
    suite.finish(&listed);
}

async fn smithy_row(id: &str, vector: &Value) {
    let input = &vector["input"];
    match id {
        "overflow_attempt_100000" => {
            let (base, cap) = (&input["initial_backoff_s"], &input["max_backoff_s"]);
            let delay = Backoff::exponential(secs(base), secs(cap)).ceiling(int(&input["retry"]));
            assert_eq!(delay, millis(&vector["expected"]["delay_ms"]));
        }
        "dynamodb_v21_total_sleep" | "dynamodb_v20_total_sleep" => {
            let events: Vec<_> = events(input).collect();
            let base = millis(&input["initial_backoff_ms"]);
            let layer = smithy(base, Duration::MAX, int(&input["max_attempts"]));
            let budget = RetryBudget::default();
            let run = run(&layer.budget(budget.clone()), &budget, &events).await;
            assert_eq!(
                run.starts.len() as u64,
                vector["expected"]["requests"],
                "{id}"
            );
            let slept: Duration = run.delays().iter().sum();
            assert_eq!(slept, millis(&vector["expected"]["total_sleep_ms"]), "{id}");
        }
        _ => quota(id, input, vector["steps"].as_array().unwrap()).await,
    }
}

fn events(input: &Value) -> impl Iterator<Item = Reading> {
    input["events"].as_array().unwrap().iter().map(reading)
}

fn smithy(base: Duration, cap: Duration, max_attempts: u32) -> RetryLayer<Readings, Cloned> {
    RetryLayer::new(Readings)
        .max_attempts(NonZeroU32::new(max_attempts).unwrap())
        .backoff(Backoff::exponential(base, cap).jitter(Jitter::None))
}

/// One row of the 2.1 quota: calls separated by `new`, each a run of steps.
async fn quota(id: &str, input: &Value, steps: &[Value]) {
    let budget = RetryBudget::new(BudgetLimits::default().capacity(int(&input["capacity"])));
    let cap = millis(&input["max_backoff_ms"]);
    let layer =
        smithy(Duration::from_millis(50), cap, int(&input["max_attempts"])).budget(budget.clone());
    let events = input["events"].as_array().unwrap();
    let mut steps = steps.iter();
    for call in events.split(|event| event == "new") {
        let call: Vec<_> = call.iter().map(reading).collect();
        let run = run(&layer, &budget, &call).await;
        let tokens_after = run.starts[1..].iter().map(|start| start.1);
        let tokens_after = tokens_after.chain([budget.tokens()]);
        let delays = run.delays();
        for (n, tokens) in tokens_after.enumerate() {
            let step = steps.next().unwrap();
            assert_eq!(tokens, int(&step["quota_after"]), "{id}, step {step}");
            let retried = n < delays.len();
            assert_eq!(
                retried,
                step["retry"].as_bool().unwrap(),
                "{id}, step {step}"
            );
            // After throttling their backoff starts at a second; ours starts as always and may grow
            // longer.
            if retried && step["response"] != "throttling" {
                assert_eq!(delays[n], millis(&step["delay_ms"]), "{id}, step {step}");
            }
        }
    }
    assert!(steps.next().is_none(), "{id}: an attempt too few");
}

// ===== other projects' budgets: what applies =====

#[tokio::test(start_paused = true)]
async fn finagle_retry_budget() {
    const DEPOSITS: &str = "their bucket is filled by requests and leaks with time; ours is filled \
         by successes, and no clock is read";
    let listed = [
        ("reserve_ttl2_min5_pct0.0", DEPOSITS),
        ("reserve_ttl1_min10_pct0.1", DEPOSITS),
        ("reserve_ttl2_min5_pct0.5", DEPOSITS),
        ("reject_1", DEPOSITS),
        ("defaults", "another project's defaults"),
    ];
    let mut never = Vec::new();
    suite("finagle_retry_budget", &listed, |id, vector| {
        let input = &vector["input"];
        let share = input["percent_can_retry"].as_f64();
        match (vector["kind"].as_str().unwrap(), id) {
            // What applies of it to ours: a ratio is exact to four digits.
            ("deposit_then_withdraw_loop", _) => {
                let ratio = Ratio::try_new(share.unwrap()).unwrap();
                let allowed = ratio.of(int(&input["requests"]));
                assert_eq!(allowed, int(&vector["expected"]["retries_allowed"]), "{id}");
            }
            ("deposit_only", _) | ("constructor_rejects", "reject_4") => {
                assert!(
                    Ratio::try_new(share.unwrap()).is_err(),
                    "{id}: more than all"
                );
            }
            ("constructor_rejects", "reject_2") => {
                let least = input["min_retries_per_sec"].as_i64().unwrap();
                assert!(u32::try_from(least).is_err(), "ours cannot even be said");
            }
            ("constant_budget" | "constant_budget_equivalence", _) => never.push(id.to_owned()),
            other => panic!("{other:?} is neither asserted nor listed"),
        }
    });
    assert_eq!(never, ["empty", "zero_zero_is_empty"]);
    for limits in [
        BudgetLimits::default().capacity(0),
        BudgetLimits::default()
            .ratio(Ratio::ZERO)
            .min_concurrency(0),
    ] {
        let budget = RetryBudget::new(limits);
        let layer = smithy(SECOND, SECOND, 3).budget(budget.clone());
        let well = run(&layer, &budget, &[Reading::Well]).await;
        let failed = run(&layer, &budget, &[Reading::Server]).await;
        assert_eq!((well.starts.len(), failed.starts.len()), (1, 1));
    }
}

#[test]
fn grpc_retry_throttling() {
    const BUCKET: &str = "their bucket stops retries below half of it and pays for every failure; \
         ours stops when it is empty and pays for retries";
    const CONFIG: &str = "the validation of gRPC's service config, which ours does not read";
    let listed = [
        ("grpc_go_sequence", BUCKET),
        ("a6_example_10_0.1", BUCKET),
        ("floor_at_zero", BUCKET),
        ("validate_maxTokens_0", CONFIG),
        ("validate_ratio_0", CONFIG),
        ("validate_ratio_trunc", CONFIG),
        ("policy_maxAttempts_9", CONFIG),
        ("policy_initialBackoff_0", CONFIG),
        ("policy_codes_mixed", CONFIG),
    ];
    suite("grpc_retry_throttling", &listed, |id, vector| {
        assert_eq!(
            vector["kind"], "backoff",
            "{id} is neither asserted nor listed"
        );
        // The curve is ours, too; the jitter of a fifth around it is not.
        let input = &vector["input"];
        let backoff = Backoff::exponential(
            secs(&input["initial_backoff_s"]),
            secs(&input["max_backoff_s"]),
        )
        .factor(input["multiplier"].as_f64().unwrap())
        .unwrap();
        let (min, max) = (&vector["expected"]["min_s"], &vector["expected"]["max_s"]);
        let ceiling = backoff.ceiling(int(&input["retry_number"]) - 1);
        assert_eq!(ceiling, (secs(min) + secs(max)) / 2, "{id}");
    });
}
