//! The vectors about fallbacks, every one of them asserted or listed with a reason. Time is paused.
#![allow(
    clippy::unwrap_used,
    reason = "a vector that cannot be read is a failed test"
)]

use std::future::{Ready, ready};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress::breaker::CircuitBreakerLayer;
use buttress::classify::Profile;
use buttress::core::{Backoff, Failure, Outcome};
use buttress::fallback::{FallbackLayer, Http, ServedBy, Tier, When};
use buttress::judge::JudgeLayer;
use buttress::retry::RetryLayer;
use buttress_testkit::upstream::{Behaviour, Cut, Script, Upstream, UpstreamBody};
use buttress_tests::{Suite, same, vectors};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::Value;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Traffic = Http<Full<Bytes>, UpstreamBody>;

#[tokio::test(start_paused = true)]
async fn fallback() {
    let mut suite = Suite::default();
    for vector in vectors("fallback") {
        let id = vector["id"].as_str().unwrap();
        let ours = ours(id, &vector["input"]).await;
        suite.judge(id, same(&ours, &vector["expected"]));
    }
    suite.finish(&[
        (
            "portkey_2",
            "ours does not send to a second provider what the first calls invalid",
        ),
        ("portkey_7", "ours never repeats a success"),
        (
            "depth_vs_siblings",
            "ours caps all attempts at a call, however they are nested",
        ),
    ]);
}

/// What we do, in the words of the vector.
async fn ours(id: &str, input: &Value) -> Value {
    match id {
        "portkey_filter_open_targets" => tried(&open_targets(&input["targets"]).await),
        "litellm_skip_self" => tried(&named_targets(input).await),
        "depth_vs_siblings" => serde_json::json!({ "litellm_order": nested(input).await }),
        "max_zero_disables" => {
            let attempts = attempts(&input["max_fallbacks"]);
            let asked = chain(&["b", "c"], attempts, Behaviour::status(503)).await;
            serde_json::json!({ "fallbacks_tried": asked })
        }
        "fallback_must_not_reset_retry_budget" => retried(input).await,
        "streaming_commit_point" => {
            let mut allowed = Vec::new();
            for emitted in input["error_after_items_emitted"].as_array().unwrap() {
                let emitted = emitted.as_u64().unwrap();
                allowed.push(falls_back_after(usize::try_from(emitted).unwrap()).await);
            }
            serde_json::json!({ "fallback_allowed": allowed })
        }
        _ => serde_json::json!({ "try_next": tries_next(input).await }),
    }
}

fn tried(names: &[String]) -> Value {
    serde_json::json!({ "tried": names })
}

/// A number of fallbacks, as attempts.
fn attempts(fallbacks: &Value) -> NonZeroU32 {
    let fallbacks = u32::try_from(fallbacks.as_u64().unwrap()).unwrap();
    NonZeroU32::new(fallbacks + 1).unwrap()
}

fn always(behaviour: Behaviour) -> Upstream {
    Upstream::new(Script::always(behaviour))
}

fn request() -> Request<Full<Bytes>> {
    let body = r#"{"model":"m","stream":true,"messages":[]}"#;
    Request::post("/v1/chat/completions")
        .body(body.into())
        .unwrap()
}

fn layer() -> FallbackLayer<Profile, Traffic> {
    FallbackLayer::http(Profile::HTTP)
}

fn tier(name: &str, upstream: &Upstream) -> Tier<Traffic> {
    Tier::upstream(name, upstream.service(), Profile::HTTP)
}

/// Statuses as the failures that they are.
fn when(statuses: &Value) -> When {
    let Some(statuses) = statuses.as_array() else {
        return When::FAILURES;
    };
    statuses.iter().fold(When::NOTHING, |when, status| {
        let status = u16::try_from(status.as_u64().unwrap()).unwrap();
        let status = status.try_into().unwrap();
        when.or(When::of(&Profile::HTTP.meaning(status)))
    })
}

async fn tries_next(input: &Value) -> bool {
    let status = u16::try_from(input["status"].as_u64().unwrap()).unwrap();
    let (first, next) = (always(Behaviour::status(status)), always(Behaviour::well()));
    let exception = input["gateway_exception"].as_bool().unwrap();
    let primary = first.service();
    let primary = service_fn(move |request| {
        let primary = primary.clone();
        async move {
            if exception {
                return Err(Failure::new(Outcome::LOCAL, "an exception of the gateway").into());
            }
            primary.oneshot(request).await.map_err(BoxError::from)
        }
    });
    let tier = tier("next", &next).when(when(&input["on_status_codes"]));
    assert_eq!(input["targets_left"], 1);
    drop(layer().tier(tier).layer(primary).oneshot(request()).await);
    next.counts().calls == 1
}

/// Targets behind circuits of their own, of which the first is the primary.
async fn open_targets(targets: &Value) -> Vec<String> {
    let targets: Vec<_> = targets.as_array().unwrap().iter().enumerate().collect();
    let upstreams: Vec<_> = targets.iter().map(|_| always(Behaviour::well())).collect();
    let stack = |(n, state): (usize, &Value)| {
        let breaker = CircuitBreakerLayer::http(Profile::HTTP);
        if state == "open" {
            breaker.handle().force_open();
        }
        breaker.layer(upstreams[n].service())
    };
    let mut layer: FallbackLayer<_, Http<_, _>> = FallbackLayer::http(Profile::HTTP);
    for target in &targets[1..] {
        let name = format!("target-{}", target.0);
        layer = layer.tier(Tier::upstream(&name, stack(*target), Profile::HTTP));
    }
    layer
        .layer(stack(targets[0]))
        .oneshot(request())
        .await
        .unwrap();
    let asked = targets
        .iter()
        .filter(|(n, _)| upstreams[*n].counts().calls > 0);
    asked
        .map(|(_, state)| state.as_str().unwrap().to_owned())
        .collect()
}

async fn named_targets(input: &Value) -> Vec<String> {
    let mut asked = Vec::new();
    let mut layer = layer().primary(input["original"].as_str().unwrap());
    for name in input["fallbacks"].as_array().unwrap() {
        let name = name.as_str().unwrap();
        let upstream = always(Behaviour::status(503));
        layer = layer.tier(tier(name, &upstream));
        asked.push((name, upstream));
    }
    let primary = always(Behaviour::status(503));
    layer
        .layer(primary.service())
        .oneshot(request())
        .await
        .unwrap();
    asked.retain(|(_, upstream)| upstream.counts().calls > 0);
    asked.into_iter().map(|(name, _)| name.to_owned()).collect()
}

/// A graph of fallbacks: a fallback that has some of its own has a layer of its own.
async fn nested(input: &Value) -> Vec<&'static str> {
    assert_eq!(
        input["graph"],
        serde_json::json!({ "A": ["B", "C"], "B": ["D"] })
    );
    let asked = Asked::default();
    let inner: FallbackLayer<_, Http<_, _>> = FallbackLayer::http(Profile::HTTP)
        .primary("B")
        .tier(Tier::upstream("D", fails("D", &asked), Profile::HTTP));
    let layer: FallbackLayer<_, Http<_, _>> = FallbackLayer::http(Profile::HTTP)
        .primary("A")
        .max_attempts(attempts(&input["max_fallbacks"]))
        .tier(Tier::upstream(
            "B",
            inner.layer(fails("B", &asked)),
            Profile::HTTP,
        ))
        .tier(Tier::upstream("C", fails("C", &asked), Profile::HTTP));
    layer
        .layer(fails("A", &asked))
        .oneshot(request())
        .await
        .unwrap();
    let asked = asked.lock().unwrap();
    asked.clone()
}

/// Who has been asked, in order.
type Asked = Arc<Mutex<Vec<&'static str>>>;

/// A service that notes that it has been asked, and fails.
fn fails<Q>(
    name: &'static str,
    asked: &Asked,
) -> impl Service<
    Request<Q>,
    Response = Response<Full<Bytes>>,
    Error = http::Error,
    Future = Ready<http::Result<Response<Full<Bytes>>>>,
> + Clone
+ Send
+ Sync
+ use<Q> {
    let asked = Arc::clone(asked);
    service_fn(move |_: Request<Q>| {
        asked.lock().unwrap().push(name);
        ready(Response::builder().status(503).body(Full::default()))
    })
}

/// How many of these are asked if everybody does this.
async fn chain(names: &[&str], attempts: NonZeroU32, behaviour: Behaviour) -> u64 {
    let (primary, tiers) = (always(behaviour.clone()), always(behaviour));
    let mut layer = layer().max_attempts(attempts);
    for name in names {
        layer = layer.tier(tier(name, &tiers));
    }
    layer
        .layer(primary.service())
        .oneshot(request())
        .await
        .unwrap();
    tiers.counts().calls
}

/// The most attempts at all targets together, each with retries of its own.
async fn retried(input: &Value) -> Value {
    let retries = u32::try_from(input["retries_per_target"].as_u64().unwrap()).unwrap();
    let retry = RetryLayer::llm(Profile::HTTP)
        .max_attempts(NonZeroU32::new(retries + 1).unwrap())
        .backoff(Backoff::constant(Duration::ZERO));
    let (a, b) = (
        always(Behaviour::status(503)),
        always(Behaviour::status(503)),
    );
    let stack = |upstream: &Upstream| retry.layer(upstream.service());
    let layer: FallbackLayer<_, Http<_, _>> = FallbackLayer::http(Profile::HTTP);
    let layer = layer.tier(Tier::upstream("B", stack(&b), Profile::HTTP));
    layer.layer(stack(&a)).oneshot(request()).await.unwrap();
    assert_eq!(input["targets"].as_array().unwrap().len(), 2);
    serde_json::json!({ "total_attempts_max": a.counts().calls + b.counts().calls })
}

/// Whether a stream that fails after so many pieces of content is begun again elsewhere.
async fn falls_back_after(emitted: usize) -> bool {
    // The first event of the testkit's stream has a role and no content.
    let (a, b) = (
        always(Behaviour::well().cut_after(1 + emitted, Cut::Reset)),
        always(Behaviour::well()),
    );
    let stack = |upstream: &Upstream| {
        ServiceBuilder::new()
            .layer(JudgeLayer::llm(Profile::OPENAI))
            .service(upstream.service())
    };
    let layer: FallbackLayer<_, Http<_, _>> = FallbackLayer::http(Profile::OPENAI);
    let layer = layer.tier(Tier::upstream("b", stack(&b), Profile::OPENAI));
    let response = layer.layer(stack(&a)).oneshot(request()).await.unwrap();
    let served = response.extensions().get::<ServedBy>().is_some();
    assert_eq!(b.counts().calls, u64::from(served));
    served
}
