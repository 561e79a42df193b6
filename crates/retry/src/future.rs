//! The future that tries again.
//!
//! ```text
//!            failed, and worth another attempt             the time has come
//!  Calling ────────────────────────────────────► Waiting ────────────────────► Readying
//!     ▲  │                                                                      │   │
//!     │  └─ anything else: done                               not ready: done ──┘   │
//!     └───────────────────────────────────────────────────────── ready: called again┘
//! ```

use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use buttress_core::{Attempt, Classify, Outcome};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use crate::budget::{Exhausted, cost_after};
use crate::event;
use crate::layer::Settings;
use crate::pause::Pause;
use crate::policy::GaveUp;
use crate::replay::{Discard, Replay};
use crate::ticket::Ticket;

pin_project! {
    /// The future of a [`Retry`](crate::Retry) service.
    ///
    /// # Cancel safety
    /// Dropped at any point, it leaves the budget as if the call had ended without success: its slots are
    /// free again, and what its retries cost stays spent.
    pub struct ResponseFuture<S, C, R, Req>
    where
        S: Service<R::Request>,
        R: Replay<Req>,
        R: Discard<S::Response>,
    {
        // `None` if the call is made only once, and after its end.
        retrier: Option<Retrier<S, C, R, <R as Replay<Req>>::Saved>>,
        #[pin]
        state: State<S::Future, <R as Discard<S::Response>>::Discarding, <R as Replay<Req>>::Request>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, D, Q> {
        Calling { #[pin] future: F },
        Waiting { #[pin] pause: Pause<D>, request: Option<Q> },
        Readying { request: Option<Q> },
    }
}

/// What is needed to try again.
pub(crate) struct Retrier<S, C, R, Saved> {
    service: S,
    ticket: Ticket<C, R>,
    saved: Saved,
    /// The number of the attempt under way.
    attempt: NonZeroU32,
}

// ===== impl ResponseFuture =====

impl<S, C, R, Req> ResponseFuture<S, C, R, Req>
where
    S: Service<R::Request>,
    R: Replay<Req> + Discard<S::Response>,
{
    #[inline]
    pub(crate) fn once(future: S::Future) -> Self {
        Self {
            retrier: None,
            state: State::Calling { future },
        }
    }

    #[inline]
    pub(crate) fn new(future: S::Future, retrier: Retrier<S, C, R, R::Saved>) -> Self {
        Self {
            retrier: Some(retrier),
            state: State::Calling { future },
        }
    }
}

impl<S, C, R, Req> Future for ResponseFuture<S, C, R, Req>
where
    S: Service<R::Request>,
    C: Classify<S::Response, S::Error>,
    R: Replay<Req> + Discard<S::Response>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Calling { future } => {
                    let result = ready!(future.poll(cx));
                    let Some(retrier) = this.retrier else {
                        return Poll::Ready(result);
                    };
                    let classify = &retrier.ticket.settings().classify;
                    let verdict = classify.classify(result.as_ref());
                    if verdict.is_success() {
                        retrier.ticket.succeeded();
                        *this.retrier = None; // the commit
                        return Poll::Ready(result);
                    }
                    match retrier.try_again(result, verdict.at_head()) {
                        // ## Calling => Waiting, or Readying at once
                        Ok((request, pause)) => {
                            let request = Some(request);
                            this.state.set(match pause {
                                Some(pause) => State::Waiting { pause, request },
                                None => State::Readying { request },
                            });
                        }
                        // The commit: what was kept of the request is freed, the slots are free again.
                        Err(result) => {
                            *this.retrier = None;
                            return Poll::Ready(result);
                        }
                    }
                }
                StateProj::Waiting { pause, request } => {
                    ready!(pause.poll(cx));
                    // ## Waiting => Readying
                    let request = request.take();
                    this.state.set(State::Readying { request });
                }
                StateProj::Readying { request } => {
                    let retrier = this.retrier.as_mut().expect(POLLED_AGAIN);
                    if let Err(error) = ready!(retrier.service.poll_ready(cx)) {
                        *this.retrier = None;
                        return Poll::Ready(Err(error));
                    }
                    // ## Readying => Calling
                    let future = retrier.service.call(request.take().expect(POLLED_AGAIN));
                    this.state.set(State::Calling { future });
                }
            }
        }
    }
}

const POLLED_AGAIN: &str = "a future is not polled again after it has given its result";

impl<S, C, R, Req> fmt::Debug for ResponseFuture<S, C, R, Req>
where
    S: Service<R::Request>,
    R: Replay<Req> + Discard<S::Response>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempt = self.retrier.as_ref().map(|retrier| retrier.attempt);
        f.debug_struct("ResponseFuture")
            .field("attempt", &attempt)
            .finish_non_exhaustive()
    }
}

// ===== impl Retrier =====

impl<S, C, R, Saved> Retrier<S, C, R, Saved> {
    #[inline]
    pub(crate) fn new(service: S, settings: Arc<Settings<C, R>>, saved: Saved) -> Self {
        Self {
            service,
            ticket: Ticket::new(settings),
            saved,
            attempt: NonZeroU32::MIN,
        }
    }

    /// The request of the next attempt and what comes before it, or the result that the caller gets.
    #[cold]
    fn try_again<Req, T, E>(
        &mut self,
        mut result: Result<T, E>,
        outcome: Outcome,
    ) -> Result<(R::Request, Option<Pause<R::Discarding>>), Result<T, E>>
    where
        C: Classify<T, E>,
        R: Replay<Req, Saved = Saved> + Discard<T>,
    {
        match self.next_request(&outcome) {
            Ok((request, delay)) => {
                let replay = &self.ticket.settings().replay;
                let discarding = result.ok().and_then(|response| replay.discard(response));
                Ok((request, Pause::new(delay, discarding)))
            }
            Err(why) => {
                event::gave_up(self.attempt, &outcome, why);
                if let Ok(response) = &mut result {
                    self.ticket.settings().classify.leave(response, outcome);
                }
                Err(result)
            }
        }
    }

    /// Makes the next request, if there is to be one. Taking it now takes the body from the upload of
    /// the attempt that has failed, which may still be alive.
    fn next_request<Req>(&mut self, outcome: &Outcome) -> Result<(R::Request, Duration), GaveUp>
    where
        R: Replay<Req, Saved = Saved>,
    {
        let Settings {
            replay,
            policy,
            sampler,
            ..
        } = self.ticket.settings();
        let facts = replay.facts(&self.saved);
        let time_left = facts
            .deadline
            .map(|deadline| deadline.remaining(Instant::now().into_std()));
        let sample = sampler.sample();
        let delay = policy.decide(outcome, &facts, self.attempt, time_left, sample)?;

        let weight = NonZeroU32::new(facts.weight).unwrap_or(NonZeroU32::MIN);
        let cost = cost_after(outcome.kind).saturating_mul(weight);
        self.ticket.start_retry(cost).map_err(|gate| match gate {
            Exhausted::Concurrency => GaveUp::BudgetConcurrency,
            Exhausted::History => GaveUp::BudgetHistory,
        })?;
        let number = self.attempt.saturating_add(1);
        let next = Attempt::after(number, *outcome);
        let restored = self.ticket.settings().replay.restore(&mut self.saved, next);
        let Some(request) = restored else {
            self.ticket.cancel_retry();
            return Err(GaveUp::NotKept);
        };
        event::retrying(self.attempt, outcome, delay);
        self.attempt = number;
        Ok((request, delay))
    }
}
