use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::{Behaviour, Cut, answer::Composed, chunking::Piece, play::Ticket};

/// The body of a scripted answer.
///
/// Every chunk is a frame of its own. Before each one, and before a cut, the body is pending once, so that
/// a server has flushed what came before.
pub struct UpstreamBody {
    chunks: VecDeque<Piece>,
    trailers: Option<HeaderMap>,
    delay: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Chunks until the cut, and the cut.
    cut: Option<(usize, Cut)>,
    /// Bytes still owed, if a length was announced.
    owed: Option<u64>,
    first: bool,
    flushed: bool,
    ended: bool,
    ticket: Ticket,
}

impl UpstreamBody {
    pub(super) fn new(composed: Composed, behaviour: &Behaviour, ticket: Ticket) -> Self {
        let cut = behaviour.cut_after;
        let mut body = Self {
            chunks: behaviour.chunking.cut(composed.pieces).into(),
            trailers: Some(behaviour.trailers.clone()).filter(|trailers| !trailers.is_empty()),
            delay: behaviour.chunk_delay,
            sleep: None,
            cut,
            owed: composed.length,
            first: true,
            flushed: false,
            ended: false,
            ticket,
        };
        body.settle();
        body
    }

    /// The end is known as soon as nothing is left to be done.
    fn settle(&mut self) {
        if self.chunks.is_empty() && self.trailers.is_none() && self.cut.is_none() && !self.ended {
            self.ended = true;
            self.ticket.completed();
        }
    }

    /// Lets what was yielded so far leave the house, then waits until the next thing is due.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.flushed {
            self.flushed = true;
            if self.first || self.delay.is_zero() || self.chunks.is_empty() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.sleep = Some(Box::pin(tokio::time::sleep(self.delay)));
        }
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        Poll::Ready(())
    }

    fn poll_cut(&mut self, cut: Cut) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if cut == Cut::Stall {
            return Poll::Pending;
        }
        self.ended = true;
        self.ticket.cut();
        Poll::Ready(Some(Err(cut.into_error())))
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        ready!(self.poll_due(cx));
        if let Some((chunks_left, cut)) = self.cut {
            if chunks_left == 0 || self.chunks.is_empty() {
                return self.poll_cut(cut);
            }
            self.cut = Some((chunks_left - 1, cut));
        }
        self.first = false;
        self.flushed = false;
        let frame = match self.chunks.pop_front() {
            Some(chunk) => {
                self.ticket.sent(chunk.tokens);
                self.owed = self
                    .owed
                    .map(|owed| owed.saturating_sub(chunk.bytes.len() as u64));
                Some(Ok(Frame::data(chunk.bytes)))
            }
            None => self
                .trailers
                .take()
                .map(|trailers| Ok(Frame::trailers(trailers))),
        };
        self.settle();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    /// What was announced, even if the script will not keep it.
    fn size_hint(&self) -> SizeHint {
        self.owed
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamBody")
            .field("chunks_left", &self.chunks.len())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
