//! Each arrow of the stacks: why this layer stands outside of that one, and what goes wrong otherwise. Time is
//! paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

mod idempotency;
mod inbound;
mod judge;
mod outbound;

use std::time::Duration;

use buttress::classify::Profile;
use buttress::core::{Backoff, Jitter};
use buttress::retry::RetryLayer;
use buttress_testkit::upstream::{Behaviour, Script, Upstream};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};

const SECOND: Duration = Duration::from_secs(1);
const BASE: Duration = Duration::from_millis(500);

fn retry(profile: Profile) -> RetryLayer<Profile> {
    RetryLayer::llm(profile).backoff(Backoff::exponential(BASE, BASE * 8).jitter(Jitter::None))
}

/// A prompt that asks for a stream.
fn chat() -> Request<Full<Bytes>> {
    let body = r#"{"model":"m","stream":true,"messages":[]}"#;
    Request::post("/v1/chat/completions")
        .body(Full::from(body))
        .unwrap()
}

/// The same, for Anthropic.
fn messages() -> Request<Full<Bytes>> {
    let mut request = chat();
    *request.uri_mut() = "/v1/messages".parse().unwrap();
    request
}

/// A prompt that asks for one answer.
fn plain() -> Request<Full<Bytes>> {
    Request::post("/v1/chat/completions")
        .body(Full::from("{}"))
        .unwrap()
}

/// What came of the body: all of it, or what came before it broke off.
async fn read<B>(response: Response<B>) -> (Response<()>, Vec<u8>, bool)
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let (head, mut body) = response.into_parts();
    let mut read = Vec::new();
    loop {
        match body.frame().await {
            None => return (Response::from_parts(head, ()), read, true),
            Some(Err(_)) => return (Response::from_parts(head, ()), read, false),
            Some(Ok(frame)) => read.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
        }
    }
}

fn upstream(behaviours: impl IntoIterator<Item = Behaviour>) -> Upstream {
    Upstream::new(Script::sequence(behaviours))
}

fn always(behaviour: Behaviour) -> Upstream {
    Upstream::new(Script::always(behaviour))
}
