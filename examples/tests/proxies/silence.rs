//! Five seconds of silence behind an idle limit of one.

use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, Matcher, Script, Server, Upstream};
use http::StatusCode;

use crate::proxy::{ENVOY, HAPROXY, Kind, NGINX};
use crate::reader::read;

const SILENCE: Duration = Duration::from_secs(5);
const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// `/silent` falls silent after its first event, `/late` before its head.
fn script() -> Script {
    let stream =
        |events: &[&'static str]| Behaviour::well().pieces("text/event-stream", events.to_vec());
    let beats = [&[TEXT], &[": beat\n\n"; 12][..], &[DONE]].concat();
    Script::well()
        .on(
            Matcher::path("/silent"),
            stream(&[TEXT, DONE]).chunk_delay(SILENCE),
        )
        .on(
            Matcher::path("/late"),
            stream(&[TEXT, DONE]).head_delay(SILENCE),
        )
        .on(
            Matcher::path("/beating"),
            stream(&beats).chunk_delay(Duration::from_millis(300)),
        )
}

async fn silence(kind: Kind) {
    let Some(program) = kind.find() else { return };
    let server = Server::start(Upstream::new(script())).await;
    let proxy = kind.start(&program, server.addr()).await;
    let (silent, late, beating) = tokio::join!(
        read(proxy.address, "/silent"),
        read(proxy.address, "/late"),
        read(proxy.address, "/beating"),
    );
    assert_eq!(silent.status, StatusCode::OK);
    assert_eq!((silent.body.as_str(), silent.whole), (TEXT, false), "cut");
    assert_eq!(late.status, StatusCode::GATEWAY_TIMEOUT, "{late:?}");
    assert!(beating.whole && beating.body.ends_with(DONE), "{beating:?}");
}

#[tokio::test]
async fn nginx_cuts_a_silence_unless_something_is_sent() {
    silence(NGINX).await;
}

#[tokio::test]
async fn haproxy_cuts_a_silence_unless_something_is_sent() {
    silence(HAPROXY).await;
}

#[tokio::test]
async fn envoy_cuts_a_silence_unless_something_is_sent() {
    silence(ENVOY).await;
}
