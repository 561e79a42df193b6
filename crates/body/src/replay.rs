//! A request body that can be sent again.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use buttress_core::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::frame::{before, into_bytes};
use crate::pool::ReplayPool;
use crate::record::Record;

/// The keeper of a body: makes the bodies of further attempts.
///
/// Dropping it is the commit: nobody will ask again, so the record is freed, while the attempt that
/// is under way reads on to the end.
///
/// # Cancel safety
/// Dropping a [`ReplayBody`] anywhere loses nothing: what it had read is in the record.
pub struct Replay<B> {
    shared: Arc<Mutex<State<B>>>,
}

/// The body of one attempt.
///
/// Plays back what earlier attempts have read, then reads on from the source and records it.
/// Forwards data, trailers, the end and the size; empty frames pass and are not recorded.
///
/// # Errors
/// The source's own error, once, then the end; a body whose source has failed cannot be replayed.
/// [`Superseded`], once a newer attempt has taken the source.
pub struct ReplayBody<B> {
    inner: Inner<B>,
}

enum Inner<B> {
    /// Has no source, and never had.
    Empty,
    /// In memory, for one attempt; `None` once it has been read.
    Whole(Option<Bytes>),
    /// Passes through. The lock is only for `Sync`: a `&mut` goes around it.
    Once(Mutex<B>),
    Attempt {
        shared: Arc<Mutex<State<B>>>,
        number: u32,
        ended: bool,
    },
}

/// Under a lock, since a newer attempt takes the source from an older one that may be reading it on another
/// task at that moment. Hardly ever contended: one attempt reads, and the keeper comes at its end.
struct State<B> {
    /// `None` once it has ended or failed.
    source: Option<B>,
    record: Record,
    /// The number of the attempt that owns the source: the newest.
    owner: u32,
    /// Woken when a newer attempt takes the source away, so that the older one learns of it.
    waker: Option<Waker>,
}

/// The error of an attempt's body that went on reading after a newer attempt had taken over.
///
/// It ends an upload whose answer nobody waits for any more.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Superseded;

type PollFrame = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

// ===== impl Replay =====

impl<B: Body> Replay<B> {
    /// Starts to record a body of which at most `max_bytes` are kept, and no more than `pool` has
    /// left. A chunk counts for at least 64 bytes.
    ///
    /// Over either cap recording stops, what was kept is freed, and the attempt goes on. Of a body that is
    /// known to be too long nothing is kept at all: it can be sent again only while nothing of it has been
    /// read. Trailers count, too.
    #[must_use]
    pub fn new(body: B, max_bytes: usize, pool: &ReplayPool) -> (Self, ReplayBody<B>) {
        let fits = usize::try_from(body.size_hint().lower()).is_ok_and(|size| size <= max_bytes);
        let max_bytes = if fits { max_bytes } else { 0 };
        let shared = Arc::new(Mutex::new(State {
            source: Some(body),
            record: Record::new(max_bytes, pool),
            owner: 0,
            waker: None,
        }));
        let first = ReplayBody::attempt(Arc::clone(&shared), 0);
        (Self { shared }, first)
    }

    /// The body of the next attempt, from the very beginning, unless the record was given up or the
    /// source has failed.
    ///
    /// The attempt before loses the source at once, even while its upload is still alive.
    #[must_use]
    pub fn again(&self) -> Option<ReplayBody<B>> {
        let (number, former) = {
            let mut state = lock(&self.shared);
            if !state.record.is_keeping() {
                return None;
            }
            state.record.rewind();
            state.owner = state.owner.checked_add(1)?;
            (state.owner, state.waker.take())
        };
        // Outside of the lock: a waker runs code that we do not know.
        if let Some(former) = former {
            former.wake();
        }
        Some(ReplayBody::attempt(Arc::clone(&self.shared), number))
    }
}

impl<B> Drop for Replay<B> {
    fn drop(&mut self) {
        // Without an attempt the record goes with the keeper.
        if Arc::strong_count(&self.shared) > 1 {
            lock(&self.shared).record.give_up();
        }
    }
}

impl<B> fmt::Debug for Replay<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").finish_non_exhaustive()
    }
}

// ===== impl ReplayBody =====

impl<B> ReplayBody<B> {
    /// A body that is sent once and not recorded.
    #[must_use]
    pub const fn once(body: B) -> Self {
        Self {
            inner: Inner::Once(Mutex::new(body)),
        }
    }

    /// A body of nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            inner: Inner::Empty,
        }
    }

    /// A body that is in memory, sent once: what has been made in the place of another, such as a rewritten
    /// prompt.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        let bytes = Some(bytes).filter(|bytes| !bytes.is_empty());
        Self {
            inner: Inner::Whole(bytes),
        }
    }

    const fn attempt(shared: Arc<Mutex<State<B>>>, number: u32) -> Self {
        Self {
            inner: Inner::Attempt {
                shared,
                number,
                ended: false,
            },
        }
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> PollFrame {
        match &mut self.get_mut().inner {
            Inner::Empty => Poll::Ready(None),
            Inner::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Inner::Once(body) => {
                let body = body.get_mut().unwrap_or_else(PoisonError::into_inner);
                Pin::new(body)
                    .poll_frame(cx)
                    .map(|frame| frame.map(|frame| frame.map(into_bytes).map_err(Into::into)))
            }
            Inner::Attempt { ended: true, .. } => Poll::Ready(None),
            Inner::Attempt {
                shared,
                number,
                ended,
            } => {
                let (frame, stale) = {
                    let mut state = lock(shared);
                    if state.owner == *number {
                        state.poll_frame(cx)
                    } else {
                        (Poll::Ready(Some(Err(Superseded.into()))), None)
                    }
                };
                drop(stale); // outside of the lock: its last owner may be a task of ours
                *ended = matches!(frame, Poll::Ready(None | Some(Err(_))));
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Empty | Inner::Attempt { ended: true, .. } => true,
            Inner::Whole(bytes) => bytes.is_none(),
            Inner::Once(body) => lock(body).is_end_stream(),
            Inner::Attempt { shared, number, .. } => {
                let state = lock(shared);
                state.owner == *number
                    && state.record.is_read()
                    && state.source.as_ref().is_none_or(Body::is_end_stream)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Empty | Inner::Attempt { ended: true, .. } => SizeHint::with_exact(0),
            Inner::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Inner::Once(body) => lock(body).size_hint(),
            Inner::Attempt { shared, number, .. } => {
                let state = lock(shared);
                if state.owner == *number {
                    state.size_hint()
                } else {
                    SizeHint::default()
                }
            }
        }
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody").finish_non_exhaustive()
    }
}

// ===== impl State =====

impl<B> State<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    /// For the owner only: the next frame, and the waker that the new one replaces.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> (PollFrame, Option<Waker>) {
        let frame = self.next_frame(cx);
        let known = |waker: &Waker| waker.will_wake(cx.waker());
        if frame.is_pending() && !self.waker.as_ref().is_some_and(known) {
            return (frame, self.waker.replace(cx.waker().clone()));
        }
        (frame, None)
    }

    /// What is recorded and unread, then what the source gives.
    fn next_frame(&mut self, cx: &mut Context<'_>) -> PollFrame {
        if let Some(frame) = self.record.next_frame() {
            return Poll::Ready(Some(Ok(frame)));
        }
        let Some(source) = &mut self.source else {
            return Poll::Ready(None);
        };
        match Pin::new(source).poll_frame(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => {
                let frame = into_bytes(frame);
                if let Some(chunk) = frame.data_ref() {
                    self.record.keep_chunk(chunk);
                } else if let Some(trailers) = frame.trailers_ref() {
                    self.record.keep_trailers(trailers);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.source = None;
                self.record.give_up();
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                self.source = None;
                Poll::Ready(None)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        let unread = self.record.unread_bytes();
        let rest = self
            .source
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        before(unread, &rest)
    }
}

// ===== impl Superseded =====

impl fmt::Display for Superseded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a newer attempt has taken over this request body")
    }
}

impl Error for Superseded {}

// A body that panicked has left its own state behind, not ours: a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
