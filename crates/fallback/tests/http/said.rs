//! What the answer says.

use std::time::Duration;

use buttress_classify::Profile;
use buttress_core::{BoxError, Failure, Kind, Outcome, find};
use buttress_fallback::{AllTiersFailed, FallbackLayer, FallbackOverride, ServedBy, Tier, When};
use buttress_testkit::probe::{Reply, ScriptedService};
use buttress_testkit::upstream::{Behaviour, Cut, Upstream, provider};
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceExt};

use crate::{by, chat, down, layer, send, tier, upstream, well};

#[tokio::test(start_paused = true)]
async fn the_answer_says_who_served_it_and_why_the_others_did_not() {
    let a = upstream([Behaviour::well().cut_before_head(Cut::Reset)]);
    let (b, c) = (upstream([Behaviour::rate_limited()]), well());
    let small = tier("c", &c).degraded(true);
    let layer = layer()
        .primary("a")
        .tier(tier("b", &b))
        .tier(small)
        .say_who(true);
    let response = send(&layer, &a, chat()).await.unwrap();
    let by = by(&response);
    assert_eq!((by.tier(), by.name(), by.is_degraded()), (2, "c", true));
    let why: Vec<_> = by
        .reasons()
        .iter()
        .map(|t| (t.name(), t.outcome().kind))
        .collect();
    assert_eq!(why, [("a", Kind::Transient), ("b", Kind::Throttled)]);
    assert_eq!(response.headers()["x-buttress-served-by"], "c");
    assert_eq!(response.headers()["x-buttress-degraded"], "true");
    assert!(
        response.extensions().get::<Outcome>().is_none(),
        "a success leaves nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn the_primarys_own_answer_says_so_only_if_it_is_asked_to() {
    let b = well();
    let quiet = layer().primary("a").tier(tier("b", &b));
    let response = send(&quiet, &well(), chat()).await.unwrap();
    assert!(response.extensions().is_empty());
    assert!(!response.headers().contains_key("x-buttress-served-by"));

    let lies = upstream([Behaviour::well().header("x-buttress-degraded", "true")]);
    let response = send(&quiet.say_who(true), &lies, chat()).await.unwrap();
    assert_eq!(response.headers()["x-buttress-served-by"], "a");
    assert!(
        !response.headers().contains_key("x-buttress-degraded"),
        "an upstream cannot say so"
    );
}

#[tokio::test(start_paused = true)]
async fn when_all_fail_the_last_answer_goes_outward_whole_with_everybodys_reason() {
    let (a, b) = (down(), upstream([Behaviour::rate_limited()]));
    let response = send(&layer().tier(tier("b", &b)), &a, chat())
        .await
        .unwrap();
    assert_eq!(response.status(), 429);
    assert!(response.body().starts_with(b"{\"error\""));
    let outcome: &Outcome = response.extensions().get().unwrap();
    assert_eq!(outcome.kind, Kind::Throttled);
    assert_eq!(
        (by(&response).tier(), by(&response).reasons().len()),
        (1, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn f37_whoever_is_told_to_wait_is_told_how_long() {
    let a = upstream([Behaviour::status(503).header("retry-after", "7")]);
    let b = upstream([Behaviour::status(429).header("retry-after-ms", "2500")]);
    let c = upstream([Behaviour::status(429)]);
    let layer = layer().tier(tier("b", &b)).tier(tier("c", &c));
    let response = send(&layer, &a, chat()).await.unwrap();
    assert_eq!(
        response.headers()["retry-after"],
        "3",
        "the shortest, rounded up"
    );
    let outcome: &Outcome = response.extensions().get().unwrap();
    assert_eq!(outcome.retry_after, Some(Duration::from_millis(2_500)));

    // One of its own that says so by another number.
    let c = upstream([Behaviour::status(529)]);
    let layer = self::layer().tier(tier("b", &b)).tier(tier("c", &c));
    let response = send(&layer, &a, chat()).await.unwrap();
    assert_eq!(response.headers()["retry-after"], "3");

    let c = upstream([Behaviour::well().cut_before_head(Cut::Reset)]);
    let layer = self::layer().tier(tier("b", &b)).tier(tier("c", &c));
    let error = send(&layer, &a, chat()).await.unwrap_err();
    let failure = find::<Failure>(&*error).unwrap();
    assert_eq!(
        failure.outcome().retry_after,
        Some(Duration::from_millis(2_500))
    );
    assert_eq!(find::<AllTiersFailed>(&*error).unwrap().count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_failed_answer_nobody_could_better_carries_its_outcome() {
    let a = upstream([Behaviour::status(400)]);
    let b = well();
    let response = send(&layer().tier(tier("b", &b)), &a, chat())
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
    let outcome: &Outcome = response.extensions().get().unwrap();
    assert_eq!(outcome.kind, Kind::Invalid);
    assert_eq!(b.counts().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_larger_model_is_asked_if_the_prompt_was_too_long() {
    let too_long = Outcome::new(Kind::Invalid).because(buttress_core::Reason::ContextWindow);
    let a = ScriptedService::<_, _, BoxError>::from_fn(move |_, _| {
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response.extensions_mut().insert(too_long);
        Reply::Ok(response)
    })
    .0;
    let (b, larger) = (well(), well());
    let upstream =
        |name, upstream: &Upstream| Tier::upstream(name, upstream.service(), Profile::OPENAI);
    let layer = FallbackLayer::http(Profile::OPENAI)
        .tier(upstream("b", &b))
        .tier(upstream("larger", &larger).when(When::CONTEXT_WINDOW));
    let response = layer.layer(a).oneshot(chat()).await.unwrap();
    assert_eq!(
        response.extensions().get::<ServedBy>().unwrap().name(),
        "larger"
    );
    assert_eq!((b.counts().calls, larger.counts().calls), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn no_upstream_says_who_served_the_call() {
    let lies = |behaviour: Behaviour| {
        let lying = behaviour.header("x-buttress-served-by", "somebody-else");
        upstream([lying
            .header("x-buttress-degraded", "true")
            .header("x-buttress-whatever", "1")])
    };
    let cases = [
        (200, 200, "a"),
        (400, 200, "a"),
        (503, 200, "b"),
        (503, 503, "b"),
    ];
    let ours = |response: &Response<Bytes>| -> Vec<String> {
        let names = response.headers().keys().map(ToString::to_string);
        names
            .filter(|name| name.starts_with("x-buttress-"))
            .collect()
    };
    for (first, second, served) in cases {
        let [a, b] = [first, second].map(|status| lies(Behaviour::status(status)));
        let quiet = layer().primary("a").tier(tier("b", &b));
        let response = send(&quiet, &a, chat()).await.unwrap();
        assert!(ours(&response).is_empty(), "{first}, {second}");

        let response = send(&quiet.say_who(true), &a, chat()).await.unwrap();
        assert_eq!(ours(&response), ["x-buttress-served-by"]);
        assert_eq!(response.headers()["x-buttress-served-by"], served);
    }
    let mut off = chat();
    off.extensions_mut().insert(FallbackOverride::OFF);
    let a = lies(Behaviour::well());
    for layer in [layer(), layer().tier(tier("b", &a))] {
        let response = send(&layer, &a, off.clone()).await.unwrap();
        assert!(ours(&response).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_tier_calls_invalid_does_not_hide_that_the_primary_was_throttled() {
    let too_long = provider::json_error(400, provider::openai::CONTEXT_LENGTH);
    for (invalid, same_account) in [
        (Behaviour::status(400), false),
        (Behaviour::status(400), true),
        (Behaviour::status(422), false),
        (too_long, false),
    ] {
        let a = upstream([Behaviour::rate_limited().header("retry-after", "7")]);
        let b = upstream([invalid]);
        let layer = layer().tier(tier("b", &b).same_account(same_account));
        let response = send(&layer, &a, chat()).await.unwrap();
        // An SDK waits and tries again, and the primary may well answer. A 400 would end it, about a request that
        // the caller has not made like that.
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "7");
        let outcome: &Outcome = response.extensions().get().unwrap();
        assert_eq!(outcome.kind, Kind::Throttled);
        let by = by(&response);
        assert_eq!((by.name(), by.tier()), ("primary", 0));
        let kinds: Vec<_> = by.reasons().iter().map(|t| t.outcome().kind).collect();
        assert_eq!(kinds, [Kind::Throttled, Kind::Invalid]);
    }

    // An error, where the primary gave no answer at all.
    let a = upstream([Behaviour::well().cut_before_head(Cut::Reset)]);
    let b = upstream([Behaviour::status(400)]);
    let error = send(&layer().tier(tier("b", &b)), &a, chat()).await;
    let error = error.unwrap_err();
    let all: &AllTiersFailed = find(&*error).unwrap();
    assert_eq!(all.reasons()[1].outcome().kind, Kind::Invalid);
    let outcome = find::<Failure>(&*error).unwrap().outcome();
    assert_eq!(outcome.kind, Kind::Transient);
}

#[tokio::test(start_paused = true)]
async fn the_unpaid_account_of_a_tier_is_not_taken_for_the_callers() {
    let (a, b) = (down(), upstream([Behaviour::status(402)]));
    let elsewhere = layer().tier(tier("b", &b));
    let response = send(&elsewhere, &a, chat()).await.unwrap();
    assert_eq!(response.status(), 503);
    let callers = layer().tier(tier("b", &b).same_account(true));
    let response = send(&callers, &a, chat()).await.unwrap();
    assert_eq!(response.status(), 402);
}
