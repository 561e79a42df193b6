//! How the tests call an upstream: in memory, and by TCP.

#![allow(dead_code, reason = "each test binary uses some of it")]
#![allow(
    clippy::unwrap_used,
    reason = "a helper of a test may panic as a test may"
)]

pub(crate) mod tcp;

use std::io;

use buttress_testkit::{
    body::audit,
    upstream::{Upstream, UpstreamBody},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower_service::Service;

pub(crate) const CHAT: &str = "/v1/chat/completions";
pub(crate) const MESSAGES: &str = "/v1/messages";
pub(crate) const STREAM: &str = r#"{"model":"m-1","stream":true}"#;

pub(crate) fn post(path: &str, body: &str) -> Request<Full<Bytes>> {
    Request::post(path)
        .body(Bytes::copy_from_slice(body.as_bytes()).into())
        .unwrap()
}

pub(crate) async fn call(
    upstream: &Upstream,
    request: Request<Full<Bytes>>,
) -> io::Result<Response<UpstreamBody>> {
    upstream.service().call(request).await
}

pub(crate) async fn text(response: Response<UpstreamBody>) -> String {
    let seen = audit(response.into_body()).await;
    assert!(seen.error.is_none());
    String::from_utf8(seen.bytes().to_vec()).unwrap()
}

pub(crate) async fn status(upstream: &Upstream, path: &str) -> u16 {
    call(upstream, post(path, "{}"))
        .await
        .unwrap()
        .status()
        .as_u16()
}

/// The `data:` payloads of an event stream.
pub(crate) fn events(text: &str) -> Vec<&str> {
    assert!(
        text.ends_with("\n\n"),
        "an event stream ends with a blank line"
    );
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect()
}

pub(crate) fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}
