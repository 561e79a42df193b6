//! The service that all layers stand around.

use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower_service::Service;

use crate::shape::{Broken, Read, Shape};

/// Reads the request and answers, at once or at the second poll.
///
/// It is as cheap as a service can be: what it does is the base of every other number.
#[derive(Debug)]
pub struct Inner<Sh> {
    script: Script,
    shape: PhantomData<Sh>,
}

/// How an [`Inner`] behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Script {
    /// Every other call of a thread fails, beginning with its first.
    pub fails_first: bool,
    /// The answer comes at the second poll.
    pub pending: bool,
}

/// The future of an [`Inner`].
#[derive(Debug)]
pub struct Answering<Sh> {
    failed: bool,
    pending: bool,
    shape: PhantomData<Sh>,
}

thread_local! {
    /// Calls of all inner services on this thread. Not an atomic: no layer shall pay for sharing it.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// Counts from zero again: the next call is the first.
pub fn forget_calls() {
    CALLS.set(0);
}

/// How often inner services have been called on this thread.
#[must_use]
pub fn calls() -> u64 {
    CALLS.get()
}

// ===== impl Inner =====

impl<Sh> Inner<Sh> {
    /// A service that keeps to the script.
    #[must_use]
    pub fn new(script: Script) -> Self {
        Self {
            // Not known when the loop is compiled: a real service is not, either.
            script: black_box(script),
            shape: PhantomData,
        }
    }

    /// One call, as a plain function: what [`Service::call`] does.
    #[inline]
    pub fn answer<R: Read>(&self, request: R) -> Answering<Sh> {
        request.read();
        let number = CALLS.get();
        CALLS.set(number + 1);
        Answering {
            failed: self.script.fails_first && number.is_multiple_of(2),
            pending: self.script.pending,
            shape: PhantomData,
        }
    }
}

// Not derived: a shape need not be anything for its service to be copied.
impl<Sh> Clone for Inner<Sh> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<Sh> Copy for Inner<Sh> {}

impl<Sh: Shape, R: Read> Service<R> for Inner<Sh> {
    type Response = Sh::Response;
    type Error = Broken;
    type Future = Answering<Sh>;

    #[inline]
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: R) -> Answering<Sh> {
        self.answer(request)
    }
}

impl<Sh: Shape> layered::Service<Sh::Request> for Inner<Sh> {
    type Out = Result<Sh::Response, Broken>;

    #[inline]
    fn execute(&self, request: Sh::Request) -> impl Future<Output = Self::Out> + Send {
        self.answer(request)
    }
}

// ===== impl Answering =====

impl<Sh: Shape> Future for Answering<Sh> {
    type Output = Result<Sh::Response, Broken>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.pending {
            self.pending = false;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Sh::answer(self.failed))
    }
}

impl<Sh> Unpin for Answering<Sh> {}
