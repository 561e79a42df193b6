//! Five seconds of silence behind an idle limit of one: cut without heartbeats, whole with them.

use std::path::Path;
use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, Matcher, Script, Server, Upstream};
use http::StatusCode;

use crate::harness::{Gateway, until};
use crate::proxy::{ENVOY, HAPROXY, Kind, NGINX};
use crate::reader::read;

const SILENCE: Duration = Duration::from_secs(5);
const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const BEAT: &str = ": keepalive\n\n";
/// The least that keeps a limit of one second from falling due for five.
const BEATS: usize = 5;

/// Silent after its first event, or before its head.
async fn upstream() -> Server {
    let stream = || Behaviour::well().pieces("text/event-stream", [TEXT, DONE]);
    let script = Script::well()
        .on(Matcher::path("/silent"), stream().chunk_delay(SILENCE))
        .on(Matcher::path("/limited"), stream().chunk_delay(SILENCE))
        .on(Matcher::path("/late"), stream().head_delay(SILENCE));
    Server::start(Upstream::new(script)).await
}

async fn is_cut_without_heartbeats(kind: Kind, program: &Path) {
    let server = upstream().await;
    let gateway = Gateway::before(server.url(), &["--heartbeat", "off"]).await;
    let proxy = kind.start(program, gateway.address).await;
    let (silent, late) =
        tokio::join!(read(proxy.address, "/silent"), read(proxy.address, "/late"),);
    assert_eq!(silent.status, StatusCode::OK);
    assert_eq!((silent.body.as_str(), silent.whole), (TEXT, false));
    assert_eq!(late.status, StatusCode::GATEWAY_TIMEOUT, "{late:?}");
    until(server.upstream(), |upstream| {
        upstream.counts().abandoned == 2
    })
    .await;
}

async fn is_whole_with_heartbeats(kind: Kind, program: &Path) {
    let server = upstream().await;
    let flags = ["--heartbeat", "300ms", "--heartbeat-eager", "300ms"];
    let gateway = Gateway::before(server.url(), &flags).await;
    let proxy = kind.start(program, gateway.address).await;
    let (silent, late) =
        tokio::join!(read(proxy.address, "/silent"), read(proxy.address, "/late"),);
    for seen in [silent, late] {
        assert_eq!(seen.status, StatusCode::OK);
        assert!(seen.whole, "{seen:?}");
        assert_eq!(seen.body.replace(BEAT, ""), [TEXT, DONE].concat());
        assert!(seen.body.matches(BEAT).count() >= BEATS, "{seen:?}");
    }
    assert_eq!(server.upstream().counts().abandoned, 0);
}

async fn a_silence_survives(kind: Kind) {
    if let Some(program) = kind.find() {
        tokio::join!(
            is_cut_without_heartbeats(kind, &program),
            is_whole_with_heartbeats(kind, &program),
        );
    }
}

#[tokio::test]
async fn a_silence_survives_nginx_with_heartbeats_and_only_with_them() {
    a_silence_survives(NGINX).await;
}

#[tokio::test]
async fn a_silence_survives_haproxy_with_heartbeats_and_only_with_them() {
    a_silence_survives(HAPROXY).await;
}

#[tokio::test]
async fn a_silence_survives_envoy_with_heartbeats_and_only_with_them() {
    a_silence_survives(ENVOY).await;
}

#[tokio::test]
async fn no_heartbeat_helps_against_a_limit_on_the_whole_answer() {
    let Some(program) = ENVOY.find() else { return };
    let server = upstream().await;
    let gateway = Gateway::before(server.url(), &["--heartbeat", "300ms"]).await;
    let proxy = ENVOY.start(&program, gateway.address).await;
    let seen = read(proxy.address, "/limited").await;
    assert!(!seen.whole && seen.body.contains(BEAT), "{seen:?}");
}
