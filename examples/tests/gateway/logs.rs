//! What the log says, and what it must not.

use buttress_testkit::upstream::{Behaviour, Script};
use http::Request;

use crate::harness::{Scene, scene};

async fn one_request_with_secrets(flags: &[&str]) -> Scene {
    let refusal = Behaviour::overloaded().header("x-note", "secret-of-the-refusal");
    let answer = Behaviour::well()
        .header("x-note", "secret-of-the-answer")
        .body("text/plain", "secret-body-of-the-answer");
    let scene = scene(Script::sequence([refusal]).then(answer), flags).await;
    let request = Request::post("/v1/chat/completions?key=secret-query")
        .header("authorization", "Bearer secret-key")
        .header("x-own", "secret-field");
    let answer = scene.gateway.ask(request, "secret-body").await;
    assert_eq!(answer.attempts(), 2);
    scene
}

#[tokio::test]
async fn a_line_for_the_request_and_one_for_the_decision_without_any_secret() {
    let scene = one_request_with_secrets(&[]).await;
    let (_, log) = scene.gateway.stop().await;

    assert!(!log.contains("secret"), "{log}");
    let line = log
        .lines()
        .find(|line| line.contains("/v1/chat/completions"))
        .unwrap();
    for part in [
        "POST",
        "status=200",
        "attempts=2",
        "head_ms=",
        "outcome=complete",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let decision = log.lines().find(|line| line.contains("buttress::retry"));
    assert!(decision.is_some(), "{log}");
}

#[tokio::test]
async fn a_stream_that_failed_under_status_200_has_its_line_without_its_words() {
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"secret"}}"#;
    let failing = Behaviour::well().pieces(
        "text/event-stream",
        [
            ": secret\n\n".to_owned(),
            format!("event: error\ndata: {error}\n\n"),
        ],
    );
    let script = Script::sequence([failing]);
    let scene = scene(script, &["--profile", "anthropic"]).await;
    let answer = scene
        .gateway
        .post("/v1/messages", r#"{"stream":true}"#)
        .await;
    assert_eq!(answer.attempts(), 2);
    let (_, log) = scene.gateway.stop().await;

    assert!(!log.contains("secret"), "{log}");
    let mut lines = log.lines();
    let judged = lines.find(|line| line.contains("buttress::judge")).unwrap();
    for part in ["judged", "status=200", "overloaded"] {
        assert!(judged.contains(part), "{part}: {judged}");
    }
}

#[tokio::test]
async fn machines_get_an_object_per_line() {
    let scene = one_request_with_secrets(&["--log", "json"]).await;
    let (_, log) = scene.gateway.stop().await;

    assert!(!log.contains("secret"), "{log}");
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let request = lines.iter().find(|line| line["message"] == "done").unwrap();
    assert_eq!(request["method"], "POST");
    assert_eq!(request["path"], "/v1/chat/completions");
    assert_eq!(request["status"], 200);
    assert_eq!(request["attempts"], 2);
    assert_eq!(request["outcome"], "complete");
    assert!(lines.iter().any(|line| line["target"] == "buttress::retry"));
}

#[tokio::test]
async fn a_path_cannot_forge_a_line() {
    let scene = scene(Script::well(), &[]).await;
    scene.gateway.get("/a%0AINFO%20b").await;
    scene
        .gateway
        .raw("GET /\u{2028}\u{1b}[31m HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    let (_, log) = scene.gateway.stop().await;
    assert!(
        log.chars()
            .all(|c| c == '\n' || !c.is_control() && c != '\u{2028}'),
        "{log:?}"
    );
}
