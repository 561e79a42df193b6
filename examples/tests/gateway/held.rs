//! How long a stream is held back, and who notices.

use std::io::ErrorKind;
use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, Cut};
use http::Request;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::harness::{Scene, read_until, scene, until};

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const COMMENT: &str = ": one moment\n\n";

/// A stream that has said something, but no content, and then falls silent for ever.
fn silent() -> Behaviour {
    Behaviour::well()
        .pieces("text/event-stream", [COMMENT])
        .cut_after(1, Cut::Stall)
}

async fn ask(scene: &Scene) -> TcpStream {
    let mut client = scene.gateway.connect().await;
    client.write_all(REQUEST.as_bytes()).await.unwrap();
    client
}

#[tokio::test]
async fn without_a_time_to_hold_it_a_stream_passes_on_at_once() {
    let scene = scene(silent(), &["--hold-wait", "0ms"]).await;
    let asked = Instant::now();
    let mut client = ask(&scene).await;
    read_until(&mut client, COMMENT).await;
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "that is the default"
    );
}

#[tokio::test]
async fn a_stream_is_held_as_long_as_the_flag_says() {
    let scene = scene(silent(), &["--hold-wait", "100ms"]).await;
    let asked = Instant::now();
    let mut client = ask(&scene).await;
    read_until(&mut client, COMMENT).await;
    let waited = asked.elapsed();
    assert!(waited >= Duration::from_millis(100), "{waited:?}");
    assert!(waited < Duration::from_secs(5), "{waited:?}");
}

#[tokio::test]
async fn no_more_of_a_stream_is_held_than_the_flag_says() {
    let scene = scene(silent(), &["--hold-wait", "1h", "--hold-bytes", "10"]).await;
    let mut client = ask(&scene).await;
    read_until(&mut client, COMMENT).await;
}

#[tokio::test]
async fn a_stream_that_cannot_be_read_is_not_held() {
    let compressed = silent().header("content-encoding", "gzip");
    let scene = scene(compressed, &["--hold-wait", "1h"]).await;
    let mut client = ask(&scene).await;
    read_until(&mut client, COMMENT).await;
}

#[tokio::test]
async fn the_upstream_is_asked_for_what_can_be_read() {
    let scene = scene(Behaviour::well(), &[]).await;
    let compressing = Request::get("/").header("accept-encoding", "gzip, deflate, br, zstd");
    scene.gateway.ask(compressing, "").await;
    let call = scene.upstream.last_call().unwrap();
    assert_eq!(call.headers["accept-encoding"], "identity");
    scene.gateway.get("/").await;
    let call = scene.upstream.last_call().unwrap();
    assert!(!call.headers.contains_key("accept-encoding"));
}

#[tokio::test]
async fn a_client_that_leaves_while_its_stream_is_held_cancels_the_call() {
    let scene = scene(silent(), &["--hold-wait", "1h"]).await;
    let client = ask(&scene).await;
    until(&scene.upstream, |upstream| {
        upstream.counts().answers_begun == 1
    })
    .await;
    sleep(Duration::from_millis(20)).await;
    let nothing = client.try_read(&mut [0; 1]).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock, "it is held");
    assert_eq!(scene.upstream.counts().abandoned, 0);
    drop(client);
    until(&scene.upstream, |upstream| upstream.counts().abandoned == 1).await;
    assert_eq!(scene.upstream.counts().calls, 1);
}
