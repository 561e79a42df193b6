//! Heartbeats made by hand, without the gateway: what they break, these tests notice.

use buttress_testkit::upstream::{Server, Upstream};

use crate::client::{Client, READERS, SDKS, at_once};
use crate::report::Report;
use crate::streams::{Stream, names, script};

/// With a blank line, and without.
const BLANK: &str = ": keepalive\n\n";
const LINE: &str = ": keepalive\n";

#[tokio::test]
async fn what_a_heartbeat_breaks_is_noticed_with_every_client() {
    let all = [SDKS.as_slice(), &READERS].concat();
    at_once(&all, |client| async move {
        let [plain, with_ids] = [false, true].map(|ids| client.dialect.stream(ids));
        let end_of_first = |stream: &Stream| stream.wire.find("\n\n").unwrap() + 2;
        let harmless = [
            with(&plain, "plain-blank", end_of_first(&plain), BLANK),
            with(&plain, "plain-line", end_of_first(&plain), LINE),
            with(&with_ids, "ids-line", end_of_first(&with_ids), LINE),
        ];
        let blank = with(&with_ids, "ids-blank", end_of_first(&with_ids), BLANK);
        let within = plain.wire.find("data: {").unwrap() + "data: {".len();
        let within = with(&plain, "within-a-line", within, LINE);

        let streams = [harmless.as_slice(), &[blank.clone(), within.clone()]].concat();
        let Some(report) = read(client, &streams).await else {
            return;
        };
        for stream in &harmless {
            let seen = &report[&stream.name];
            assert!(seen.is(stream), "{}, {stream:#?}: {seen:#?}", client.name);
        }
        let seen = &report[&blank.name];
        let as_known = match client.name {
            "openai (python)" => seen.failed_with("JSONDecodeError"),
            // An event that nobody sent.
            "httpx-sse (python)" => seen.events.len() == blank.events.len() + 1,
            _ => seen.is(&blank),
        };
        assert!(as_known, "{}: {seen:#?}", client.name);
        let seen = &report[&within.name];
        assert!(!seen.is(&within), "{}: {seen:#?}", client.name);
    })
    .await;
}

async fn read(client: Client, streams: &[Stream]) -> Option<Report> {
    let server = Server::start(Upstream::new(script(&client.dialect, streams))).await;
    client.read(server.addr(), &names(streams)).await
}

fn with(stream: &Stream, name: &str, at: usize, heartbeat: &str) -> Stream {
    let mut stream = stream.clone();
    stream.name = name.to_owned();
    stream.wire.insert_str(at, heartbeat);
    stream
}
