//! Heartbeats made by hand, without the gateway: what they break, these tests notice.

use buttress_testkit::upstream::{Server, Upstream};

use crate::client::{Client, READERS, SDKS, at_once};
use crate::report::Report;
use crate::streams::{Stream, names, script};

/// With a blank line, and without.
const BLANK: &str = ": keepalive\n\n";
const LINE: &str = ": keepalive\n";

#[tokio::test]
async fn a_blank_line_behind_the_heartbeat_does_harm_once_there_are_ids() {
    let all = [SDKS.as_slice(), &READERS].concat();
    at_once(&all, |client| async move {
        let [plain, with_ids] = [false, true].map(|ids| client.dialect.stream(ids));
        let streams = [
            between_events(&plain, "plain-blank", BLANK),
            between_events(&plain, "plain-line", LINE),
            between_events(&with_ids, "ids-line", LINE),
            between_events(&with_ids, "ids-blank", BLANK),
        ];
        let Some(report) = read(client, &streams).await else {
            return;
        };
        for stream in &streams[..3] {
            let seen = &report[&stream.name];
            assert!(seen.is(stream), "{}, {stream:#?}: {seen:#?}", client.name);
        }
        let seen = &report["ids-blank"];
        let harm = match client.name {
            "openai (python)" => seen.failed_with("JSONDecodeError"),
            // An event that nobody sent.
            "httpx-sse (python)" => seen.events.len() > streams[3].events.len(),
            _ => seen.is(&streams[3]),
        };
        assert!(harm, "{}: {seen:#?}", client.name);
    })
    .await;
}

#[tokio::test]
async fn no_client_overlooks_a_heartbeat_within_a_line() {
    let all = [SDKS.as_slice(), &READERS].concat();
    at_once(&all, |client| async move {
        let stream = client.dialect.stream(false);
        let within = stream.wire.find("data: {").unwrap() + "data: {".len();
        let broken = with(&stream, "broken", within, LINE);
        if let Some(report) = read(client, std::slice::from_ref(&broken)).await {
            let seen = &report["broken"];
            assert!(!seen.is(&broken), "{}: {seen:#?}", client.name);
        }
    })
    .await;
}

async fn read(client: Client, streams: &[Stream]) -> Option<Report> {
    let server = Server::start(Upstream::new(script(&client.dialect, streams))).await;
    client.read(server.addr(), &names(streams)).await
}

fn between_events(stream: &Stream, name: &str, heartbeat: &str) -> Stream {
    let end_of_first = stream.wire.find("\n\n").unwrap() + 2;
    with(stream, name, end_of_first, heartbeat)
}

fn with(stream: &Stream, name: &str, at: usize, heartbeat: &str) -> Stream {
    let mut stream = stream.clone();
    stream.name = name.to_owned();
    stream.wire.insert_str(at, heartbeat);
    stream
}
