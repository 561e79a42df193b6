use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use tower_service::Service;

use super::reply::{Reply, ScriptedFuture, Tally, lock};

/// A service whose replies the test decides.
///
/// It takes them from a queue, or asks a closure with the number of the call (from 0). A call that finds
/// the queue empty panics: the test did not expect it.
///
/// # Readiness
///
/// Ready, unless the handle holds readiness back or makes it fail.
///
/// # Clone
///
/// Clones share the replies, the readiness and the records.
pub struct ScriptedService<Req, Res, Err> {
    handle: ScriptedHandle<Req, Res, Err>,
}

/// Feeds a [`ScriptedService`] and all its clones, and reads what they saw.
pub struct ScriptedHandle<Req, Res, Err> {
    shared: Arc<Mutex<Shared<Req, Res, Err>>>,
}

type Decide<Req, Res, Err> = Box<dyn FnMut(usize, Req) -> Reply<Res, Err> + Send>;

struct Shared<Req, Res, Err> {
    queue: VecDeque<Reply<Res, Err>>,
    decide: Option<Decide<Req, Res, Err>>,
    requests: Vec<Req>,
    calls: usize,
    ready: bool,
    ready_errors: VecDeque<Err>,
    waiting: Vec<Waker>,
    tally: Arc<Mutex<Tally>>,
}

// ===== impl ScriptedService =====

impl<Req, Res, Err> ScriptedService<Req, Res, Err> {
    /// Replies from a queue and keeps the requests for [`ScriptedHandle::take_requests`].
    pub fn new(
        replies: impl IntoIterator<Item = Reply<Res, Err>>,
    ) -> (Self, ScriptedHandle<Req, Res, Err>) {
        Self::build(replies.into_iter().collect(), None)
    }

    /// Replies as `decide` says, given the number of the call (from 0) and the request, which it owns:
    /// nothing is kept for [`ScriptedHandle::take_requests`]. It runs under the script's lock, so it must
    /// not use the handle.
    pub fn from_fn(
        decide: impl FnMut(usize, Req) -> Reply<Res, Err> + Send + 'static,
    ) -> (Self, ScriptedHandle<Req, Res, Err>) {
        Self::build(VecDeque::new(), Some(Box::new(decide)))
    }

    fn build(
        queue: VecDeque<Reply<Res, Err>>,
        decide: Option<Decide<Req, Res, Err>>,
    ) -> (Self, ScriptedHandle<Req, Res, Err>) {
        let shared = Shared {
            queue,
            decide,
            requests: Vec::new(),
            calls: 0,
            ready: true,
            ready_errors: VecDeque::new(),
            waiting: Vec::new(),
            tally: Arc::default(),
        };
        let handle = ScriptedHandle {
            shared: Arc::new(Mutex::new(shared)),
        };
        (
            Self {
                handle: handle.clone(),
            },
            handle,
        )
    }
}

impl<Req, Res, Err> Service<Req> for ScriptedService<Req, Res, Err> {
    type Response = Res;
    type Error = Err;
    type Future = ScriptedFuture<Res, Err>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Err>> {
        let mut shared = self.handle.lock();
        if let Some(error) = shared.ready_errors.pop_front() {
            return Poll::Ready(Err(error));
        }
        if shared.ready {
            return Poll::Ready(Ok(()));
        }
        if !shared
            .waiting
            .iter()
            .any(|waker| waker.will_wake(cx.waker()))
        {
            shared.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let mut shared = self.handle.lock();
        let call = shared.calls;
        shared.calls += 1;
        let reply = match &mut shared.decide {
            Some(decide) => decide(call, req),
            None => {
                shared.requests.push(req);
                match shared.queue.pop_front() {
                    Some(reply) => reply,
                    None => panic!("call {call} has no scripted reply"),
                }
            }
        };
        ScriptedFuture::new(reply, &shared.tally)
    }
}

// ===== impl ScriptedHandle =====

impl<Req, Res, Err> ScriptedHandle<Req, Res, Err> {
    /// How often the service was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.lock().calls
    }

    /// How many calls are neither answered nor dropped.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        lock(&self.lock().tally).in_flight
    }

    /// How many calls were dropped before their reply.
    #[must_use]
    pub fn dropped(&self) -> usize {
        lock(&self.lock().tally).dropped
    }

    /// The requests seen since the last time, in order.
    #[must_use]
    pub fn take_requests(&self) -> Vec<Req> {
        std::mem::take(&mut self.lock().requests)
    }

    /// Adds a reply to the end of the queue.
    pub fn push(&self, reply: Reply<Res, Err>) {
        self.lock().queue.push_back(reply);
    }

    /// From now on `poll_ready` is pending, until [`grant_readiness`](Self::grant_readiness).
    pub fn hold_readiness(&self) {
        self.lock().ready = false;
    }

    /// Ready again; wakes whoever waits.
    pub fn grant_readiness(&self) {
        let waiting = {
            let mut shared = self.lock();
            shared.ready = true;
            std::mem::take(&mut shared.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// The next `poll_ready` fails with `error`; repeated calls queue up. Wakes whoever waits.
    pub fn fail_readiness(&self, error: Err) {
        let waiting = {
            let mut shared = self.lock();
            shared.ready_errors.push_back(error);
            std::mem::take(&mut shared.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Shared<Req, Res, Err>> {
        lock(&self.shared)
    }
}

// ===== impl Clone, Debug =====

impl<Req, Res, Err> Clone for ScriptedService<Req, Res, Err> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
        }
    }
}

impl<Req, Res, Err> Clone for ScriptedHandle<Req, Res, Err> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<Req, Res, Err> fmt::Debug for ScriptedService<Req, Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedService").finish_non_exhaustive()
    }
}

impl<Req, Res, Err> fmt::Debug for ScriptedHandle<Req, Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedHandle").finish_non_exhaustive()
    }
}
