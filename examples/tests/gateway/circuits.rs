//! An upstream that keeps failing is left alone, and found again when it is back.

use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, Cut, Matcher, Script, Server, Upstream, provider};
use futures_util::future::join_all;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::harness::{Answer, Gateway, scene, soon, until};

const CHAT: &str = "/v1/chat/completions";
const HELLO: &str = r#"{"model":"gpt-4o-mini","messages":[]}"#;
const STREAM: &str = r#"{"model":"gpt-4o-mini","messages":[],"stream":true}"#;
/// One attempt per request, so that calls are easily counted.
const ONCE: [&str; 2] = ["--max-attempts", "1"];

async fn circuits(gateway: &Gateway) -> Vec<Value> {
    let board = gateway.get("/circuits").await;
    assert_eq!(board.field("content-type"), Some("application/json"));
    let board: Value = serde_json::from_slice(&board.body).unwrap();
    board["circuits"].as_array().unwrap().clone()
}

fn is_refused(answer: &Answer) -> bool {
    answer.status == StatusCode::SERVICE_UNAVAILABLE && answer.attempts() == 0
}

fn with_key(key: &str) -> http::request::Builder {
    Request::post(CHAT).header("authorization", format!("Bearer {key}"))
}

#[tokio::test]
async fn an_upstream_that_goes_away_is_left_alone_and_found_again() {
    let upstream = Upstream::new(
        Behaviour::well()
            .tokens(10)
            .chunk_delay(Duration::from_millis(200)),
    );
    let server = Server::start(upstream.clone()).await;
    let flags = [
        "--breaker-open",
        "400ms",
        "--max-attempts",
        "1",
        "--hold-wait",
        "1s",
    ];
    let gateway = Gateway::before(server.url(), &flags).await;
    assert_eq!(gateway.post(CHAT, HELLO).await.status, StatusCode::OK);

    server.go_away().await;
    let left = Instant::now();
    let (mut asked, mut tried) = (0, 0);
    while left.elapsed() < Duration::from_secs(3) {
        let answer = gateway.post(CHAT, HELLO).await;
        asked += 1;
        tried += answer.attempts();
        if is_refused(&answer) {
            assert_eq!(
                answer.field("content-type"),
                Some("application/problem+json")
            );
            let wait: u64 = answer.field("retry-after").unwrap().parse().unwrap();
            assert!((1..=4).contains(&wait), "{wait}");
        } else {
            assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        }
        sleep(Duration::from_millis(10)).await;
    }
    // Five to open it, then a probe after 0.4 s, after 0.6 s more, after 0.9 s more, at most.
    assert!(
        (6..=8).contains(&tried),
        "{tried} of {asked} calls were made"
    );

    server.come_back().await.unwrap();
    let circuit = &circuits(&gateway).await[0];
    let wait = Duration::from_millis(circuit["retry_after_ms"].as_u64().unwrap_or(0));
    let back = Instant::now();
    let probe = loop {
        // The probe is a stream of two seconds: it counts from its first content on.
        let answer = gateway.begin_http2(Request::post(CHAT), STREAM).await;
        if answer.status() == StatusCode::OK {
            break answer;
        }
        sleep(Duration::from_millis(10)).await;
    };
    let service = back.elapsed();
    assert!(
        service < wait + Duration::from_secs(2),
        "{service:?}, after {wait:?}"
    );
    let other = gateway.begin_http2(Request::post(CHAT), STREAM).await;
    assert_eq!(
        other.status(),
        StatusCode::OK,
        "while the probe's stream goes on"
    );
    let whole = soon(probe.into_body().collect()).await.unwrap().to_bytes();
    assert!(whole.ends_with(b"data: [DONE]\n\n"));
    assert_eq!(circuits(&gateway).await[0]["state"], "closed");
}

#[tokio::test]
async fn five_streams_in_a_row_that_begin_well_and_die_open_the_circuit() {
    let dies = Behaviour::well().tokens(10).cut_after(4, Cut::Reset);
    let scene = scene(dies, &["--breaker-open", "60s", "--hold-wait", "1s"]).await;
    for _ in 0..5 {
        let answer = scene.gateway.begin_http2(Request::post(CHAT), STREAM).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(soon(answer.into_body().collect()).await.is_err());
    }
    let answer = scene.gateway.post(CHAT, STREAM).await;
    assert!(is_refused(&answer), "{answer:?}");
    let wait: u64 = answer.field("retry-after").unwrap().parse().unwrap();
    assert!((55..=66).contains(&wait), "{wait}");
    assert_eq!(scene.upstream.counts().calls, 5);

    let (code, log) = scene.gateway.stop().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(
        log.contains("opened") && log.contains("buttress::breaker"),
        "{log}"
    );
    assert!(log.contains("outcome=refused"), "{log}");
}

#[tokio::test]
async fn requests_that_are_wrong_by_themselves_never_open_it() {
    let wrong = provider::json_error(400, provider::openai::CONTEXT_LENGTH);
    let scene = scene(wrong, &["--breaker-open", "60s"]).await;
    for _ in 0..30 {
        assert_eq!(
            scene.gateway.post(CHAT, HELLO).await.status,
            StatusCode::BAD_REQUEST
        );
    }
    assert_eq!(scene.upstream.counts().calls, 30);
    let circuit = &circuits(&scene.gateway).await[0];
    assert_eq!(
        (&circuit["state"], &circuit["failures"]),
        (&"closed".into(), &0.into())
    );
}

#[tokio::test]
async fn an_unpaid_bill_closes_the_door_to_its_own_credential_alone() {
    let unpaid = Matcher::default().header("authorization", "Bearer sk-poor");
    let script = Script::well().on(unpaid, Behaviour::out_of_quota());
    let scene = scene(script, &["--breaker-open", "60s"]).await;
    let ask = async |key| scene.gateway.ask(with_key(key), HELLO).await;

    assert_eq!(ask("sk-poor").await.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        is_refused(&ask("sk-poor").await),
        "the next one is not even sent"
    );
    assert_eq!(ask("sk-rich").await.status, StatusCode::OK);
    assert_eq!(scene.upstream.counts().calls, 2);

    let board = circuits(&scene.gateway).await;
    let mut states: Vec<_> = board.iter().map(|c| c["state"].as_str().unwrap()).collect();
    states.sort_unstable();
    assert_eq!(states, ["closed", "open"]);
    let shown = format!("{board:?}");
    assert!(
        !shown.contains("sk-") && !shown.contains("127.0.0.1"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_probe_whose_client_leaves_does_not_wedge_it() {
    let broken = || Behaviour::server_error();
    let slow = Behaviour::well().head_delay(Duration::from_secs(60));
    let script = Script::sequence([broken(), broken(), slow]);
    let flags = ["--breaker-failures", "2", "--breaker-open", "200ms"];
    let scene = scene(script, &[&flags[..], &ONCE].concat()).await;
    for _ in 0..2 {
        scene.gateway.post(CHAT, HELLO).await;
    }
    assert!(is_refused(&scene.gateway.post(CHAT, HELLO).await));
    sleep(Duration::from_millis(300)).await;

    let probe = scene.gateway.begin_http2(Request::post(CHAT), HELLO);
    assert!(timeout(Duration::from_millis(300), probe).await.is_err());
    until(&scene.upstream, |upstream| upstream.counts().abandoned == 1).await;
    assert_eq!(scene.gateway.post(CHAT, HELLO).await.status, StatusCode::OK);
    assert_eq!(circuits(&scene.gateway).await[0]["state"], "closed");
}

#[tokio::test]
async fn of_500_calls_at_the_moment_of_half_open_one_goes_through() {
    let broken = || Behaviour::server_error();
    let slow = Behaviour::well().head_delay(Duration::from_secs(2));
    let script = Script::sequence([broken(), broken()]).then(slow);
    let flags = ["--breaker-failures", "2", "--breaker-open", "300ms"];
    let scene = scene(script, &[&flags[..], &ONCE].concat()).await;
    for _ in 0..2 {
        scene.gateway.post(CHAT, HELLO).await;
    }
    sleep(Duration::from_millis(400)).await;
    let calls = (0..500).map(|_| scene.gateway.ask_http2(Request::post(CHAT), HELLO));
    let answers = join_all(calls).await;
    let refused = answers.iter().filter(|answer| is_refused(answer)).count();
    let well = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::OK)
        .count();
    assert_eq!((well, refused), (1, 499));
    assert_eq!(scene.upstream.counts().calls, 3);
}
