use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

/// Counts what is asked of a service: readiness polls, calls, polls of its futures, drops.
///
/// # Clone
///
/// Clones share the counters.
#[derive(Clone, Debug)]
pub struct PollCounter<S> {
    inner: S,
    polls: Polls,
}

/// Reads the counters of a [`PollCounter`] and all its clones.
#[derive(Clone, Debug, Default)]
pub struct Polls(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    ready_polls: AtomicUsize,
    calls: AtomicUsize,
    future_polls: AtomicUsize,
    finished: AtomicUsize,
    dropped: AtomicUsize,
}

pin_project! {
    /// The future of a [`PollCounter`].
    #[derive(Debug)]
    pub struct PollCounterFuture<F> {
        #[pin]
        inner: F,
        guard: Guard,
    }
}

#[derive(Debug)]
struct Guard {
    polls: Polls,
    finished: bool,
}

// ===== impl PollCounter =====

impl<S> PollCounter<S> {
    /// Counts for `inner`; the handle reads.
    pub fn new(inner: S) -> (Self, Polls) {
        let polls = Polls::default();
        (
            Self {
                inner,
                polls: polls.clone(),
            },
            polls,
        )
    }
}

impl<S, Req> Service<Req> for PollCounter<S>
where
    S: Service<Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = PollCounterFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.polls.0.ready_polls.fetch_add(1, SeqCst);
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Req) -> Self::Future {
        self.polls.0.calls.fetch_add(1, SeqCst);
        let guard = Guard {
            polls: self.polls.clone(),
            finished: false,
        };
        PollCounterFuture {
            inner: self.inner.call(req),
            guard,
        }
    }
}

// ===== impl Polls =====

impl Polls {
    /// How often readiness was asked for.
    #[must_use]
    pub fn ready_polls(&self) -> usize {
        self.0.ready_polls.load(SeqCst)
    }

    /// How often the service was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.0.calls.load(SeqCst)
    }

    /// How often futures were polled, all calls together.
    #[must_use]
    pub fn future_polls(&self) -> usize {
        self.0.future_polls.load(SeqCst)
    }

    /// How many futures ran to their end.
    #[must_use]
    pub fn finished(&self) -> usize {
        self.0.finished.load(SeqCst)
    }

    /// How many futures were dropped before their end.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.0.dropped.load(SeqCst)
    }
}

// ===== impl PollCounterFuture =====

impl<F: Future> Future for PollCounterFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.guard.polls.0.future_polls.fetch_add(1, SeqCst);
        let output = ready!(this.inner.poll(cx));
        this.guard.finished = true;
        Poll::Ready(output)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Counters {
            finished, dropped, ..
        } = &*self.polls.0;
        let counter = if self.finished { finished } else { dropped };
        counter.fetch_add(1, SeqCst);
    }
}
