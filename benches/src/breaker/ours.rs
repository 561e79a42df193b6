//! `CircuitBreakerLayer`, as its users set it up; only that it opens at the first failure, and for long.

use std::cell::Cell;
use std::num::{NonZeroU16, NonZeroU32};

use buttress_breaker::{CircuitBreakerLayer, Policy, Window};
use buttress_classify::Profile;
use buttress_core::{Classify, Kind, Never, Outcome, classify_fn};
use tower_layer::Layer;

use crate::bench::Bench;
use crate::inner::Inner;
use crate::shape::{Broken, Http, Shape, U64};

const POLICY: Policy = Policy::DEFAULT
    .consecutive_failures(Some(NonZeroU32::MIN))
    .open_wait(super::peers::HOUR, super::peers::HOUR);

fn classify() -> impl Classify<u64, Broken, Watch = Never> + Copy + Send + Sync + 'static {
    classify_fn(|result: Result<&u64, &Broken>| {
        if U64::is_failure(result) {
            Outcome::new(Kind::Transient)
        } else {
            Outcome::SUCCESS
        }
    })
}

pub(super) fn u64(inner: Inner<U64>) -> Bench {
    let layer = CircuitBreakerLayer::new(classify()).policy(POLICY);
    Bench::service(layer.layer(inner), U64::request)
}

pub(super) fn u64_last_100(inner: Inner<U64>) -> Bench {
    const LAST_100: Window = Window::Calls(NonZeroU16::new(100).expect("100 is not 0"));
    let layer = CircuitBreakerLayer::new(classify()).policy(POLICY.window(LAST_100));
    Bench::service(layer.layer(inner), U64::request)
}

/// Each call has the next key. All of them have a circuit before anything is measured.
pub(super) fn keyed<const KEYS: u64>(inner: Inner<U64>) -> Bench {
    thread_local! {
        static CALLS: Cell<u64> = const { Cell::new(0) };
    }
    let next = |_: &u64| {
        let call = CALLS.get();
        CALLS.set(call + 1);
        call % KEYS
    };
    let layer = CircuitBreakerLayer::new(classify())
        .policy(POLICY)
        .key(next);
    let bench = Bench::service(layer.layer(inner), U64::request);
    bench.worker()(KEYS);
    bench
}

pub(super) fn http(inner: Inner<Http>) -> Bench {
    let layer = CircuitBreakerLayer::http(Profile::OPENAI).policy(POLICY);
    Bench::service(layer.layer(inner), Http::request)
}
