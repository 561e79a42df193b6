//! Retries over real HTTP/1.1 and HTTP/2 connections.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, too, and a client uploads at its own pace"
)]

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::time::Duration;

use buttress::classify::Profile;
use buttress::judge::JudgeLayer;
use buttress::retry::RetryLayer;
use buttress_testkit::upstream::{Behaviour, Script, Server, Upstream};
use bytes::Bytes;
use http::{Request, Version};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::{ServiceBuilder, ServiceExt};

async fn server(behaviours: impl IntoIterator<Item = Behaviour>) -> Server {
    Server::start(Upstream::new(Script::sequence(behaviours))).await
}

/// A body that its client sends piece by piece.
fn upload(pieces: usize, size: usize) -> Channel<Bytes, Infallible> {
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        for _ in 0..pieces {
            if sender.send_data(Bytes::from(vec![7; size])).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    body
}

#[tokio::test]
async fn an_answer_before_the_upload_is_over_is_retried_with_the_whole_of_it() {
    let limited = Behaviour::rate_limited()
        .header("retry-after-ms", "20")
        .answer_early();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        for size in [1_000, 50_000] {
            let server = server([limited.clone()]).await;
            let client = Client::builder(TokioExecutor::new())
                .http2_only(version == Version::HTTP_2)
                .build_http();
            let stack = ServiceBuilder::new()
                .layer(RetryLayer::llm(Profile::OPENAI).max_attempts(NonZeroU32::new(5).unwrap()))
                .layer(JudgeLayer::llm(Profile::OPENAI))
                .service(client);
            let request = Request::put(format!("{}/echo", server.url()))
                .version(version)
                .body(upload(20, size))
                .unwrap();
            let response = stack.oneshot(request).await.unwrap();
            assert_eq!(response.status(), 200, "{version:?}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body.len(), 20 * size, "{version:?}");
            assert!(body.iter().all(|byte| *byte == 7));
        }
    }
}

#[tokio::test]
async fn on_h1_a_response_that_was_read_off_leaves_its_connection_to_the_retry() {
    let limited = Behaviour::rate_limited().header("retry-after-ms", "2");
    let server = server(vec![limited; 10]).await;
    let client: Client<_, _> = Client::builder(TokioExecutor::new()).build_http();
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::llm(Profile::OPENAI).max_attempts(NonZeroU32::new(11).unwrap()))
        .service(client);
    let request = Request::put(format!("{}/echo", server.url()))
        .body(Full::<Bytes>::from("hi"))
        .unwrap();
    let response = stack.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let counts = server.upstream().counts();
    assert_eq!((counts.calls, counts.connections), (11, 1));
}
