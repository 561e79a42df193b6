//! gRPC's own library for Python.

use std::env;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::server::{TOTAL, start};

/// The exit code of the script where it does not find its package.
const MISSING: i32 = 77;

/// What the library reports of each call; `None` where it is not installed.
async fn ask(calls: &'static [&'static str]) -> Option<Vec<Value>> {
    let (addr, _serving) = start().await;
    let run = move || {
        let program = env::var("BUTTRESS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        Command::new(program)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/respond/ask_grpcio.py"))
            .arg(addr.to_string())
            .args(calls)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .output()
    };
    match tokio::task::spawn_blocking(run).await.unwrap() {
        Err(error) if error.kind() == ErrorKind::NotFound => missing(),
        Ok(output) if output.status.code() == Some(MISSING) => missing(),
        output => Some(reports(&output.unwrap())),
    }
}

fn reports(output: &Output) -> Vec<Value> {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn missing<T>() -> Option<T> {
    // Past the capture of the print macros: whoever runs the tests is to see it.
    let mut stderr = io::stderr();
    writeln!(stderr, "skipped: grpcio (python) not found").unwrap();
    None
}

#[tokio::test]
async fn p21_a_grpc_client_hears_of_deadlines_and_refusals_in_its_own_words() {
    let calls = &[
        "unary:Never",
        "stream:Stalls",
        "unary:Open",
        "stream:Open",
        "unary:Left",
    ];
    let Some(reports) = ask(calls).await else {
        return;
    };
    let [never, stalls, open, open_stream, left] = &reports[..] else {
        panic!("{reports:?}");
    };

    // Not UNAVAILABLE, which a bare 504 becomes, and not CANCELLED. Told by the server: the client
    // itself waits for a minute.
    assert_eq!(never["code"], "DEADLINE_EXCEEDED", "{never}");
    assert_eq!(never["details"], "the time for this request is used up");
    assert!(never["seconds"].as_f64().unwrap() >= TOTAL.as_secs_f64());

    // Begun already: what came is kept.
    assert_eq!(stalls["code"], "DEADLINE_EXCEEDED", "{stalls}");
    assert_eq!(stalls["messages"], serde_json::json!(["one"]));

    for open in [open, open_stream] {
        assert_eq!(open["code"], "UNAVAILABLE", "{open}");
        assert_eq!(open["trailers"]["grpc-retry-pushback-ms"], "1500");
        assert!(!open.to_string().contains("upstream.internal"));
    }

    // A client's own minute is what is left.
    assert_eq!(left["code"], "OK", "{left}");
    let millis: u64 = left["messages"][0].as_str().unwrap().parse().unwrap();
    assert!((50_000..=60_000).contains(&millis), "{left}");
}

#[tokio::test]
async fn what_our_retries_have_given_up_on_a_grpc_client_does_not_try_again() {
    // A server each: the library may keep a connection for its next channel, and calls are numbered on it.
    let busy: [&[&str]; 2] = [&["persistent:Busy"], &["persistent:BusyAlone"]];
    for (calls, pushback) in busy.into_iter().zip([Some("-1"), None]) {
        let Some(reports) = ask(calls).await else {
            return;
        };
        let report = &reports[0];
        assert_eq!(report["code"], "UNAVAILABLE", "{report}");
        // Three attempts in either case, by us or by the library, and not three times three.
        assert_eq!(report["details"], "call 3", "{report}");
        let trailers = &report["trailers"];
        assert_eq!(trailers["grpc-retry-pushback-ms"].as_str(), pushback);
    }
}
