//! Silences are filled with comments that change nothing.

use std::sync::Arc;
use std::time::Duration;

use buttress::sse::Parser;
use buttress_testkit::upstream::{Behaviour, Cut, Script};
use http::{Request, StatusCode};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

use crate::harness::{read_until, scene, until};

const SSE: &str = "text/event-stream";
const JSON: &str = "application/json";
const BEAT: &str = ": keepalive\n\n";
const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const STREAM: &str = r#"{"model":"m","stream":true}"#;

/// What a client sees of a stream.
pub(crate) fn events(mut stream: &[u8]) -> Vec<String> {
    let mut parser = Parser::new();
    let mut events = Vec::new();
    while let Some(event) = parser.next_event(&mut stream).unwrap() {
        events.push(format!("{} {}", event.name(), event.data()));
    }
    events
}

/// Silent for a while between its two events.
fn pausing() -> Behaviour {
    Behaviour::well()
        .pieces(SSE, [TEXT, DONE])
        .chunk_delay(Duration::from_millis(500))
}

#[tokio::test]
async fn a_silence_is_filled_with_comments() {
    let scene = scene(pausing(), &["--heartbeat", "100ms"]).await;
    let answer = scene.gateway.post("/", STREAM).await;
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    let beats = body.matches(BEAT).count();
    assert!((2..=5).contains(&beats), "{body:?}");
    assert_eq!(body, [TEXT, &BEAT.repeat(beats), DONE].concat());
    assert_eq!(answer.field("x-accel-buffering"), Some("no"));
}

#[tokio::test]
async fn without_heartbeats_a_stream_is_what_the_upstream_sent() {
    let stream = pausing().header("etag", "\"1\"");
    let scene = scene(stream, &["--heartbeat", "off"]).await;
    let answer = scene.gateway.post("/", STREAM).await;
    assert_eq!(answer.body, [TEXT, DONE].concat());
    assert_eq!(answer.field("x-accel-buffering"), None);
    assert_eq!(answer.field("etag"), Some("\"1\""));
}

#[tokio::test]
async fn what_is_no_event_stream_or_cannot_be_read_passes_unchanged_with_its_length() {
    let slow = Duration::from_millis(60);
    let body = "data: 1\n\n".repeat(50);
    let length = body.len().to_string();
    let json = Behaviour::well().body("application/json", body.clone());
    let compressed = Behaviour::well()
        .body(SSE, body.clone())
        .header("content-encoding", "gzip");
    for behaviour in [json, compressed] {
        let slowly = behaviour.chunk_size(150).chunk_delay(slow);
        let scene = scene(slowly, &["--heartbeat", "10ms"]).await;
        let answer = scene.gateway.post("/", STREAM).await;
        assert_eq!(answer.field("content-length"), Some(length.as_str()));
        assert_eq!(answer.field("x-accel-buffering"), None);
        assert_eq!(answer.body, body);
    }
}

#[tokio::test]
async fn the_head_of_an_event_stream_is_not_given_a_body() {
    let scene = scene(pausing(), &["--heartbeat", "10ms"]).await;
    let answer = scene.gateway.ask(Request::head("/"), "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.field("content-type"), Some(SSE));
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn of_200_streams_at_once_none_is_mixed() {
    // Three of four chunks end in the middle of a line, where no comment may go.
    let echo = Behaviour::well()
        .chunk_size(18)
        .chunk_delay(Duration::from_millis(25));
    let flags = ["--heartbeat", "10ms", "--hold-wait", "0ms"];
    let scene = Arc::new(scene(echo, &flags).await);
    let mut streams = JoinSet::new();
    for number in 0..200 {
        let scene = Arc::clone(&scene);
        streams.spawn(async move {
            let event = |n| format!("data: {n:02} of stream {number:03}\n\n");
            let sent: String = (0..20).map(event).collect();
            let request = Request::post("/echo").header("content-type", SSE);
            let answer = if number % 2 == 0 {
                scene.gateway.ask(request, sent.clone()).await
            } else {
                scene.gateway.ask_http2(request, sent.clone()).await
            };
            assert_eq!(events(&answer.body), events(sent.as_bytes()));
            let read = String::from_utf8(answer.body.to_vec()).unwrap();
            read.matches(": keepalive\n").count()
        });
    }
    let beats = streams.join_all().await;
    assert_eq!(beats.len(), 200);
    assert!(beats.iter().all(|&beats| beats > 0), "{beats:?}");
}

// ===== eager =====

fn late() -> Behaviour {
    pausing().head_delay(Duration::from_millis(600))
}

const EAGER: [&str; 4] = ["--heartbeat", "100ms", "--heartbeat-eager", "100ms"];

#[tokio::test]
async fn eager_heartbeats_fill_the_wait_for_the_head() {
    let scene = scene(late(), &EAGER).await;
    let accepting = Request::post("/").header("accept", SSE);
    let telling = Request::post("/").header("content-type", JSON);
    for request in [accepting, telling] {
        let answer = scene.gateway.ask(request, STREAM).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.field("content-type"), Some(SSE));
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(body.starts_with(&BEAT.repeat(2)), "{body:?}");
        assert_eq!(body.replace(BEAT, ""), [TEXT, DONE].concat());
    }
}

#[tokio::test]
async fn who_asks_for_no_stream_gets_no_eager_heartbeats() {
    let json = Behaviour::well().head_delay(Duration::from_millis(400));
    let scene = scene(json, &EAGER).await;
    let request = Request::post("/v1/chat/completions").header("content-type", JSON);
    let answer = scene.gateway.ask(request, r#"{"model":"m"}"#).await;
    assert_eq!(answer.field("content-type"), Some("application/json"));
    assert!(answer.body.starts_with(b"{"));
}

#[tokio::test]
async fn a_failure_behind_an_eager_head_is_one_error_event_of_the_api() {
    let stall = || Behaviour::well().cut_before_head(Cut::Stall);
    let refusal = || Behaviour::overloaded().head_delay(Duration::from_millis(400));
    for (profile, path, shape) in [
        ("openai", "/v1/chat/completions", "{\"error\":{"),
        (
            "anthropic",
            "/v1/messages",
            "{\"type\":\"error\",\"error\":{",
        ),
    ] {
        for trouble in [stall(), refusal()] {
            let flags = [
                "--profile",
                profile,
                "--max-attempts",
                "1",
                "--first-frame",
                "500ms",
            ];
            let scene = scene(trouble, &[&flags[..], &EAGER].concat()).await;
            let request = Request::post(path).header("content-type", JSON);
            let answer = scene.gateway.ask(request, STREAM).await;
            assert_eq!(answer.status, StatusCode::OK);
            let body = String::from_utf8(answer.body.to_vec()).unwrap();
            let (beats, event) = body.split_once("event: error\ndata: ").unwrap();
            assert_eq!(beats.replace(BEAT, ""), "", "{body:?}");
            let data: serde_json::Value = serde_json::from_str(event.trim_end()).unwrap();
            assert!(data["error"]["message"].is_string(), "{event}");
            assert!(event.starts_with(shape), "{event}");
            assert!(event.ends_with("\n\n"), "{event:?}");
        }
    }
}

#[tokio::test]
async fn a_retry_behind_an_eager_head_is_not_seen() {
    let refused = Behaviour::overloaded().head_delay(Duration::from_millis(300));
    let scene = scene(Script::sequence([refused]).then(pausing()), &EAGER).await;
    let request = Request::post("/v1/chat/completions").header("content-type", JSON);
    let answer = scene.gateway.ask(request, STREAM).await;
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!(body.replace(BEAT, ""), [TEXT, DONE].concat());
    assert_eq!(scene.upstream.counts().calls, 2);
}

#[tokio::test]
async fn a_client_that_leaves_behind_an_eager_head_cancels_the_call() {
    let never = Behaviour::well().cut_before_head(Cut::Stall);
    let scene = scene(never, &EAGER).await;
    let mut client = scene.gateway.connect().await;
    let request = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON}\r\ncontent-length: {}\r\n\r\n{STREAM}",
        STREAM.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut client, BEAT).await;
    drop(client);
    until(&scene.upstream, |upstream| upstream.counts().abandoned == 1).await;
}
