//! Verdicts that fall while a body passes: of streams as upstreams send them, and of gRPC's answers.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use buttress_classify::{Follow, Profile};
use buttress_core::{Classify, Kind, Outcome, Reason, Report, Verdict, Watch};
use buttress_testkit::upstream::{Behaviour, Cut, Upstream};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use tower::ServiceExt;

/// What a report has heard, in order.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn note(&self, word: impl Into<String>) {
        self.0.lock().unwrap().push(word.into());
    }

    fn words(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Report for Heard {
    fn first_content(&mut self) {
        self.note("content");
    }

    fn report(self, outcome: Outcome) {
        let reason = outcome.reason.map(Reason::as_str);
        self.note(reason.unwrap_or(outcome.kind.as_str()));
    }
}

fn follow<B: Body>(profile: Profile, response: &Response<B>) -> Follow {
    match profile.classify(Ok::<_, &Infallible>(response)) {
        Verdict::Watch(follow) => follow,
        Verdict::Final(outcome) => panic!("{outcome:?} at the head"),
    }
}

/// Reads a body to its end or its error, watched, and says what was heard, and how much came.
async fn read<B>(profile: Profile, response: Response<B>) -> (Vec<String>, usize)
where
    B: Body<Error: 'static> + Unpin,
{
    let heard = Heard::default();
    let watch = follow(profile, &response);
    let mut body = watch.attach(response, heard.clone()).into_body();
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, Bytes::len);
    }
    (heard.words(), length)
}

#[tokio::test]
async fn a_failure_that_the_head_told_passes_in_the_same_type_and_unobserved() {
    let failed = Response::new(Full::<Bytes>::from("data: nothing ends this"));
    let passed: Response<_> = <Follow as Watch<_>>::pass::<Heard>(failed);
    let heard = Heard::default();
    let watched = follow(Profile::HTTP, &passed).attach(passed, heard.clone());
    assert!(watched.into_body().collect().await.is_ok());
    assert_eq!(
        heard.words(),
        ["content", "success"],
        "once, by the outer one"
    );
}

const PROVIDERS: [(Profile, &str); 2] = [
    (Profile::OPENAI, "/v1/chat/completions"),
    (Profile::ANTHROPIC, "/v1/messages"),
];

async fn answer(path: &str, behaviour: Behaviour) -> Response<impl Body<Error: 'static> + Unpin> {
    let upstream = Upstream::new(behaviour);
    let body = Full::new(Bytes::from_static(br#"{"stream":true}"#));
    let request = Request::post(path).body(body).unwrap();
    upstream.service().oneshot(request).await.unwrap()
}

/// Sizes of chunks: an event each, every byte by itself, across events, and all at once.
fn chunkings(behaviour: &Behaviour) -> [Behaviour; 4] {
    let of = |size| behaviour.clone().chunk_size(size);
    [behaviour.clone(), of(1), of(77), of(1 << 20)]
}

#[tokio::test(start_paused = true)]
async fn a_whole_stream_is_a_success_however_it_is_cut() {
    for (profile, path) in PROVIDERS {
        let mut lengths = Vec::new();
        for behaviour in chunkings(&Behaviour::well().tokens(500)) {
            let (heard, length) = read(profile, answer(path, behaviour).await).await;
            // All at once its content is no news any more.
            let expected: &[_] = match lengths.len() {
                3 => &["success"],
                _ => &["content", "success"],
            };
            assert_eq!(heard, expected, "{path}");
            lengths.push(length);
        }
        assert!(
            lengths.iter().all(|length| *length == lengths[0]),
            "{lengths:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_its_terminator_is_truncated() {
    for (profile, path) in PROVIDERS {
        for behaviour in chunkings(&Behaviour::well().without_terminator()) {
            let (heard, _) = read(profile, answer(path, behaviour).await).await;
            assert_eq!(heard, ["content", "truncated"], "{path}");
        }
        for behaviour in chunkings(&Behaviour::well().end_after(1)) {
            let (heard, _) = read(profile, answer(path, behaviour).await).await;
            assert_eq!(heard, ["truncated"], "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_is_reset_whether_or_not_it_had_content() {
    for (profile, path) in PROVIDERS {
        let early = Behaviour::well().cut_after(1, Cut::Reset);
        let (heard, _) = read(profile, answer(path, early).await).await;
        assert_eq!(heard, ["reset"], "{path}");

        let late = Behaviour::well().cut_after(9, Cut::Reset);
        let (heard, _) = read(profile, answer(path, late).await).await;
        assert_eq!(heard, ["content", "reset"], "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_event_beats_the_terminator_behind_it() {
    for ((profile, path), failure) in PROVIDERS.into_iter().zip(["transient", "overloaded"]) {
        for (events, expected) in [(1, &[failure][..]), (9, &["content", failure])] {
            let behaviour = Behaviour::well().error_event_then_terminator(events);
            let (heard, _) = read(profile, answer(path, behaviour).await).await;
            assert_eq!(heard, expected, "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_at_the_head_needs_no_watch() {
    for (profile, path) in PROVIDERS {
        let response = answer(path, Behaviour::overloaded()).await;
        let verdict = profile.classify(Ok::<_, &Infallible>(&response));
        assert_eq!(verdict.at_head().kind, Kind::Overloaded);
        assert!(matches!(verdict, Verdict::Final(_)));
    }
    // What an inner layer has found speaks first.
    let mut response = Response::new(Full::<Bytes>::default());
    response.extensions_mut().insert(Outcome::TRUNCATED);
    let verdict = Profile::OPENAI.classify(Ok::<_, &Infallible>(&response));
    assert!(matches!(verdict, Verdict::Final(Outcome::TRUNCATED)));
}

/// An answer of gRPC's, with a message and these fields in its trailers.
fn call(
    trailers: Option<&[(&'static str, &'static str)]>,
) -> Response<impl Body<Error: 'static> + Unpin> {
    let message = Frame::data(Bytes::from_static(b"\0\0\0\0\x02hi"));
    let trailers = trailers.map(|fields| {
        let fields = fields.iter().copied();
        let fields =
            fields.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        Frame::trailers(fields.collect::<HeaderMap>())
    });
    let frames = [Some(message), trailers].into_iter().flatten();
    let frames: Vec<_> = frames.map(Ok::<_, Infallible>).collect();
    Response::builder()
        .header("content-type", "application/grpc+proto")
        .body(StreamBody::new(futures_util::stream::iter(frames)))
        .unwrap()
}

#[tokio::test]
async fn late_trailers_have_the_last_word_on_a_call() {
    for (trailers, expected) in [
        (Some(&[("grpc-status", "0")][..]), "success"),
        (Some(&[("grpc-status", "14")]), "overloaded"),
        (
            Some(&[("grpc-status", "8"), ("grpc-message", "slow down")]),
            "rate_limit",
        ),
        (Some(&[("x-other", "1")]), "truncated"),
        (None, "truncated"),
    ] {
        // The content type tells, too.
        for profile in [Profile::GRPC, Profile::HTTP] {
            let (heard, _) = read(profile, call(trailers)).await;
            assert_eq!(heard, ["content", expected]);
        }
    }
}

#[tokio::test]
async fn the_trailers_of_other_answers_say_nothing() {
    let mut response = call(Some(&[("grpc-status", "14")]));
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("text/plain"));
    let (heard, _) = read(Profile::HTTP, response).await;
    assert_eq!(heard, ["content", "success"]);
}

#[tokio::test]
async fn an_answer_of_trailers_only_is_judged_by_its_head() {
    let only = |status: &'static str| {
        Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", status)
            .body(Full::<Bytes>::default())
            .unwrap()
    };
    let verdict = Profile::GRPC.classify(Ok::<_, &Infallible>(&only("14")));
    assert!(matches!(verdict, Verdict::Final(outcome) if outcome.kind == Kind::Overloaded));
    assert_eq!(read(Profile::GRPC, only("0")).await.0, ["success"]);
    // A profile that looks into no head for it.
    assert_eq!(read(Profile::HTTP, only("14")).await.0, ["overloaded"]);
    let observer = Profile::GRPC.observer(http::StatusCode::OK, only("0").headers());
    assert!(!observer.awaits_content());
}
