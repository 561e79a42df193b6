//! Incidents of other projects that a circuit must be immune to, each by its name. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests have many callers at once: they spawn"
)]

mod support;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use buttress_breaker::{CircuitBreakerLayer, CircuitState, Policy};
use buttress_core::{BoxError, Kind, Outcome, classify_fn};
use buttress_testkit::upstream::{Behaviour, Cut, Script};
use http_body_util::BodyExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, ServiceExt, service_fn};

use support::{Guarded, OPEN_WAIT, SECOND, Seen, chat, see};

/// So many calls at the same moment; how many were refused.
async fn crowd(guarded: &Guarded, calls: usize) -> usize {
    let mut set = JoinSet::new();
    for _ in 0..calls {
        let call = guarded.service().oneshot(chat());
        set.spawn(async { see(call.await).await });
    }
    let seen = set.join_all().await;
    seen.iter().filter(|seen| **seen == Seen::Refused).count()
}

/// A circuit that has just opened, and an upstream that is back.
async fn opened(policy: Policy) -> Guarded {
    let guarded = Guarded::with(policy, Script::always(Behaviour::server_error()));
    guarded.chats(5).await;
    assert_eq!(guarded.state(), CircuitState::Open);
    guarded.upstream.set_script(Script::well());
    guarded
}

#[tokio::test(start_paused = true)]
async fn f1_p15_when_the_wait_is_over_five_hundred_callers_make_one_probe() {
    let guarded = opened(Policy::DEFAULT).await;
    guarded.set(Behaviour::well().head_delay(SECOND));
    tokio::time::advance(OPEN_WAIT).await;
    assert_eq!(crowd(&guarded, 500).await, 499);
    assert_eq!(guarded.calls(), 5 + 1);
    assert!(guarded.is_closed());
}

#[tokio::test(start_paused = true)]
async fn f1_with_more_probes_exactly_so_many_go_out_and_all_must_succeed() {
    let three = Policy::DEFAULT.probes(NonZeroU32::new(3).unwrap());
    let guarded = opened(three).await;
    guarded.set(Behaviour::well().head_delay(SECOND));
    tokio::time::advance(OPEN_WAIT).await;
    assert_eq!(crowd(&guarded, 500).await, 497);
    assert!(guarded.is_closed());

    let guarded = opened(three).await;
    let well = || Behaviour::well().head_delay(SECOND);
    guarded.upstream.set_script(Script::sequence([
        well(),
        Behaviour::server_error().head_delay(SECOND),
        well(),
    ]));
    tokio::time::advance(OPEN_WAIT).await;
    assert_eq!(crowd(&guarded, 500).await, 497);
    assert_eq!(guarded.state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn f2_a_probe_whose_client_leaves_does_not_wedge_the_circuit() {
    let guarded = opened(Policy::DEFAULT).await;
    for stall in [
        Behaviour::well().head_delay(SECOND * 3_600), // leaves before the head
        Behaviour::well().cut_after(0, Cut::Stall),   // and between head and content
    ] {
        guarded.set(stall);
        tokio::time::advance(OPEN_WAIT).await;
        assert!(timeout(SECOND, guarded.chat()).await.is_err());
        assert_eq!(guarded.state(), CircuitState::HalfOpen);
        assert_eq!(guarded.circuit().retry_after(), None, "its place is free");
    }
    guarded.upstream.set_script(Script::well());
    assert_eq!(guarded.chat().await, Seen::Whole(200));
    assert!(guarded.is_closed());
}

#[tokio::test(start_paused = true)]
async fn f2_p6_a_probe_that_hangs_has_failed_when_its_lease_runs_out() {
    let guarded = opened(Policy::DEFAULT).await;
    guarded.set(Behaviour::well().head_delay(SECOND * 3_600));
    tokio::time::advance(OPEN_WAIT).await;
    let hung = tokio::spawn(guarded.service().oneshot(chat()));
    sleep(SECOND * 29).await;
    assert_eq!(guarded.chat().await, Seen::Refused);
    assert_eq!(guarded.state(), CircuitState::HalfOpen);
    sleep(SECOND * 2).await;
    assert_eq!(guarded.chat().await, Seen::Refused);
    assert_eq!(guarded.state(), CircuitState::Open);
    guarded.upstream.set_script(Script::well());
    sleep(OPEN_WAIT * 2).await;
    assert_eq!(guarded.chat().await, Seen::Whole(200));
    assert!(guarded.is_closed());
    hung.abort();
}

#[tokio::test(start_paused = true)]
async fn f3_a_probe_that_says_nothing_gives_its_place_to_the_next() {
    let guarded = opened(Policy::DEFAULT).await;
    guarded.set(Behaviour::status(404));
    tokio::time::advance(OPEN_WAIT).await;
    for _ in 0..10 {
        assert_eq!(guarded.chat().await, Seen::Whole(404));
        assert_eq!(guarded.state(), CircuitState::HalfOpen);
    }
    guarded.upstream.set_script(Script::well());
    guarded.chat().await;
    assert!(guarded.is_closed());
}

#[tokio::test(start_paused = true)]
async fn f4_a_classifier_that_panics_gives_the_place_of_the_probe_back() {
    let panics = Arc::new(AtomicBool::new(false));
    let bomb = Arc::clone(&panics);
    let classify = classify_fn(move |_: Result<&u8, &BoxError>| {
        assert!(!bomb.load(Ordering::Relaxed), "boom");
        Outcome::new(Kind::Transient)
    });
    let layer = CircuitBreakerLayer::new(classify);
    let service = layer.layer(service_fn(|n: u8| async move { Ok::<_, BoxError>(n) }));
    for _ in 0..5 {
        service.clone().oneshot(0).await.unwrap();
    }
    tokio::time::advance(OPEN_WAIT).await;
    panics.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        let call = tokio::spawn(service.clone().oneshot(0));
        assert!(call.await.unwrap_err().is_panic());
        assert_eq!(layer.handle().state(), CircuitState::HalfOpen);
        assert_eq!(layer.handle().retry_after(), None, "its place is free");
    }
}

#[tokio::test(start_paused = true)]
async fn f5_p2_what_was_admitted_in_an_earlier_era_decides_nothing() {
    for (late, probe) in [
        (Behaviour::well(), Behaviour::server_error()),
        (Behaviour::server_error(), Behaviour::well()),
    ] {
        let guarded = Guarded::always(late.head_delay(OPEN_WAIT + SECOND));
        let old = tokio::spawn(guarded.service().oneshot(chat()));
        sleep(SECOND / 2).await;
        guarded.set(Behaviour::server_error());
        guarded.chats(5).await;
        sleep(OPEN_WAIT).await;
        // The late one ends while a probe is under way.
        guarded.set(probe.head_delay(SECOND));
        let (seen, old) = tokio::join!(guarded.chat(), old);
        see(old.unwrap()).await;
        let closed = seen == Seen::Whole(200);
        assert_eq!(
            guarded.is_closed(),
            closed,
            "the probe's word, and no other"
        );
        assert_eq!(guarded.circuit().consecutive_failures(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn f6_reading_takes_no_probes_place_and_changes_nothing() {
    let guarded = opened(Policy::DEFAULT).await;
    let circuit = guarded.circuit();
    for wait in [Duration::ZERO, OPEN_WAIT] {
        tokio::time::advance(wait).await;
        for _ in 0..100 {
            assert_eq!(circuit.state(), CircuitState::Open);
            assert_eq!(circuit.retry_after().is_none(), !wait.is_zero());
            assert_eq!(circuit.counts().calls, 0);
            drop(format!(
                "{circuit:?} {:?} {:?}",
                circuit.watch(),
                guarded.layer
            ));
        }
    }
    assert_eq!(guarded.chat().await, Seen::Whole(200));
}

#[tokio::test(start_paused = true)]
async fn f13_an_overloaded_upstream_is_left_alone_until_it_has_recovered() {
    // It is well again once nobody has called for ten seconds, and breaks down under every call before.
    let guarded = Guarded::always(Behaviour::overloaded());
    let start = Instant::now();
    let mut quiet_since = start;
    let mut seen_calls = 0;
    while start.elapsed() < SECOND * 120 {
        guarded.chat().await;
        if guarded.calls() > seen_calls {
            seen_calls = guarded.calls();
            quiet_since = Instant::now();
        } else if quiet_since.elapsed() > SECOND * 10 {
            guarded.upstream.set_script(Script::well());
        }
        sleep(SECOND / 20).await;
    }
    assert!(guarded.is_closed());
    assert_eq!(guarded.chat().await, Seen::Whole(200));
    assert!(
        seen_calls > 1_000,
        "most of two minutes were good: {seen_calls}"
    );
}

#[tokio::test(start_paused = true)]
async fn f21_a_stream_without_its_terminator_is_no_success() {
    let guarded = Guarded::always(Behaviour::well().without_terminator());
    for _ in 0..5 {
        assert_eq!(
            guarded.chat().await,
            Seen::Whole(200),
            "the caller saw no error"
        );
    }
    assert_eq!(guarded.chat().await, Seen::Refused);
}

#[tokio::test(start_paused = true)]
async fn f22_an_error_event_in_a_200_is_a_failure_even_before_a_terminator() {
    for fault in [
        Behaviour::well().error_event_after(2),
        Behaviour::well().error_event_then_terminator(2),
    ] {
        let guarded = Guarded::always(fault);
        guarded.chats(5).await;
        assert_eq!(guarded.chat().await, Seen::Refused);
    }
}

#[tokio::test(start_paused = true)]
async fn f27_one_failure_opens_nothing_and_a_few_make_no_rate() {
    let patient = Policy::DEFAULT.consecutive_failures(None);
    let guarded = Guarded::with(patient, Script::always(Behaviour::server_error()));
    for calls in 1..=10 {
        assert!(guarded.is_closed(), "before call {calls}");
        guarded.chat().await;
    }
    assert_eq!(guarded.state(), CircuitState::Open, "ten of ten");
}

#[tokio::test(start_paused = true)]
async fn f28_neither_bad_requests_nor_impatient_clients_open_it() {
    for status in [400, 401, 404, 413, 422] {
        let guarded = Guarded::always(Behaviour::status(status));
        guarded.chats(50).await;
        assert!(guarded.is_closed(), "{status}");
        assert_eq!(
            guarded.circuit().counts().calls,
            0,
            "they count for nothing"
        );
    }
    let guarded = Guarded::always(Behaviour::well().head_delay(SECOND * 60));
    for _ in 0..50 {
        assert!(timeout(SECOND * 20, guarded.chat()).await.is_err());
    }
    assert!(guarded.is_closed());
}

#[tokio::test(start_paused = true)]
async fn p1_after_a_thousand_successes_it_opens_within_the_window_all_the_same() {
    let rate_alone = Policy::DEFAULT.consecutive_failures(None);
    let guarded = Guarded::with(rate_alone, Script::well());
    guarded.chats(1_000).await;
    guarded.set(Behaviour::server_error());
    // Once they have left the window.
    tokio::time::advance(SECOND * 61).await;
    guarded.chats(10).await;
    assert_eq!(guarded.state(), CircuitState::Open);

    // And of the last ten calls at once.
    let ten = std::num::NonZeroU16::new(10).unwrap();
    let last_ten = rate_alone.window(buttress_breaker::Window::Calls(ten));
    let guarded = Guarded::with(last_ten, Script::well());
    guarded.chats(1_000).await;
    guarded.set(Behaviour::server_error());
    guarded.chats(4).await;
    assert!(guarded.is_closed());
    guarded.chat().await;
    assert_eq!(guarded.state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn p3_calls_that_an_outer_timeout_dropped_count_once_they_have_waited_long() {
    let guarded = Guarded::always(Behaviour::well().head_delay(SECOND * 3_600));
    let service = tower::timeout::Timeout::new(guarded.service(), SECOND * 31);
    for _ in 0..5 {
        assert!(guarded.is_closed());
        assert!(service.clone().oneshot(chat()).await.is_err());
    }
    assert_eq!(guarded.chat().await, Seen::Refused);
}

#[tokio::test(start_paused = true)]
async fn p4_a_stream_that_answers_200_and_then_dies_opens_it_at_the_fifth() {
    for (fault, events) in [(Cut::Reset, 0), (Cut::Close, 0), (Cut::Reset, 3)] {
        let guarded = Guarded::always(Behaviour::well().cut_after(events, fault));
        for _ in 0..5 {
            assert!(guarded.is_closed());
            assert_ne!(guarded.chat().await, Seen::Whole(200));
        }
        assert_eq!(guarded.chat().await, Seen::Refused);
    }
}

#[tokio::test(start_paused = true)]
async fn p6_a_probe_that_is_a_long_stream_closes_the_circuit_at_its_first_content() {
    let guarded = opened(Policy::DEFAULT).await;
    // Ten minutes.
    guarded.set(Behaviour::well().tokens(600).chunk_delay(SECOND));
    tokio::time::advance(OPEN_WAIT).await;
    let answer = guarded.service().oneshot(chat()).await.unwrap();
    assert_eq!(
        guarded.state(),
        CircuitState::HalfOpen,
        "the head is no content"
    );
    let mut body = answer.into_body();
    while guarded.state() == CircuitState::HalfOpen {
        body.frame().await.unwrap().unwrap();
    }
    assert!(guarded.is_closed());
    guarded.upstream.set_script(Script::well());
    assert_eq!(
        guarded.chat().await,
        Seen::Whole(200),
        "nobody waits for the rest"
    );
    // Which is an ordinary outcome of the new era, here that of a client who leaves.
    drop(body);
    assert!(guarded.is_closed());
    assert_eq!(guarded.circuit().counts().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_takes_longer_than_a_lease_to_answer_is_found_again() {
    for seconds in [20, 40, 100] {
        let guarded = Guarded::always(Behaviour::server_error());
        guarded.chats(5).await;
        guarded.set(Behaviour::well().head_delay(SECOND * seconds));
        let mut calls = JoinSet::new();
        let start = Instant::now();
        while !guarded.is_closed() {
            assert!(start.elapsed() < SECOND * 600, "{seconds} s");
            let call = guarded.service().oneshot(chat());
            calls.spawn(async { see(call.await).await });
            sleep(SECOND * 5).await;
        }
    }
}
