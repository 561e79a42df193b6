//! HTTP requests: what crosses to another provider, what the answer says, what is sent again. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

mod bodies;
mod kept;
mod nested;
mod said;
mod sent;
mod time;

use buttress_classify::Profile;
use buttress_core::BoxError;
use buttress_fallback::{FallbackLayer, Http, ServedBy, Tier};
use buttress_testkit::upstream::{Behaviour, Call, Script, Upstream, UpstreamBody};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt};

type Traffic = Http<Full<Bytes>, UpstreamBody>;

fn layer() -> FallbackLayer<Profile, Traffic> {
    FallbackLayer::http(Profile::OPENAI)
}

/// Does these things one after the other, and goes on with the last.
fn upstream<const N: usize>(behaviours: [Behaviour; N]) -> Upstream {
    let last = behaviours.last().unwrap().clone();
    let upstream = Upstream::new(Script::sequence(behaviours).then(last));
    upstream.record_bodies(1 << 20);
    upstream
}

fn down() -> Upstream {
    upstream([Behaviour::status(503)])
}

fn well() -> Upstream {
    upstream([Behaviour::well()])
}

fn tier(name: &str, upstream: &Upstream) -> Tier<Traffic> {
    Tier::upstream(name, upstream.service(), Profile::OPENAI)
}

fn post(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(path).body(Full::new(body.into())).unwrap()
}

fn chat() -> Request<Full<Bytes>> {
    post("/v1/chat/completions", r#"{"model":"large","messages":[]}"#)
}

async fn send(
    layer: &FallbackLayer<Profile, Traffic>,
    primary: &Upstream,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, BoxError> {
    let response = layer.layer(primary.service()).oneshot(request).await?;
    let (head, body) = response.into_parts();
    Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
}

fn by(response: &Response<Bytes>) -> &ServedBy {
    response.extensions().get().unwrap()
}

fn only_call(upstream: &Upstream) -> Call {
    let mut calls = upstream.calls();
    assert_eq!(calls.len(), 1);
    calls.pop().unwrap()
}

/// All that was sent; `Debug` would hide what is marked as sensitive.
fn all_of(call: &Call) -> String {
    let mut all = format!("{} {:?}", call.uri, call.body);
    for value in call.headers.values() {
        all.push_str(value.to_str().unwrap());
    }
    all
}
