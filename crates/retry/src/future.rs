//! The future that tries again.
//!
//! ```text
//!            failed, and worth another attempt
//!  Calling ────────────────────────────────────► Waiting
//!     ▲  │                                        │   │
//!     │  └─ anything else: done   not ready: done ┘   │
//!     └──────── the time has come, and ready: called ─┘
//! ```

use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
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
        // Before the next call.
        pause: Pause<<R as Discard<S::Response>>::Discarding>,
        #[pin]
        state: State<S::Future, <R as Replay<Req>>::Request>,
    }
}

pin_project! {
    #[project = StateProj]
    #[project_replace = StateOwned]
    enum State<F, Q> {
        Calling { #[pin] future: F },
        Waiting { request: Q },
        // Between the two: the request has been taken out, the call is not made yet.
        Taken,
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
            pause: Pause::NONE,
            state: State::Calling { future },
        }
    }

    #[inline]
    pub(crate) fn new(future: S::Future, retrier: Retrier<S, C, R, R::Saved>) -> Self {
        Self {
            retrier: Some(retrier),
            pause: Pause::NONE,
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
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut this = self.as_mut().project();
            let StateProj::Calling { future } = this.state.as_mut().project() else {
                if let Err(error) = ready!(self.as_mut().poll_next_call(cx)) {
                    return Poll::Ready(self.not_ready(error));
                }
                continue;
            };
            let mut result = ready!(future.poll(cx));
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
            let outcome = verdict.at_head();
            match retrier.next_request(&outcome) {
                // ## Calling => Waiting
                Ok((request, delay)) => {
                    let discarding = retrier.discard(result);
                    *this.pause = Pause::start(delay, discarding, cx);
                    this.state.set(State::Waiting { request });
                }
                Err(why) => {
                    retrier.give_up(&mut result, outcome, why);
                    // The commit: what was kept of the request is freed, the slots are free again.
                    *this.retrier = None;
                    return Poll::Ready(result);
                }
            }
        }
    }
}

impl<S, C, R, Req> ResponseFuture<S, C, R, Req>
where
    S: Service<R::Request>,
    R: Replay<Req> + Discard<S::Response>,
{
    /// Waits until the next call can be made, and makes it. Apart from the rest, so that the way of
    /// those who succeed at once stays short.
    #[inline(never)]
    fn poll_next_call(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let mut this = self.project();
        let retrier = this.retrier.as_mut().expect(POLLED_AGAIN);
        ready!(this.pause.poll_over(cx));
        ready!(retrier.service.poll_ready(cx))?;
        // ## Waiting => Calling
        let waiting = this.state.as_mut().project_replace(State::Taken);
        let StateOwned::Waiting { request } = waiting else {
            unreachable!("{POLLED_AGAIN}");
        };
        let future = retrier.service.call(request);
        this.state.set(State::Calling { future });
        Poll::Ready(Ok(()))
    }
}

impl<S, C, R, Req> ResponseFuture<S, C, R, Req>
where
    S: Service<R::Request>,
    C: Classify<S::Response, S::Error>,
    R: Replay<Req> + Discard<S::Response>,
{
    /// A service that failed to become ready must not be asked again: that is the end of the call.
    #[cold]
    fn not_ready(self: Pin<&mut Self>, error: S::Error) -> Result<S::Response, S::Error> {
        let mut result = Err(error);
        if let Some(retrier) = self.project().retrier.take() {
            let classify = &retrier.ticket.settings().classify;
            let outcome = classify.classify(result.as_ref()).at_head();
            retrier.give_up(&mut result, outcome, GaveUp::NotReady);
        }
        result
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
    pub(crate) const fn new(service: S, ticket: Ticket<C, R>, saved: Saved) -> Self {
        Self {
            service,
            ticket,
            saved,
            attempt: NonZeroU32::MIN,
        }
    }

    /// Makes the next request, if there is to be one. Taking it now takes the body from the upload of
    /// the attempt that has failed, which may still be alive.
    #[inline(never)] // so that the way of those who succeed stays short
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
        let sample = if policy.backoff.is_zero() {
            0.0 // nothing to spread
        } else {
            sampler.sample()
        };
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

    #[inline]
    fn discard<T, E>(&self, result: Result<T, E>) -> Option<R::Discarding>
    where
        R: Discard<T>,
    {
        let replay = &self.ticket.settings().replay;
        result.ok().and_then(|response| replay.discard(response))
    }

    /// Says why the caller gets this result.
    #[cold]
    fn give_up<T, E>(&self, result: &mut Result<T, E>, outcome: Outcome, why: GaveUp)
    where
        C: Classify<T, E>,
    {
        event::gave_up(self.attempt, &outcome, why);
        if let Ok(response) = result {
            self.ticket.settings().classify.leave(response, outcome);
        }
    }
}
