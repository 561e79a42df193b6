use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::BoxError;

/// A body that does, poll by poll, what the test wrote down.
///
/// After its last step, and after an error, it yields `None` for ever. `is_end_stream` and `size_hint`
/// are truthful, unless [`conservative_end`](Self::conservative_end) or
/// [`unknown_size`](Self::unknown_size) makes it say less than it knows.
///
/// `Send`, `Sync` and `Unpin`.
///
/// # Examples
///
/// ```
/// use buttress_testkit::body::{ScriptedBody, Step};
///
/// let body = ScriptedBody::new([Step::data("hel"), Step::Pending, Step::data("lo")]);
/// let handle = body.handle();
/// drop(body);
/// assert!(handle.dropped() && !handle.ended());
/// ```
pub struct ScriptedBody {
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
    says_end: bool,
    says_size: bool,
    handle: BodyHandle,
}

/// One step of a [`ScriptedBody`].
pub enum Step {
    /// `Pending` once; wakes its task at once.
    Pending,
    /// A data frame, empty ones included.
    Data(Bytes),
    /// A trailers frame.
    Trailers(HeaderMap),
    /// Fails; whatever follows is never seen.
    Error(BoxError),
    /// `Pending` for this long on tokio's clock, from the first poll that reaches it.
    Wait(Duration),
    /// `Pending` for ever, never woken.
    Stall,
}

/// Tells what became of a [`ScriptedBody`].
#[derive(Clone, Debug, Default)]
pub struct BodyHandle(Arc<Fate>);

#[derive(Debug, Default)]
struct Fate {
    polls: AtomicUsize,
    ended: AtomicBool,
    dropped: AtomicBool,
}

// ===== impl ScriptedBody =====

impl ScriptedBody {
    /// A body that takes these steps, then ends.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            sleep: None,
            says_end: true,
            says_size: true,
            handle: BodyHandle::default(),
        }
    }

    /// One data frame, then the end.
    pub fn full(data: impl Into<Bytes>) -> Self {
        Self::new([Step::Data(data.into())])
    }

    /// `is_end_stream` stays false until `None` or an error was yielded.
    #[must_use]
    pub const fn conservative_end(mut self) -> Self {
        self.says_end = false;
        self
    }

    /// `size_hint` knows nothing.
    #[must_use]
    pub const fn unknown_size(mut self) -> Self {
        self.says_size = false;
        self
    }

    /// Tells later what became of this body.
    #[must_use]
    pub fn handle(&self) -> BodyHandle {
        self.handle.clone()
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            match self.steps.front() {
                Some(Step::Stall) => return Poll::Pending,
                Some(Step::Wait(wait)) => {
                    let sleep = self
                        .sleep
                        .get_or_insert_with(|| Box::pin(tokio::time::sleep(*wait)));
                    ready!(sleep.as_mut().poll(cx));
                    self.sleep = None;
                }
                _ => {}
            }
            match self.steps.pop_front() {
                Some(Step::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Step::Trailers(map)) => return Poll::Ready(Some(Ok(Frame::trailers(map)))),
                Some(Step::Error(error)) => {
                    self.steps.clear();
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Step::Pending) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Wait(_) | Step::Stall) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.handle.0.polls.fetch_add(1, SeqCst);
        let polled = ready!(self.poll_step(cx));
        if matches!(polled, None | Some(Err(_))) {
            self.handle.0.ended.store(true, SeqCst);
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        (self.says_end && self.steps.is_empty()) || self.handle.ended()
    }

    /// Exact, as far as the script itself comes to its end.
    fn size_hint(&self) -> SizeHint {
        if !self.says_size {
            return SizeHint::default();
        }
        let mut hint = SizeHint::new();
        let mut left = 0_u64;
        for step in &self.steps {
            match step {
                Step::Data(data) => left += data.len() as u64,
                Step::Error(_) | Step::Stall => {
                    hint.set_lower(left);
                    return hint;
                }
                Step::Pending | Step::Trailers(_) | Step::Wait(_) => {}
            }
        }
        hint.set_exact(left);
        hint
    }
}

impl Drop for ScriptedBody {
    fn drop(&mut self) {
        self.handle.0.dropped.store(true, SeqCst);
    }
}

impl fmt::Debug for ScriptedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedBody")
            .field("steps_left", &self.steps.len())
            .finish_non_exhaustive()
    }
}

// ===== impl Step =====

impl Step {
    /// A data frame.
    pub fn data(data: impl Into<Bytes>) -> Self {
        Self::Data(data.into())
    }

    /// A failure with this text.
    #[must_use]
    pub fn error(text: &'static str) -> Self {
        Self::Error(text.into())
    }

    /// Trailers of one field.
    ///
    /// # Panics
    ///
    /// If `name` is not a lower-case field name, or `value` not a field value.
    #[must_use]
    pub fn trailer(name: &'static str, value: &'static str) -> Self {
        let mut map = HeaderMap::new();
        map.insert(name, http::HeaderValue::from_static(value));
        Self::Trailers(map)
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("Pending"),
            Self::Data(data) => f.debug_tuple("Data").field(data).finish(),
            Self::Trailers(map) => f.debug_tuple("Trailers").field(map).finish(),
            Self::Error(error) => f.debug_tuple("Error").field(error).finish(),
            Self::Wait(wait) => f.debug_tuple("Wait").field(wait).finish(),
            Self::Stall => f.write_str("Stall"),
        }
    }
}

// ===== impl BodyHandle =====

impl BodyHandle {
    /// How often `poll_frame` was called.
    #[must_use]
    pub fn polls(&self) -> usize {
        self.0.polls.load(SeqCst)
    }

    /// Whether `None` or an error was yielded.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.0.ended.load(SeqCst)
    }

    /// Whether the body is gone.
    #[must_use]
    pub fn dropped(&self) -> bool {
        self.0.dropped.load(SeqCst)
    }
}
