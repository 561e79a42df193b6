use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};
use tower_service::Service;

use super::{
    MAX_WAITING, MEAN_WORK_MS, Scenario, Trouble, WORKERS, meter::Meter, workers::Workers,
};
use crate::random::SplitMix64;

/// An upstream whose latency grows with its load. Always ready; reads no request.
///
/// # Clone
///
/// Clones are the same upstream.
#[derive(Clone, Debug)]
pub struct QueueingUpstream {
    scenario: Scenario,
    meter: Meter,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    workers: Workers,
    random: SplitMix64,
}

pin_project! {
    /// The future of a [`QueueingUpstream`]. Dropping it saves the upstream nothing.
    #[derive(Debug)]
    pub struct ResponseFuture {
        #[pin]
        sleep: Sleep,
        status: StatusCode,
    }
}

/// How long it takes to fail.
const FAILURE: Duration = Duration::from_millis(20);

impl QueueingUpstream {
    pub(super) fn new(scenario: Scenario, seed: u64, meter: Meter) -> Self {
        Self {
            scenario,
            meter,
            state: Arc::new(Mutex::new(State {
                workers: Workers::new(WORKERS, MAX_WAITING),
                random: SplitMix64::seeded(seed),
            })),
        }
    }

    /// The status of a call that arrives now, and when the answer goes out.
    fn answer(&self, now: Duration) -> (StatusCode, Duration) {
        if let Some(Trouble::Fails(status)) = self.scenario.trouble_at(now) {
            return (status, now + FAILURE);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { workers, random } = &mut *state;
        let usual = random.exponential(Duration::from_millis(MEAN_WORK_MS.into()));
        let done = workers.take_on(now, |start| match self.scenario.trouble_at(start) {
            Some(Trouble::Slows(times)) => usual * times,
            _ => usual,
        });
        match done {
            Some(done) => (StatusCode::OK, done),
            None => (StatusCode::SERVICE_UNAVAILABLE, now),
        }
    }
}

impl<B> Service<Request<B>> for QueueingUpstream {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> ResponseFuture {
        let now = self.meter.now();
        self.meter.count(now, |second| second.upstream += 1);
        let (status, at) = self.answer(now);
        ResponseFuture {
            sleep: sleep_until(self.meter.instant(at)),
            status,
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<String>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        ready!(this.sleep.poll(cx));
        let mut response = Response::new(String::new());
        *response.status_mut() = *this.status;
        Poll::Ready(Ok(response))
    }
}
