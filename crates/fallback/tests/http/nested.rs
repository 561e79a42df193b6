//! A fallback inside of a fallback.

use buttress_classify::Profile;
use buttress_core::{BoxError, Failure, Outcome};
use buttress_fallback::{FallbackLayer, Http, ServedBy, Tier};
use buttress_testkit::upstream::{Behaviour, Upstream, UpstreamBody};
use bytes::Bytes;
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use crate::{by, chat, down, layer, send, tier, upstream, well};

#[tokio::test(start_paused = true)]
async fn f25_nobody_is_asked_twice_by_two_fallbacks_and_attempts_do_not_multiply() {
    let (a, b, d) = (down(), down(), down());
    let inner: FallbackLayer<Profile, Http<_, _>> = FallbackLayer::http(Profile::OPENAI)
        .primary("b")
        .tier(Tier::upstream("d", d.service(), Profile::OPENAI));
    let b_stack = inner.layer(b.service());
    let c = down();
    let outer = |attempts| {
        layer()
            .primary("a")
            .max_attempts(std::num::NonZeroU32::new(attempts).unwrap())
            .tier(Tier::upstream("b", b_stack.clone(), Profile::OPENAI))
            .tier(tier("d", &d))
            .tier(tier("c", &c))
    };
    let calls = || [&a, &b, &d, &c].map(|upstream| upstream.counts().calls);
    send(&outer(9), &a, chat()).await.unwrap();
    assert_eq!(calls(), [1, 1, 1, 1], "d is not asked again");
    send(&outer(3), &a, chat()).await.unwrap();
    assert_eq!(calls(), [2, 2, 2, 1], "no attempt is left for c");
    send(&outer(2), &a, chat()).await.unwrap();
    assert_eq!(calls(), [3, 3, 2, 1], "nor for d, inside");
}

#[tokio::test(start_paused = true)]
async fn f25_whom_an_inner_fallback_has_asked_counts_though_its_own_upstream_was_not() {
    let (a, c) = (down(), down());
    let d = upstream([Behaviour::status(401)]); // its own key: what is said in the end is that b is closed
    let inner: FallbackLayer<Profile, Http<_, _>> = FallbackLayer::http(Profile::OPENAI)
        .tier(Tier::upstream("d", d.service(), Profile::OPENAI));
    let b_stack = inner.layer(service_fn(|_: Request<_>| async {
        Err::<Response<UpstreamBody>, BoxError>(Failure::new(Outcome::CIRCUIT_OPEN, "open").into())
    }));
    let outer = layer()
        .max_attempts(std::num::NonZeroU32::new(2).unwrap())
        .tier(Tier::upstream("b", b_stack, Profile::OPENAI))
        .tier(tier("c", &c));
    send(&outer, &a, chat()).await.unwrap();
    let calls = [&a, &d, &c].map(|upstream| upstream.counts().calls);
    assert_eq!(calls, [1, 1, 0], "no attempt is left for c");
}

#[tokio::test(start_paused = true)]
async fn who_gave_the_answer_is_told_through_two_fallbacks() {
    let (a, b, d) = (down(), down(), well());
    let inner: FallbackLayer<Profile, Http<_, _>> = FallbackLayer::http(Profile::OPENAI)
        .primary("b")
        .tier(Tier::upstream("d", d.service(), Profile::OPENAI).degraded(true));
    let outer = layer().primary("a").say_who(true);
    let outer = outer.tier(Tier::upstream(
        "b",
        inner.layer(b.service()),
        Profile::OPENAI,
    ));
    let response = send(&outer, &a, chat()).await.unwrap();
    let names: Vec<_> = by(&response)
        .reasons()
        .iter()
        .map(|tried| tried.name())
        .collect();
    assert_eq!((by(&response).name(), names), ("d", vec!["a", "b"]));
    assert!(by(&response).is_degraded());
    assert_eq!(response.headers()["x-buttress-served-by"], "d");

    // The other way round: the primary has one inside.
    let inner: FallbackLayer<Profile, Http<_, _>> = FallbackLayer::http(Profile::OPENAI)
        .primary("b")
        .tier(Tier::upstream("d", d.service(), Profile::OPENAI));
    let outer: FallbackLayer<Profile, Http<_, _>> = FallbackLayer::http(Profile::OPENAI)
        .say_who(true)
        .tier(Tier::upstream("a", a.service(), Profile::OPENAI));
    let service = outer.layer(inner.layer(b.service()));
    let response = service.oneshot(chat()).await.unwrap();
    assert_eq!(response.headers()["x-buttress-served-by"], "d");
}

#[tokio::test(start_paused = true)]
async fn f25_when_all_fail_nobodys_reason_is_lost_between_two_fallbacks() {
    let names = |response: &Response<Bytes>| -> Vec<String> {
        let reasons = by(response).reasons().iter();
        reasons
            .map(|tried| format!("{} {}", tried.name(), tried.outcome().kind.as_str()))
            .collect()
    };
    let expected = ["a overloaded", "b throttled", "d transient"];
    let inside = |d: &Upstream| -> FallbackLayer<Profile, Http<_, _>> {
        FallbackLayer::http(Profile::OPENAI).tier(Tier::upstream("d", d.service(), Profile::OPENAI))
    };
    let (a, b, d) = (
        down(),
        upstream([Behaviour::rate_limited()]),
        upstream([Behaviour::status(500)]),
    );
    let b_stack = inside(&d).layer(b.service());
    let outer = layer().primary("a");
    let outer = outer.tier(Tier::upstream("b", b_stack, Profile::OPENAI));
    let response = send(&outer, &a, chat()).await.unwrap();
    assert_eq!(names(&response), expected);

    // The other way round: the primary has one inside, and nobody else is left to be asked.
    let outer: FallbackLayer<Profile, Http<_, _>> = FallbackLayer::http(Profile::OPENAI)
        .primary("b")
        .tier(Tier::upstream("d", d.service(), Profile::OPENAI));
    let service = outer.layer(inside(&d).layer(b.service()));
    let response = service.oneshot(chat()).await.unwrap();
    let by: &ServedBy = response.extensions().get().unwrap();
    assert_eq!((by.name(), by.reasons().len()), ("d", 2));
}
