//! HTTP clients: reqwest over HTTP/1.1, and hyper's over HTTP/2 as well.

use http::Request;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::server::start;

#[tokio::test]
async fn an_expired_budget_is_a_504_with_problem_details() {
    let (addr, _serving) = start().await;
    let answer = reqwest::get(format!("http://{addr}/test/Never"))
        .await
        .unwrap();
    assert_eq!(answer.status(), 504);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(!answer.headers().contains_key("retry-after"));
    let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(
        (&body["status"], &body["budget_ms"]),
        (&504.into(), &250.into())
    );
}

#[tokio::test]
async fn a_client_that_waits_less_is_answered_sooner() {
    let (addr, _serving) = start().await;
    let request = reqwest::Client::new()
        .get(format!("http://{addr}/test/Never"))
        .header("x-envoy-expected-rq-timeout-ms", "20");
    let answer = request.send().await.unwrap();
    let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(body["budget_ms"], 20);
}

#[tokio::test]
async fn an_answer_that_had_begun_breaks_off_and_does_not_seem_whole() {
    let (addr, _serving) = start().await;
    let answer = reqwest::get(format!("http://{addr}/test/Stalls"))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err(), "the last chunk never comes");
}

#[tokio::test]
async fn an_open_circuit_says_when_to_come_back() {
    let (addr, _serving) = start().await;
    let answer = reqwest::get(format!("http://{addr}/test/Open"))
        .await
        .unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "2");
    let body = answer.text().await.unwrap();
    assert!(!body.contains("upstream.internal"), "{body}");
}

#[tokio::test]
async fn an_event_stream_that_fails_ends_with_an_event_that_reaches_its_client() {
    let (addr, _serving) = start().await;
    for http2_only in [false, true] {
        let client = Client::builder(TokioExecutor::new())
            .http2_only(http2_only)
            .build_http();
        // What is lost is lost by chance: more than one of them.
        for _ in 0..10 {
            let request = Request::post(format!("http://{addr}/test/Events"))
                .header("content-type", "text/event-stream")
                .body(String::new());
            let answer = client.request(request.unwrap()).await.unwrap();
            let events = answer.into_body().collect().await.unwrap().to_bytes();
            let events = std::str::from_utf8(&events).unwrap();
            assert!(
                events.starts_with("data: one\n\nevent: error\ndata: "),
                "{events:?}"
            );
            assert!(events.ends_with("\n\n") && !events.contains("upstream.internal"));
        }
    }
}
