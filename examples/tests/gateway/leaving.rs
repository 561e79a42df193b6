//! Who leaves is not waited for; who is served is waited for.

use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, Cut, Script};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::harness::{read_all, read_until, scene, soon, until};

const STREAM: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n\
    content-length: 15\r\n\r\n{\"stream\":true}";

#[tokio::test]
async fn a_client_that_leaves_before_the_head_cancels_the_call() {
    let scene = scene(Behaviour::well().cut_before_head(Cut::Stall), &[]).await;
    let mut client = scene.gateway.connect().await;
    client.write_all(STREAM.as_bytes()).await.unwrap();
    until(&scene.upstream, |upstream| {
        upstream.counts().requests_received == 1
    })
    .await;
    drop(client);
    until(&scene.upstream, |upstream| upstream.counts().abandoned == 1).await;
    assert_eq!(scene.upstream.counts().calls, 1);
}

#[tokio::test]
async fn a_client_that_leaves_in_mid_stream_cancels_the_call() {
    let scene = scene(Behaviour::well().cut_after(3, Cut::Stall), &[]).await;
    let mut client = scene.gateway.connect().await;
    client.write_all(STREAM.as_bytes()).await.unwrap();
    read_until(&mut client, "data: ").await;
    assert_eq!(scene.upstream.counts().abandoned, 0);
    drop(client);
    until(&scene.upstream, |upstream| upstream.counts().abandoned == 1).await;
}

#[tokio::test]
async fn a_client_that_leaves_during_the_wait_is_not_retried_for() {
    let told = Behaviour::rate_limited().header("retry-after-ms", "200");
    let scene = scene(Script::sequence([told]), &[]).await;
    let mut client = scene.gateway.connect().await;
    client.write_all(STREAM.as_bytes()).await.unwrap();
    until(&scene.upstream, |upstream| {
        upstream.counts().answers_completed == 1
    })
    .await;
    drop(client);
    sleep(Duration::from_millis(400)).await;
    assert_eq!(scene.upstream.counts().calls, 1);
}

#[tokio::test]
async fn sigterm_finishes_what_is_in_flight_and_takes_nothing_new() {
    let slow = Behaviour::well().chunk_delay(Duration::from_millis(20));
    let scene = scene(slow, &[]).await;
    let mut client = scene.gateway.connect().await;
    client.write_all(STREAM.as_bytes()).await.unwrap();
    read_until(&mut client, "data: ").await;
    scene.gateway.signal("TERM").await;
    soon(async {
        while TcpStream::connect(scene.gateway.address).await.is_ok() {
            sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    let rest = read_all(client).await;
    assert!(
        rest.contains("data: [DONE]\n\n") && rest.ends_with("\r\n0\r\n\r\n"),
        "{rest}"
    );
    let (code, log) = scene.gateway.end().await;
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(scene.upstream.counts().answers_completed, 1);
}

#[tokio::test]
async fn a_drain_ends_with_its_time_or_with_a_second_signal() {
    for (flags, signals) in [(["--drain", "100ms"], 1), (["--drain", "1h"], 2)] {
        let scene = scene(Behaviour::well().cut_after(3, Cut::Stall), &flags).await;
        let mut client = scene.gateway.connect().await;
        client.write_all(STREAM.as_bytes()).await.unwrap();
        read_until(&mut client, "data: ").await;
        for name in ["INT", "TERM"].iter().take(signals) {
            scene.gateway.signal(name).await;
            sleep(Duration::from_millis(20)).await;
        }
        let (code, log) = scene.gateway.end().await;
        assert_eq!(code, Some(1), "something was cut: {log}");
        until(&scene.upstream, |upstream| upstream.counts().abandoned == 1).await;
    }
}
