//! What of an answer is kept, and for whom. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

mod kit;

use buttress_classify::Profile;
use buttress_idempotency::{IdempotencyLayer, Scope};
use buttress_testkit::body::Step;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::Layer;

use kit::{Answer, Upstream, ask, is_replay, keyed};

fn layer() -> IdempotencyLayer {
    IdempotencyLayer::new(Profile::HTTP)
}

/// Whether what the upstream says is kept.
async fn is_kept(layer: IdempotencyLayer, answer: impl Fn() -> Answer + Send + 'static) -> bool {
    let upstream = Upstream::new(move |_| answer());
    let service = layer.layer(upstream.service());
    ask(&service, keyed("k", "p")).await.unwrap();
    is_replay(&ask(&service, keyed("k", "p")).await.unwrap().0)
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_another_length_than_it_says_is_not_kept() {
    let of_length =
        |length| move || Answer::new([Step::data("half")]).with("content-length", length);
    assert!(is_kept(layer(), of_length("4")).await);
    assert!(!is_kept(layer(), of_length("8")).await);
    assert!(!is_kept(layer(), of_length("four")).await);
}

#[tokio::test(start_paused = true)]
async fn a_part_of_an_answer_is_not_kept() {
    assert!(is_kept(layer(), || Answer::status(203, "all")).await);
    assert!(!is_kept(layer(), || Answer::status(206, "a part")).await);
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_many_small_pieces_counts_for_more_than_its_bytes() {
    let pieces = |count| move || Answer::new((0..count).map(|_| Step::data("a")));
    let layer = || layer().max_body(1024);
    assert!(is_kept(layer(), pieces(16)).await);
    assert!(!is_kept(layer(), pieces(17)).await);
}

#[tokio::test(start_paused = true)]
async fn who_joins_gets_no_cookie_of_another() {
    let answer = |_| {
        let answer = Answer::new([Step::data("a")]).after(100);
        answer.with("set-cookie", "session=alice")
    };
    let upstream = Upstream::new(answer);
    let service = layer()
        .fingerprints(|_| Some(Scope::of("everybody")))
        .layer(upstream.service());
    let of = |whom: &str| {
        let request = Request::post("/").header("x-user", whom);
        request.body(Full::<Bytes>::from("p")).unwrap()
    };
    let (alice, bob) = tokio::join!(ask(&service, of("alice")), ask(&service, of("bob")));
    assert_eq!(alice.unwrap().0.headers()["set-cookie"], "session=alice");
    assert!(!bob.unwrap().0.headers().contains_key("set-cookie"));
    assert_eq!(upstream.calls(), 1);
}
