//! The future that does not wait for the head for ever.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use buttress_classify::Profile;
use buttress_timer::Alarm;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::Wanted;
use super::body::SplicedBody;
use crate::body::HeartbeatBody;
use crate::event;
use crate::gate::X_ACCEL_BUFFERING;
use crate::layer::Settings;
use crate::wants::WantsStream;

pin_project! {
    /// The future of an [eager](crate::HeartbeatSseLayer::eager) [`HeartbeatSse`](crate::HeartbeatSse) service.
    ///
    /// # Panics
    /// When polled, for a request that wants a stream, outside of a tokio runtime whose time is enabled.
    ///
    /// # Cancel safety
    /// Dropping it drops the inner future. Once it has answered early, the body has that.
    pub struct EagerFuture<F> {
        settings: Settings,
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        // No stream is wanted.
        Plain { #[pin] inner: F },
        // `None` once it has answered.
        Eager { wait: Option<Wait<F>> },
    }
}

/// A wait for the inner service, for so long.
pub(super) struct Wait<F> {
    /// Boxed: it has been polled when it goes into the body.
    inner: Pin<Box<F>>,
    wanted: Wanted,
    after: Duration,
    profile: Profile,
    alarm: Alarm,
    patience: Patience,
}

/// ```text
/// Fresh --first pending--> Limited --over, and no stream is wanted--> Endless
///                             '----over, and one is wanted----> the head goes out
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    Fresh,
    Limited,
    Endless,
}

impl<F> EagerFuture<F> {
    pub(super) const fn plain(inner: F, settings: Settings) -> Self {
        Self {
            settings,
            state: State::Plain { inner },
        }
    }

    pub(super) const fn eager(wait: Wait<F>, settings: Settings) -> Self {
        Self {
            settings,
            state: State::Eager { wait: Some(wait) },
        }
    }
}

impl<F, B, E> Future for EagerFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    B::Data: 'static,
    E: 'static,
{
    type Output = Result<Response<HeartbeatBody<SplicedBody<F, B>>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let wait = match this.state.project() {
            StateProj::Plain { inner } => {
                let response = ready!(inner.poll(cx))?;
                return Poll::Ready(Ok(this.settings.apply(response.map(SplicedBody::joined))));
            }
            StateProj::Eager { wait } => wait,
        };
        let waiting = wait.as_mut().expect(POLLED_AGAIN);
        if let Poll::Ready(result) = waiting.inner.as_mut().poll(cx) {
            *wait = None;
            let response = result?;
            return Poll::Ready(Ok(this.settings.apply(response.map(SplicedBody::joined))));
        }
        if !waiting.is_over(cx) {
            return Poll::Pending;
        }
        let wait = wait.take().expect(POLLED_AGAIN);
        Poll::Ready(Ok(this.settings.commit(wait)))
    }
}

const POLLED_AGAIN: &str = "a future is not polled again after it has given its result";

impl<F> Wait<F> {
    pub(super) const fn new(
        inner: Pin<Box<F>>,
        wanted: Wanted,
        after: Duration,
        profile: Profile,
    ) -> Self {
        Self {
            inner,
            wanted,
            after,
            profile,
            alarm: Alarm::new(),
            patience: Patience::Fresh,
        }
    }

    /// Whether the head is to go out now.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        if self.patience == Patience::Fresh {
            self.patience = Patience::Limited;
            self.alarm.set(Instant::now().checked_add(self.after));
        }
        while self.alarm.poll(cx).is_ready() {
            match self.wanted.now() {
                WantsStream::Yes => return true,
                WantsStream::No => self.patience = Patience::Endless,
                // The inner service has not read so far: another look, in a while.
                WantsStream::BodyTells => {
                    let grain = (self.after / 4).max(MIN_GRAIN);
                    self.alarm.set(Instant::now().checked_add(grain));
                }
            }
        }
        false
    }
}

impl Settings {
    /// The head goes out, and whatever the inner service is doing into the body.
    #[cold]
    fn commit<F, B, E>(&self, wait: Wait<F>) -> Response<HeartbeatBody<SplicedBody<F, B>>>
    where
        F: Future<Output = Result<Response<B>, E>>,
        B: Body,
        B::Data: 'static,
        E: 'static,
    {
        let Wait {
            inner,
            after,
            profile,
            alarm,
            wanted: _,
            patience: _,
        } = wait;
        event::committed(after);
        let interval = self.heartbeat.0.unwrap_or(Duration::MAX);
        let body = SplicedBody::waiting(inner, profile);
        let body = HeartbeatBody::begun(body, interval, self.form, alarm);
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        for (name, value) in [
            (CONTENT_TYPE, "text/event-stream"),
            (CACHE_CONTROL, "no-store"),
            (X_ACCEL_BUFFERING, "no"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// A timer is no finer.
const MIN_GRAIN: Duration = Duration::from_millis(1);

impl<F> fmt::Debug for EagerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EagerFuture")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
