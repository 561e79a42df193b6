//! Other people's circuit breakers, set up as their documentation says; only that they open early, and for long.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use failsafe::backoff;
use failsafe::failure_policy::{self, FailurePolicy as _};
use failsafe::futures::CircuitBreaker as _;
use layered::Service as _;
use recloser::{AsyncRecloser, Recloser};
use seatbelt::breaker::Breaker;
use seatbelt::{RecoveryInfo, ResilienceContext};
use tick::Clock;
use tokio::runtime::{Builder, Runtime};
use tower_layer::Layer;
use tower_resilience_circuitbreaker::CircuitBreakerLayer;

use crate::bench::Bench;
use crate::inner::Inner;
use crate::shape::{Broken, Shape, U64};

pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// For those who sleep, or want a clock that could.
static RUNTIME: LazyLock<Arc<Runtime>> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_time().build();
    Arc::new(runtime.expect("a runtime needs nothing but memory"))
});

// ===== tower-resilience =====

pub(super) fn tower_resilience<Sh: Shape>(inner: Inner<Sh>) -> Bench {
    let layer = CircuitBreakerLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_size(10)
        .wait_duration_in_open(HOUR)
        .failure_classifier(|result: &Result<Sh::Response, Broken>| Sh::is_failure(result.as_ref()))
        .build()
        .expect("these settings are valid");
    // It sleeps where two threads meet.
    Bench::service_on(Arc::clone(&RUNTIME), layer.layer(inner), Sh::request)
}

// ===== seatbelt =====

pub(super) fn seatbelt_tower<Sh: Shape>(inner: Inner<Sh>) -> Bench {
    Bench::service(seatbelt(inner), Sh::request)
}

pub(super) fn seatbelt_layered<Sh: Shape>(inner: Inner<Sh>) -> Bench {
    let service = seatbelt(inner);
    Bench::function(
        async move |request| service.execute(request).await,
        Sh::request,
    )
}

fn seatbelt<Sh: Shape>(
    inner: Inner<Sh>,
) -> Breaker<Sh::Request, Result<Sh::Response, Broken>, Inner<Sh>> {
    let _runtime = RUNTIME.enter();
    let context = ResilienceContext::new(Clock::new_tokio());
    Breaker::layer("breaker", &context)
        .failure_threshold(0.1)
        .min_throughput(10)
        .break_duration(HOUR)
        .recovery_with(|result: &Result<Sh::Response, Broken>, _| {
            if Sh::is_failure(result.as_ref()) {
                RecoveryInfo::retry()
            } else {
                RecoveryInfo::never()
            }
        })
        .rejected_input_error(|_, _| Broken)
        .layer(inner)
}

// ===== failsafe =====

pub(super) fn failsafe(inner: Inner<U64>) -> Bench {
    let wait = backoff::constant(HOUR);
    let policy = failure_policy::success_rate_over_time_window(
        0.8,
        5,
        Duration::from_secs(30),
        wait.clone(),
    );
    let either = policy.or_else(failure_policy::consecutive_failures(5, wait));
    let breaker = failsafe::Config::new().failure_policy(either).build();
    // Not made before the circuit has been asked.
    let call = async move |request| breaker.call(async { inner.answer(request).await }).await;
    Bench::function(call, U64::request)
}

pub(super) fn failsafe_consecutive(inner: Inner<U64>) -> Bench {
    let policy = failure_policy::consecutive_failures(1, backoff::constant(HOUR));
    let breaker = failsafe::Config::new().failure_policy(policy).build();
    // Not made before the circuit has been asked.
    let call = async move |request| breaker.call(async { inner.answer(request).await }).await;
    Bench::function(call, U64::request)
}

// ===== recloser =====

pub(super) fn recloser(inner: Inner<U64>) -> Bench {
    let breaker = Recloser::custom()
        .error_rate(0.4)
        .closed_len(10)
        .open_wait(HOUR)
        .build();
    let breaker = AsyncRecloser::from(breaker);
    // Not made before the circuit has been asked.
    let call = async move |request| breaker.call(async { inner.answer(request).await }).await;
    Bench::function(call, U64::request)
}
