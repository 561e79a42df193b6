//! Keys on the way out.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::collections::HashSet;
use std::convert::Infallible;

use buttress_core::IdempotencyKey;
use buttress_idempotency::IdempotencyKeyLayer;
use http::{HeaderName, Method, Request};
use tower::{Layer, ServiceExt, service_fn};

/// What reaches the upstream: the key in the header, and the one in the extensions.
async fn sent(
    layer: IdempotencyKeyLayer,
    request: Request<()>,
) -> (Option<String>, Option<String>) {
    let upstream = service_fn(|request: Request<()>| async move {
        let header = request.headers().get("idempotency-key");
        let header = header.map(|value| value.to_str().unwrap().to_owned());
        let extension = request.extensions().get::<IdempotencyKey>();
        Ok::<_, Infallible>((header, extension.map(|key| key.as_str().to_owned())))
    });
    layer.layer(upstream).oneshot(request).await.unwrap()
}

fn post() -> Request<()> {
    Request::post("/").body(()).unwrap()
}

#[tokio::test]
async fn a_call_gets_a_key_of_128_bits_in_header_and_extensions() {
    let mut seen = HashSet::new();
    for _ in 0..100 {
        let (header, extension) = sent(IdempotencyKeyLayer::new(), post()).await;
        assert_eq!(header, extension);
        let key = header.unwrap();
        assert!(
            key.len() == 32 && key.bytes().all(|digit| digit.is_ascii_hexdigit()),
            "{key}"
        );
        assert!(seen.insert(key));
    }
}

#[tokio::test]
async fn the_callers_key_is_not_overwritten() {
    let mut request = post();
    request
        .headers_mut()
        .insert("idempotency-key", "mine".parse().unwrap());
    let (header, extension) = sent(IdempotencyKeyLayer::new(), request).await;
    assert_eq!((header.as_deref(), extension), (Some("mine"), None));

    let mut request = post();
    request
        .extensions_mut()
        .insert(IdempotencyKey::new("a\"b").unwrap());
    let (header, extension) = sent(IdempotencyKeyLayer::new().quoted(true), request).await;
    assert_eq!(header.as_deref(), Some("\"a\\\"b\""));
    assert_eq!(extension.as_deref(), Some("a\"b"));
}

#[tokio::test]
async fn only_what_is_not_idempotent_by_itself_gets_one() {
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::CONNECT] {
        let mut request = post();
        *request.method_mut() = method;
        assert_eq!(
            sent(IdempotencyKeyLayer::new(), request).await,
            (None, None)
        );
    }
}

#[tokio::test]
async fn the_header_may_have_another_name() {
    let name = HeaderName::from_static("x-request-key");
    let upstream = service_fn(|request: Request<()>| async move {
        Ok::<_, Infallible>(request.headers().contains_key("x-request-key"))
    });
    let layer = IdempotencyKeyLayer::with_header(name);
    assert!(layer.layer(upstream).oneshot(post()).await.unwrap());
}

#[tokio::test]
async fn a_retry_hears_of_the_callers_key_in_a_header_of_another_name() {
    let upstream = service_fn(|request: Request<()>| async move {
        Ok::<_, Infallible>(request.extensions().get::<IdempotencyKey>().cloned())
    });
    let layer = IdempotencyKeyLayer::with_header(HeaderName::from_static("x-request-key"));
    let mut request = post();
    request
        .headers_mut()
        .insert("x-request-key", "\"mine\"".parse().unwrap());
    let known = layer.layer(upstream).oneshot(request).await.unwrap();
    assert_eq!(known.unwrap().as_str(), "mine");
}

#[tokio::test]
async fn a_key_that_needs_quotes_gets_them() {
    for (key, sent_as) in [("a b", "\"a b\""), ("order/12+x=", "order/12+x=")] {
        let mut request = post();
        request
            .extensions_mut()
            .insert(IdempotencyKey::new(key).unwrap());
        let (header, _) = sent(IdempotencyKeyLayer::new(), request).await;
        assert_eq!(header.as_deref(), Some(sent_as));
    }
}
