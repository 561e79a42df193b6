//! Streams cut at every place that may matter, with a pause for several heartbeats at each cut.

use crate::client::{
    ANTHROPIC_NODE, ANTHROPIC_PYTHON, Client, EVENTSOURCE, EVENTSOURCE_PARSER, HTTPX_SSE,
    OPENAI_NODE, OPENAI_PYTHON,
};
use crate::report::Report;
use crate::show::Show;
use crate::streams::{Dialect, RAW, Stream, names, script};
use crate::{browser, curl};

/// Nothing is held back, so that every pause is left to the heartbeat.
const FLAGS: [&str; 4] = ["--hold-wait", "0ms", "--heartbeat", "200ms"];

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
    let (show, streams) = begin(RAW).await;
    let report = curl::read(show.address(), &names(&streams)).await;
    compare(&show, "curl", &streams, report);
}

#[tokio::test]
async fn chromium_sees_what_was_sent() {
    let (show, streams) = begin(RAW).await;
    let upstream = show.upstream();
    upstream.set_script(browser::with_page(script(&RAW, &streams)));
    let report = browser::read(show.address(), upstream, &names(&streams)).await;
    compare(&show, "Chromium", &streams, report);
}

async fn sees_what_was_sent(client: Client) {
    let (show, streams) = begin(client.dialect).await;
    let report = client.read(show.address(), &names(&streams)).await;
    compare(&show, client.name, &streams, report);
}

async fn begin(dialect: Dialect) -> (Show, Vec<Stream>) {
    let streams = dialect.streams();
    let show = Show::new(dialect, script(&dialect, &streams), &FLAGS).await;
    (show, streams)
}

/// Each stream is seen as it was sent, and a heartbeat came wherever one could.
fn compare(show: &Show, client: &str, streams: &[Stream], report: Option<Report>) {
    let Some(report) = report else { return };
    let seen = |stream: &Stream| report.get(&stream.name);
    let wrong: Vec<_> = streams
        .iter()
        .filter(|stream| !seen(stream).is_some_and(|seen| seen.is(stream)))
        .collect();
    if let Some(first) = wrong.first() {
        let (wrong, all) = (wrong.len(), streams.len());
        panic!("{client}: {wrong} of {all}: {first:#?}\n{:#?}", seen(first));
    }
    let pauses: usize = streams.iter().map(Stream::pauses_behind_a_line).sum();
    let heartbeats = show.heartbeats();
    assert!(
        heartbeats >= pauses,
        "{client}: {heartbeats} heartbeats in {pauses} pauses"
    );
}
