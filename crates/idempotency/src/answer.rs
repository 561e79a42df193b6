//! An answer as it comes from the store.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use buttress_core::BoxError;
use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::{Body, Frame, SizeHint};

use crate::stored::Stored;

/// The body of an answer that was kept.
#[derive(Debug)]
pub(crate) struct Kept {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Kept {
    pub(crate) fn new(stored: &Stored) -> Self {
        let data = stored.body();
        Self {
            data: (!data.is_empty()).then(|| data.clone()),
            trailers: stored.trailers().cloned(),
        }
    }
}

/// The head of an answer that was kept.
pub(crate) fn head(stored: &Arc<Stored>) -> Parts {
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.status = stored.status();
    parts.headers = stored.headers().clone();
    parts
        .headers
        .insert(REPLAYED, HeaderValue::from_static("true"));
    parts
}

impl Body for Kept {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let data = self.data.take().map(Frame::data);
        let frame = data.or_else(|| self.trailers.take().map(Frame::trailers));
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}

/// Says that an answer was kept and not made anew.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
