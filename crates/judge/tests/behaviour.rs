//! What a caller, and a layer outside, sees of an answer that was looked into. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::io;
use std::time::Duration;

use buttress_body::PrefixBody;
use buttress_classify::Profile;
use buttress_core::{Acceptance, BoxError, Failure, Kind, Outcome, Reason};
use buttress_judge::{Hold, JudgeLayer};
use buttress_testkit::body::{BodyHandle, ScriptedBody, Step, audit};
use buttress_testkit::probe::{ReadinessProbe, Reply, ScriptedService};
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

const MS: Duration = Duration::from_millis(1);

type Answer = Response<PrefixBody<ScriptedBody>>;

/// An answer of so many headers, whose body takes these steps.
fn answer(status: u16, content_type: &'static str, body: ScriptedBody) -> Response<ScriptedBody> {
    Response::builder()
        .status(status)
        .header("content-type", content_type)
        .body(body)
        .unwrap()
}

fn json(status: u16, steps: impl IntoIterator<Item = Step>) -> Response<ScriptedBody> {
    answer(status, "application/json", ScriptedBody::new(steps))
}

fn stream(steps: impl IntoIterator<Item = Step>) -> Response<ScriptedBody> {
    let body = ScriptedBody::new(steps).conservative_end();
    answer(200, "text/event-stream", body)
}

async fn judge(layer: JudgeLayer, answer: Response<ScriptedBody>) -> Answer {
    judge_for(layer, answer, Request::new(())).await
}

async fn judge_for(
    layer: JudgeLayer,
    answer: Response<ScriptedBody>,
    request: Request<()>,
) -> Answer {
    let (inner, _handle) = ScriptedService::<_, _, BoxError>::new([Reply::Ok(answer)]);
    layer.layer(inner).oneshot(request).await.unwrap()
}

fn openai() -> JudgeLayer {
    JudgeLayer::llm(Profile::OPENAI)
}

fn outcome(answer: &Answer) -> Option<Outcome> {
    answer.extensions().get().copied()
}

fn kind(answer: &Answer) -> Option<Kind> {
    outcome(answer).map(|outcome| outcome.kind)
}

const ROLE: &str =
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const ERROR: &str = "data: {\"error\":{\"type\":\"server_error\",\"message\":\"m\"}}\n\n";

// ===== error answers =====

#[tokio::test(start_paused = true)]
async fn f23_an_unpaid_quota_is_told_from_a_rate_by_the_body_which_is_handed_on_whole() {
    let body = [
        Step::data("{\"error\":{\"type\":\"insufficient"),
        Step::Wait(MS * 30),
        Step::data("_quota\",\"code\":\"insufficient_quota\"}}"),
        Step::trailer("x-sum", "7"),
    ];
    let answer = judge(openai(), json(429, body)).await;
    let found = outcome(&answer).unwrap();
    assert_eq!(
        (found.kind, found.reason),
        (Kind::OutOfQuota, Some(Reason::Billing))
    );
    let seen = audit(answer.into_body()).await;
    assert_eq!(seen.data.len(), 2);
    assert!(seen.bytes().ends_with(b"insufficient_quota\"}}"));
    assert!(seen.trailers.is_some());
}

#[tokio::test(start_paused = true)]
async fn f24_a_wait_that_only_the_body_names_is_found() {
    let body = r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}]}}"#;
    let answer = judge(
        JudgeLayer::llm(Profile::GEMINI),
        json(429, [Step::data(body)]),
    )
    .await;
    assert_eq!(outcome(&answer).unwrap().retry_after, Some(MS * 1_500));
}

#[tokio::test(start_paused = true)]
async fn an_error_body_that_does_not_end_is_judged_by_what_came_within_a_second() {
    let start = Instant::now();
    let body = [Step::data("{\"error\":"), Step::Stall];
    let answer = judge(openai(), json(503, body)).await;
    assert_eq!(start.elapsed(), MS * 1_000);
    assert_eq!(kind(&answer), Some(Kind::Overloaded));
    assert_eq!(answer.body().held_bytes(), 9);
}

#[tokio::test(start_paused = true)]
async fn an_error_body_without_end_is_read_up_to_its_limit_and_passes_on_from_there() {
    let body = (0..100).map(|_| Step::data(vec![b' '; 1_024]));
    let answer = judge(openai(), json(500, body)).await;
    assert_eq!(answer.body().held_bytes(), 16 * 1_024);
    assert_eq!(kind(&answer), Some(Kind::Transient));
    assert_eq!(audit(answer.into_body()).await.bytes().len(), 100 * 1_024);
}

#[tokio::test(start_paused = true)]
async fn an_error_body_that_breaks_off_is_judged_all_the_same() {
    let body = [Step::data("{\"err"), Step::error("torn")];
    let answer = judge(openai(), json(429, body)).await;
    assert_eq!(kind(&answer), Some(Kind::Throttled));
    let seen = audit(answer.into_body()).await;
    assert_eq!(seen.bytes(), "{\"err");
    assert_eq!(seen.error.unwrap().to_string(), "torn");
}

#[tokio::test(start_paused = true)]
async fn an_error_without_a_body_is_judged_at_its_head() {
    let answer = judge(openai(), json(529, [])).await;
    assert_eq!(kind(&answer), Some(Kind::Overloaded));
}

#[tokio::test(start_paused = true)]
async fn what_an_inner_layer_has_judged_stays_as_it_is() {
    let mut judged = json(500, [Step::data("{}")]);
    judged.extensions_mut().insert(Outcome::TRUNCATED);
    let answer = judge(openai(), judged).await;
    assert_eq!(outcome(&answer), Some(Outcome::TRUNCATED));
    assert_eq!(answer.body().held_bytes(), 0);
}

// ===== streams =====

#[tokio::test(start_paused = true)]
async fn a_stream_goes_out_with_its_first_content_and_nothing_is_left_in_it() {
    let start = Instant::now();
    let steps = [
        Step::data(": ping\n\n"),
        Step::data(ROLE),
        Step::Wait(MS * 200),
        Step::data(TEXT),
        Step::Wait(MS * 100),
        Step::data(TEXT),
        Step::data(DONE),
    ];
    let answer = judge(openai(), stream(steps)).await;
    assert_eq!(start.elapsed(), MS * 200, "and did not wait for the rest");
    assert!(outcome(&answer).is_none());
    assert_eq!(answer.body().held().count(), 3);
    let seen = audit(answer.into_body()).await;
    assert_eq!(seen.data.len(), 5);
    assert_eq!(
        seen.bytes(),
        [": ping\n\n", ROLE, TEXT, TEXT, DONE].concat()
    );
}

#[tokio::test(start_paused = true)]
async fn f20_a_stream_that_ends_or_dies_before_its_first_content_is_a_failure() {
    for ending in [vec![], vec![Step::error("connection reset")]] {
        let mut steps = vec![Step::data(": ping\n\n"), Step::data(ROLE)];
        let dies = !ending.is_empty();
        steps.extend(ending);
        let answer = judge(openai(), stream(steps)).await;
        assert_eq!(kind(&answer), Some(Kind::Transient));
        let seen = audit(answer.into_body()).await;
        assert_eq!(seen.bytes(), [": ping\n\n", ROLE].concat());
        assert_eq!(seen.error.is_some(), dies, "and the reader sees it, too");
    }
}

#[tokio::test(start_paused = true)]
async fn f21_an_end_without_a_terminator_is_no_success() {
    let answer = judge(openai(), stream([Step::data(ROLE)])).await;
    assert_eq!(outcome(&answer).unwrap().reason, Some(Reason::Truncated));
}

#[tokio::test(start_paused = true)]
async fn f22_an_error_event_under_status_200_is_the_failure_that_it_names() {
    let overloaded = "event: error\ndata: {\"type\":\"error\",\"error\":\
        {\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n";
    let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
    let steps = [Step::data(start), Step::data(ping), Step::data(overloaded)];
    let answer = judge(JudgeLayer::llm(Profile::ANTHROPIC), stream(steps)).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(kind(&answer), Some(Kind::Overloaded));
    assert!(
        audit(answer.into_body())
            .await
            .bytes()
            .ends_with(overloaded.as_bytes())
    );
}

#[tokio::test(start_paused = true)]
async fn f19_after_content_a_stream_is_committed_whatever_follows() {
    let steps = [Step::data(TEXT), Step::data(ERROR)];
    let answer = judge(openai(), stream(steps)).await;
    assert!(outcome(&answer).is_none());
    // In one piece with the error nobody has seen the content yet: it can still be tried again.
    let steps = [Step::data([TEXT, ERROR].concat())];
    let answer = judge(openai(), stream(steps)).await;
    assert_eq!(kind(&answer), Some(Kind::Transient));
    assert_eq!(
        audit(answer.into_body()).await.bytes(),
        [TEXT, ERROR].concat()
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_properly_without_content_is_a_success() {
    let answer = judge(openai(), stream([Step::data(ROLE), Step::data(DONE)])).await;
    assert!(outcome(&answer).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_held_for_no_longer_and_no_more_than_told() {
    let start = Instant::now();
    let silent = [Step::data(ROLE), Step::Stall];
    let answer = judge(openai(), stream(silent)).await;
    assert_eq!(start.elapsed(), MS * 5_000);
    assert!(outcome(&answer).is_none(), "committed, come what may");

    let comment = format!(":{}\n\n", "-".repeat(1_021));
    let comments = (0..100).map(|_| Step::data(comment.clone()));
    let answer = judge(openai(), stream(comments)).await;
    assert_eq!(answer.body().held_bytes(), 64 * 1_024);

    // A flood of tiny or empty frames is memory, too.
    let pings = (0..10_000).map(|_| Step::data(": ping\n\n"));
    let answer = judge(openai(), stream(pings)).await;
    assert_eq!(answer.body().held().count(), 1_024);
    let nothing = (0..10_000).map(|_| Step::data(""));
    let answer = judge(openai(), stream(nothing)).await;
    assert_eq!(answer.body().held().count(), 1_024);

    let start = Instant::now();
    let patient = openai().hold_until_content(1_024, Duration::MAX);
    let late = [Step::Wait(MS * 60_000), Step::data(TEXT)];
    judge(patient, stream(late)).await;
    assert_eq!(start.elapsed(), MS * 60_000);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_not_held_unless_told() {
    let steps = || [Step::data(ROLE), Step::Stall];
    let answer = judge(JudgeLayer::new(Profile::OPENAI), stream(steps())).await;
    assert_eq!(answer.body().held_bytes(), 0);

    let mut request = Request::new(());
    request.extensions_mut().insert(Hold::OFF);
    let answer = judge_for(openai(), stream(steps()), request).await;
    assert_eq!(answer.body().held_bytes(), 0, "the request knows better");

    let mut request = Request::new(());
    request
        .extensions_mut()
        .insert(Hold::until_content(1_024, MS * 7));
    let start = Instant::now();
    judge_for(JudgeLayer::new(Profile::OPENAI), stream(steps()), request).await;
    assert_eq!(start.elapsed(), MS * 7);
}

// ===== gRPC =====

fn grpc(
    steps: impl IntoIterator<Item = Step>,
    status: Option<&'static str>,
) -> Response<ScriptedBody> {
    let body = ScriptedBody::new(steps).conservative_end();
    let mut answer = answer(200, "application/grpc", body);
    if let Some(status) = status {
        let status = status.parse().unwrap();
        answer.headers_mut().insert("grpc-status", status);
    }
    answer
}

#[tokio::test(start_paused = true)]
async fn a_grpc_answer_is_judged_by_its_status_in_headers_and_in_late_trailers() {
    let layer = JudgeLayer::llm(Profile::GRPC);
    let trailers_only = judge(layer, grpc([], Some("8"))).await;
    assert_eq!(kind(&trailers_only), Some(Kind::Throttled));

    let late = [Step::Wait(MS), Step::trailer("grpc-status", "14")];
    let late = judge(layer, grpc(late, None)).await;
    assert!(outcome(&late).unwrap().is_retryable());
    let seen = audit(late.into_body()).await;
    assert_eq!(seen.trailers.unwrap()["grpc-status"], "14");

    let message = [Step::data("message"), Step::trailer("grpc-status", "14")];
    let committed = judge(layer, grpc(message, None)).await;
    assert!(outcome(&committed).is_none(), "the reader has a message");
}

// ===== what passes untouched =====

#[tokio::test(start_paused = true)]
async fn a_success_that_is_no_stream_is_not_touched() {
    let body = ScriptedBody::new([Step::data("{}"), Step::Wait(MS), Step::data("{}")]);
    let fate = body.handle();
    let start = Instant::now();
    let answer = judge(openai(), answer(200, "application/json", body)).await;
    assert_eq!((fate.polls(), start.elapsed()), (0, Duration::ZERO));
    assert_eq!(answer.body().size_hint().exact(), Some(4));
    assert!(outcome(&answer).is_none());
    assert_eq!(audit(answer.into_body()).await.bytes(), "{}{}");
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_passes_as_it_is() {
    let answer = judge(openai(), json(101, [Step::Stall])).await;
    assert_eq!(
        (answer.status().as_u16(), answer.body().held_bytes()),
        (101, 0)
    );
    assert!(outcome(&answer).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_compressed_stream_cannot_be_read_and_is_not_held() {
    let mut compressed = stream([Step::data("\x1f"), Step::Stall]);
    let gzip = "gzip".parse().unwrap();
    compressed.headers_mut().insert("content-encoding", gzip);
    let answer = judge(openai(), compressed).await;
    assert_eq!(answer.body().held_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn head_204_and_304_are_judged_at_their_head() {
    for status in [204, 304] {
        let empty = answer(status, "text/event-stream", ScriptedBody::new([]));
        let answer = judge(openai(), empty).await;
        assert!(outcome(&answer).is_none(), "{status}");
        assert!(answer.body().is_end_stream());
    }
    // Not every body of nothing announces that it is one.
    for body in [
        ScriptedBody::new([]),
        ScriptedBody::new([]).conservative_end(),
    ] {
        let mut request = Request::new(());
        *request.method_mut() = http::Method::HEAD;
        let answer = judge_for(openai(), answer(200, "text/event-stream", body), request).await;
        assert!(outcome(&answer).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_over_before_it_begins_is_a_failure_however_it_says_so() {
    for body in [
        ScriptedBody::new([]),
        ScriptedBody::new([]).conservative_end(),
    ] {
        let answer = judge(openai(), answer(200, "text/event-stream", body)).await;
        assert_eq!(outcome(&answer).unwrap().reason, Some(Reason::Truncated));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_broke_off_was_an_answer_and_a_timeout_of_ours_is_none() {
    let torn = io::Error::from(io::ErrorKind::ConnectionReset);
    let steps = [Step::data(ROLE), Step::Error(torn.into())];
    let answer = judge(openai(), stream(steps)).await;
    assert_eq!(outcome(&answer).unwrap().acceptance, Acceptance::Answered);

    let ours = Failure::new(Outcome::IDLE_ELAPSED, "no bytes for 3m");
    let steps = [Step::data(ROLE), Step::Error(ours.into())];
    let answer = judge(openai(), stream(steps)).await;
    assert_eq!(outcome(&answer).unwrap().acceptance, Acceptance::Unknown);
}

#[tokio::test(start_paused = true)]
async fn an_error_body_that_cannot_change_the_verdict_is_not_awaited() {
    let slow = || json(404, [Step::data("{"), Step::Stall]);
    let mut gzip = slow();
    let coding = "gzip".parse().unwrap();
    gzip.headers_mut().insert("content-encoding", coding);
    let own = Profile::OPENAI.status(404, Kind::Transient);
    let start = Instant::now();
    for (profile, error) in [
        (Profile::HTTP, slow()),
        (Profile::GRPC, slow()),
        (Profile::OPENAI, gzip),
        (own, slow()),
    ] {
        let answer = judge(JudgeLayer::llm(profile), error).await;
        assert!(outcome(&answer).is_some(), "{profile:?}");
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn an_error_of_the_client_passes() {
    let (inner, _handle) =
        ScriptedService::<Request<()>, Response<ScriptedBody>, _>::new([Reply::Err("refused")]);
    let result = openai().layer(inner).oneshot(Request::new(())).await;
    assert_eq!(result.unwrap_err(), "refused");
}

#[tokio::test]
async fn the_inner_service_is_called_only_when_ready() {
    let replies = [200, 200].map(|status| Reply::Ok(json(status, [])));
    let (inner, _handle) = ScriptedService::<Request<()>, _, BoxError>::new(replies);
    let mut service = openai().layer(ReadinessProbe::new(inner));
    for _ in 0..2 {
        let call = service.ready().await.unwrap().call(Request::new(()));
        assert_eq!(call.await.unwrap().status(), 200);
    }
}

// ===== cancellation =====

async fn dropped_while(answer: Response<ScriptedBody>, fate: BodyHandle, wait: Duration) {
    let (inner, handle) =
        ScriptedService::<_, _, BoxError>::new([Reply::Ok(answer).after(MS * 10)]);
    let call = openai().layer(inner).oneshot(Request::new(()));
    assert!(tokio::time::timeout(wait, call).await.is_err());
    assert_eq!(handle.in_flight(), 0);
    assert!(fate.dropped(), "the upstream's work is cancelled");
}

#[tokio::test(start_paused = true)]
async fn dropped_anywhere_it_drops_the_call_and_the_answer() {
    for wait in [MS * 5, MS * 15, MS * 500] {
        let body = ScriptedBody::new([Step::data(ROLE), Step::Stall]);
        let fate = body.handle();
        dropped_while(answer(200, "text/event-stream", body), fate, wait).await;
        let body = ScriptedBody::new([Step::data("{"), Step::Stall]);
        let fate = body.handle();
        dropped_while(answer(500, "application/json", body), fate, wait).await;
    }
}

#[test]
fn the_defaults_are_what_the_docs_say() {
    let shown = format!("{:?}", openai());
    assert!(
        shown.contains("errors: Limit { max_bytes: 16384, max_wait: 1s }"),
        "{shown}"
    );
    assert!(
        shown.contains("Limit { max_bytes: 65536, max_wait: 5s }"),
        "{shown}"
    );
    let plain = format!("{:?}", JudgeLayer::new(Profile::HTTP));
    assert!(plain.contains("hold: Hold(None)"), "{plain}");
}

#[test]
fn the_future_holds_the_call_or_the_answer_and_not_both() {
    let mut service = openai().layer(tower::service_fn(|_: Request<()>| async {
        Ok::<_, BoxError>(Response::new(ScriptedBody::new([])))
    }));
    assert!(size_of_val(&service.call(Request::new(()))) <= 800);
}
