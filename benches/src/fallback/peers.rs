//! Other people's fallbacks, set up as their documentation says.

use std::sync::{Arc, LazyLock};

use layered::Service as _;
use seatbelt::ResilienceContext;
use seatbelt::fallback::Fallback;
use tick::Clock;
use tokio::runtime::{Builder, Runtime};
use tower_layer::Layer;
use tower_resilience_fallback::FallbackLayer;

use crate::bench::Bench;
use crate::inner::Inner;
use crate::shape::{Broken, Shape};

/// For those who want a clock that could sleep.
static RUNTIME: LazyLock<Arc<Runtime>> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_time().build();
    Arc::new(runtime.expect("a runtime needs nothing but memory"))
});

/// A service as its backup, which all calls share.
pub(super) fn tower_resilience<Sh: Shape>(inner: Inner<Sh>) -> Bench {
    let layer = FallbackLayer::<Sh::Request, Sh::Response, Broken>::tower_service(inner)
        .handle_response(|response| Sh::is_failure(Ok(response)));
    Bench::service(layer.layer(inner), Sh::request)
}

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

/// Its fallback does not see the request: it makes one of its own.
fn seatbelt<Sh: Shape>(
    inner: Inner<Sh>,
) -> Fallback<Sh::Request, Result<Sh::Response, Broken>, Inner<Sh>> {
    let _runtime = RUNTIME.enter();
    let context = ResilienceContext::new(Clock::new_tokio());
    Fallback::layer("fallback", &context)
        .should_fallback(|output: &Result<Sh::Response, Broken>| Sh::is_failure(output.as_ref()))
        .fallback_async(move |_failed, _args| inner.answer(Sh::request()))
        .layer(inner)
}
