//! The gateway without any argument: what a newcomer sees first.

use std::io::{self, Write as _};

use http::StatusCode;
use tokio::process::Command;

use crate::harness::{Gateway, soon};

async fn the_printed_commands_work(profile: &str, end: &str) {
    let version = Command::new("curl").arg("--version").output().await;
    if version.is_err() {
        let _lost = writeln!(io::stderr(), "skipped: curl not found");
        return;
    }
    let gateway = Gateway::start(&["--profile", profile, "--breaker-failures", "5"]).await;
    let run = async |command: &str| {
        let output = soon(Command::new("sh").args(["-c", command]).output())
            .await
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let json = run(&gateway.said[1]).await;
    assert!(json.contains("200 OK"), "{json}");
    assert!(json.contains("\"usage\""), "{json}");
    assert!(json.contains("x-buttress-attempts: "), "{json}");
    assert!(!json.contains("x-buttress-attempts: 1\r"), "{json}");
    assert!(json.contains("x-buttress-served-by: demo\r"), "{json}");
    let stream = run(&gateway.said[2]).await;
    assert!(stream.contains("text/event-stream"), "{stream}");
    assert!(stream.contains("\n\n: keepalive\n\n"), "{stream}");
    assert!(stream.contains(end), "{stream}");
    // Then nobody is there, and before long nobody asks.
    for attempts in ["4", "3", "1"] {
        let json = run(&gateway.said[1]).await;
        assert!(json.contains("200 OK"), "{json}");
        assert!(json.contains("x-buttress-served-by: spare\r"), "{json}");
        assert!(
            json.contains(&format!("x-buttress-attempts: {attempts}\r")),
            "{json}"
        );
    }
    let (_, log) = gateway.stop().await;
    assert!(log.contains("limit=\"first_frame\" limit_ms=1000"), "{log}");
    assert!(!log.contains("has no key"), "{log}");
}

#[tokio::test]
async fn the_printed_commands_show_a_stall_a_silence_and_a_crash() {
    the_printed_commands_work("openai", "[DONE]").await;
}

#[tokio::test]
async fn so_do_those_of_the_other_api() {
    the_printed_commands_work("anthropic", "message_stop").await;
}

#[tokio::test]
async fn nearly_everything_ends_well_although_the_upstream_misbehaves() {
    let gateway =
        Gateway::start(&["--seed", "7", "--retry-base", "1ms", "--retry-cap", "1ms"]).await;
    let (mut well, mut attempts) = (0, 0);
    for _ in 0..12 {
        let answer = gateway
            .post("/v1/chat/completions", r#"{"model":"m","messages":[]}"#)
            .await;
        well += u32::from(answer.status == StatusCode::OK);
        attempts += answer.attempts();
    }
    assert!(well >= 11, "{well} of 12");
    assert!(
        attempts > 12,
        "the upstream misbehaved, and a retry was seen"
    );
}
