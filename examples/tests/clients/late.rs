//! A head that is late: heartbeats instead of it, then the stream, or what became of it.

use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, Cut, Script};

use crate::client::{Client, READERS, SDKS, at_once};
use crate::report::Report;
use crate::show::Show;
use crate::streams::Stream;

/// Nobody waits for the head for longer than 200 ms.
const FLAGS: [&str; 6] = [
    "--heartbeat",
    "200ms",
    "--heartbeat-eager",
    "200ms",
    "--max-attempts",
    "1",
];

/// Long enough for an early head and a heartbeat behind it, even if each is late.
const LATE: Duration = Duration::from_millis(900);

#[tokio::test]
async fn a_stream_whose_head_is_late_comes_whole_behind_heartbeats() {
    let all = [SDKS.as_slice(), &READERS].concat();
    at_once(&all, |client| async move {
        let [mut plain, mut with_ids] = [false, true].map(|ids| client.dialect.stream(ids));
        plain.name = "plain".to_owned();
        with_ids.name = "ids".to_owned();
        // Behind a heartbeat a byte order mark is none, but the beginning of a line.
        let mut marked = plain.clone();
        marked.name = "marked".to_owned();
        marked.wire.insert(0, '\u{feff}');

        let streams = [plain, with_ids, marked];
        let late = |stream: &Stream| (stream.name.clone(), stream.behaviour().head_delay(LATE));
        let Some((show, report)) = read(client, streams.each_ref().map(late)).await else {
            return;
        };
        for stream in &streams {
            let seen = &report[&stream.name];
            assert!(seen.is(stream), "{}, {stream:#?}: {seen:#?}", client.name);
        }
        assert!(show.heartbeats() >= streams.len(), "{}", client.name);
    })
    .await;
}

#[tokio::test]
async fn what_fails_behind_an_early_head_is_an_error_of_the_api() {
    at_once(&SDKS, |client| async move {
        let no_json = Behaviour::status(502).body("text/html", "<h1>no</h1>");
        let reset = Behaviour::well().cut_before_head(Cut::Reset);
        let failures = [
            ("overloaded", Behaviour::overloaded()),
            ("no-json", no_json),
            ("reset", reset),
        ];
        let late = |(name, failure): (&str, Behaviour)| (name.to_owned(), failure.head_delay(LATE));
        let Some((show, report)) = read(client, failures.map(late)).await else {
            return;
        };
        assert_eq!(report.len(), 3);
        for (name, seen) in &report {
            let error = seen.events.is_empty() && seen.failed_with("APIError");
            assert!(error, "{}, {name}: {seen:#?}", client.name);
        }
        assert!(show.heartbeats() >= report.len(), "{}", client.name);
    })
    .await;
}

/// Lets a client read all these answers at once.
async fn read<const N: usize>(
    client: Client,
    answers: [(String, Behaviour); N],
) -> Option<(Show, Report)> {
    let names = answers.each_ref().map(|(name, _)| name.clone());
    let script = answers
        .into_iter()
        .fold(Script::well(), |script, (name, answer)| {
            script.on(client.dialect.request(&name), answer)
        });
    let show = Show::new(client.dialect, script, &FLAGS).await;
    let report = client.read(show.address(), &names).await?;
    Some((show, report))
}
