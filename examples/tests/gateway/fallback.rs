//! Who answers when the first upstream does not, and how long all of it may take.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, Call, Cut, Script, Server, Upstream, provider};
use http::{Request, StatusCode};
use tokio::time::Instant;

use crate::harness::{Answer, Gateway, command, soon};

const CHAT: &str = "/v1/chat/completions";
const HELLO: &str = r#"{"model":"small","messages":[]}"#;
const STREAM: &str = r#"{"model":"small","messages":[],"stream":true}"#;
const EXPECTED: &str = "x-envoy-expected-rq-timeout-ms";

const CALLERS: &str = "sk-of-the-caller";
/// What the environment of each gateway of these tests holds for `b` and `c`.
const KEYS: [(&str, &str); 2] = [("B_API_KEY", "sk-of-b"), ("C_API_KEY", "sk-of-c")];

/// Upstreams `a`, `b`, … behind one gateway.
struct Chain {
    gateway: Gateway,
    upstreams: Vec<(Upstream, Server)>,
}

impl Chain {
    async fn start(behaviours: impl IntoIterator<Item = Behaviour>, flags: &[&str]) -> Self {
        let mut upstreams = Vec::new();
        let mut all = Vec::new();
        for (name, behaviour) in ('a'..).zip(behaviours) {
            let upstream = Upstream::new(Script::always(behaviour));
            upstream.record_bodies(1 << 16);
            let server = Server::start(upstream.clone()).await;
            all.extend(["--upstream".to_owned(), format!("{name}={}", server.url())]);
            upstreams.push((upstream, server));
        }
        let short = ["--retry-base", "1ms", "--retry-cap", "1ms"];
        all.extend(short.iter().chain(flags).map(|flag| (*flag).to_owned()));
        let flags: Vec<&str> = all.iter().map(String::as_str).collect();
        let gateway = Gateway::start_in(&flags, &KEYS).await;
        Self { gateway, upstreams }
    }

    async fn ask(&self, body: &'static str) -> Answer {
        let key = format!("Bearer {CALLERS}");
        let head = Request::post(CHAT).header("authorization", key);
        self.gateway.ask(head, body).await
    }

    fn calls(&self) -> Vec<u64> {
        let calls = |(upstream, _): &(Upstream, Server)| upstream.counts().calls;
        self.upstreams.iter().map(calls).collect()
    }

    fn seen(&self, place: usize) -> Vec<Call> {
        self.upstreams[place].0.calls()
    }
}

/// A file with this answer, removed when dropped.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("{}-{name}", std::process::id());
        let path: PathBuf = [env!("CARGO_TARGET_TMPDIR"), &name].iter().collect();
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}

fn dead() -> Behaviour {
    Behaviour::well().cut_before_head(Cut::Reset)
}

#[tokio::test]
async fn one_is_dead_two_is_throttled_three_is_well() {
    let chain = Chain::start([dead(), Behaviour::rate_limited(), Behaviour::well()], &[]).await;
    let answer = chain.ask(STREAM).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.ends_with(b"data: [DONE]\n\n"));
    assert_eq!(answer.field("x-buttress-served-by"), Some("c"));
    assert_eq!(answer.field("x-buttress-degraded"), None);
    assert_eq!(chain.calls(), [3, 3, 1]);
    assert_eq!(answer.attempts(), 7);

    // Nobody sees another's key.
    for (place, own) in [CALLERS, "sk-of-b", "sk-of-c"].iter().enumerate() {
        for call in chain.seen(place) {
            let key = call.headers["authorization"].to_str().unwrap();
            assert_eq!(key, format!("Bearer {own}"));
            for (name, value) in &call.headers {
                let value = String::from_utf8_lossy(value.as_bytes());
                assert!(
                    name == "authorization" || !value.contains("sk-"),
                    "{name}: {value}"
                );
            }
        }
    }
    let (_, log) = chain.gateway.stop().await;
    assert!(log.contains("served_by=\"c\""), "{log}");
    assert!(!log.contains("sk-of"), "{log}");
}

#[tokio::test]
async fn the_first_serves_as_long_as_it_can() {
    let chain = Chain::start([Behaviour::well(), Behaviour::well()], &[]).await;
    let answer = chain.ask(HELLO).await;
    assert_eq!(answer.field("x-buttress-served-by"), Some("a"));
    assert_eq!(chain.calls(), [1, 0]);
}

#[tokio::test]
async fn all_are_dead_and_the_static_answer_says_that_it_is_less() {
    let file = File::new("sorry.json", r#"{"sorry":true}"#);
    let flags = ["--static-fallback", file.path()];
    let chain = Chain::start([dead(), Behaviour::overloaded()], &flags).await;
    let answer = chain.ask(HELLO).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, r#"{"sorry":true}"#);
    assert_eq!(answer.field("content-type"), Some("application/json"));
    assert_eq!(answer.field("x-buttress-served-by"), Some("static"));
    assert_eq!(answer.field("x-buttress-degraded"), Some("true"));
    assert_eq!(chain.calls(), [3, 3]);
}

#[tokio::test]
async fn who_is_silent_for_most_of_the_budget_leaves_time_for_the_static_answer() {
    let file = File::new("later.txt", "later");
    let flags = ["--static-fallback", file.path(), "--budget", "1s"];
    let stalls = Behaviour::well().cut_before_head(Cut::Stall);
    let chain = Chain::start([stalls], &flags).await;
    let answer = chain.ask(HELLO).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.field("x-buttress-served-by"), Some("static"));
    assert_eq!(chain.calls(), [1]);
}

#[tokio::test]
async fn a_request_that_is_wrong_is_sent_to_nobody_else() {
    let file = File::new("never.txt", "never");
    let wrong = [
        Behaviour::status(400),
        provider::json_error(401, provider::openai::INVALID_KEY),
        provider::json_error(400, provider::openai::CONTEXT_LENGTH),
    ];
    for wrong in wrong {
        let flags = ["--static-fallback", file.path()];
        let chain = Chain::start([wrong, Behaviour::well()], &flags).await;
        let answer = chain.ask(HELLO).await;
        assert!(answer.status.is_client_error(), "{answer:?}");
        assert_eq!(chain.calls(), [1, 0]);
    }
}

#[tokio::test]
async fn a_prompt_too_long_goes_to_the_larger_model_with_the_callers_key() {
    let too_long = provider::json_error(400, provider::openai::CONTEXT_LENGTH);
    let flags = ["--larger-model", "large"];
    let chain = Chain::start([too_long, Behaviour::well()], &flags).await;
    chain.upstreams[0]
        .0
        .set_script(Script::sequence([provider::json_error(
            400,
            provider::openai::CONTEXT_LENGTH,
        )]));
    let answer = chain.ask(HELLO).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.field("x-buttress-served-by"), Some("larger-model"));
    assert_eq!(chain.calls(), [2, 0]);
    let second = &chain.seen(0)[1];
    assert_eq!(second.body, HELLO.replace("small", "large"));
    assert_eq!(second.headers["authorization"], format!("Bearer {CALLERS}"));
}

#[tokio::test]
async fn an_unpaid_quota_goes_elsewhere_after_one_call() {
    let chain = Chain::start([Behaviour::out_of_quota(), Behaviour::well()], &[]).await;
    let answer = chain.ask(HELLO).await;
    assert_eq!(answer.field("x-buttress-served-by"), Some("b"));
    assert_eq!(chain.calls(), [1, 1]);
}

#[tokio::test]
async fn who_has_no_key_gets_none_unless_it_is_the_same_origin() {
    let well = Upstream::new(Script::well());
    let server = Server::start(well.clone()).await;
    let failing = Upstream::new(Script::always(Behaviour::status(500)));
    let first = Server::start(failing.clone()).await;
    let key = format!("Bearer {CALLERS}");
    let ask = async |second: String| {
        let first = first.url();
        let flags = [
            "--upstream",
            &first,
            "--upstream",
            &second,
            "--max-attempts",
            "1",
        ];
        let gateway = Gateway::start(&flags).await;
        let head = Request::post(CHAT).header("authorization", &key);
        gateway.ask(head, HELLO).await
    };
    let answer = ask(server.url()).await;
    assert_eq!(answer.field("x-buttress-served-by"), Some("upstream-2"));
    assert!(!well.calls()[0].headers.contains_key("authorization"));

    ask(format!("{}/other", first.url())).await;
    let last = failing.last_call().unwrap();
    assert_eq!(last.uri.path(), format!("/other{CHAT}"));
    assert_eq!(last.headers["authorization"], key);
}

#[tokio::test]
async fn a_budget_bounds_the_answer_and_each_call_is_told_what_is_left() {
    let late = || Behaviour::status(500).head_delay(Duration::from_millis(400));
    let stalls = Behaviour::well().cut_before_head(Cut::Stall);
    let flags = ["--budget", "3s", "--max-attempts", "1"];
    let chain = Chain::start([late(), stalls], &flags).await;
    let start = Instant::now();
    let answer = chain.ask(HELLO).await;
    let took = start.elapsed();
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(
        answer.field("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(answer.field("x-should-retry"), Some("false"));
    assert!(took >= Duration::from_secs(3), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (&problem["status"], &problem["budget_ms"]),
        (&504.into(), &3_000.into())
    );
    let told = |place: usize| -> u64 {
        let calls = chain.seen(place);
        calls[0].headers[EXPECTED]
            .to_str()
            .unwrap()
            .parse()
            .unwrap()
    };
    assert!((2_500..=3_000).contains(&told(0)), "{}", told(0));
    assert!((1_000..=2_600).contains(&told(1)), "{}", told(1));
}

#[tokio::test]
async fn a_client_can_shorten_the_time_and_not_extend_it() {
    let chain = Chain::start(
        [Behaviour::well().cut_before_head(Cut::Stall)],
        &["--budget", "1s"],
    )
    .await;
    for (asked, least, most) in [("300", 300, 1_000), ("60000", 1_000, 10_000)] {
        let start = Instant::now();
        let head = Request::post(CHAT).header(EXPECTED, asked);
        let answer = chain.gateway.ask(head, HELLO).await;
        assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
        let took = start.elapsed();
        assert!(
            (least..most).contains(&took.as_millis()),
            "{asked}: {took:?}"
        );
    }
}

#[tokio::test]
async fn one_budget_limits_the_retries_of_all_upstreams() {
    let flags = ["--breaker-failures", "off", "--breaker-rate", "off"];
    let failing = || Behaviour::status(500);
    let chain = Chain::start([failing(), failing()], &flags).await;
    for _ in 0..30 {
        let answer = chain.ask(HELLO).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    // 500 tokens, at 14 each: 35 retries beside the first attempts.
    assert_eq!(chain.calls().iter().sum::<u64>(), 60 + 35);
}

#[tokio::test]
async fn every_upstream_has_circuits_of_its_own() {
    let flags = ["--max-attempts", "1"];
    let chain = Chain::start([Behaviour::status(500), Behaviour::well()], &flags).await;
    for _ in 0..7 {
        let answer = chain.ask(HELLO).await;
        assert_eq!(answer.field("x-buttress-served-by"), Some("b"));
    }
    assert_eq!(chain.calls(), [5, 7]);
    let board = chain.gateway.get("/circuits").await;
    let board: serde_json::Value = serde_json::from_slice(&board.body).unwrap();
    let states: Vec<_> = board["circuits"].as_array().unwrap().iter().collect();
    let state = |of: &str| &states.iter().find(|one| one["upstream"] == of).unwrap()["state"];
    assert_eq!((state("a"), state("b")), (&"open".into(), &"closed".into()));
}

#[tokio::test]
async fn wrong_flags_say_what_is_wrong() {
    for (flags, said) in [
        (&["--static-fallback", "no/such/file"][..], "no/such/file"),
        (&["--budget", "0s"], "off"),
        (&["--upstream", "static=http://x"], "`static`"),
    ] {
        let output = soon(command().args(flags).output()).await.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stderr.contains(said), "{flags:?}: {stderr}");
    }
    let key = "two\nlines";
    let mut gateway = command();
    gateway.args(["--listen", "127.0.0.1:0"]);
    gateway.args(["--upstream", "http://x", "--upstream", "b=http://y"]);
    let output = soon(gateway.env("B_API_KEY", key).output()).await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("B_API_KEY") && !stderr.contains(key),
        "{stderr}"
    );
}
