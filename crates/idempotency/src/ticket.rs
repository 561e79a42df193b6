//! What a call that is under way has to give back.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::call_id::CallId;
use crate::calls::Calls;
use crate::event;
use crate::notes::Notes;
use crate::state::Executor;
use crate::store::{Claim, IdempotencyStore, Lease, Reply};
use crate::stored::Stored;

/// Its place among the calls that are under way, and its lease. Dropped, both are given back: by whoever drops it,
/// panics included.
pub(crate) struct Ticket {
    pub(crate) call: CallId,
    pub(crate) notes: Arc<Notes>,
    /// Weak: the calls hold this one.
    pub(crate) calls: Weak<Calls>,
    pub(crate) store: Arc<dyn IdempotencyStore>,
    pub(crate) executor: Option<Executor>,
    pub(crate) lease_time: Duration,
    pub(crate) lease: Option<Lease>,
    pub(crate) renewal: Option<Renewal>,
}

/// Keeps a lease in a store that others see.
pub(crate) struct Renewal {
    timer: Pin<Box<Sleep>>,
    asking: Option<Reply<bool>>,
}

impl Ticket {
    pub(crate) fn claim(&self) -> Reply<Claim> {
        self.store.claim(&self.call, self.lease_time)
    }

    pub(crate) fn hold(&mut self, lease: Lease) {
        self.lease = Some(lease);
        if self.store.is_shared() {
            self.renewal = Some(Renewal {
                timer: Box::pin(sleep(self.lease_time / 3)),
                asking: None,
            });
        }
    }

    /// To be asked whenever the call is.
    pub(crate) fn renew(&mut self, cx: &mut Context<'_>) {
        let (Some(lease), Some(renewal)) = (&self.lease, &mut self.renewal) else {
            return;
        };
        loop {
            if let Some(asking) = &mut renewal.asking {
                match Pin::new(asking).poll(cx) {
                    Poll::Pending => return,
                    Poll::Ready(held) => {
                        renewal.asking = None;
                        if !held {
                            event::unkept(&self.call, "its lease was lost");
                            self.lease = None;
                            self.renewal = None;
                            return;
                        }
                    }
                }
            }
            if renewal.timer.as_mut().poll(cx).is_pending() {
                return;
            }
            renewal
                .timer
                .as_mut()
                .reset(Instant::now() + self.lease_time / 3);
            renewal.asking = Some(self.store.renew(lease, self.lease_time));
        }
    }

    /// The call goes on for its subscribers only, and nothing is kept of it.
    pub(crate) fn go_without(&self, reason: &'static str) {
        event::unkept(&self.call, reason);
        if let Some(calls) = self.calls.upgrade() {
            calls.dies_with_subscribers(&self.call, &self.notes);
        }
    }

    /// The call has ended: keeps the answer.
    pub(crate) fn finish(&mut self, answer: Stored, ttl: Duration) -> Reply<bool> {
        self.renewal = None;
        match self.lease.take() {
            Some(lease) => self.store.finish(lease, answer, ttl),
            None => Reply::now(false),
        }
    }

    /// The call has ended: keeps nothing.
    pub(crate) fn release(&mut self) -> Reply<()> {
        self.renewal = None;
        match self.lease.take() {
            Some(lease) => self.store.release(lease),
            None => Reply::now(()),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.lease.is_some() {
            event::released(&self.call);
            match (self.release(), &self.executor) {
                (Reply::Later(releasing), Some(executor)) => executor(releasing),
                // Without an executor a lease that others see runs out.
                (Reply::Later(_), None) | (Reply::Now(_), _) => {}
            }
        }
        if let Some(calls) = self.calls.upgrade() {
            calls.remove(&self.call, &self.notes);
        }
        self.notes.set_over();
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("call", &self.call)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
