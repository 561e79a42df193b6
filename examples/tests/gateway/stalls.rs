//! What stands still is cut at its limit, and what is merely slow is not.

use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, Cut, Script, Upstream};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep};

use crate::harness::{Scene, read_all, scene, soon, until};
use crate::heartbeats::events;

const SSE: &str = "text/event-stream";
const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
const PING: &str = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
const STREAM: &str = r#"{"stream":true}"#;

/// A stream that says something, then nothing, for ever.
fn stalling() -> Behaviour {
    Behaviour::well()
        .pieces(SSE, [TEXT])
        .cut_after(1, Cut::Stall)
}

/// What came, and whether it came to its proper end.
async fn all_of(mut body: Incoming) -> (String, bool) {
    let mut read = Vec::new();
    let whole = soon(async {
        loop {
            match body.frame().await {
                Some(Ok(frame)) => read.extend(frame.into_data().unwrap_or_default()),
                Some(Err(_)) => break false,
                None => break true,
            }
        }
    })
    .await;
    (String::from_utf8(read).unwrap(), whole)
}

/// Asks for a stream that comes to no good end; returns what came of it, and the log.
async fn cut(script: impl Into<Script>, flags: &[&str]) -> (String, String, Upstream) {
    let scene = scene(script, flags).await;
    let asked = scene.gateway.begin_http2(Request::post("/"), STREAM).await;
    assert_eq!(asked.status(), StatusCode::OK);
    let (read, whole) = all_of(asked.into_body()).await;
    assert!(!whole, "{read}");
    let (upstream, log) = closed(scene).await;
    assert!(log.contains("outcome=cut"), "{log}");
    (read, log, upstream)
}

/// Waits until the upstream has lost its one call.
async fn closed(scene: Scene) -> (Upstream, String) {
    until(&scene.upstream, |upstream| upstream.counts().abandoned == 1).await;
    let (code, log) = scene.gateway.stop().await;
    assert_eq!(code, Some(0), "{log}");
    (scene.upstream, log)
}

#[tokio::test]
async fn who_gets_no_head_in_time_is_told_so_and_the_call_is_cancelled() {
    let never = Behaviour::well().cut_before_head(Cut::Stall);
    let scene = scene(never, &["--first-frame", "150ms", "--max-attempts", "1"]).await;
    let asked = Instant::now();
    let answer = scene.gateway.post("/v1/chat/completions", STREAM).await;
    assert!(asked.elapsed() >= Duration::from_millis(150));
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(
        answer.field("content-type"),
        Some("application/problem+json")
    );
    let (_, log) = closed(scene).await;
    assert!(log.contains("limit=\"first_frame\""), "{log}");
    assert!(log.contains("150ms"), "{log}");
}

#[tokio::test]
async fn a_call_that_gets_no_head_is_tried_again_unless_it_may_have_had_its_effect() {
    for (flag, status, attempts) in [
        ("on", StatusCode::OK, 2),
        ("off", StatusCode::GATEWAY_TIMEOUT, 1),
    ] {
        let script = Script::sequence([Behaviour::well().cut_before_head(Cut::Stall)]);
        let flags = ["--first-frame", "400ms", "--retry-ambiguous", flag];
        let scene = scene(script, &flags).await;
        let answer = scene.gateway.post("/v1/chat/completions", STREAM).await;
        assert_eq!((answer.status, answer.attempts()), (status, attempts));
    }
}

#[tokio::test]
async fn a_stream_that_stalls_before_its_content_is_tried_again() {
    let silent = Behaviour::well()
        .pieces(SSE, [": one moment\n\n"])
        .cut_after(1, Cut::Stall);
    let scene = scene(Script::sequence([silent]), &["--idle", "300ms"]).await;
    let answer = scene.gateway.post("/v1/chat/completions", STREAM).await;
    assert_eq!((answer.status, answer.attempts()), (StatusCode::OK, 2));
    assert!(answer.body.ends_with(b"data: [DONE]\n\n"));
    until(&scene.upstream, |upstream| upstream.counts().abandoned == 1).await;
}

#[tokio::test]
async fn a_stream_that_stalls_after_content_is_cut_at_its_idle_limit() {
    let (read, log, upstream) = cut(stalling(), &["--idle", "150ms"]).await;
    let why = read.strip_prefix(TEXT).unwrap();
    assert!(
        why.starts_with("event: error\n") && why.contains("timeout_error"),
        "{why}"
    );
    assert!(log.contains("limit=\"idle\""), "{log}");
    assert_eq!(upstream.counts().calls, 1);
}

#[tokio::test]
async fn our_own_heartbeat_does_not_keep_a_dead_upstream_alive() {
    let flags = ["--heartbeat", "50ms", "--idle", "400ms"];
    let (read, log, _) = cut(stalling(), &flags).await;
    let beats = read.matches(": keepalive\n\n").count();
    assert!((2..=10).contains(&beats), "{beats} in {read:?}");
    assert!(log.contains("limit=\"idle\""), "{log}");
}

#[tokio::test]
async fn an_upstream_that_only_pings_trips_progress_and_not_idle() {
    let pings = Behaviour::well()
        .pieces(SSE, [PING; 200])
        .chunk_delay(Duration::from_millis(50));
    let flags = ["--profile", "anthropic", "--hold-wait", "0ms"];
    let limits = ["--idle", "600ms", "--progress", "900ms"];
    let (read, log, _) = cut(pings, &[flags, limits].concat()).await;
    let pinged = read.matches(PING).count();
    assert!(pinged >= 5, "{pinged}: {log}");
    assert!(log.contains("limit=\"progress\""), "{log}");
    assert!(!log.contains("limit=\"idle\""), "{log}");
}

#[tokio::test]
async fn a_stream_that_never_ends_is_cut_when_it_has_taken_too_long_in_all() {
    let endless = Behaviour::well()
        .pieces(SSE, [TEXT; 200])
        .chunk_delay(Duration::from_millis(50));
    let (read, log, _) = cut(endless, &["--idle", "600ms", "--total", "900ms"]).await;
    assert!(read.starts_with(TEXT), "{read}");
    assert!(log.contains("limit=\"total\""), "{log}");
}

/// What comes is more than all buffers on its way hold.
#[tokio::test]
async fn a_client_that_pauses_for_longer_than_any_limit_loses_no_byte() {
    let event = |n| format!("data: {n} {}\n\n", "x".repeat(300));
    let sent: String = (0..100_000).map(event).collect();
    let body = Behaviour::well()
        .body(SSE, sent.clone())
        .chunk_size(16 << 10);
    let flags = ["--idle", "500ms", "--heartbeat", "50ms"];
    let scene = scene(body, &flags).await;

    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let mut client = soon(socket.connect(scene.gateway.address)).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.0\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 1024];
    soon(client.read_exact(&mut first)).await.unwrap();
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(
        scene.upstream.counts().answers_completed,
        0,
        "it waits, too"
    );
    let answer = String::from_utf8(first.to_vec()).unwrap() + &read_all(client).await;
    let (_, read) = answer.split_once("\r\n\r\n").unwrap();
    let (read, sent) = (events(read.as_bytes()), events(sent.as_bytes()));
    assert!(read == sent, "{} of {} events", read.len(), sent.len());
}
