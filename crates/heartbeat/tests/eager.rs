//! Heartbeats before there is an answer, and what comes behind them. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress_classify::Profile;
use buttress_core::{BoxError, Failure, Kind, Outcome};
use buttress_heartbeat::{
    Eager, Heartbeat, HeartbeatBody, HeartbeatSseLayer, ScannedBody, SplicedBody, WantsStream,
    wants_stream,
};
use buttress_sse::Parser;
use buttress_testkit::body::{BodyHandle, ScriptedBody, Step, audit};
use buttress_testkit::probe::{Reply, ScriptedFuture, ScriptedHandle, ScriptedService};
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);
const AFTER: Duration = Duration::from_secs(5);
const BEAT: &str = ": keepalive\n\n";

type Asking = Request<ScannedBody<ScriptedBody>>;
type Inner = Response<ScriptedBody>;
type Told = Reply<Inner, BoxError>;
type Answer = Response<HeartbeatBody<SplicedBody<ScriptedFuture<Inner, BoxError>, ScriptedBody>>>;
type Layered = HeartbeatSseLayer<Eager<fn(&Parts) -> WantsStream>>;

fn layer() -> Layered {
    HeartbeatSseLayer::new().eager(AFTER, wants_stream)
}

/// A request that names what it accepts.
fn asking() -> Request<ScriptedBody> {
    let request = Request::get("/").header("accept", "text/event-stream");
    request.body(ScriptedBody::new([])).unwrap()
}

fn posting(steps: impl IntoIterator<Item = Step>) -> Request<ScriptedBody> {
    let request = Request::post("/").header("content-type", "application/json");
    request.body(ScriptedBody::new(steps)).unwrap()
}

fn answer(status: u16, kind: &str, steps: impl IntoIterator<Item = Step>) -> Inner {
    let response = Response::builder()
        .status(status)
        .header("content-type", kind);
    response
        .body(ScriptedBody::new(steps).conservative_end())
        .unwrap()
}

fn stream(steps: impl IntoIterator<Item = Step>) -> Inner {
    answer(200, "text/event-stream", steps)
}

/// Calls, with an inner service that reads the request and then does as it is told.
async fn call(
    layer: Layered,
    request: Request<ScriptedBody>,
    reply: Told,
) -> Result<Answer, BoxError> {
    let mut reply = Some(reply);
    let (inner, _handle) = ScriptedService::from_fn(move |_, request: Asking| {
        let reply = reply.take().unwrap();
        Reply::future(async move {
            audit(request.into_body()).await;
            finish(reply).await
        })
    });
    layer.layer(inner).oneshot(request).await
}

/// What a scripted reply comes to.
async fn finish(mut reply: Told) -> Result<Inner, BoxError> {
    loop {
        match reply {
            Reply::Ok(response) => return Ok(response),
            Reply::Err(error) => return Err(error),
            Reply::Pending => std::future::pending().await,
            Reply::After(wait, next) => {
                tokio::time::sleep(wait).await;
                reply = *next;
            }
            Reply::Future(future) => return future.await,
        }
    }
}

async fn read(answer: Answer) -> String {
    String::from_utf8(audit(answer.into_body()).await.bytes().to_vec()).unwrap()
}

/// The one event of a stream that is none: its name and its data.
async fn only_event(answer: Answer) -> (String, String) {
    let text = read(answer).await;
    let mut chunk = text.as_bytes();
    let mut parser = Parser::new();
    let event = parser.next_event(&mut chunk).unwrap().unwrap();
    let seen = (event.name().into_owned(), event.data().into_owned());
    assert!(chunk.is_empty(), "nothing follows: {text}");
    seen
}

/// Behind an early head: what an answer, or an error, that came after a minute is told as.
async fn told(profile: Profile, reply: Told) -> (String, Value) {
    let answer = call(layer().profile(profile), asking(), reply.after(SECOND * 60))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let (name, data) = only_event(answer).await;
    (name, serde_json::from_str(&data).unwrap())
}

// ===== when =====

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_is_the_answer() {
    let reply =
        Reply::Ok(answer(503, "application/json", [Step::data("{}")])).after(AFTER - SECOND);
    let response = call(layer(), asking(), reply).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.body().size_hint().exact(), Some(2));
    assert_eq!(read(response).await, "{}");

    let reply = Reply::Ok(stream([Step::Wait(SECOND * 20), Step::data("data: a\n\n")]));
    let response = call(layer(), asking(), reply).await.unwrap();
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert_eq!(read(response).await, [BEAT, "data: a\n\n"].concat());

    let torn = Reply::Err("torn".into()).after(AFTER - SECOND);
    assert_eq!(
        call(layer(), asking(), torn).await.unwrap_err().to_string(),
        "torn"
    );
}

#[tokio::test(start_paused = true)]
async fn the_head_goes_out_early_with_a_heartbeat_and_the_stream_behind_it() {
    let start = Instant::now();
    let reply = Reply::Ok(stream([
        Step::data("data: a\n\n"),
        Step::trailer("x-sum", "7"),
    ]));
    let response = call(layer(), asking(), reply.after(SECOND * 40))
        .await
        .unwrap();
    assert_eq!(start.elapsed(), AFTER);
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    assert_eq!(headers.len(), 3);
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-accel-buffering"], "no");
    assert_eq!(response.body().size_hint().upper(), None);

    // At 5 s, 20 s and 35 s.
    let seen = audit(response.into_body()).await;
    assert_eq!(seen.data, [BEAT, BEAT, BEAT, "data: a\n\n"]);
    assert_eq!(seen.trailers.unwrap()["x-sum"], "7");
    assert_eq!(start.elapsed(), SECOND * 40);
}

#[tokio::test(start_paused = true)]
async fn nobody_who_did_not_ask_for_a_stream_gets_one() {
    let requests = [
        Request::get("/").body(ScriptedBody::new([])).unwrap(),
        posting([Step::data("{\"stream\":false}")]),
        posting([Step::data("{\"messages\":[{\"stream\":true}]}")]),
        posting([]),
    ];
    for request in requests {
        let reply = Reply::Ok(answer(429, "application/json", [])).after(SECOND * 60);
        let response = call(layer(), request, reply).await.unwrap();
        assert_eq!(response.status(), 429);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_asks_is_heard_as_it_passes() {
    let start = Instant::now();
    let steps = [
        Step::data("{\"messages\":[],\"str"),
        Step::Pending,
        Step::data("eam\": true}"),
    ];
    let response = call(layer(), posting(steps), Reply::Pending).await.unwrap();
    assert_eq!((response.status().as_u16(), start.elapsed()), (200, AFTER));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_read_late_is_heard_late() {
    let start = Instant::now();
    let steps = [Step::Wait(AFTER * 2), Step::data("{\"stream\": true}")];
    call(layer(), posting(steps), Reply::Pending).await.unwrap();
    assert!((AFTER * 2..AFTER * 9 / 4 + SECOND / 100).contains(&start.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn who_takes_json_as_well_and_asks_for_no_stream_gets_the_json() {
    let mut request = posting([Step::data(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\"}",
    )]);
    let both = "application/json, text/event-stream".parse().unwrap();
    request.headers_mut().insert("accept", both);
    let result = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}";
    let reply = Reply::Ok(answer(200, "application/json", [Step::data(result)]));
    let response = call(layer(), request, reply.after(SECOND * 60)).await;
    assert_eq!(read(response.unwrap()).await, result);
}

/// What the inner service gets to see of the codings that the client accepts.
async fn codings(mut request: Request<ScriptedBody>, sent: &[&str]) -> Vec<String> {
    for coding in sent {
        let coding = coding.parse().unwrap();
        request.headers_mut().append("accept-encoding", coding);
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = Arc::clone(&seen);
    let (inner, _handle) =
        ScriptedService::<Asking, Inner, BoxError>::from_fn(move |_, request: Asking| {
            let lines = request.headers().get_all("accept-encoding").iter();
            let lines = lines.map(|line| line.to_str().unwrap().to_owned());
            sees.lock().unwrap().extend(lines);
            Reply::Ok(stream([]))
        });
    let _answer = layer().layer(inner).oneshot(request).await.unwrap();
    let seen = seen.lock().unwrap();
    seen.clone()
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_may_have_to_be_joined_on_is_asked_for_uncompressed() {
    let sent = ["gzip, br", "zstd"];
    assert_eq!(codings(asking(), &sent).await, ["identity"]);
    let may_want = posting([Step::data("{\"stream\":true}")]);
    assert_eq!(codings(may_want, &sent).await, ["identity"]);

    let nothing: [&str; 0] = [];
    assert_eq!(codings(asking(), &[]).await, nothing, "none were named");
    let no_stream = Request::get("/").body(ScriptedBody::new([])).unwrap();
    assert_eq!(codings(no_stream, &sent).await, sent);
    let mut off = asking();
    off.extensions_mut().insert(Heartbeat::OFF);
    assert_eq!(codings(off, &sent).await, sent);
}

#[tokio::test(start_paused = true)]
async fn the_question_is_the_users_to_ask() {
    for (wants, status) in [(true, 200), (false, 503)] {
        let layer = HeartbeatSseLayer::new().eager(AFTER, move |head: &Parts| {
            assert_eq!(head.uri.path(), "/");
            wants
        });
        let reply = Reply::Ok(answer(503, "text/plain", [])).after(SECOND * 60);
        let (inner, _handle) = ScriptedService::<Asking, Inner, BoxError>::new([reply]);
        let response = layer.layer(inner).oneshot(asking()).await.unwrap();
        assert_eq!(response.status(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_heartbeats_and_one_without_a_body_to_come_wait_for_the_head() {
    let mut off = asking();
    off.extensions_mut().insert(Heartbeat::OFF);
    let mut head = asking();
    *head.method_mut() = http::Method::HEAD;
    for request in [off, head] {
        let reply = Reply::Ok(answer(404, "text/plain", [])).after(SECOND * 60);
        let response = call(layer(), request, reply).await.unwrap();
        assert_eq!(response.status(), 404);
    }
}

#[tokio::test(start_paused = true)]
async fn at_once_and_never_are_times_too() {
    let start = Instant::now();
    let never = HeartbeatSseLayer::new().eager(Duration::MAX, wants_stream as fn(&Parts) -> _);
    let reply = Reply::Ok(answer(404, "text/plain", [])).after(SECOND * 3_600);
    assert_eq!(call(never, asking(), reply).await.unwrap().status(), 404);
    assert_eq!(start.elapsed(), SECOND * 3_600);

    let at_once = HeartbeatSseLayer::new().eager(Duration::ZERO, wants_stream as fn(&Parts) -> _);
    let response = call(
        at_once,
        posting([Step::data("{\"stream\":true}")]),
        Reply::Pending,
    )
    .await;
    assert_eq!(response.unwrap().status(), 200);
    assert!(start.elapsed() < SECOND * 3_601);
    // Nobody reads the body, and nobody spins.
    let (inner, _handle) = ScriptedService::<Asking, Inner, BoxError>::from_fn(|_, request| {
        Reply::future(async move {
            let _unread = request;
            tokio::time::sleep(SECOND).await;
            Ok(answer(404, "text/plain", []))
        })
    });
    let at_once = HeartbeatSseLayer::new().eager(Duration::ZERO, wants_stream);
    let response = at_once
        .layer(inner)
        .oneshot(posting([Step::data("{}")]))
        .await;
    assert_eq!(response.unwrap().status(), 404);
}

// ===== what comes behind it =====

#[tokio::test(start_paused = true)]
async fn a_byte_order_mark_behind_a_heartbeat_is_taken_out() {
    let reply = Reply::Ok(stream([Step::data("\u{FEFF}"), Step::data("data: a\n\n")]));
    let response = call(layer(), asking(), reply.after(SECOND * 6))
        .await
        .unwrap();
    let seen = audit(response.into_body()).await;
    assert_eq!(seen.data, [BEAT, "data: a\n\n"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_behind_its_head_breaks() {
    let torn = io::Error::from(io::ErrorKind::ConnectionReset);
    let reply = Reply::Ok(stream([
        Step::data("data: a\n\n"),
        Step::Error(torn.into()),
    ]));
    let response = call(layer(), asking(), reply.after(SECOND * 6))
        .await
        .unwrap();
    let seen = audit(response.into_body()).await;
    assert_eq!(seen.data, [BEAT, "data: a\n\n"]);
    assert!(seen.error.unwrap().downcast_ref::<io::Error>().is_some());
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_inner_service_is_one_event_in_the_providers_shape_and_a_clean_end() {
    let overloaded =
        || -> BoxError { Failure::new(Outcome::CIRCUIT_OPEN, "api.internal:443").into() };
    let (name, data) = told(Profile::ANTHROPIC, Reply::Err(overloaded())).await;
    assert_eq!(name, "error");
    assert_eq!(data["type"], "error");
    assert_eq!(data["error"]["type"], "overloaded_error");
    let (_, data) = told(Profile::OPENAI, Reply::Err(overloaded())).await;
    assert_eq!(data["error"]["code"], "server_is_overloaded");
    let (_, data) = told(Profile::GEMINI, Reply::Err(overloaded())).await;
    assert_eq!(data["error"]["status"], "UNAVAILABLE");
    let (_, data) = told(Profile::HTTP, Reply::Err(overloaded())).await;
    assert_eq!(data["status"], 503);
    assert!(
        !data.to_string().contains("internal"),
        "no host's name goes out: {data}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_json_of_an_error_answer_is_passed_on_as_it_is() {
    let words =
        "{\n  \"error\": {\"type\": \"rate_limit_error\",\r\n \"message\": \"slow down\"}\n}\n";
    let (begin, rest) = words.split_at(20);
    for kind in [
        "application/json",
        "application/problem+json; charset=utf-8",
    ] {
        let steps = [Step::data(begin), Step::Wait(SECOND / 2), Step::data(rest)];
        let (name, data) = told(Profile::ANTHROPIC, Reply::Ok(answer(429, kind, steps))).await;
        assert_eq!(name, "error");
        assert_eq!(data, serde_json::from_str::<Value>(words).unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn the_json_of_an_error_answer_is_one_line_of_data_however_it_is_laid_out() {
    let words = "{\r\n \"error\": {\r \"message\": \"x\"\n}\n}\n\n";
    let reply = Reply::Ok(answer(400, "application/json", [Step::data(words)]));
    let answer = call(layer(), asking(), reply.after(SECOND * 6)).await;
    assert_eq!(
        read(answer.unwrap()).await,
        [
            BEAT,
            "event: error\ndata: {   \"error\": {  \"message\": \"x\" } }\n\n"
        ]
        .concat()
    );
}

#[tokio::test(start_paused = true)]
async fn frames_that_bring_nothing_do_not_keep_an_error_from_being_told() {
    for (empty, message) in [(200, "mine"), (20_000, "the upstream asks to slow down")] {
        let steps = (0..empty).map(|_| Step::data(""));
        let steps = steps.chain([Step::data("{\"error\":{\"message\":\"mine\"}}")]);
        let reply = Reply::Ok(answer(429, "application/json", steps));
        let (_, data) = told(Profile::OPENAI, reply).await;
        assert_eq!(data["error"]["message"], message, "{empty}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_answer_that_cannot_be_passed_on_is_told_in_our_words() {
    let long = format!("{{\"error\":\"{}\"}}", "x".repeat(16 * 1024));
    let json = |steps: Vec<Step>| answer(429, "application/json", steps);
    for reply in [
        answer(429, "text/html", [Step::data("<h1>nginx at 10.0.0.7</h1>")]),
        json(vec![]),
        json(vec![Step::data("{\"error\":"), Step::Stall]),
        json(vec![Step::data("{\"error\":"), Step::error("torn")]),
        json(vec![Step::data("{\"error\":1"), Step::trailer("a", "b")]),
        json(vec![Step::data("[{\"error\":1}]")]),
        json(vec![Step::data(&b"{\"error\":\"\xF0\x9F\"}"[..])]),
        json(vec![Step::data(long)]),
    ] {
        let (name, data) = told(Profile::OPENAI, Reply::Ok(reply)).await;
        assert_eq!(name, "error");
        assert_eq!(data["error"]["code"], "rate_limit_exceeded");
        assert_eq!(data["error"]["message"], "the upstream asks to slow down");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_body_said_before_it_broke_off_still_counts() {
    let body = "{\"error\":{\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"";
    let reply = answer(429, "application/json", [Step::data(body), Step::Stall]);
    let (_, data) = told(Profile::OPENAI, Reply::Ok(reply)).await;
    assert_eq!(data["error"]["code"], "billing_not_active");

    let mut judged = answer(500, "text/plain", []);
    judged
        .extensions_mut()
        .insert(Outcome::new(Kind::Overloaded));
    let (_, data) = told(Profile::OPENAI, Reply::Ok(judged)).await;
    assert_eq!(data["error"]["code"], "server_is_overloaded");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_stream_of_plain_events_is_not_joined_on() {
    let events = "text/event-stream";
    let mut gzip = stream([Step::data("x")]);
    gzip.headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    for reply in [
        answer(200, "application/json", [Step::data("{\"choices\":[]}")]),
        answer(204, events, []),
        answer(206, events, [Step::data("data: a\n\n")]),
        answer(302, "text/html", []),
        gzip,
    ] {
        let (name, data) = told(Profile::OPENAI, Reply::Ok(reply)).await;
        assert_eq!(name, "error");
        let expected = json!({"error": {
            "message": "the upstream did not answer with a stream",
            "type": "server_error", "param": null, "code": null,
        }});
        assert_eq!(data, expected);
    }
    let (_, data) = told(
        Profile::OPENAI,
        Reply::Ok(answer(500, events, [Step::data("a")])),
    )
    .await;
    assert_eq!(data["error"]["type"], "server_error");
}

#[tokio::test(start_paused = true)]
async fn an_empty_stream_is_an_empty_stream() {
    let reply = Reply::Ok(stream([])).after(SECOND * 6);
    assert_eq!(
        read(call(layer(), asking(), reply).await.unwrap()).await,
        BEAT
    );
}

// ===== cancelled =====

fn pending() -> (
    ScriptedService<Asking, Inner, BoxError>,
    ScriptedHandle<Asking, Inner, BoxError>,
) {
    ScriptedService::new([Reply::Pending])
}

#[tokio::test(start_paused = true)]
async fn dropped_before_or_after_the_early_head_it_drops_the_inner_call_at_once() {
    let (inner, handle) = pending();
    let call = layer().layer(inner).oneshot(asking());
    assert!(tokio::time::timeout(AFTER - SECOND, call).await.is_err());
    assert_eq!(handle.dropped(), 1);

    for reads in 0..3 {
        let (inner, handle) = pending();
        let mut response = layer().layer(inner).oneshot(asking()).await.unwrap();
        for _ in 0..reads {
            let _beat = response.body_mut().frame().await.unwrap().unwrap();
        }
        assert_eq!((handle.in_flight(), handle.dropped()), (1, 0));
        drop(response);
        assert_eq!((handle.in_flight(), handle.dropped()), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_in_the_middle_of_the_stream_or_of_an_error_it_drops_the_inner_body_at_once() {
    let bodies: [fn() -> Inner; 2] = [
        || stream([Step::data("data: a\n\n"), Step::Stall]),
        || answer(500, "application/json", [Step::data("{"), Step::Stall]),
    ];
    for body in bodies {
        let inner = body();
        let handle: BodyHandle = inner.body().handle();
        let reply = Reply::Ok(inner).after(SECOND * 6);
        let mut response = call(layer(), asking(), reply).await.unwrap();
        let _beat = response.body_mut().frame().await;
        let _more = tokio::time::timeout(SECOND + SECOND / 2, response.body_mut().frame()).await;
        assert!(!handle.dropped());
        drop(response);
        assert!(handle.dropped());
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_answer_that_has_been_read_is_let_go() {
    let inner = answer(500, "application/json", [Step::data("{"), Step::Stall]);
    let handle = inner.body().handle();
    let response = call(layer(), asking(), Reply::Ok(inner).after(SECOND * 6))
        .await
        .unwrap();
    let mut body = response.into_body();
    while !body.is_end_stream() {
        let _frame = body.frame().await;
    }
    assert!(handle.dropped(), "as soon as the event has gone out");
}
