//! Streams cut at every place that may matter, with a pause for several heartbeats at each cut.

use crate::client::{
    ANTHROPIC_NODE, ANTHROPIC_PYTHON, Client, EVENTSOURCE, EVENTSOURCE_PARSER, HTTPX_SSE,
    OPENAI_NODE, OPENAI_PYTHON,
};
use crate::harness::{Scene, scene};
use crate::report::Report;
use crate::streams::{Dialect, RAW, Stream, names, script};
use crate::tap::Tap;
use crate::{browser, curl};

/// Nothing is held back, so that every pause is left to the heartbeat.
const FLAGS: [&str; 2] = ["--hold-wait", "0ms"];

#[tokio::test]
async fn openai_python_sees_what_was_sent() {
    sees_what_was_sent(OPENAI_PYTHON).await;
}

#[tokio::test]
async fn anthropic_python_sees_what_was_sent() {
    sees_what_was_sent(ANTHROPIC_PYTHON).await;
}

#[tokio::test]
async fn httpx_sse_sees_what_was_sent() {
    sees_what_was_sent(HTTPX_SSE).await;
}

#[tokio::test]
async fn openai_node_sees_what_was_sent() {
    sees_what_was_sent(OPENAI_NODE).await;
}

#[tokio::test]
async fn anthropic_node_sees_what_was_sent() {
    sees_what_was_sent(ANTHROPIC_NODE).await;
}

#[tokio::test]
async fn eventsource_sees_what_was_sent() {
    sees_what_was_sent(EVENTSOURCE).await;
}

#[tokio::test]
async fn eventsource_parser_sees_what_was_sent() {
    sees_what_was_sent(EVENTSOURCE_PARSER).await;
}

#[tokio::test]
async fn curl_sees_what_was_sent() {
    let (show, streams) = Show::new(RAW).await;
    let report = curl::read(show.tap.address, &names(&streams)).await;
    show.compare("curl", &streams, report);
}

#[tokio::test]
async fn chromium_sees_what_was_sent() {
    let (show, streams) = Show::new(RAW).await;
    let Show { scene, tap } = &show;
    scene
        .upstream
        .set_script(browser::with_page(script(&RAW, &streams)));
    let report = browser::read(tap.address, &scene.upstream, &names(&streams)).await;
    show.compare("Chromium", &streams, report);
}

async fn sees_what_was_sent(client: Client) {
    let (show, streams) = Show::new(client.dialect).await;
    let report = client.read(show.tap.address, &names(&streams)).await;
    show.compare(client.name, &streams, report);
}

/// An upstream, the gateway, and a tap on what comes out of it.
struct Show {
    scene: Scene,
    tap: Tap,
}

impl Show {
    async fn new(dialect: Dialect) -> (Self, Vec<Stream>) {
        let streams = dialect.streams();
        let scene = scene(script(&dialect, &streams), &FLAGS).await;
        let tap = Tap::before(scene.gateway.address).await;
        (Self { scene, tap }, streams)
    }

    /// Each stream is seen as it was sent.
    fn compare(&self, client: &str, streams: &[Stream], report: Option<Report>) {
        let Some(report) = report else { return };
        let seen = |stream: &Stream| report.get(&stream.name);
        let wrong: Vec<_> = streams
            .iter()
            .filter(|stream| !seen(stream).is_some_and(|seen| seen.is(stream)))
            .collect();
        if let Some(first) = wrong.first() {
            let (wrong, all, beats) = (wrong.len(), streams.len(), self.tap.heartbeats());
            let seen = seen(first);
            panic!("{client}: {wrong} of {all}, {beats} heartbeats: {first:#?}\n{seen:#?}");
        }
    }
}
