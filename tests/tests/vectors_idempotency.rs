//! The vectors about idempotency keys, every one of them asserted or listed with a reason. Time is paused.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a vector that cannot be read is a failed test; calls run side by side"
)]

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use buttress::classify::Profile;
use buttress::core::{Acceptance, Backoff, BoxError, Failure, Kind, Outcome};
use buttress::idempotency::{Duplicates, IdempotencyKeyLayer, IdempotencyLayer};
use buttress::respond::RespondLayer;
use buttress::retry::RetryLayer;
use buttress_tests::{Suite, file, same, vectors};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::time::{advance, sleep, timeout};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

type Answer = Result<Response<Full<Bytes>>, BoxError>;

/// Answers each call by its number, after a moment, and remembers the keys that came.
#[derive(Clone)]
struct Upstream(Arc<Inside>);

struct Inside {
    script: Box<dyn Fn(usize) -> Answer + Send + Sync>,
    keys: Mutex<Vec<Option<HeaderValue>>>,
}

impl Upstream {
    fn new(script: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inside {
            script: Box::new(script),
            keys: Mutex::default(),
        }))
    }

    fn statuses(statuses: &[u16]) -> Self {
        let statuses = statuses.to_vec();
        Self::new(move |call| Ok(answer(statuses[call.min(statuses.len() - 1)])))
    }

    fn calls(&self) -> usize {
        self.0.keys.lock().unwrap().len()
    }
}

fn answer(status: u16) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .body("answer".into())
        .unwrap()
}

impl<B> Service<Request<B>> for Upstream
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let inside = Arc::clone(&self.0);
        let mut keys = inside.keys.lock().unwrap();
        let call = keys.len();
        keys.push(request.headers().get("idempotency-key").cloned());
        drop(keys);
        Box::pin(async move {
            request.into_body().collect().await.map_err(Into::into)?;
            sleep(Duration::from_millis(50)).await;
            (inside.script)(call)
        })
    }
}

#[derive(Debug, PartialEq)]
struct Told {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Told {
    fn is_replay(&self) -> bool {
        self.headers
            .get("idempotent-replayed")
            .is_some_and(|value| value == "true")
    }
}

/// What a client is told, refusals included.
async fn ask(layer: &IdempotencyLayer, upstream: &Upstream, request: Request<Full<Bytes>>) -> Told {
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(layer.clone());
    let answer = stack.service(upstream.clone()).oneshot(request).await;
    let answer = answer.unwrap_or_else(|never| match never {});
    let (parts, body) = answer.into_parts();
    Told {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

fn layer() -> IdempotencyLayer {
    IdempotencyLayer::new(Profile::HTTP)
}

fn request(key: &[u8], body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::post("/a").header("authorization", "Bearer me");
    let request = request.header("idempotency-key", HeaderValue::from_bytes(key).unwrap());
    request.body(body.into()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn idempotency() {
    let mut suite = Suite::default();
    for vector in vectors("idempotency") {
        let id = vector["id"].as_str().unwrap();
        let ours = ours(id, &vector["input"]).await;
        suite.judge(id, same(&ours, &vector["expected"]));
    }
    suite.finish(&[
        (
            "sdk_key_never_sent",
            "ours is a layer that is there to send one",
        ),
        (
            "stripe_500_not_retried_when_header_false",
            "ours knows x-should-retry; this header is one API's own",
        ),
    ]);
}

/// What we do, in the words of the vector.
async fn ours(id: &str, input: &Value) -> Value {
    match id {
        "key_in_flight" => {
            let upstream = Upstream::statuses(&[200]);
            let joins = layer();
            let (one, two) = tokio::join!(
                ask(&joins, &upstream, request(b"k", "A")),
                ask(&joins, &upstream, request(b"k", "A"))
            );
            assert_eq!((&one, upstream.calls()), (&two, 1), "it coalesces");
            let refuses = layer().duplicates(Duplicates::Refuse);
            let (_, two) = tokio::join!(
                ask(&refuses, &upstream, request(b"k", "A")),
                ask(&refuses, &upstream, request(b"k", "A"))
            );
            json!({ "status": two.status, "or": "coalesce onto the first" })
        }
        "never_store_5xx" => {
            let first = u16::try_from(input["first"].as_u64().unwrap()).unwrap();
            let second = u16::try_from(input["second_upstream"].as_u64().unwrap()).unwrap();
            let (layer, upstream) = (layer(), Upstream::statuses(&[first, second]));
            assert_eq!(
                ask(&layer, &upstream, request(b"k", "A")).await.status,
                first
            );
            let again = ask(&layer, &upstream, request(b"k", "A")).await;
            json!({ "second_response": again.status, "stored_after_first": upstream.calls() != 2 })
        }
        "silent_replayed_failure" => {
            let (layer, upstream) = (layer().keep_errors(true), Upstream::statuses(&[402]));
            ask(&layer, &upstream, request(b"k", "A")).await;
            let again = ask(&layer, &upstream, request(b"k", "A")).await;
            assert_eq!(upstream.calls(), 1);
            json!({ "replay_marker": again.is_replay() })
        }
        "scope_by_credential" => {
            let (layer, upstream) = (layer(), Upstream::statuses(&[200]));
            ask(&layer, &upstream, request(b"k", "A")).await;
            let mut other = request(b"k", "A");
            other
                .headers_mut()
                .insert("authorization", "Bearer you".parse().unwrap());
            ask(&layer, &upstream, other).await;
            json!({ "independent": upstream.calls() == 2 })
        }
        "key_stable_across_retries" => {
            let method: Method = input["method"].as_str().unwrap().parse().unwrap();
            let attempts = usize::try_from(input["attempts"].as_u64().unwrap()).unwrap();
            let keys = keys_sent(method).await;
            assert_eq!(keys.len(), attempts);
            json!({ "distinct_keys": keys.iter().flatten().collect::<BTreeSet<_>>().len() })
        }
        "key_absent_on_get" => {
            let method: Method = input["method"].as_str().unwrap().parse().unwrap();
            json!({ "key_generated": keys_sent(method).await.iter().any(Option::is_some) })
        }
        "sdk_key_never_sent" => {
            json!({ "header_on_wire": keys_sent(Method::POST).await.iter().all(Option::is_some) })
        }
        "stripe_500_not_retried_when_header_false" => {
            let mut failed = answer(500);
            let advice = input["stripe-should-retry"].as_str().unwrap();
            failed
                .headers_mut()
                .insert("stripe-should-retry", advice.parse().unwrap());
            let upstream = Upstream::new(move |_| Ok(failed.clone()));
            let client = ServiceBuilder::new()
                .layer(IdempotencyKeyLayer::new())
                .layer(retry());
            drop(client.service(upstream.clone()).oneshot(bare()).await);
            json!({ "retry": upstream.calls() > 1 })
        }
        "post_commit_after_headers" => {
            let mut retried = Vec::new();
            for failure in input["failure"].as_array().unwrap() {
                let upstream = failing(failure.as_str().unwrap());
                drop(retry().layer(upstream.clone()).oneshot(bare()).await);
                retried.push(upstream.calls() > 1);
            }
            json!({ "retry_by_default": retried })
        }
        _ => panic!("{id} is new"),
    }
}

fn retry() -> RetryLayer<Profile> {
    RetryLayer::http(Profile::HTTP).backoff(Backoff::constant(Duration::ZERO))
}

fn bare() -> Request<Full<Bytes>> {
    Request::post("/a").body("A".into()).unwrap()
}

/// The keys of all attempts at a call that always fails.
async fn keys_sent(method: Method) -> Vec<Option<HeaderValue>> {
    let upstream = Upstream::statuses(&[503]);
    let client = ServiceBuilder::new()
        .layer(IdempotencyKeyLayer::new())
        .layer(retry());
    let mut request = bare();
    *request.method_mut() = method;
    drop(client.service(upstream.clone()).oneshot(request).await);
    let keys = upstream.0.keys.lock().unwrap();
    keys.clone()
}

fn failing(how: &str) -> Upstream {
    match how {
        "connect" => Upstream::new(|_| {
            let refused = Outcome::new(Kind::Transient).accepted(Acceptance::Rejected);
            Err(Failure::new(refused, "connection refused").into())
        }),
        "timeout_before_headers" => {
            Upstream::new(|_| Err(Failure::new(Outcome::FIRST_FRAME_ELAPSED, "no answer").into()))
        }
        "502_response" => Upstream::statuses(&[502]),
        other => panic!("{other} is new"),
    }
}

#[tokio::test(start_paused = true)]
async fn draft_keys() {
    let suite = file("idempotency_draft");
    let rule = suite["lenient_extra"]["accept_bare"].as_str().unwrap();
    assert_eq!(rule, "1*( ALPHA / DIGIT / - _ . ~ : ), max 255");
    // And what base64 is made of, which clients send, too, and which is as clear without quotes.
    let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~:+/=".contains(byte);
    let vectors = suite["key_parsing"].as_array().unwrap();
    for vector in vectors {
        let raw = hex(vector["raw_hex"].as_str().unwrap());
        let quoted = vector["sf_string"].as_str();
        // An empty key is a string, but no key: the vector itself says so.
        let strict_key = quoted.filter(|key| !key.is_empty()).map(str::as_bytes);
        let bare = (!raw.is_empty() && raw.iter().all(is_bare)).then_some(&raw[..]);
        for (strict, key) in [(true, strict_key), (false, strict_key.or(bare))] {
            let (layer, upstream) = (layer().strict(strict), Upstream::statuses(&[200]));
            let told = ask(&layer, &upstream, request(&raw, "A")).await;
            let Some(key) = key else {
                assert_eq!(
                    (told.status, upstream.calls()),
                    (400, 0),
                    "{vector}, strict {strict}"
                );
                continue;
            };
            assert_eq!(
                (told.status, upstream.calls()),
                (200, 1),
                "{vector}, strict {strict}"
            );
            // It is the key that its canonical form is.
            let told = ask(&layer, &upstream, request(&quote(key), "A")).await;
            assert!(
                told.is_replay() && upstream.calls() == 1,
                "{vector}, strict {strict}"
            );
        }
    }
    assert_eq!(vectors.len(), 25);
}

fn hex(digits: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn quote(key: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for byte in key {
        if b"\"\\".contains(byte) {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    quoted
}

#[tokio::test(start_paused = true)]
async fn draft_outcomes() {
    let suite = file("idempotency_draft");
    let vectors = suite["outcomes"].as_array().unwrap();
    for vector in vectors {
        outcome(vector["name"].as_str().unwrap(), &vector["expect"]).await;
    }
    assert_eq!(vectors.len(), 15);
}

fn calls_expected(expect: &Value) -> usize {
    usize::try_from(expect["handler_calls"].as_u64().unwrap()).unwrap()
}

/// Does what the vector tells of, and asserts what it expects.
async fn outcome(name: &str, expect: &Value) {
    let upstream = Upstream::statuses(&[200]);
    let plain = layer();
    let ask_plain = |request| ask(&plain, &upstream, request);
    match name {
        "replay-4xx" => {
            let (layer, upstream) = (layer().keep_errors(true), Upstream::statuses(&[402]));
            ask(&layer, &upstream, request(b"k1", "A")).await;
            let told = ask(&layer, &upstream, request(b"k1", "A")).await;
            assert_eq!(upstream.calls() - 1, calls_expected(expect));
            assert_eq!(
                (json!(told.status), json!(told.is_replay())),
                (expect["status"].clone(), expect["replayed_header"].clone())
            );
        }
        "validation-or-concurrency-failure-not-stored" => {
            for status in [400, 409, 429, 503] {
                let (layer, upstream) = (layer(), Upstream::statuses(&[status, 200]));
                assert_eq!(
                    ask(&layer, &upstream, request(b"k1", "A")).await.status,
                    status
                );
                assert_eq!(
                    ask(&layer, &upstream, request(b"k1", "A")).await.status,
                    200
                );
                assert_eq!(upstream.calls() - 1, calls_expected(expect));
            }
        }
        "different-payload" => {
            ask_plain(request(b"k1", "A")).await;
            let told = ask_plain(request(b"k1", "B")).await;
            assert_eq!(
                (json!(told.status), upstream.calls() - 1),
                (expect["status"].clone(), calls_expected(expect))
            );
        }
        "different-payload-in-flight" => {
            let (_, told) = tokio::join!(
                ask_plain(request(b"k1", "A")),
                ask_plain(request(b"k1", "B"))
            );
            assert!(expect["status"].as_str().unwrap().starts_with("422"));
            assert_eq!(
                (told.status, upstream.calls() - 1),
                (422, calls_expected(expect))
            );
        }
        "in-flight-same" => {
            let layer = layer().duplicates(Duplicates::Refuse);
            let (_, told) = tokio::join!(
                ask(&layer, &upstream, request(b"k1", "A")),
                ask(&layer, &upstream, request(b"k1", "A"))
            );
            assert_eq!(
                (json!(told.status), upstream.calls() - 1),
                (expect["status"].clone(), calls_expected(expect))
            );
            assert_eq!(told.headers["retry-after"], "1");
        }
        "100-concurrent-same" => {
            let asked = (0..100).map(|_| {
                let (layer, upstream) = (plain.clone(), upstream.clone());
                tokio::spawn(async move { ask(&layer, &upstream, request(b"k1", "A")).await })
            });
            let mut told = Vec::new();
            for asked in asked.collect::<Vec<_>>() {
                told.push(asked.await.unwrap());
            }
            assert!(
                told.iter()
                    .all(|each| *each == told[0] && each.status == 200)
            );
            assert_eq!(upstream.calls(), calls_expected(expect));
        }
        "missing-optional" => {
            let mut request = request(b"k1", "A");
            request.headers_mut().remove("idempotency-key");
            assert_eq!(ask_plain(request).await.status, 200);
            assert_eq!(upstream.calls(), calls_expected(expect));
        }
        "malformed-key" | "two-key-lines" => {
            let mut request = request(
                if name == "malformed-key" {
                    b"\"abc"
                } else {
                    b"\"a\""
                },
                "A",
            );
            if name == "two-key-lines" {
                request
                    .headers_mut()
                    .append("idempotency-key", "\"b\"".parse().unwrap());
            }
            let told = ask_plain(request).await;
            assert_eq!(
                (json!(told.status), upstream.calls()),
                (expect["status"].clone(), calls_expected(expect))
            );
        }
        "expired" => {
            ask_plain(request(b"k1", "A")).await;
            advance(Duration::from_secs(25 * 60 * 60)).await;
            assert_eq!(ask_plain(request(b"k1", "B")).await.status, 200);
            assert_eq!(upstream.calls() - 1, calls_expected(expect));
        }
        "other-tenant-same-key" => {
            ask_plain(request(b"k1", "A")).await;
            let mut other = request(b"k1", "A");
            other
                .headers_mut()
                .insert("authorization", "Bearer you".parse().unwrap());
            assert!(!ask_plain(other).await.is_replay());
            assert_eq!(upstream.calls() - 1, calls_expected(expect));
        }
        "same-key-other-path" => {
            ask_plain(request(b"k1", "A")).await;
            let mut other = request(b"k1", "A");
            *other.uri_mut() = "/b".parse().unwrap();
            assert_eq!(ask_plain(other).await.status, 422);
        }
        "handler-panics-or-future-dropped" => {
            let layer = layer().executor(|future| drop(tokio::spawn(future)));
            let gone = ask(&layer, &upstream, request(b"k1", "A"));
            assert!(timeout(Duration::from_millis(10), gone).await.is_err());
            assert_eq!(
                ask(&layer, &upstream, request(b"k1", "A")).await.status,
                200
            );
            assert_eq!(upstream.calls(), 1, "it was run to its end");
        }
        "replay-drops-hop-by-hop" => {
            let upstream = Upstream::new(|_| {
                let mut answer = answer(200);
                for (name, value) in [
                    ("connection", "x-hop"),
                    ("x-hop", "1"),
                    ("set-cookie", "a=b"),
                    ("date", "today"),
                ] {
                    answer.headers_mut().insert(name, value.parse().unwrap());
                }
                Ok(answer)
            });
            ask(&plain, &upstream, request(b"k1", "A")).await;
            let told = ask(&plain, &upstream, request(b"k1", "A")).await;
            assert!(told.is_replay());
            let names: BTreeSet<_> = told.headers.keys().map(http::HeaderName::as_str).collect();
            assert_eq!(names, BTreeSet::from(["date", "idempotent-replayed"]));
        }
        "fingerprint-ignores" => {
            ask_plain(request(b"k1", "A")).await;
            for name in ["traceparent", "user-agent", "x-stainless-retry-count"] {
                let mut same = request(b"k1", "A");
                same.headers_mut().insert(name, "1".parse().unwrap());
                assert!(ask_plain(same).await.is_replay(), "{name}");
            }
            let mut others = [
                request(b"k1", "B"),
                request(b"k1", "A"),
                request(b"k1", "A"),
                request(b"k1", "A"),
            ];
            *others[1].uri_mut() = "/a?b".parse().unwrap();
            *others[2].method_mut() = Method::PATCH;
            others[3]
                .headers_mut()
                .insert("content-type", "text/plain".parse().unwrap());
            for other in others {
                assert_eq!(ask_plain(other).await.status, 422);
            }
            assert_eq!(upstream.calls(), 1);
        }
        _ => panic!("{name} is new"),
    }
}
