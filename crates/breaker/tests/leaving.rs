//! Readers who leave, and readers who take their time. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::convert::Infallible;
use std::time::Duration;

use buttress_breaker::{CircuitBreakerLayer, CircuitHandle, CircuitState, Policy, SlowCalls};
use buttress_classify::Profile;
use buttress_core::Ratio;
use buttress_testkit::body::{ScriptedBody, Step};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const OPEN_WAIT: Duration = Duration::from_secs(34);
const CONTENT: &str = "data: {\"choices\": [{\"delta\": {\"content\": \"Hel\"}}]}\n\n";

/// A circuit, and what answers behind it.
struct Bench(CircuitBreakerLayer<Profile>);

impl Bench {
    fn new(policy: Policy) -> Self {
        Self(CircuitBreakerLayer::http(Profile::OPENAI).policy(policy))
    }

    fn circuit(&self) -> CircuitHandle {
        self.0.handle()
    }

    /// The answer to a call, its head half a second late.
    async fn answer(
        &self,
        status: u16,
        content_type: &str,
        body: ScriptedBody,
    ) -> Response<impl http_body::Body<Data = bytes::Bytes, Error: std::fmt::Debug> + Unpin + use<>>
    {
        let answer = Response::builder().status(status);
        let answer = answer.header("content-type", content_type);
        let mut answer = Some(answer.body(body).unwrap());
        let inner = service_fn(move |_: Request<()>| {
            let answer = answer.take().unwrap();
            async {
                sleep(SECOND / 2).await;
                Ok::<_, Infallible>(answer)
            }
        });
        self.0.layer(inner).oneshot(Request::new(())).await.unwrap()
    }

    async fn fail(&self, times: u32) {
        for _ in 0..times {
            drop(self.answer(500, "application/json", text()).await);
        }
    }
}

fn text() -> ScriptedBody {
    ScriptedBody::full("{}")
}

#[tokio::test(start_paused = true)]
async fn who_looks_at_heads_alone_ends_a_row_of_failures_and_closes_the_circuit() {
    let bench = Bench::new(Policy::DEFAULT);
    bench.fail(4).await;
    drop(bench.answer(200, "application/json", text()).await);
    assert_eq!(bench.circuit().consecutive_failures(), 0);
    bench.fail(5).await;
    assert_eq!(bench.circuit().state(), CircuitState::Open);
    sleep(OPEN_WAIT).await;
    drop(bench.answer(200, "application/json", text()).await);
    assert_eq!(bench.circuit().state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_left_unread_says_nothing() {
    let bench = Bench::new(Policy::DEFAULT);
    bench.fail(5).await;
    sleep(OPEN_WAIT).await;
    let body = ScriptedBody::full(CONTENT);
    drop(bench.answer(200, "text/event-stream", body).await);
    assert_eq!(bench.circuit().state(), CircuitState::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_stopped_after_its_first_content_ends_a_row_and_counts_nowhere() {
    let bench = Bench::new(Policy::DEFAULT);
    bench.fail(4).await;
    let body = ScriptedBody::new([Step::data(CONTENT), Step::Stall]);
    let mut answer = bench.answer(200, "text/event-stream", body).await;
    assert!(answer.body_mut().frame().await.is_some());
    drop(answer);
    assert_eq!(bench.circuit().consecutive_failures(), 0);
    assert_eq!(bench.circuit().counts().calls, 4);
}

#[tokio::test(start_paused = true)]
async fn p3_who_waits_long_for_a_body_of_any_kind_has_seen_a_failure() {
    for content_type in ["text/event-stream", "application/json"] {
        let bench = Bench::new(Policy::DEFAULT);
        for _ in 0..5 {
            let mut answer = bench
                .answer(200, content_type, ScriptedBody::new([Step::Stall]))
                .await;
            // With the half second before the head it was half a minute.
            let wait = SECOND * 30 - SECOND / 2;
            assert!(timeout(wait, answer.body_mut().frame()).await.is_err());
        }
        assert_eq!(
            bench.circuit().state(),
            CircuitState::Open,
            "{content_type}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_readers_own_pause_is_no_wait() {
    let slow = SlowCalls::new(SECOND * 5, Ratio::percent(50));
    let bench = Bench::new(Policy::DEFAULT.slow_calls(Some(slow)));
    for content_type in ["text/event-stream", "application/json"] {
        for _ in 0..5 {
            let body = ScriptedBody::full(CONTENT);
            let answer = bench.answer(200, content_type, body).await;
            sleep(SECOND * 31).await;
            drop(answer);
        }
        for _ in 0..12 {
            let body = ScriptedBody::full(format!("{CONTENT}data: [DONE]\n\n"));
            let answer = bench.answer(200, content_type, body).await;
            sleep(SECOND * 6).await;
            drop(answer.into_body().collect().await);
        }
        let counts = bench.circuit().counts();
        assert_eq!(
            (counts.slow, bench.circuit().state()),
            (0, CircuitState::Closed)
        );
    }
}
