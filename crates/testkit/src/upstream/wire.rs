use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::{Cut, UpstreamBody, socket::KillSwitch};

/// An answer's body, on its way into a socket.
pub(super) struct WireBody {
    inner: UpstreamBody,
    version: Version,
    switch: KillSwitch,
    breaking: Option<(Pin<Box<Sleep>>, Option<io::Error>)>,
}

/// How long a cut waits, so that what was sent before it is on the wire: on HTTP/2 another task writes it.
const FLUSH: Duration = Duration::from_millis(5);

// ===== impl WireBody =====

impl WireBody {
    pub(super) const fn new(inner: UpstreamBody, version: Version, switch: KillSwitch) -> Self {
        Self {
            inner,
            version,
            switch,
            breaking: None,
        }
    }
}

impl Body for WireBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Self {
            inner,
            version,
            switch,
            breaking,
        } = &mut *self;
        if breaking.is_none() {
            match ready!(Pin::new(inner).poll_frame(cx)) {
                Some(Err(error)) => {
                    *breaking = Some((Box::pin(tokio::time::sleep(FLUSH)), Some(error)));
                }
                frame => return Poll::Ready(frame),
            }
        }
        let Some((sleep, error)) = breaking else {
            return Poll::Ready(None);
        };
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(error.take().map(|error| {
            throw(switch, *version, &error);
            Err(error)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.breaking.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Does to the connection what the script wants; a stream of HTTP/2 is left to hyper, which resets it.
pub(super) fn throw(switch: &KillSwitch, version: Version, error: &io::Error) {
    let h2 = version == Version::HTTP_2;
    match Cut::of(error) {
        Some(Cut::Reset | Cut::Refuse) if !h2 => switch.reset(),
        Some(Cut::Abort) => switch.reset(),
        Some(Cut::Close) => switch.close(),
        Some(Cut::Reset | Cut::Refuse | Cut::Stall) | None => {}
    }
}
