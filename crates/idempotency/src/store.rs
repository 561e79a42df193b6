//! Where answers are kept, and where processes agree on who makes a call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use buttress_core::BoxError;

use crate::call_id::CallId;
use crate::stored::Stored;

/// Keeps finished answers, and says who may make a call.
///
/// Within one process the layer joins duplicates by itself, before it asks a store. A store arbitrates between
/// those who cannot see one another: it gives one of them a [`Lease`], and the others nothing.
///
/// ```text
///              claim                      finish
///   (nothing) ───────► leased by a token ────────► finished ──► (nothing), when its time is up
///       ▲                │     │    ▲
///       └────────────────┘     └────┘
///     release, or the lease     renew
///     has run out
/// ```
///
/// A store that knows its answer at once says it at once: [`Reply::Now`] costs nothing. All methods may be
/// called from anywhere, [`release`](Self::release) also while a panic unwinds. One that asks a server bounds how long
/// it does: the last piece of an answer waits for it, for [`max_run`](crate::IdempotencyLayer::max_run) at most.
///
/// # Cancel safety
/// The future of a [`Reply::Later`] may be dropped. What it was to do may then be done or not; a lease that was
/// neither finished nor released runs out.
pub trait IdempotencyStore: Send + Sync + 'static {
    /// Whether other processes see what is in it. Default: no.
    ///
    /// Calls are then named by a hash that all of them agree on, and leases are renewed while a call runs.
    fn is_shared(&self) -> bool {
        false
    }

    /// The finished answer, if that is known without waiting. Default: it never is.
    fn recall(&self, call: &CallId) -> Option<Arc<Stored>> {
        let _ = call;
        None
    }

    /// Asks for the right to make the call, for as long as `lease` unless it is renewed.
    fn claim(&self, call: &CallId, lease: Duration) -> Reply<Claim>;

    /// Keeps the lease for so long from now on. Says whether it is still held: another may have it by now, and
    /// then it cannot be had back.
    fn renew(&self, lease: &Lease, time: Duration) -> Reply<bool>;

    /// Ends the lease, and keeps the answer for `ttl`. Says whether it is kept: it is not if the lease has been
    /// lost, or if there is no room for it. Either way the lease is over.
    fn finish(&self, lease: Lease, answer: Stored, ttl: Duration) -> Reply<bool>;

    /// Ends the lease and keeps nothing: the next one may make the call.
    fn release(&self, lease: Lease) -> Reply<()>;
}

/// What a store says to one who would make a call.
#[derive(Debug)]
#[non_exhaustive]
pub enum Claim {
    /// Make it.
    Run(Lease),
    /// It has been made, and this is the answer.
    Finished(Arc<Stored>),
    /// Somebody makes it whom this process cannot see.
    InFlight,
    /// Make it, but nothing will be kept of it; the text says why, for a log.
    Unkept(&'static str),
    /// Do not make it: nobody can tell whether it has been made. The error goes to the caller, in a
    /// [`Failure`](buttress_core::Failure) of the kind `Unavailable`.
    Refused(BoxError),
}

/// The right to make one call, for a time.
///
/// The token is the store's own: it tells this lease from every other of the same call, so that one who has
/// lost it cannot overwrite what its successor does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    call: CallId,
    token: u128,
}

/// What a store answers, now or later.
#[must_use = "futures do nothing unless polled"]
pub enum Reply<T> {
    /// It knows. `None` once it has been said.
    Now(Option<T>),
    /// It has to ask somebody.
    Later(Pin<Box<dyn Future<Output = T> + Send>>),
}

// ===== impl Lease =====

impl Lease {
    /// A lease of this call, told from others by `token`.
    #[must_use]
    pub const fn new(call: CallId, token: u128) -> Self {
        Self { call, token }
    }

    /// The call that it is for.
    #[must_use]
    pub const fn call(&self) -> &CallId {
        &self.call
    }

    /// The store's own mark.
    #[must_use]
    pub const fn token(&self) -> u128 {
        self.token
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({:?})", self.call)
    }
}

// ===== impl Reply =====

impl<T> Reply<T> {
    /// It knows.
    pub const fn now(answer: T) -> Self {
        Self::Now(Some(answer))
    }

    /// It has to ask somebody.
    pub fn later(asking: impl Future<Output = T> + Send + 'static) -> Self {
        Self::Later(Box::pin(asking))
    }
}

impl<T: Unpin> Future for Reply<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.get_mut() {
            Self::Now(answer) => Poll::Ready(answer.take().expect("it is not polled again")),
            Self::Later(asking) => asking.as_mut().poll(cx),
        }
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Reply::Now(..)",
            Self::Later(_) => "Reply::Later(..)",
        })
    }
}

/// A store that several layers have in common.
impl<S: IdempotencyStore + ?Sized> IdempotencyStore for Arc<S> {
    fn is_shared(&self) -> bool {
        (**self).is_shared()
    }

    fn recall(&self, call: &CallId) -> Option<Arc<Stored>> {
        (**self).recall(call)
    }

    fn claim(&self, call: &CallId, lease: Duration) -> Reply<Claim> {
        (**self).claim(call, lease)
    }

    fn renew(&self, lease: &Lease, time: Duration) -> Reply<bool> {
        (**self).renew(lease, time)
    }

    fn finish(&self, lease: Lease, answer: Stored, ttl: Duration) -> Reply<bool> {
        (**self).finish(lease, answer, ttl)
    }

    fn release(&self, lease: Lease) -> Reply<()> {
        (**self).release(lease)
    }
}
