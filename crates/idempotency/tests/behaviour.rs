//! What callers see: first calls, duplicates, replays. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

mod kit;

use std::time::Duration;

use buttress_classify::Profile;
use buttress_core::{BoxError, Deadline, Failure, InvalidIdempotencyKey, Kind, Outcome, find};
use buttress_idempotency::{
    CallInFlight, Duplicates, IdempotencyLayer, KeyMissing, KeyReused, MalformedKey, MemoryStore,
    RunElapsed, Scope,
};
use buttress_testkit::body::{ScriptedBody, Step};
use http::{HeaderMap, Request};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceExt};

use kit::{Answer, Upstream, ask, by, is_replay, keyed, read};

fn layer() -> IdempotencyLayer {
    IdempotencyLayer::new(Profile::HTTP)
}

fn refused<T>(result: Result<T, BoxError>) -> (BoxError, Outcome) {
    let error = result.err().unwrap();
    let outcome = find::<Failure>(&*error).unwrap().outcome();
    (error, outcome)
}

fn pause(millis: u64) -> Step {
    Step::Wait(Duration::from_millis(millis))
}

#[tokio::test(start_paused = true)]
async fn a_finished_call_is_replayed_whole_and_says_so() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    let steps = [
        Step::data("a"),
        pause(1),
        Step::data("b"),
        Step::Trailers(trailers.clone()),
    ];
    let mut steps = Some(steps);
    let upstream = Upstream::new(move |_| {
        let answer = Answer::new(steps.take().unwrap())
            .with("x-id", "1")
            .with("set-cookie", "s=1");
        answer.with("connection", "x-hop").with("x-hop", "1")
    });
    let service = layer().layer(upstream.service());
    let (first, body) = ask(&service, keyed("k", "p")).await.unwrap();
    assert!(!is_replay(&first) && body == "ab");
    assert_eq!(upstream.seen(0), "p");

    let replay = service.oneshot(keyed("k", "p")).await.unwrap();
    let headers = replay.headers();
    assert_eq!(headers["idempotent-replayed"], "true");
    assert_eq!(headers["x-id"], "1");
    assert!(
        ["set-cookie", "connection", "x-hop"]
            .iter()
            .all(|name| !headers.contains_key(*name))
    );
    assert_eq!(replay.body().size_hint().exact(), Some(2));
    let body = replay.into_body().collect().await.unwrap();
    assert_eq!(body.trailers(), Some(&trailers));
    assert_eq!(body.to_bytes(), "ab");
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_of_a_call_under_way_gets_all_of_it_from_the_first_byte_on() {
    let upstream =
        Upstream::new(|_| Answer::new([Step::data("a"), pause(50), Step::data("b")]).after(50));
    let service = layer().layer(upstream.service());
    let late = |millis| {
        let service = service.clone();
        async move {
            sleep(Duration::from_millis(millis)).await;
            ask(&service, keyed("k", "p")).await.unwrap()
        }
    };
    let (one, two, three) = tokio::join!(late(0), late(20), late(80));
    for (head, body) in [one, two, three] {
        assert!(!is_replay(&head) && body == "ab");
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn quoted_and_bare_keys_are_one() {
    let upstream = Upstream::saying("a");
    let service = layer().layer(upstream.service());
    for key in [
        "8e03978e-40d5",
        "\"8e03978e-40d5\"",
        " \"8e03978e-40d5\";v=1",
    ] {
        assert_eq!(ask(&service, keyed(key, "p")).await.unwrap().1, "a");
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_key_with_another_payload_is_refused_in_flight_and_afterwards() {
    let upstream = Upstream::new(|_| Answer::new([Step::data("a")]).after(50));
    let service = layer().layer(upstream.service());
    let other = |request| {
        let service = service.clone();
        async move { refused(ask(&service, request).await) }
    };
    let (first, second) = tokio::join!(ask(&service, keyed("k", "p")), other(keyed("k", "q")));
    assert_eq!(first.unwrap().1, "a");
    let mut path = keyed("k", "p");
    *path.uri_mut() = "/v1/other".parse().unwrap();
    let mut kind = keyed("k", "p");
    kind.headers_mut()
        .insert("content-type", "text/plain".parse().unwrap());
    let mut refusals = vec![second];
    for request in [
        keyed("k", "q"),
        keyed("k", ""),
        keyed("k", "pp"),
        path,
        kind,
    ] {
        refusals.push(other(request).await);
    }
    for (error, outcome) in refusals {
        assert!(find::<KeyReused>(&*error).is_some());
        assert_eq!(outcome, Outcome::KEY_REUSED);
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn headers_that_differ_between_attempts_make_no_other_payload() {
    let upstream = Upstream::saying("a");
    let service = layer().layer(upstream.service());
    for attempt in ["0", "1"] {
        let mut request = keyed("k", "p");
        let headers = request.headers_mut();
        headers.insert("x-stainless-retry-count", attempt.parse().unwrap());
        headers.insert("traceparent", attempt.parse().unwrap());
        headers.insert("user-agent", attempt.parse().unwrap());
        ask(&service, request).await.unwrap();
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_waits_until_the_first_payload_is_known() {
    let upstream = Upstream::saying("a");
    let service = layer().layer(upstream.service());
    let slow = |steps: Vec<Step>| keyed("k", "").map(|_| ScriptedBody::new(steps));
    let first = ask(
        &service,
        slow(vec![Step::data("p"), pause(100), Step::data("q")]),
    );
    let same = ask(&service, slow(vec![Step::data("pq")]));
    let other = ask(&service, slow(vec![Step::data("p")]));
    let start = Instant::now();
    let (first, same, other) = tokio::join!(first, same, other);
    assert_eq!(
        (first.unwrap().1, same.unwrap().1),
        ("a".into(), "a".into())
    );
    assert_eq!(refused(other).1, Outcome::KEY_REUSED);
    assert_eq!(start.elapsed(), Duration::from_millis(100));
    assert_eq!((upstream.calls(), upstream.seen(0)), (1, "pq".into()));
}

#[tokio::test(start_paused = true)]
async fn what_the_service_did_not_read_does_not_matter() {
    let upstream = Upstream::new(|_| Answer::new([Step::data("a")]).unread());
    let service = layer().layer(upstream.service());
    for body in ["p", "q"] {
        assert_eq!(ask(&service, keyed("k", body)).await.unwrap().1, "a");
    }
    let mut path = keyed("k", "p");
    *path.uri_mut() = "/v1/other".parse().unwrap();
    assert_eq!(refused(ask(&service, path).await).1, Outcome::KEY_REUSED);
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_may_be_trusted() {
    let upstream = Upstream::saying("a");
    let service = layer().trust_keys(true).layer(upstream.service());
    for body in ["p", "q"] {
        assert_eq!(ask(&service, keyed("k", body)).await.unwrap().1, "a");
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_everybodys_with_its_source_and_nobodys_afterwards() {
    let broken = || Answer::error(std::io::Error::other("the wire broke")).after(10);
    let upstream = Upstream::in_turn([broken(), Answer::new([Step::data("a")])]);
    let service = layer().layer(upstream.service());
    let (one, two) = tokio::join!(
        ask(&service, keyed("k", "p")),
        ask(&service, keyed("k", "p"))
    );
    for failed in [one, two] {
        let error = failed.err().unwrap();
        assert_eq!(
            find::<std::io::Error>(&*error).unwrap().to_string(),
            "the wire broke"
        );
    }
    assert_eq!(ask(&service, keyed("k", "p")).await.unwrap().1, "a");
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_dies_is_not_replayed_nor_one_that_lacks_its_end() {
    let died = Answer::stream([Step::data("data: a\n\n"), Step::Error("reset".into())]);
    let cut = Answer::stream([Step::data(
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
    )]);
    let whole = Answer::stream([Step::data("data: [DONE]\n\n")]);
    let upstream = Upstream::in_turn([died, cut, whole]);
    let service = IdempotencyLayer::new(Profile::OPENAI).layer(upstream.service());
    assert!(ask(&service, keyed("k", "p")).await.is_err());
    for _ in 0..3 {
        ask(&service, keyed("k", "p")).await.unwrap();
    }
    assert_eq!(upstream.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn answers_of_this_moment_are_never_kept() {
    for status in [408, 409, 425, 429, 500, 502, 503, 529, 400, 404, 402] {
        let upstream = Upstream::new(move |_| Answer::status(status, "no"));
        let keeps_errors = status < 500 && ![408, 409, 425, 429].contains(&status);
        for (layer, calls) in [
            (layer(), 2),
            (layer().keep_errors(true), if keeps_errors { 3 } else { 4 }),
        ] {
            let service = layer.layer(upstream.service());
            for again in [false, true] {
                let (head, body) = ask(&service, keyed("k", "p")).await.unwrap();
                assert_eq!((head.status().as_u16(), &body[..]), (status, &b"no"[..]));
                assert_eq!(is_replay(&head), again && calls == 3, "{status}");
                let left = head.extensions().get::<Outcome>();
                assert!(is_replay(&head) || left.is_some_and(|left| !left.is_success()));
            }
            assert_eq!(upstream.calls(), calls, "{status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_a_day_and_then_the_key_is_new() {
    let upstream = Upstream::saying("a");
    let service = layer().layer(upstream.service());
    for (wait, body, calls) in [(0, "p", 1), (86_399, "p", 1), (2, "q", 2)] {
        advance(Duration::from_secs(wait)).await;
        ask(&service, keyed("k", body)).await.unwrap();
        assert_eq!(upstream.calls(), calls);
    }
}

#[tokio::test(start_paused = true)]
async fn without_credentials_nothing_is_deduplicated_and_two_of_them_share_no_key() {
    let upstream = Upstream::saying("a");
    let service = layer().layer(upstream.service());
    let nobody = || {
        let mut request = keyed("k", "p");
        request.headers_mut().remove("authorization");
        request
    };
    for request in [
        nobody(),
        nobody(),
        by("Bearer you", "k", "p"),
        keyed("k", "p"),
    ] {
        ask(&service, request).await.unwrap();
    }
    assert_eq!(upstream.calls(), 4);

    let tenant = |head: &http::request::Parts| Scope::header(head, &"x-tenant".parse().ok()?);
    let service = layer().scope(tenant).layer(upstream.service());
    for (tenant, calls) in [("1", 5), ("2", 6), ("1", 6)] {
        let mut request = nobody();
        request
            .headers_mut()
            .insert("x-tenant", tenant.parse().unwrap());
        ask(&service, request).await.unwrap();
        assert_eq!(upstream.calls(), calls);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_key_is_refused_and_so_is_none_where_one_is_required() {
    let upstream = Upstream::saying("a");
    let service = layer().layer(upstream.service());
    let long = "k".repeat(256);
    let length = |len| InvalidIdempotencyKey::Length { len };
    let character = |at| InvalidIdempotencyKey::Character { at };
    for (key, why) in [
        ("", length(0)),
        ("\"", character(0)),
        ("\"abc", character(3)),
        ("abc\"", character(3)),
        ("a b", character(1)),
        ("a,b", character(1)),
        ("\"a\",\"b\"", character(2)),
        ("\"\"", length(0)),
        (long.as_str(), length(256)),
    ] {
        let (error, outcome) = refused(ask(&service, keyed(key, "p")).await);
        assert_eq!(
            find::<MalformedKey>(&*error).unwrap().why(),
            Some(why),
            "{key}"
        );
        assert_eq!(outcome, Outcome::KEY_MISSING);
    }
    let mut two = keyed("a", "p");
    two.headers_mut()
        .append("idempotency-key", "a".parse().unwrap());
    let (error, outcome) = refused(ask(&service, two).await);
    assert_eq!(find::<MalformedKey>(&*error).unwrap().why(), None);
    assert_eq!(outcome, Outcome::KEY_MISSING);
    assert_eq!(upstream.calls(), 0);

    let none = || {
        let mut request = keyed("k", "p");
        request.headers_mut().remove("idempotency-key");
        request
    };
    ask(&service, none()).await.unwrap();
    let service = layer()
        .required(true)
        .strict(true)
        .layer(upstream.service());
    let (error, _) = refused(ask(&service, none()).await);
    assert!(find::<KeyMissing>(&*error).is_some());
    assert!(ask(&service, keyed("bare", "p")).await.is_err());
    ask(&service, keyed("\"quoted\"", "p")).await.unwrap();
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn other_methods_and_upgrades_pass_and_a_request_may_ask_to() {
    let upstream = Upstream::saying("a");
    let service = layer().layer(upstream.service());
    let with = |change: fn(&mut Request<Full<bytes::Bytes>>)| {
        let mut request = keyed("k", "p");
        change(&mut request);
        request
    };
    let changes: [fn(&mut Request<_>); 3] = [
        |request| *request.method_mut() = http::Method::GET,
        |request| {
            let upgrade = "websocket".parse().unwrap();
            request.headers_mut().insert("upgrade", upgrade);
        },
        |request| {
            request.extensions_mut().insert(Duplicates::Repeat);
        },
    ];
    for change in changes {
        for _ in 0..2 {
            ask(&service, with(change)).await.unwrap();
        }
    }
    assert_eq!(upstream.calls(), 6);
}

#[tokio::test(start_paused = true)]
async fn duplicates_are_refused_where_that_is_asked_for() {
    let upstream = Upstream::new(|_| Answer::new([Step::data("a")]).after(100));
    let service = layer().layer(upstream.service());
    let mut second = keyed("k", "p");
    second.extensions_mut().insert(Duplicates::Refuse);
    let (first, second) = tokio::join!(ask(&service, keyed("k", "p")), ask(&service, second));
    assert_eq!(first.unwrap().1, "a");
    let (error, outcome) = refused(second);
    assert!(find::<CallInFlight>(&*error).is_some());
    assert_eq!(outcome, Outcome::IN_FLIGHT.after(Duration::from_secs(1)));
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_long_is_passed_on_and_cannot_be_joined_any_more_nor_kept() {
    let upstream = Upstream::new(|_| {
        Answer::new([
            Step::data(vec![1; 600]),
            Step::data(vec![2; 600]),
            pause(50),
            Step::data("end"),
        ])
    });
    let service = layer().max_body(1_000).layer(upstream.service());
    let late = async {
        sleep(Duration::from_millis(10)).await;
        refused(ask(&service, keyed("k", "p")).await).1.reason
    };
    let (first, late) = tokio::join!(ask(&service, keyed("k", "p")), late);
    assert_eq!(first.unwrap().1.len(), 1_203);
    assert_eq!(late, Outcome::IN_FLIGHT.reason);
    ask(&service, keyed("k", "p")).await.unwrap();
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_full_makes_calls_undeduplicated() {
    let upstream = Upstream::saying("a");
    let store = MemoryStore::new().max_entries(1).scope_entries(1);
    let service = layer().store(store).layer(upstream.service());
    let (head, stream) = service
        .clone()
        .oneshot(keyed("held", "p"))
        .await
        .unwrap()
        .into_parts();
    drop(head);
    for calls in [2, 3] {
        assert_eq!(ask(&service, keyed("k", "p")).await.unwrap().1, "a");
        assert_eq!(upstream.calls(), calls);
    }
    stream.collect().await.unwrap();
    // What has ended makes room.
    for _ in 0..2 {
        assert_eq!(ask(&service, keyed("k", "p")).await.unwrap().1, "a");
    }
    assert_eq!(upstream.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_call_may_take_so_long_and_no_longer() {
    let upstream = Upstream::in_turn([
        Answer::new([Step::Stall]),
        Answer::new([]).after(2_000),
        Answer::new([Step::data("a")]).after(500),
    ]);
    let service = layer()
        .max_run(Duration::from_secs(1))
        .layer(upstream.service());
    for _ in 0..2 {
        let (error, outcome) = refused(ask(&service, keyed("k", "p")).await);
        assert_eq!(
            find::<RunElapsed>(&*error).unwrap().limit(),
            Duration::from_secs(1)
        );
        assert_eq!(outcome, Outcome::TOTAL_ELAPSED);
    }
    assert_eq!(ask(&service, keyed("k", "p")).await.unwrap().1, "a");
}

#[tokio::test(start_paused = true)]
async fn one_subscribers_deadline_is_not_the_calls() {
    let soon = Deadline::after(Instant::now().into_std(), Duration::from_secs(1)).enforced();
    let upstream = tower::service_fn(move |request: Request<_>| {
        let handed: Deadline = *request.extensions().get().unwrap();
        drop(request);
        async move {
            let now = Instant::now().into_std();
            assert_eq!(handed.remaining(now), Duration::from_secs(600));
            Ok::<_, BoxError>(http::Response::new(ScriptedBody::full("a")))
        }
    });
    let mut request = keyed("k", "p");
    request.extensions_mut().insert(soon);
    let answer = layer().layer(upstream).oneshot(request).await.unwrap();
    assert_eq!(read(answer).await, "a");
}

#[tokio::test(start_paused = true)]
async fn the_end_and_the_size_of_an_answer_are_those_of_the_call() {
    let upstream = Upstream::in_turn([
        Answer::new([]),
        Answer::new([Step::data("abc"), Step::data("d")]),
    ]);
    let service = layer().layer(upstream.service());
    let empty = service.clone().oneshot(keyed("1", "p")).await.unwrap();
    assert!(empty.body().is_end_stream());
    let mut four = service.oneshot(keyed("2", "p")).await.unwrap().into_body();
    assert_eq!(four.size_hint().exact(), Some(4));
    four.frame().await.unwrap().unwrap();
    assert_eq!(four.size_hint().exact(), Some(1));
}

fn prints(layer: IdempotencyLayer) -> IdempotencyLayer {
    layer.fingerprints(Scope::credentials)
}

fn keyless(body: &'static str) -> Request<Full<bytes::Bytes>> {
    let mut request = keyed("k", body);
    request.headers_mut().remove("idempotency-key");
    request
}

#[tokio::test(start_paused = true)]
async fn requests_without_a_key_may_be_known_by_their_fingerprint() {
    let upstream = Upstream::new(|_| Answer::new([Step::data("a")]).after(50));
    let service = prints(layer()).layer(upstream.service());
    let (one, two, other) = tokio::join!(
        ask(&service, keyless("p")),
        ask(&service, keyless("p")),
        ask(&service, keyless("q"))
    );
    for answer in [one, two, other] {
        assert_eq!(answer.unwrap().1, "a");
    }
    assert_eq!(upstream.calls(), 2);
    assert_eq!(upstream.seen(0), "p");
    assert!(is_replay(&ask(&service, keyless("p")).await.unwrap().0));
    advance(Duration::from_secs(61)).await;
    assert!(!is_replay(&ask(&service, keyless("p")).await.unwrap().0));
    assert_eq!(upstream.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_long_to_be_held_is_passed_on_whole() {
    let upstream = Upstream::saying("a");
    let service = prints(layer()).layer(upstream.service());
    let long =
        || keyless("").map(|_| ScriptedBody::new((0..20).map(|_| Step::data(vec![7; 100_000]))));
    for calls in [1, 2] {
        ask(&service, long()).await.unwrap();
        assert_eq!(upstream.calls(), calls);
        assert_eq!(upstream.seen(calls - 1).len(), 2_000_000);
    }
    let broken =
        keyless("").map(|_| ScriptedBody::new([Step::data("p"), Step::Error("gone".into())]));
    assert_eq!(
        ask(&service, broken).await.err().unwrap().to_string(),
        "gone"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_something_that_no_retry_helps_against_or_that_says_when() {
    assert_eq!(Outcome::KEY_REUSED.kind, Kind::Invalid);
    assert_eq!(Outcome::KEY_MISSING.kind, Kind::Invalid);
    assert_eq!(Outcome::IN_FLIGHT.kind, Kind::Unavailable);
}
