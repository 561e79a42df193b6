//! Heartbeats made by hand, without the gateway: what they break, these tests notice.

use buttress_testkit::upstream::{Server, Upstream};

use crate::client::{Client, EVENTSOURCE, EVENTSOURCE_PARSER, HTTPX_SSE, OPENAI_PYTHON, SDKS};
use crate::report::Report;
use crate::streams::{Stream, names, script};

/// With the blank line, and without.
const BLANK: &str = ": keepalive\n\n";
const LINE: &str = ": keepalive\n";

#[tokio::test]
async fn with_ids_a_blank_line_behind_the_heartbeat_kills_openai_python() {
    let [plain, with_ids] = [false, true].map(|ids| OPENAI_PYTHON.dialect.stream(ids));
    let streams = [
        between_events(&plain, "plain", BLANK),
        between_events(&with_ids, "blank", BLANK),
        between_events(&with_ids, "line", LINE),
    ];
    let Some(report) = read(OPENAI_PYTHON, &streams).await else {
        return;
    };
    let [plain, blank, line] = [0, 1, 2].map(|n: usize| &report[&streams[n].name]);
    assert!(plain.is(&streams[0]), "{plain:#?}");
    assert!(blank.failed_with("JSONDecodeError"), "{blank:#?}");
    assert!(line.is(&streams[2]), "{line:#?}");
}

#[tokio::test]
async fn no_client_overlooks_a_heartbeat_within_a_line() {
    for client in [
        SDKS.as_slice(),
        &[HTTPX_SSE, EVENTSOURCE, EVENTSOURCE_PARSER],
    ]
    .concat()
    {
        let stream = client.dialect.stream(false);
        let within = stream.wire.find("data: {").unwrap() + "data: {".len();
        let broken = with(&stream, "broken", within, LINE);
        if let Some(report) = read(client, std::slice::from_ref(&broken)).await {
            let seen = &report["broken"];
            assert!(!seen.is(&broken), "{}: {seen:#?}", client.name);
        }
    }
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
