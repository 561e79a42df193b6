//! Clients that leave a call that others wait for, or that they will ask for again.

use std::time::Duration;

use http::Request;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::gated::{Gated, chat};
use crate::harness::{Answer, Gateway, read_all, read_until, soon};

const PIECES: usize = 5;

/// A client that can be pulled out of the wall.
const WIRE: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
    authorization: Bearer me\r\nidempotency-key: k\r\ncontent-length: 15\r\n\r\n{\"stream\":true}";

async fn start(flags: &[&str]) -> (Gated, Gateway) {
    let upstream = Gated::start(chat(PIECES - 1, 100)).await;
    let gateway = Gateway::before(upstream.url(), flags).await;
    (upstream, gateway)
}

/// Asks, and has not got anything yet.
async fn begin(gateway: &Gateway) -> TcpStream {
    let mut client = gateway.connect().await;
    client.write_all(WIRE.as_bytes()).await.unwrap();
    client
}

async fn ask(gateway: &Gateway) -> Answer {
    let head = Request::post("/v1/chat/completions")
        .header("authorization", "Bearer me")
        .header("idempotency-key", "k");
    gateway.ask(head, r#"{"stream":true}"#).await
}

fn is_whole(answer: &Answer, upstream: &Gated) {
    assert_eq!(answer.body, upstream.whole());
}

#[tokio::test]
async fn the_first_client_leaves_in_mid_stream_and_the_others_go_on() {
    let (upstream, gateway) = start(&[]).await;
    let mut first = begin(&gateway).await;
    upstream.is_called(1).await;
    upstream.pass(2);
    read_until(&mut first, "data: ").await;
    let others = [begin(&gateway).await, begin(&gateway).await];
    gateway.logs("joined", 2).await;
    drop(first);
    gateway.logs("client left", 1).await;
    upstream.pass(PIECES);
    for other in others {
        let all = read_all(other).await;
        assert!(all.contains("data: [DONE]\n\n"), "{all}");
        // All of it: the pieces that had passed before it came, too.
        assert_eq!(all.matches("data: {").count(), PIECES - 1);
    }
    assert_eq!(upstream.calls(), 1);
    assert!(!gateway.log().contains("orphaned"));
}

#[tokio::test]
async fn the_only_client_leaves_in_mid_stream_and_joins_the_call_when_it_asks_again() {
    let (upstream, gateway) = start(&[]).await;
    let mut client = begin(&gateway).await;
    upstream.is_called(1).await;
    upstream.pass(1);
    read_until(&mut client, "data: ").await;
    drop(client);
    gateway.logs("orphaned", 1).await;
    let (answer, ()) = tokio::join!(ask(&gateway), async {
        gateway.logs("joined", 1).await;
        upstream.pass(PIECES);
    });
    is_whole(&answer, &upstream);
    assert_eq!((upstream.calls(), answer.attempts()), (1, 0));
}

#[tokio::test]
async fn the_only_client_leaves_before_the_head_and_finds_the_answer_when_it_asks_again() {
    let (upstream, gateway) = start(&[]).await;
    let client = begin(&gateway).await;
    upstream.is_called(1).await;
    drop(client);
    gateway.logs("orphaned", 1).await;
    upstream.pass(PIECES);
    gateway.logs("kept", 1).await;
    let answer = ask(&gateway).await;
    is_whole(&answer, &upstream);
    assert_eq!(answer.field("idempotent-replayed"), Some("true"));
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_client_that_runs_out_of_time_finds_the_answer_when_it_asks_again() {
    let (upstream, gateway) = start(&[]).await;
    let hurried = Request::post("/v1/chat/completions")
        .header("authorization", "Bearer me")
        .header("idempotency-key", "k")
        .header("x-envoy-expected-rq-timeout-ms", "50");
    let late = gateway.ask(hurried, r#"{"stream":true}"#).await;
    assert_eq!(late.status.as_u16(), 504);
    upstream.pass(PIECES);
    is_whole(&ask(&gateway).await, &upstream);
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn no_call_takes_longer_than_the_budget_though_it_is_shared() {
    let (upstream, gateway) = start(&["--budget", "300ms"]).await;
    assert_eq!(ask(&gateway).await.status.as_u16(), 504);
    gateway.logs("released", 1).await;
    upstream.pass(2 * PIECES); // the first call may not have noticed yet
    is_whole(&ask(&gateway).await, &upstream);
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn a_gateway_that_is_told_to_stop_finishes_what_nobody_waits_for() {
    let (upstream, gateway) = start(&[]).await;
    let client = begin(&gateway).await;
    upstream.is_called(1).await;
    drop(client);
    gateway.logs("orphaned", 1).await;
    gateway.signal("TERM").await;
    gateway.logs("draining", 1).await;
    soon(async {
        while TcpStream::connect(gateway.address).await.is_ok() {
            sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    upstream.pass(PIECES);
    let (code, log) = gateway.end().await;
    assert!(log.contains("kept"), "{log}");
    assert_eq!(code, Some(0), "{log}");
}

#[tokio::test]
async fn unless_it_takes_too_long() {
    let (upstream, gateway) = start(&["--drain", "100ms"]).await;
    let client = begin(&gateway).await;
    upstream.is_called(1).await;
    drop(client);
    gateway.logs("orphaned", 1).await;
    let (code, log) = gateway.stop().await;
    assert!(log.contains("connections cut calls=1"), "{log}");
    assert_eq!(code, Some(1));
}
