//! A body that may begin before there is an answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_classify::Profile;
use buttress_classify::transport::transport;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::words::{Words, last_words};
use crate::frame::into_bytes;
use crate::gate::Gate;

pin_project! {
    /// The answer of an [eager](crate::HeartbeatSseLayer::eager) service, before its heartbeats.
    ///
    /// Where the head has gone out early it awaits the inner service's answer, and then is the body of that,
    /// or one event that tells why there is none. Otherwise it is the body of the answer from the beginning.
    ///
    /// It yields [`Bytes`]: without a copy where the inner body does. It is `Sync` where the inner future and
    /// the inner body are.
    ///
    /// # Cancel safety
    /// Dropping it drops the inner future or body, which cancels the upstream's work on it.
    pub struct SplicedBody<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    /// ```text
    /// Waiting --a stream of events--> Joined
    ///    |------an answer of JSON--> Reading --its end, or enough--> Over
    ///    '------anything else----------------------------------------^
    /// ```
    #[project = StateProj]
    enum State<F, B> {
        Waiting { inner: Pin<Box<F>>, profile: Profile },
        Reading { #[pin] body: B, words: Box<Words> },
        Joined { #[pin] body: B },
        Over,
    }
}

impl<F, B> SplicedBody<F, B> {
    pub(super) const fn waiting(inner: Pin<Box<F>>, profile: Profile) -> Self {
        Self {
            state: State::Waiting { inner, profile },
        }
    }

    pub(super) const fn joined(body: B) -> Self {
        Self {
            state: State::Joined { body },
        }
    }
}

impl<F, B, E> Body for SplicedBody<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    B::Data: 'static,
    E: 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut state = self.project().state;
        loop {
            let event = match state.as_mut().project() {
                StateProj::Waiting { inner, profile } => {
                    let profile = *profile;
                    match ready!(inner.as_mut().poll(cx)) {
                        Err(error) => last_words(&profile, None, &transport(&error)),
                        Ok(answer) if is_stream(&answer) => {
                            let body = answer.into_body();
                            state.set(State::Joined { body });
                            continue;
                        }
                        Ok(answer) => {
                            let (head, body) = answer.into_parts();
                            match Words::of(head, profile) {
                                Err(event) => event,
                                Ok(words) => {
                                    let words = Box::new(words);
                                    state.set(State::Reading { body, words });
                                    continue;
                                }
                            }
                        }
                    }
                }
                StateProj::Reading { body, words } => ready!(words.poll(body, cx)),
                StateProj::Joined { body } => {
                    let frame = ready!(body.poll_frame(cx));
                    return Poll::Ready(frame.map(|frame| Ok(frame?.map_data(into_bytes))));
                }
                StateProj::Over => return Poll::Ready(None),
            };
            state.set(State::Over);
            return Poll::Ready(Some(Ok(Frame::data(event.into()))));
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Waiting { .. } | State::Reading { .. } => false,
            State::Joined { body } => body.is_end_stream(),
            State::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Waiting { .. } | State::Reading { .. } => SizeHint::default(),
            State::Joined { body } => body.size_hint(),
            State::Over => SizeHint::with_exact(0),
        }
    }
}

/// Whether its body is what the head that has gone out promised. That its origin wants it unchanged comes
/// too late.
fn is_stream<B>(answer: &Response<B>) -> bool {
    answer.status() == StatusCode::OK && Gate::default().admits(answer.status(), answer.headers())
}

impl<F, B> fmt::Debug for SplicedBody<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Waiting { .. } => "SplicedBody(Waiting)",
            State::Reading { .. } => "SplicedBody(Reading)",
            State::Joined { .. } => "SplicedBody(Joined)",
            State::Over => "SplicedBody(Over)",
        })
    }
}
