//! Around a client, outermost first. Each test is named after its arrow.

use std::num::NonZeroU32;
use std::time::Duration;

use buttress::breaker::{CircuitBreakerLayer, CircuitOpen, CircuitState, Policy};
use buttress::classify::Profile;
use buttress::core::{Backoff, Deadline, Ratio, find};
use buttress::deadline::{BudgetShareLayer, DeadlineExceeded, TimeoutBudgetLayer};
use buttress::fallback::{FallbackLayer, Http, Tier, Traffic};
use buttress::judge::JudgeLayer;
use buttress::retry::RetryLayer;
use buttress::timeout::{FirstFrameElapsed, StreamTimeoutLayer};
use buttress_testkit::upstream::{Behaviour, Upstream};
use tokio::time::Instant;
use tower::{Layer, ServiceBuilder, ServiceExt};

use crate::{SECOND, always, chat, messages, plain, read, retry, upstream};

const OPENAI: Profile = Profile::OPENAI;
const EXPECTED: &str = "x-envoy-expected-rq-timeout-ms";

/// Long enough for any first open wait, jitter included.
const OPEN_WAIT: Duration = Duration::from_secs(34);

/// With one tier: of bodies of any types.
fn fallback<Q, B>(tier: Tier<Http<Q, B>>) -> FallbackLayer<Profile, Http<Q, B>>
where
    Http<Q, B>: Traffic,
{
    FallbackLayer::http(OPENAI).tier(tier)
}

/// What each call was told of its time, in milliseconds.
fn told(upstream: &Upstream) -> Vec<u64> {
    let calls = upstream.calls();
    let told = calls.iter().map(|call| call.headers[EXPECTED].to_str());
    told.map(|told| told.unwrap().parse().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn timeout_budget_outside_fallback_the_tiers_share_one_time() {
    let slow = always(Behaviour::status(500).head_delay(SECOND / 2));
    let hangs = always(Behaviour::status(500).head_delay(SECOND * 3_600));
    let budget = TimeoutBudgetLayer::new(SECOND * 2);

    let start = Instant::now();
    let tier = Tier::upstream("b", hangs.service(), OPENAI);
    let stack = budget.layer(fallback(tier).layer(slow.service()));
    let error = stack.oneshot(plain()).await.err().unwrap();
    assert!(find::<DeadlineExceeded>(&*error).is_some());
    assert!(start.elapsed() <= Duration::from_millis(2_050));
    assert_eq!(hangs.counts().calls, 1);

    // The other way round each tier has all of it.
    let start = Instant::now();
    let tier = Tier::upstream("b", budget.layer(hangs.service()), OPENAI);
    let stack = fallback(tier).layer(budget.layer(slow.service()));
    drop(stack.oneshot(plain()).await);
    assert!(start.elapsed() >= Duration::from_millis(2_500));
}

#[tokio::test(start_paused = true)]
async fn fallback_outside_retry_a_tier_is_given_up_after_its_own_attempts() {
    let calls = |a: &Upstream, b: &Upstream| (a.counts().calls, b.counts().calls);

    let (a, b) = (always(Behaviour::status(500)), always(Behaviour::well()));
    let tier = Tier::upstream("b", retry(OPENAI).layer(b.service()), OPENAI);
    let stack = fallback(tier).layer(retry(OPENAI).layer(a.service()));
    assert_eq!(stack.oneshot(plain()).await.unwrap().status(), 200);
    assert_eq!(calls(&a, &b), (3, 1));

    // The other way round all of them are asked again and again.
    let (a, b) = (
        always(Behaviour::status(500)),
        always(Behaviour::status(500)),
    );
    let tier = Tier::upstream("b", b.service(), OPENAI);
    let stack = retry(OPENAI).layer(fallback(tier).layer(a.service()));
    assert_eq!(stack.oneshot(plain()).await.unwrap().status(), 500);
    assert_eq!(calls(&a, &b), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn retry_outside_budget_share_each_attempt_gets_its_share_of_what_is_left() {
    let late = || upstream([Behaviour::status(500).head_delay(SECOND)]);
    let share = BudgetShareLayer::fraction(Ratio::percent(50)).announce(true);
    let retry = RetryLayer::llm(OPENAI).backoff(Backoff::constant(Duration::ZERO));
    let budget = TimeoutBudgetLayer::new(SECOND * 8);

    let seen = late();
    let stack = retry.layer(share.layer(seen.service()));
    let answer = budget.layer(stack).oneshot(plain()).await.unwrap();
    assert_eq!(answer.status(), 200);
    let times = told(&seen);
    assert_eq!(times[0], 4_000);
    assert!((3_450..=3_500).contains(&times[1]), "{times:?}");

    // The other way round the second attempt's upstream is told what was true of the first.
    let seen = late();
    let stack = share.layer(retry.layer(seen.service()));
    drop(budget.layer(stack).oneshot(plain()).await);
    assert_eq!(told(&seen), [4_000, 4_000]);
}

#[tokio::test(start_paused = true)]
async fn budget_share_outside_circuit_breaker_no_probe_is_spent_where_no_time_is_left() {
    let upstream = always(Behaviour::status(500));
    let share = BudgetShareLayer::all().floor(SECOND);
    let hasty = || {
        let mut request = plain();
        let deadline = Deadline::after(Instant::now().into_std(), SECOND / 2);
        request.extensions_mut().insert(deadline);
        request
    };
    let state = async |outside: bool| {
        let breaker = CircuitBreakerLayer::http(OPENAI);
        for _ in 0..5 {
            let answer = breaker.layer(upstream.service()).oneshot(plain()).await;
            drop(read(answer.unwrap()).await);
        }
        tokio::time::advance(OPEN_WAIT).await;
        let refused = if outside {
            let stack = share.layer(breaker.layer(upstream.service()));
            stack.oneshot(hasty()).await.is_err()
        } else {
            let stack = breaker.layer(share.layer(upstream.service()));
            stack.oneshot(hasty()).await.is_err()
        };
        assert!(refused);
        breaker.handle().state()
    };
    assert_eq!(state(true).await, CircuitState::Open);
    assert_eq!(
        state(false).await,
        CircuitState::HalfOpen,
        "it was let in as the probe"
    );
    assert_eq!(upstream.counts().calls, 10);
}

#[tokio::test(start_paused = true)]
async fn retry_outside_circuit_breaker_every_attempt_counts_and_a_refusal_is_the_end() {
    let retry = RetryLayer::llm(OPENAI)
        .max_attempts(NonZeroU32::new(20).unwrap())
        .without_budget()
        .backoff(Backoff::constant(Duration::ZERO));

    let down = always(Behaviour::status(500));
    let breaker = CircuitBreakerLayer::http(OPENAI);
    let stack = retry.layer(breaker.layer(down.service()));
    let error = stack.oneshot(plain()).await.err().unwrap();
    assert!(find::<CircuitOpen>(&*error).is_some());
    assert_eq!(down.counts().calls, 5);

    // The other way round twenty calls are one, and stop nobody.
    let down = always(Behaviour::status(500));
    let breaker = CircuitBreakerLayer::http(OPENAI);
    let stack = breaker.layer(retry.layer(down.service()));
    drop(read(stack.oneshot(plain()).await.unwrap()).await);
    assert_eq!(down.counts().calls, 20);
    assert_eq!(breaker.handle().counts().failures, 1);
}

#[tokio::test(start_paused = true)]
async fn circuit_breaker_outside_judge_an_unpaid_bill_is_no_rate() {
    let unpaid = always(Behaviour::out_of_quota());
    let breaker = || {
        let policy = Policy::DEFAULT.single_credential(true);
        CircuitBreakerLayer::http(OPENAI).policy(policy)
    };
    let judge = JudgeLayer::llm(OPENAI);

    let outside = breaker();
    let stack = outside.layer(judge.layer(unpaid.service()));
    drop(read(stack.oneshot(plain()).await.unwrap()).await);
    assert_eq!(outside.handle().state(), CircuitState::Open);

    let inside = breaker();
    let stack = judge.layer(inside.layer(unpaid.service()));
    drop(read(stack.oneshot(plain()).await.unwrap()).await);
    assert_eq!(inside.handle().state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn retry_outside_judge_a_stream_that_dies_before_its_content_is_tried_again() {
    let dies = || upstream([Behaviour::well().error_event_after(0)]);
    let judge = JudgeLayer::llm(OPENAI);

    let seen = dies();
    let stack = retry(OPENAI).layer(judge.layer(seen.service()));
    let (_, body, _) = read(stack.oneshot(chat()).await.unwrap()).await;
    assert!(body.ends_with(b"data: [DONE]\n\n"));
    assert_eq!(seen.counts().calls, 2);

    let seen = dies();
    let stack = judge.layer(retry(OPENAI).layer(seen.service()));
    drop(read(stack.oneshot(chat()).await.unwrap()).await);
    assert_eq!(seen.counts().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn judge_outside_stream_timeout_what_the_judge_holds_back_is_no_silence() {
    const PING: &str = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
    const CONTENT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\
        \"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n";
    const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let thinks = || {
        let events = [PING, PING, PING, PING, CONTENT, STOP];
        always(
            Behaviour::well()
                .pieces("text/event-stream", events)
                .chunk_delay(SECOND),
        )
    };
    let judge = JudgeLayer::llm(Profile::ANTHROPIC);
    let timeout = StreamTimeoutLayer::llm(Profile::ANTHROPIC).first_frame(SECOND * 2);

    // A ping each second: the upstream is there.
    let stack = judge.layer(timeout.layer(thinks().service()));
    let (_, body, whole) = read(stack.oneshot(messages()).await.unwrap()).await;
    assert!(whole && body.ends_with(STOP.as_bytes()));

    // The other way round the limit takes the judge's patience for the upstream's silence.
    let stack = timeout.layer(judge.layer(thinks().service()));
    let error = stack.oneshot(messages()).await.err().unwrap();
    assert!(find::<FirstFrameElapsed>(&*error).is_some());
}

#[tokio::test(start_paused = true)]
async fn retry_outside_stream_timeout_each_attempt_has_its_own_limits() {
    let hangs = || upstream([Behaviour::well().head_delay(SECOND * 3_600)]);
    let timeout = StreamTimeoutLayer::llm(OPENAI).first_frame(SECOND * 2);
    let retry = retry(OPENAI).retry_ambiguous(true);

    let seen = hangs();
    let stack = ServiceBuilder::new().layer(&retry).layer(timeout);
    let answer = stack.service(seen.service()).oneshot(plain()).await;
    assert_eq!(answer.unwrap().status(), 200);

    let seen = hangs();
    let stack = ServiceBuilder::new().layer(timeout).layer(&retry);
    let answer = stack.service(seen.service()).oneshot(plain()).await;
    assert!(answer.is_err(), "the first attempt has used up the limit");
    assert_eq!(seen.counts().calls, 1);
}
