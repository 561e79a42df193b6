//! `RetryLayer`, as its users set it up; only the delay is zero.

use std::time::Duration;

use buttress_classify::Profile;
use buttress_core::{Backoff, Classify, Kind, Outcome, classify_fn};
use buttress_retry::{Discard, Replay, RetryLayer};
use tower_layer::Layer;
use tower_service::Service;

use crate::bench::Bench;
use crate::inner::Inner;
use crate::shape::{Broken, Http, Llm, Shape, U64};

pub(super) fn u64(inner: Inner<U64>, budget: bool) -> Bench {
    let classify = classify_fn(|result: Result<&u64, &Broken>| {
        if U64::is_failure(result) {
            Outcome::new(Kind::Transient)
        } else {
            Outcome::SUCCESS
        }
    });
    bench(RetryLayer::new(classify), inner, budget)
}

pub(super) fn http(inner: Inner<Http>, budget: bool) -> Bench {
    bench(RetryLayer::http(Profile::OPENAI), inner, budget)
}

pub(super) fn llm(inner: Inner<Llm>, budget: bool) -> Bench {
    bench(RetryLayer::llm(Profile::OPENAI), inner, budget)
}

/// The same, set up to cost least: requests are cloned as they are, and inner layers do not see the
/// number of the attempt.
pub(super) fn http_cloned(inner: Inner<Http>, budget: bool) -> Bench {
    let layer = RetryLayer::http(Profile::OPENAI).mark_attempts(false);
    bench(layer.clone_bodies(), inner, budget)
}

pub(super) fn llm_cloned(inner: Inner<Llm>, budget: bool) -> Bench {
    let layer = RetryLayer::llm(Profile::OPENAI).mark_attempts(false);
    bench(layer.clone_bodies(), inner, budget)
}

fn bench<Sh, C, R>(layer: RetryLayer<C, R>, inner: Inner<Sh>, budget: bool) -> Bench
where
    Sh: Shape,
    Inner<Sh>: Service<R::Request, Response = Sh::Response, Error = Broken>,
    C: Classify<Sh::Response, Broken> + Clone + Send + Sync + 'static,
    R: Replay<Sh::Request> + Discard<Sh::Response> + Clone + Send + Sync + 'static,
{
    let layer = layer.backoff(Backoff::constant(Duration::ZERO));
    let layer = if budget {
        layer
    } else {
        layer.without_budget()
    };
    Bench::service(layer.layer(inner), Sh::request)
}
