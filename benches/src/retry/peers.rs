//! Other people's retries, set up as their documentation says.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use layered::Service as _;
use seatbelt::retry::{Backoff, Retry};
use seatbelt::{RecoveryInfo, ResilienceContext};
use tick::Clock;
use tokio::runtime::{Builder, Runtime};
use tower::retry::budget::{Budget, TpsBudget};
use tower_layer::Layer;
use tower_resilience_retry::{RetryBudgetBuilder, RetryLayer};

use crate::bench::Bench;
use crate::inner::Inner;
use crate::shape::{Broken, Shape};

use super::MAX_ATTEMPTS;

/// For those who sleep, or want a clock that could.
static RUNTIME: LazyLock<Arc<Runtime>> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_time().build();
    Arc::new(runtime.expect("a runtime needs nothing but memory"))
});

// ===== tower =====

pub(super) fn tower<Sh: Shape>(inner: Inner<Sh>, budget: bool) -> Bench {
    let policy = Thrice::<Sh> {
        retries_left: MAX_ATTEMPTS - 1,
        // As many retries as calls, so that it never refuses one.
        budget: budget.then(|| Arc::new(TpsBudget::new(Duration::from_secs(10), 10, 1.0))),
        shape: PhantomData,
    };
    let layer = tower::retry::RetryLayer::new(policy);
    Bench::service(layer.layer(inner), Sh::request)
}

struct Thrice<Sh> {
    retries_left: u32,
    budget: Option<Arc<TpsBudget>>,
    shape: PhantomData<Sh>,
}

impl<Sh> Clone for Thrice<Sh> {
    fn clone(&self) -> Self {
        Self {
            retries_left: self.retries_left,
            budget: self.budget.clone(),
            shape: PhantomData,
        }
    }
}

impl<Sh: Shape> tower::retry::Policy<Sh::Request, Sh::Response, Broken> for Thrice<Sh> {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _request: &mut Sh::Request,
        result: &mut Result<Sh::Response, Broken>,
    ) -> Option<Ready<()>> {
        if !Sh::is_failure(result.as_ref()) {
            if let Some(budget) = &self.budget {
                budget.deposit();
            }
            return None;
        }
        self.retries_left = self.retries_left.checked_sub(1)?;
        let granted = self.budget.as_ref().is_none_or(|budget| budget.withdraw());
        granted.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Sh::Request) -> Option<Sh::Request> {
        Some(request.clone())
    }
}

// ===== tower-resilience =====

pub(super) fn tower_resilience<Sh: Shape>(inner: Inner<Sh>, budget: bool) -> Bench {
    let mut config = RetryLayer::<Sh::Request, Sh::Response, Broken>::builder()
        .max_attempts(MAX_ATTEMPTS as usize)
        .fixed_backoff(Duration::ZERO)
        .retry_on_response(|response| Sh::is_failure(Ok(response)));
    if budget {
        let bucket = RetryBudgetBuilder::new().token_bucket().build();
        config = config.budget(bucket.expect("its own defaults are valid"));
    }
    // It arms a timer for a delay of zero, too.
    Bench::service_on(
        Arc::clone(&RUNTIME),
        config.build().layer(inner),
        Sh::request,
    )
}

// ===== seatbelt =====

pub(super) fn seatbelt_tower<Sh: Shape>(inner: Inner<Sh>, _budget: bool) -> Bench {
    Bench::service(seatbelt(inner), Sh::request)
}

pub(super) fn seatbelt_layered<Sh: Shape>(inner: Inner<Sh>, _budget: bool) -> Bench {
    let service = seatbelt(inner);
    Bench::function(
        async move |request| service.execute(request).await,
        Sh::request,
    )
}

fn seatbelt<Sh: Shape>(
    inner: Inner<Sh>,
) -> Retry<Sh::Request, Result<Sh::Response, Broken>, Inner<Sh>> {
    let _runtime = RUNTIME.enter();
    let context = ResilienceContext::new(Clock::new_tokio());
    Retry::layer("retry", &context)
        .max_retry_attempts(MAX_ATTEMPTS - 1)
        .backoff(Backoff::Constant)
        .base_delay(Duration::ZERO)
        .use_jitter(false)
        .clone_input()
        .recovery_with(|result: &Result<Sh::Response, Broken>, _| {
            if Sh::is_failure(result.as_ref()) {
                RecoveryInfo::retry()
            } else {
                RecoveryInfo::never()
            }
        })
        .layer(inner)
}

// ===== backon =====

pub(super) fn backon<Sh: Shape>(inner: Inner<Sh>, _budget: bool) -> Bench {
    const BACKOFF: ConstantBuilder = ConstantBuilder::new()
        .with_delay(Duration::ZERO)
        .with_max_times(MAX_ATTEMPTS as usize - 1);
    let call = async move |request: Sh::Request| {
        // It retries errors alone: an answer that is a failure is one for it.
        let attempt = || async {
            let result = inner.answer(request.clone()).await;
            if Sh::is_failure(result.as_ref()) {
                Err(result)
            } else {
                Ok(result)
            }
        };
        let ended = attempt.retry(BACKOFF).sleep(|_| ready(())).await;
        ended.unwrap_or_else(|failure| failure)
    };
    Bench::function(call, Sh::request)
}
