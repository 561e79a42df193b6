//! curl, which reads no events: it hands on every byte.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::Stdio;

use buttress::sse::Parser;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::harness::soon;
use crate::report::{End, Report, Seen, missing};

/// Reads all these streams at once; `None` where curl is not installed.
pub(crate) async fn read(server: SocketAddr, streams: &[String]) -> Option<Report> {
    let mut curls = JoinSet::new();
    for stream in streams.iter().cloned() {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--no-buffer"])
            .arg(format!("http://{server}/{stream}"))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        curls.spawn(async move { (stream, soon(output).await) });
    }
    let mut report = Report::new();
    while let Some(joined) = curls.join_next().await {
        let (stream, output) = match joined.unwrap() {
            (_, Err(error)) if error.kind() == ErrorKind::NotFound => return missing("curl"),
            (stream, output) => (stream, output.unwrap()),
        };
        let end = match output.status.code() {
            Some(0) => End::Proper,
            // Its code for a stream that was cut short is 18.
            code => End::Error(vec![format!("{code:?}")], text(&output.stderr)),
        };
        let events = events(&output.stdout);
        report.insert(stream, Seen { events, end });
    }
    Some(report)
}

/// As the standard reads them.
fn events(mut bytes: &[u8]) -> Vec<Value> {
    let mut parser = Parser::new();
    let mut events = Vec::new();
    while let Some(event) = parser.next_event(&mut bytes).unwrap() {
        events.push(json!({ "event": event.name(), "data": event.data(), "id": event.id() }));
    }
    events
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
