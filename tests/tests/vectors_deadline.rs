//! The vectors about deadlines and the headers that carry them, every one of them asserted or listed with
//! a reason. Time is paused.
#![allow(
    clippy::unwrap_used,
    reason = "a vector that cannot be read is a failed test"
)]

use std::time::{Duration, SystemTime};

use buttress::classify::Profile;
use buttress::classify::hints::rfc3339;
use buttress::core::{Backoff, BoxError, Deadline, Jitter, Ratio};
use buttress::deadline::{BudgetShareLayer, Share, TimeoutBudgetLayer, grpc_timeout};
use buttress::respond::RespondLayer;
use buttress::retry::RetryLayer;
use buttress_testkit::probe::{Reply, ScriptedHandle, ScriptedService};
use buttress_tests::{asserted, file, section, suite, vectors};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use serde_json::Value;
use tokio::time::Instant;
use tower::{Layer, ServiceBuilder, ServiceExt};

type Answer = Response<Full<Bytes>>;
type Handle = ScriptedHandle<Request<Empty<Bytes>>, Answer, BoxError>;
type Inner = ScriptedService<Request<Empty<Bytes>>, Answer, BoxError>;

fn nanos(value: &Value) -> u128 {
    // Wider than what serde_json keeps as an integer.
    value.to_string().parse().unwrap_or_else(|_| {
        let float = value.as_f64().unwrap();
        format!("{float}").parse().unwrap()
    })
}

fn from_nanos(nanos: u128) -> Duration {
    Duration::new(
        u64::try_from(nanos / 1_000_000_000).unwrap(),
        u32::try_from(nanos % 1_000_000_000).unwrap(),
    )
}

fn millis(value: &Value) -> Duration {
    Duration::from_millis(value.as_u64().unwrap())
}

// ===== grpc-timeout =====

#[test]
fn grpc_timeout_is_read_by_its_grammar() {
    for vector in section(&file("grpc_timeout"), "parse") {
        let value = vector["value"].as_str().unwrap();
        let expected = match &vector["expect_ns"] {
            Value::Null => None,
            number => Some(nanos(number)),
        };
        let read = grpc_timeout::parse(value.as_bytes()).map(|time| time.as_nanos());
        assert_eq!(read, expected, "{value:?}");
    }
}

#[test]
fn grpc_timeout_is_written_in_the_most_precise_unit_and_rounded_down() {
    for vector in section(
        &file("grpc_timeout"),
        "format_most_precise_unit_of_at_most_8_digits",
    ) {
        let left = from_nanos(nanos(&vector["remaining_ns"]));
        let written = grpc_timeout::format(left).unwrap();
        assert_eq!(written, vector["emit"].as_str().unwrap());
    }
}

#[test]
fn deadline_headers() {
    const UP: &str = "rounds up: whoever is told so is promised time that there is not";
    const WIDER: &str = "their integer is full at 292 years, our `Duration` is not";
    let listed = [
        ("decode_9", WIDER),
        ("decode_10", WIDER),
        ("encode_3", UP),
        ("encode_5", UP),
        ("encode_7", UP),
        ("encode_9", UP),
    ];
    suite("deadline_headers", &listed, |_, vector| {
        asserted(|| header_vector(vector))
    });
}

fn header_vector(vector: &Value) {
    let id = vector["id"].as_str().unwrap();
    let (input, expected) = (&vector["input"], &vector["expected"]);
    match vector["kind"].as_str().unwrap() {
        "decode" => {
            let read = grpc_timeout::parse(input.as_str().unwrap().as_bytes());
            let expected = expected.get("ns").map(nanos);
            assert_eq!(read.map(|time| time.as_nanos()), expected, "{id}");
        }
        "encode" => {
            let written = grpc_timeout::format(from_nanos(nanos(&input["ns"]))).unwrap();
            assert_eq!(written, expected.as_str().unwrap(), "{id}");
        }
        // The time of the whole includes what its attempts have taken.
        "budget" if id == "envoy_timeout_includes_retries" => {
            let second = |value: &Value| Duration::from_secs_f64(value.as_f64().unwrap());
            let now = Instant::now().into_std();
            let deadline = Deadline::after(now, second(&input["request_timeout_s"]));
            let left = deadline.remaining(now + second(&input["first_attempt_s"]));
            let expected = second(&expected["remaining_for_backoff_plus_retry_s"]);
            assert!(left.abs_diff(expected) < Duration::from_micros(1), "{id}");
        }
        // An attempt's limit at or beyond the whole adds none: the whole is what ends the call.
        "budget" if id == "envoy_per_try_ge_global_ignored" => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            let error = runtime.block_on(async {
                let layer =
                    BudgetShareLayer::new(Share::ALL.at_most(millis(&input["per_try_timeout_ms"])));
                let (inner, _) =
                    ScriptedService::<Request<()>, Response<Empty<Bytes>>, BoxError>::new([
                        Reply::Pending,
                    ]);
                let stack = TimeoutBudgetLayer::new(millis(&input["global_timeout_ms"]))
                    .layer(layer.layer(inner));
                stack.oneshot(Request::new(())).await.unwrap_err()
            });
            let text = buttress::core::chain(&*error).last().unwrap().to_string();
            assert_eq!(text, "the time budget of 1s ran out", "{id}");
        }
        kind => panic!("{id}: {kind} is neither asserted nor listed"),
    }
}

// ===== deadlines =====

fn headers(vector: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(given) = vector["in"].as_object() {
        for (name, value) in given {
            let name: http::HeaderName = name.parse().unwrap();
            headers.insert(name, value.as_str().unwrap().parse().unwrap());
        }
    }
    if let Some(content_type) = vector["content_type"].as_str() {
        headers.insert("content-type", content_type.parse().unwrap());
    }
    headers
}

/// Eight in the evening, as the vectors have it.
fn clock() -> SystemTime {
    rfc3339(b"2026-11-21T20:00:00Z").unwrap()
}

/// The layers of a door, and of a client behind it that takes so long to begin.
async fn pass(vector: &Value, elapsed: Duration, inner: Inner) -> Response<Bytes> {
    let total = vector
        .get("local_timeout_ms")
        .map_or(Duration::from_secs(60), millis);
    let floor = vector.get("min_useful_ms").map_or(Duration::ZERO, millis);
    let client = BudgetShareLayer::all().floor(floor).layer(inner);
    let handler = tower::service_fn(move |request: Request<Empty<Bytes>>| {
        let client = client.clone();
        async move {
            tokio::time::sleep(elapsed).await;
            client.oneshot(request).await
        }
    });
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(TimeoutBudgetLayer::new(total).wall_clock(clock))
        .service(handler);
    let mut request = Request::new(Empty::new());
    *request.headers_mut() = headers(vector);
    let Ok(response) = stack.oneshot(request).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(head, body)
}

fn scripted(reply: impl Fn() -> Reply<Answer, BoxError> + Send + 'static) -> (Inner, Handle) {
    ScriptedService::new([reply()])
}

fn well() -> Reply<Answer, BoxError> {
    Reply::Ok(Response::default())
}

#[tokio::test(start_paused = true)]
async fn deadline() {
    for vector in vectors("deadline") {
        let name = vector["name"].as_str().unwrap();
        match name {
            "relative-subtract-envoy" => {
                let (inner, handle) = scripted(well);
                pass(&vector, millis(&vector["elapsed_ms"]), inner).await;
                let seen = handle.take_requests().pop().unwrap();
                let (header, bound) = vector["expect_out"]
                    .as_object()
                    .unwrap()
                    .iter()
                    .next()
                    .unwrap();
                let told: u64 = seen.headers()[header].to_str().unwrap().parse().unwrap();
                let bound = bound.as_str().unwrap().strip_prefix("<= ").unwrap();
                assert!(
                    told <= bound.parse().unwrap() && told > 900,
                    "{name}: {told}"
                );
            }
            "minimum-of-all" | "client-cannot-extend" => {
                let (inner, handle) = scripted(well);
                let now = Instant::now().into_std();
                pass(&vector, Duration::ZERO, inner).await;
                let seen = handle.take_requests().pop().unwrap();
                let deadline: &Deadline = seen.extensions().get().unwrap();
                assert_eq!(
                    deadline.remaining(now),
                    millis(&vector["expect_remaining_ms"]),
                    "{name}"
                );
            }
            "already-expired" | "absolute-in-past" | "below-floor" => {
                let (inner, handle) = scripted(well);
                let response = pass(&vector, Duration::ZERO, inner).await;
                assert_eq!(response.status(), 504, "{name}");
                assert_eq!(handle.calls(), 0, "{name}: the upstream is not called");
            }
            "retry-shares-budget" => retry_shares_budget(&vector).await,
            "grpc-request-expiry" | "http-request-expiry" => {
                let (inner, _) = scripted(|| Reply::Pending);
                let response = pass(&vector, Duration::ZERO, inner).await;
                let expect = &vector["expect"];
                let status = expect["http_status"].as_u64().unwrap();
                assert_eq!(u64::from(response.status().as_u16()), status, "{name}");
                for (header, value) in expect["headers"].as_object().unwrap() {
                    assert_eq!(
                        response.headers()[header],
                        value.as_str().unwrap(),
                        "{name}"
                    );
                }
                if let Some(length) = expect["body_len"].as_u64() {
                    assert_eq!(response.body().len() as u64, length, "{name}");
                }
            }
            _ => panic!("{name} is neither asserted nor listed"),
        }
    }
}

/// Each attempt gets what remains, not what there was.
async fn retry_shares_budget(vector: &Value) {
    let attempts: Vec<_> = vector["attempts_ms"]
        .as_array()
        .unwrap()
        .iter()
        .map(millis)
        .collect();
    let (inner, handle) = ScriptedService::<Request<_>, Answer, BoxError>::from_fn({
        let attempts = attempts.clone();
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        move |call, request| {
            seen.lock()
                .unwrap()
                .push(request.headers()["grpc-timeout"].clone());
            let told = seen.lock().unwrap()[call].to_str().unwrap().to_owned();
            let time = grpc_timeout::parse(told.as_bytes()).unwrap();
            let expected = [1_000, 600, 200].map(Duration::from_millis)[call];
            assert!(
                time <= expected && time + Duration::from_millis(2) >= expected,
                "{told}"
            );
            let failed = Response::builder()
                .status(503)
                .body(Full::default())
                .unwrap();
            match attempts.get(call) {
                Some(wait) => Reply::Ok(failed).after(*wait),
                None => Reply::Pending,
            }
        }
    });
    let bounds = vector["expect_out_per_attempt"].as_array().unwrap();
    assert_eq!(
        (bounds[0].as_str(), bounds[1].as_str()),
        (Some("<= 1000m"), Some("<= 600m"))
    );
    let stack = ServiceBuilder::new()
        .layer(TimeoutBudgetLayer::new(Duration::from_secs(60)))
        .layer(
            RetryLayer::http(Profile::HTTP)
                .min_attempt(Duration::ZERO)
                .backoff(Backoff::constant(Duration::ZERO).jitter(Jitter::None)),
        )
        .layer(BudgetShareLayer::fraction(Ratio::ONE))
        .service(inner);
    let request = Request::get("/").header("content-type", "application/grpc");
    let request = request.header(
        "grpc-timeout",
        vector["in"]["grpc-timeout"].as_str().unwrap(),
    );
    let start = Instant::now();
    let result = stack
        .oneshot(request.body(Empty::<Bytes>::new()).unwrap())
        .await;
    // The third would have had 200 ms.
    assert!(result.is_err());
    assert_eq!(handle.calls(), 3);
    assert!(
        start.elapsed() <= Duration::from_millis(1_002),
        "{:?}",
        start.elapsed()
    );
}
