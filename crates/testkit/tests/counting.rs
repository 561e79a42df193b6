//! What an upstream counts and records, and which script a request follows.

mod common;

use buttress_testkit::{
    body::{ScriptedBody, Step},
    upstream::{Behaviour, Cut, Matcher, Script, Upstream, fingerprint},
};
use http::{Method, Request};
use http_body_util::Full;
use tower_service::Service;

use crate::common::{CHAT, call, post, status, text};

#[tokio::test]
async fn a_request_that_breaks_off_is_not_billed() {
    let upstream = Upstream::new(Script::well());
    let body = ScriptedBody::new([Step::data("{"), Step::error("client gone")]);
    let answer = upstream
        .service()
        .call(Request::post(CHAT).body(body).unwrap())
        .await;
    assert_eq!(answer.unwrap_err().to_string(), "client gone");
    let counts = upstream.counts();
    assert_eq!((counts.calls, counts.requests_received), (1, 0));
    assert_eq!((counts.abandoned, counts.billed), (1, 0));
}

#[tokio::test]
async fn what_was_billed_twice_can_be_proved() {
    // The first answer is lost after the work was done, so that a retry pays again.
    let upstream = Upstream::new(Script::sequence([
        Behaviour::well().cut_before_head(Cut::Reset)
    ]));
    let prompt = r#"{"model":"m","messages":[]}"#;
    assert!(call(&upstream, post(CHAT, prompt)).await.is_err());
    drop(text(call(&upstream, post(CHAT, prompt)).await.unwrap()).await);
    drop(text(call(&upstream, post("/echo?x", prompt)).await.unwrap()).await);
    assert_eq!(upstream.counts_for(CHAT).billed, 2);
    assert_eq!(upstream.counts_for(CHAT).answers_completed, 1);
    assert_eq!(upstream.counts_for("/echo").calls, 1);
    assert_eq!(upstream.counts_for("/never").calls, 0);
    let calls = upstream.calls();
    assert!(calls[0].billed && calls[1].billed);
    assert_eq!(calls[0].body_fingerprint, calls[1].body_fingerprint);
    assert_eq!(calls[0].body_fingerprint, fingerprint(prompt.as_bytes()));
    assert_eq!(calls[2].uri, "/echo?x");
}

#[tokio::test]
async fn a_long_body_is_recorded_in_part_and_measured_whole() {
    let upstream = Upstream::new(Script::well());
    upstream.record_bodies(3);
    let body = ScriptedBody::new([
        Step::data("ab"),
        Step::data("cd"),
        Step::trailer("x-sum", "4"),
    ]);
    drop(
        upstream
            .service()
            .call(Request::post("/").body(body).unwrap())
            .await,
    );
    let call = upstream.last_call().unwrap();
    assert_eq!((&call.body[..], call.body_len), (&b"abc"[..], 4));
    assert_eq!(call.body_fingerprint, fingerprint(b"abcd"));
    assert_eq!(call.trailers.unwrap()["x-sum"], "4");
    assert!(call.body_complete);
}

#[tokio::test]
async fn a_rule_has_its_own_count() {
    let script = Script::sequence([Behaviour::status(500)])
        .then(Behaviour::status(404))
        .on(
            Matcher::path("/special").method(Method::POST),
            Script::sequence([Behaviour::status(503), Behaviour::status(502)]),
        )
        .on(
            Matcher::default().header("x-tenant", "b"),
            Behaviour::status(401),
        );
    let upstream = Upstream::new(script);
    let mut statuses = Vec::new();
    for path in ["/special", "/a", "/special?q", "/b", "/special"] {
        statuses.push(status(&upstream, path).await);
    }
    assert_eq!(statuses, [503, 500, 502, 404, 200]);
    let tenant = Request::post("/a")
        .header("x-tenant", "b")
        .body(Full::default())
        .unwrap();
    assert_eq!(call(&upstream, tenant).await.unwrap().status(), 401);
}
