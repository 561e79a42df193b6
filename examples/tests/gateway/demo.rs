//! The gateway without any argument: what a newcomer sees first.

use http::StatusCode;
use tokio::process::Command;

use crate::harness::{Gateway, soon};

#[tokio::test]
async fn the_printed_commands_work_as_they_stand() {
    if Command::new("curl")
        .arg("--version")
        .output()
        .await
        .is_err()
    {
        println!("skipped: curl not found");
        return;
    }
    for profile in ["openai", "anthropic"] {
        let gateway = Gateway::start(&["--profile", profile]).await;
        let run = async |command: &str| {
            let output = soon(Command::new("sh").args(["-c", command]).output())
                .await
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let json = run(&gateway.said[1]).await;
        assert!(
            json.contains("200 OK") && json.contains("x-buttress-attempts: "),
            "{json}"
        );
        assert!(json.contains("\"usage\""), "{json}");
        let stream = run(&gateway.said[2]).await;
        assert!(stream.contains("text/event-stream"), "{stream}");
        let last = if profile == "openai" {
            "[DONE]"
        } else {
            "message_stop"
        };
        assert!(stream.contains(last), "{stream}");
    }
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
