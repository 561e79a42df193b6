//! Retry → Judge, at length: what the retry learns from the judge inside of it.

use std::time::Duration;

use buttress::classify::Profile;
use buttress::core::{Deadline, Kind, Outcome};
use buttress::judge::JudgeLayer;
use buttress_testkit::upstream::{Behaviour, Cut, Upstream, provider};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::Instant;
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt};

use crate::{BASE, chat, messages, plain, read, retry, upstream};

/// Retry outside, judge inside: the order of the stack.
async fn send(
    profile: Profile,
    upstream: &Upstream,
    request: Request<Full<Bytes>>,
) -> Result<(Response<()>, Vec<u8>, bool), BoxError> {
    let stack = ServiceBuilder::new()
        .layer(retry(profile))
        .layer(JudgeLayer::llm(profile))
        .service(upstream.service());
    Ok(read(stack.oneshot(request).await?).await)
}

#[tokio::test(start_paused = true)]
async fn retry_outside_judge_tries_a_stream_again_that_died_before_its_content() {
    for fault in [
        Behaviour::well().cut_after(0, Cut::Reset),
        Behaviour::well().cut_after(0, Cut::Close),
        Behaviour::well().error_event_after(0),
        Behaviour::well().tokens(0).without_terminator(),
    ] {
        let upstream = upstream([fault]);
        let start = Instant::now();
        let (head, body, whole) = send(Profile::OPENAI, &upstream, chat()).await.unwrap();
        assert_eq!((head.status().as_u16(), whole), (200, true));
        assert!(body.ends_with(b"data: [DONE]\n\n"));
        assert_eq!(upstream.counts().calls, 2);
        assert!(start.elapsed() >= BASE);
        assert!(head.extensions().get::<Outcome>().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn f19_after_content_nothing_is_repeated_and_the_reader_sees_the_failure() {
    for (fault, whole) in [
        (Behaviour::well().cut_after(6, Cut::Reset), false),
        (Behaviour::well().error_event_after(6), true),
    ] {
        let upstream = upstream([fault]);
        let (_, body, ended) = send(Profile::ANTHROPIC, &upstream, messages())
            .await
            .unwrap();
        assert_eq!(ended, whole);
        let text = String::from_utf8(body).unwrap();
        assert!(text.contains("content_block_delta"), "{text}");
        assert_eq!(text.contains("event: error"), whole, "{text}");
        assert!(!text.contains("message_stop"), "{text}");
        assert_eq!(upstream.counts().calls, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn f23_an_unpaid_quota_is_tried_once_and_its_body_arrives_unchanged() {
    let upstream = upstream([Behaviour::out_of_quota()]);
    let (head, body, _) = send(Profile::OPENAI, &upstream, plain()).await.unwrap();
    assert_eq!(head.status(), 429);
    assert_eq!(body, provider::openai::INSUFFICIENT_QUOTA.as_bytes());
    assert_eq!(upstream.counts().calls, 1);
    let outcome: &Outcome = head.extensions().get().unwrap();
    assert_eq!(outcome.kind, Kind::OutOfQuota);
}

#[tokio::test(start_paused = true)]
async fn f24_a_delay_named_in_the_body_is_waited_out_and_a_daily_quota_is_not_retried() {
    let limited = upstream([provider::gemini::rate_limit("1.5s")]);
    let start = Instant::now();
    let (head, ..) = send(Profile::GEMINI, &limited, plain()).await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(start.elapsed(), Duration::from_millis(1_500));

    let daily = upstream([provider::gemini::daily_quota()]);
    let (head, ..) = send(Profile::GEMINI, &daily, plain()).await.unwrap();
    assert_eq!(head.status(), 429);
    assert_eq!(daily.counts().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_grpc_status_in_late_trailers_is_retried_until_there_is_a_message() {
    let grpc = |message: &'static str, status| {
        let answer = Behaviour::status(200).body("application/grpc", message);
        answer.unsized_body().trailer("grpc-status", status)
    };
    let failing = upstream([grpc("", "14"), grpc("message", "0")]);
    let (_, body, whole) = send(Profile::GRPC, &failing, plain()).await.unwrap();
    assert_eq!((&body[..], whole), (&b"message"[..], true));
    assert_eq!(failing.counts().calls, 2);

    let committed = upstream([grpc("message", "14")]);
    send(Profile::GRPC, &committed, plain()).await.unwrap();
    assert_eq!(committed.counts().calls, 1, "the reader has a message");
}

#[tokio::test(start_paused = true)]
async fn the_other_way_round_the_retry_would_not_know() {
    // The judge outside sees only the answer that the retry has handed out already.
    let upstream = upstream([Behaviour::well().error_event_after(0)]);
    let stack =
        JudgeLayer::llm(Profile::OPENAI).layer(retry(Profile::OPENAI).layer(upstream.service()));
    let response = stack.oneshot(chat()).await.unwrap();
    assert!(response.extensions().get::<Outcome>().is_some());
    assert_eq!(upstream.counts().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_beats_the_sleep_before_a_retry() {
    let upstream = upstream([Behaviour::status(503), Behaviour::status(503)]);
    let mut request = plain();
    let deadline = Deadline::after(Instant::now().into_std(), Duration::from_millis(1_400));
    request.extensions_mut().insert(deadline);
    let start = Instant::now();
    let (head, ..) = send(Profile::OPENAI, &upstream, request).await.unwrap();
    assert_eq!(head.status(), 503);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(upstream.counts().calls, 1);
}
