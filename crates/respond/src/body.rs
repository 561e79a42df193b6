//! A body that says why it ends.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_core::BoxError;
use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::manner::Manner;

pin_project! {
    /// A body of the inner service that says why it fails, or an answer of ours in its place.
    ///
    /// Frames, the end and the size are forwarded as they are, as [`Bytes`]. An error ends a gRPC stream
    /// with trailers in its place, and an event stream with an event in its place, if that has just ended
    /// another. Anywhere else it comes itself; then `None`.
    ///
    /// An event stream does not break off behind the event: servers reset a connection at the error of a
    /// body, and throw away what they have not written yet, which would be that very event. It is not taken
    /// for whole: it has had an error, and not the terminator that its protocol asks for.
    ///
    /// # Cancel safety
    /// Dropping it drops the inner body.
    pub struct RespondBody<B> {
        // `None` once it has ended, or where there never was one.
        #[pin]
        inner: Option<B>,
        manner: Manner,
        // What is said once the inner body is gone.
        last: Option<Last>,
    }
}

/// What a body says last.
pub(crate) enum Last {
    Text(Bytes),
    Error(BoxError),
    Trailers(Box<HeaderMap>),
}

impl<B: Body> RespondBody<B> {
    /// A body of ours.
    pub(crate) fn text(text: Bytes) -> Self {
        Self {
            inner: None,
            manner: Manner::Plain,
            last: (!text.is_empty()).then_some(Last::Text(text)),
        }
    }

    /// A body of theirs.
    #[inline]
    pub(crate) const fn passing(inner: B, manner: Manner) -> Self {
        Self {
            inner: Some(inner),
            manner,
            last: None,
        }
    }
}

impl<B> Body for RespondBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        if let Some(inner) = this.inner.as_mut().as_pin_mut() {
            match ready!(inner.poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
                    this.manner.passes(&frame);
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Err(error)) => *this.last = Some(this.manner.fails(error.into())),
                None => {}
            }
            this.inner.set(None);
        }
        Poll::Ready(match this.last.take() {
            None => None,
            Some(Last::Text(text)) => Some(Ok(Frame::data(text))),
            Some(Last::Error(error)) => Some(Err(error)),
            Some(Last::Trailers(trailers)) => Some(Ok(Frame::trailers(*trailers))),
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Some(inner) => inner.is_end_stream(),
            None => self.last.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.inner, &self.last) {
            (Some(inner), _) => inner.size_hint(),
            (None, Some(Last::Text(text))) => SizeHint::with_exact(text.len() as u64),
            (None, _) => SizeHint::with_exact(0),
        }
    }
}

impl<B> fmt::Debug for RespondBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RespondBody")
            .field("passing", &self.inner.is_some())
            .field("manner", &self.manner)
            .finish_non_exhaustive()
    }
}
