//! The body of an answer: passed on, shared, or kept.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use buttress_core::BoxError;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::answer::Kept;
use crate::subscriber::Subscriber;

pin_project! {
    /// The body of an answer that came through an [`Idempotency`](crate::Idempotency) service.
    ///
    /// That of a call that was not deduplicated is passed on as it is.
    ///
    /// # Cancel safety
    /// Dropped, it leaves the call to the others who read it. What becomes of a call that everybody has left is told in
    /// [`IdempotencyLayer`](crate::IdempotencyLayer).
    pub struct IdempotencyBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Plain { #[pin] body: B },
        Shared { subscriber: Subscriber },
        Kept { body: Kept },
    }
}

impl<B> IdempotencyBody<B> {
    #[inline]
    pub(crate) const fn plain(body: B) -> Self {
        Self {
            kind: Kind::Plain { body },
        }
    }

    pub(crate) const fn shared(subscriber: Subscriber) -> Self {
        Self {
            kind: Kind::Shared { subscriber },
        }
    }

    pub(crate) const fn kept(body: Kept) -> Self {
        Self {
            kind: Kind::Kept { body },
        }
    }
}

impl<B> Body for IdempotencyBody<B>
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
        match self.project().kind.project() {
            KindProj::Plain { body } => body.poll_frame(cx).map(|frame| {
                frame.map(|frame| match frame {
                    Ok(frame) => {
                        Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
                    }
                    Err(error) => Err(error.into()),
                })
            }),
            KindProj::Shared { subscriber } => Pin::new(subscriber).poll_frame(cx),
            KindProj::Kept { body } => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Plain { body } => body.is_end_stream(),
            Kind::Shared { subscriber } => subscriber.is_end_stream(),
            Kind::Kept { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Plain { body } => body.size_hint(),
            Kind::Shared { subscriber } => subscriber.size_hint(),
            Kind::Kept { body } => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for IdempotencyBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Plain { .. } => "IdempotencyBody::Plain(..)",
            Kind::Shared { .. } => "IdempotencyBody::Shared(..)",
            Kind::Kept { .. } => "IdempotencyBody::Kept(..)",
        })
    }
}
