//! The future that looks into an answer before it hands it on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_body::PrefixBody;
use buttress_core::Outcome;
use http::Response;
use http::response::Parts;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::event;
use crate::layer::{Limit, Settings};
use crate::look::{AtHead, Found, Look};

pin_project! {
    /// The future of a [`Judge`](crate::Judge) service.
    ///
    /// # Cancel safety
    /// Dropped while it looks, it drops the answer, which cancels the upstream's work on it.
    pub struct ResponseFuture<F, B: Body> {
        settings: Settings,
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B: Body> {
        Calling { #[pin] future: F },
        Looking { #[pin] looking: Looking<B> },
    }
}

pin_project! {
    struct Looking<B: Body> {
        // Taken when it is handed on.
        answer: Option<(Parts, PrefixBody<B>)>,
        look: Look,
        limit: Limit,
        // Made at the first pause of the body.
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl<F, B: Body> ResponseFuture<F, B> {
    #[inline]
    pub(crate) const fn new(future: F, settings: Settings) -> Self {
        Self {
            settings,
            state: State::Calling { future },
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body + Unpin,
    B::Error: 'static,
{
    type Output = Result<Response<PrefixBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Calling { future } => {
                    let answer = ready!(future.poll(cx))?;
                    match Look::begin(this.settings, &answer) {
                        AtHead::Nothing => return Poll::Ready(Ok(answer.map(PrefixBody::new))),
                        AtHead::Found(found) => {
                            return Poll::Ready(Ok(hand_on(answer.map(PrefixBody::new), found)));
                        }
                        // ## Calling => Looking
                        AtHead::Look(look, limit) => this.state.set(State::Looking {
                            looking: Looking::new(answer, look, limit),
                        }),
                    }
                }
                StateProj::Looking { looking } => return looking.poll(cx).map(Ok),
            }
        }
    }
}

impl<B: Body + Unpin> Looking<B> {
    fn new(answer: Response<B>, look: Look, limit: Limit) -> Self {
        Self {
            answer: Some(answer.map(PrefixBody::new).into_parts()),
            look,
            limit,
            sleep: None,
        }
    }

    // Apart from the rest: most answers go through, and shall not be moved about for these.
    #[inline(never)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response<PrefixBody<B>>>
    where
        B::Error: 'static,
    {
        let this = self.project();
        let (head, body) = this.answer.as_mut().expect(POLLED_AGAIN);
        let found = ready!(poll_look(
            this.look,
            *this.limit,
            head,
            body,
            this.sleep,
            cx
        ));
        let (head, body) = this.answer.take().expect(POLLED_AGAIN);
        Poll::Ready(hand_on(Response::from_parts(head, body), found))
    }
}

const POLLED_AGAIN: &str = "a future is not polled again after it has given its result";

/// Reads ahead until something is found. What has arrived comes before the timer.
fn poll_look<B>(
    look: &mut Look,
    limit: Limit,
    head: &Parts,
    body: &mut PrefixBody<B>,
    mut sleep: Pin<&mut Option<Sleep>>,
    cx: &mut Context<'_>,
) -> Poll<Found>
where
    B: Body + Unpin,
    B::Error: 'static,
{
    loop {
        let found = match body.poll_ahead(cx) {
            Poll::Pending => break,
            Poll::Ready(Some(Ok(frame))) => look.frame(frame),
            Poll::Ready(Some(Err(error))) => look.failed(error),
            Poll::Ready(None) => None,
        };
        if let Some(found) = found {
            return Poll::Ready(found);
        }
        if body.is_read() {
            return Poll::Ready(look.end(head, body));
        }
        if body.held_weight() >= limit.max_bytes {
            return Poll::Ready(look.enough(head, body));
        }
    }
    if sleep.is_none() {
        let now = Instant::now();
        // A wait that the clock cannot say has no end.
        let Some(end) = now.checked_add(limit.max_wait) else {
            return Poll::Pending;
        };
        sleep.set(Some(sleep_until(end)));
    }
    if let Some(sleep) = sleep.as_pin_mut() {
        ready!(sleep.poll(cx));
    }
    Poll::Ready(look.enough(head, body))
}

/// Hands an answer on whole, and leaves the outcome of a failure in it.
fn hand_on<B: Body + Unpin>(
    mut answer: Response<PrefixBody<B>>,
    found: Found,
) -> Response<PrefixBody<B>> {
    if let Found::Settled(outcome) = found {
        leave(&mut answer, outcome);
    }
    answer
}

#[cold]
fn leave<B: Body + Unpin>(response: &mut Response<PrefixBody<B>>, outcome: Outcome) {
    // A stream may end properly without any content.
    if !outcome.is_success() {
        event::judged(response.status(), response.body().held_bytes(), &outcome);
        response.extensions_mut().insert(outcome);
    }
}

impl<F, B: Body> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
