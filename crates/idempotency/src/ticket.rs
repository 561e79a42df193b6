//! What a call that is under way has to give back.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

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
    pub(crate) max_run: Duration,
    /// The call goes on when everybody has left, once it has begun.
    pub(crate) outlives: bool,
    pub(crate) lease: Option<Lease>,
    pub(crate) renewal: Option<Renewal>,
}

/// Keeps a lease in a store that others see. It ends with this.
pub(crate) struct Renewal {
    /// Nothing is ever sent: it hears that this is gone.
    _running: oneshot::Sender<Infallible>,
    /// Where there is no executor for it.
    here: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Ticket {
    pub(crate) fn claim(&self) -> Reply<Claim> {
        self.store.claim(&self.call, self.lease_time)
    }

    pub(crate) fn hold(&mut self, lease: Lease) {
        self.lease = Some(lease);
        self.notes.begin(self.outlives);
        if !self.store.is_shared() {
            return;
        }
        let (running, over) = oneshot::channel();
        let renewing = Box::pin(renew(
            Arc::clone(&self.store),
            lease,
            self.lease_time,
            self.max_run,
            over,
        ));
        // Whether anybody polls the call is not to matter: whoever reads it may be slow.
        let here = match &self.executor {
            Some(executor) => {
                executor(renewing);
                None
            }
            None => Some(renewing as Pin<Box<dyn Future<Output = ()> + Send>>),
        };
        self.renewal = Some(Renewal {
            _running: running,
            here,
        });
    }

    /// To be asked whenever the call is.
    pub(crate) fn renew(&mut self, cx: &mut Context<'_>) {
        if let Some(Renewal { here, .. }) = &mut self.renewal {
            if here
                .as_mut()
                .is_some_and(|here| here.as_mut().poll(cx).is_ready())
            {
                *here = None;
            }
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

/// Renews a lease every third of its time, until the call is `over`, and for as long as one may take.
async fn renew(
    store: Arc<dyn IdempotencyStore>,
    lease: Lease,
    time: Duration,
    max_run: Duration,
    mut over: oneshot::Receiver<Infallible>,
) {
    let holding = async {
        loop {
            sleep(time / 3).await;
            if !store.renew(&lease, time).await {
                return;
            }
        }
    };
    let mut losing = pin!(timeout(max_run, holding));
    let is_lost = poll_fn(|cx| {
        // First: what has been given back is not to be renewed.
        if Pin::new(&mut over).poll(cx).is_ready() {
            return Poll::Ready(false);
        }
        losing.as_mut().poll(cx).map(|lost| lost.is_ok())
    });
    if is_lost.await {
        event::unkept(lease.call(), "its lease was lost");
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
