//! What an upstream does wrong, in memory and on paused time.

mod common;

use std::{io, time::Duration};

use buttress_testkit::{
    body::{ScriptedBody, Step, audit},
    upstream::{Behaviour, Cut, Script, Stage, Upstream},
};
use http::{Request, StatusCode};
use http_body::Body;
use tokio::time::{Instant, timeout};
use tokio_test::{assert_pending, assert_ready, task};
use tower_service::Service;

use crate::common::{CHAT, STREAM, call, events, post, status, text};

#[tokio::test(start_paused = true)]
async fn head_and_chunks_come_when_they_are_due() {
    let behaviour = Behaviour::well()
        .head_delay(Duration::from_secs(10))
        .pieces("text/plain", ["a", "b", "c"])
        .chunk_delay(Duration::from_secs(3));
    let upstream = Upstream::new(behaviour);
    let start = Instant::now();
    let response = call(&upstream, post("/", "")).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    // The first chunk comes with the head; two waits follow.
    assert_eq!(text(response).await, "abc");
    assert_eq!(start.elapsed(), Duration::from_secs(16));
}

#[tokio::test]
async fn the_body_is_pending_before_each_chunk_so_that_the_last_one_is_flushed() {
    let script = Behaviour::well()
        .pieces("text/plain", ["a", "b"])
        .cut_after(2, Cut::Close);
    let response = call(&Upstream::new(script), post("/", "")).await.unwrap();
    let mut body = task::spawn(response.into_body());
    for expected in ["a", "b"] {
        assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
        assert!(body.is_woken());
        let frame = assert_ready!(body.enter(|cx, body| body.poll_frame(cx)));
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), expected);
    }
    assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
    assert!(
        assert_ready!(body.enter(|cx, body| body.poll_frame(cx)))
            .unwrap()
            .is_err()
    );
}

#[tokio::test]
async fn chunk_boundaries_may_fall_anywhere() {
    let upstream = Upstream::new(
        Behaviour::well()
            .body("text/plain", "ab–c")
            .chunk_at([1, 3]),
    );
    let seen = audit(call(&upstream, post("/", "")).await.unwrap().into_body()).await;
    assert_eq!(seen.data, [&b"a"[..], b"b\xe2", b"\x80\x93c"]);

    upstream.set_script(Behaviour::well().chunk_size(7));
    let seen = audit(
        call(&upstream, post(CHAT, STREAM))
            .await
            .unwrap()
            .into_body(),
    )
    .await;
    assert!(seen.data.iter().rev().skip(1).all(|chunk| chunk.len() == 7));
    assert!(
        seen.data
            .iter()
            .any(|chunk| std::str::from_utf8(chunk).is_err())
    );
    assert_eq!(
        events(std::str::from_utf8(&seen.bytes()).unwrap()).len(),
        23
    );
}

#[tokio::test]
async fn a_cut_is_an_error_after_so_many_chunks() {
    for (cut, kind) in [
        (Cut::Reset, io::ErrorKind::ConnectionReset),
        (Cut::Refuse, io::ErrorKind::ConnectionReset),
        (Cut::Abort, io::ErrorKind::ConnectionReset),
        (Cut::Close, io::ErrorKind::UnexpectedEof),
    ] {
        let upstream = Upstream::new(Behaviour::well().cut_after(3, cut));
        let seen = audit(
            call(&upstream, post(CHAT, STREAM))
                .await
                .unwrap()
                .into_body(),
        )
        .await;
        assert_eq!((seen.data.len(), seen.error.unwrap().kind()), (3, kind));
        assert!(!seen.announced_end);
        // The role, then two tokens.
        let counts = upstream.counts();
        assert_eq!(
            (counts.tokens, counts.cut, counts.answers_completed),
            (2, 1, 0)
        );
        assert_eq!(upstream.last_call().unwrap().stage, Stage::Cut);

        upstream.set_script(Behaviour::well().cut_before_head(cut));
        assert_eq!(
            call(&upstream, post(CHAT, "{}")).await.unwrap_err().kind(),
            kind
        );
    }
}

#[tokio::test]
async fn a_cut_beyond_the_last_chunk_takes_the_end_away() {
    let upstream = Upstream::new(Behaviour::well().cut_after(usize::MAX, Cut::Close));
    let response = call(&upstream, post("/bytes/3", "")).await.unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(3));
    let seen = audit(response.into_body()).await;
    assert_eq!((seen.bytes().len(), seen.error.is_some()), (3, true));
}

#[tokio::test(start_paused = true)]
async fn a_stall_lasts_for_ever() {
    let day = Duration::from_secs(24 * 3600);
    let upstream = Upstream::new(Script::sequence([
        Behaviour::well().cut_before_head(Cut::Stall),
        Behaviour::well().cut_after(2, Cut::Stall),
    ]));
    assert!(
        timeout(day, call(&upstream, post(CHAT, STREAM)))
            .await
            .is_err()
    );
    let body = call(&upstream, post(CHAT, STREAM))
        .await
        .unwrap()
        .into_body();
    assert!(timeout(day, audit(body)).await.is_err());
    let counts = upstream.counts();
    assert_eq!((counts.abandoned, counts.cut, counts.tokens), (2, 0, 1));
}

#[tokio::test]
async fn an_upstream_that_is_away_refuses_without_counting() {
    let upstream = Upstream::new(Script::well());
    upstream.go_away();
    let error = call(&upstream, post("/", "")).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    upstream.come_back();
    assert_eq!(status(&upstream, "/").await, 200);
    assert_eq!(upstream.counts().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_pauses_in_the_middle_of_the_request() {
    let upstream = Upstream::new(Behaviour::well().read_slowly(3, Duration::from_secs(60)));
    let body = ScriptedBody::new([Step::data("ab"), Step::data("cd"), Step::data("ef")]);
    let mut service = upstream.service();
    let start = Instant::now();
    let mut answer = Box::pin(service.call(Request::post("/echo").body(body).unwrap()));
    assert!(timeout(Duration::from_secs(59), &mut answer).await.is_err());
    assert_eq!(upstream.counts().request_bytes, 4);
    assert_eq!(text(answer.await.unwrap()).await, "abcdef");
    assert_eq!(start.elapsed(), Duration::from_secs(60));
}

#[tokio::test]
async fn an_early_answer_reads_nothing() {
    let upstream = Upstream::new(Behaviour::rate_limited().answer_early());
    let body = ScriptedBody::full("never read");
    let handle = body.handle();
    let response = upstream
        .service()
        .call(Request::post(CHAT).body(body).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!((handle.polls(), handle.dropped()), (0, true));
    let counts = upstream.counts();
    assert_eq!(
        (
            counts.requests_received,
            counts.request_bytes,
            counts.billed
        ),
        (0, 0, 0)
    );
}
