//! One of those who wait for a call.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use buttress_body::SharedBody;
use buttress_core::BoxError;
use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};

use crate::call::Call;
use crate::call_id::CallId;
use crate::error::{CallInFlight, KeyReused};
use crate::fingerprint::Shown;
use crate::notes::Notes;
use crate::state::State;
use crate::stored::COOKIES;

/// A place among those who wait for a call. Dropped, it is given up: the last one decides what becomes of the call.
pub(crate) struct Subscriber {
    body: SharedBody<Call>,
    notes: Arc<Notes>,
    state: Arc<State>,
    call: CallId,
    /// It has begun the call.
    is_first: bool,
    /// What it has not been given yet, by what was said when the head came.
    left: Left,
}

/// How many bytes there are to come, at least and at most.
#[derive(Clone, Copy, Default)]
pub(crate) struct Left {
    lower: u64,
    upper: Option<u64>,
}

impl Left {
    pub(crate) fn of(body: &impl Body) -> Self {
        let size = body.size_hint();
        Self {
            lower: size.lower(),
            upper: size.upper(),
        }
    }

    fn take(&mut self, bytes: u64) {
        self.lower = self.lower.saturating_sub(bytes);
        self.upper = self.upper.map(|upper| upper.saturating_sub(bytes));
    }

    fn hint(self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.lower);
        if let Some(upper) = self.upper {
            hint.set_upper(upper);
        }
        hint
    }
}

impl Subscriber {
    pub(crate) fn new(
        body: SharedBody<Call>,
        notes: Arc<Notes>,
        state: Arc<State>,
        call: CallId,
        is_first: bool,
    ) -> Self {
        Self {
            body,
            notes,
            state,
            call,
            is_first,
            left: Left::default(),
        }
    }

    /// Waits for the head. Nobody is told the error of the call in another way than the others.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<()>, BoxError>> {
        let notes = &self.notes;
        let head = ready!(self.body.poll_until(cx, || notes.head()));
        let Some(head) = head else {
            return Poll::Ready(Err(match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Err(error)) => error,
                // It has ended without a head and without an error, which is not possible.
                Some(Ok(_)) | None => CallInFlight::refuse(),
            }));
        };
        if head.is_all {
            // Nobody may ask for more: it is kept before it is handed out.
            let _ended: Option<()> = ready!(self.body.poll_until(cx, || None));
        }
        if self.is_first && notes.is_first_refused() {
            return Poll::Ready(Err(KeyReused::refuse()));
        }
        self.left = head.size;
        let mut parts = head.parts.clone();
        if !self.is_first {
            for name in &COOKIES {
                parts.headers.remove(name); // they are the first one's
            }
        }
        Poll::Ready(Ok(Response::from_parts(parts, ())))
    }

    /// Waits until the payload of the first request is known, and compares this one's with it. Says whether it is;
    /// it never will be if the first one's upload broke off.
    pub(crate) fn poll_same(
        &mut self,
        cx: &mut Context<'_>,
        shown: &Shown,
    ) -> Poll<Result<bool, BoxError>> {
        let notes = &self.notes;
        let known = ready!(self.body.poll_until(cx, || notes.await_fingerprint()));
        Poll::Ready(match known {
            Some(first) => first.check(shown).map(|()| true),
            None => Ok(false),
        })
    }
}

impl Body for Subscriber {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.left
                .take(frame.data_ref().map_or(0, |data| data.len() as u64));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_end_stream() {
            return SizeHint::with_exact(0);
        }
        self.left.hint()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // Which it would find out under a lock.
        if !self.notes.is_over() {
            self.state.leave(&self.call, &self.notes);
        }
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}
