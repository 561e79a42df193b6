use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Sleep;

/// What a [`ScriptedService`](super::ScriptedService) does with one call.
pub enum Reply<Res, Err> {
    /// Answers at the first poll.
    Ok(Res),
    /// Fails at the first poll.
    Err(Err),
    /// Never answers.
    Pending,
    /// Waits on tokio's clock, then does as the inner reply says. A zero wait is no wait.
    After(Duration, Box<Self>),
    /// Does whatever this future does.
    Future(Pin<Box<dyn Future<Output = Result<Res, Err>> + Send>>),
}

/// The future of a [`ScriptedService`](super::ScriptedService).
pub struct ScriptedFuture<Res, Err> {
    reply: Option<Reply<Res, Err>>,
    sleep: Option<Pin<Box<Sleep>>>,
    tally: Arc<Mutex<Tally>>,
}

/// What became of the calls of one script.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) in_flight: usize,
    pub(super) dropped: usize,
}

// ===== impl Reply =====

impl<Res, Err> Reply<Res, Err> {
    /// This reply, `wait` later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self::After(wait, Box::new(self))
    }

    /// Whatever `future` does.
    pub fn future(future: impl Future<Output = Result<Res, Err>> + Send + 'static) -> Self {
        Self::Future(Box::pin(future))
    }
}

// ===== impl ScriptedFuture =====

impl<Res, Err> ScriptedFuture<Res, Err> {
    pub(super) fn new(reply: Reply<Res, Err>, tally: &Arc<Mutex<Tally>>) -> Self {
        lock(tally).in_flight += 1;
        Self {
            reply: Some(reply),
            sleep: None,
            tally: Arc::clone(tally),
        }
    }

    fn poll_wait(&mut self, wait: Duration, cx: &mut Context<'_>) -> Poll<()> {
        if !wait.is_zero() {
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        Poll::Ready(())
    }
}

// Nothing is pinned in place: the sleep and the foreign future have their own boxes.
impl<Res, Err> Unpin for ScriptedFuture<Res, Err> {}

impl<Res, Err> Future for ScriptedFuture<Res, Err> {
    type Output = Result<Res, Err>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let output = loop {
            match self.reply.take().expect("polled after it was done") {
                Reply::Ok(response) => break Ok(response),
                Reply::Err(error) => break Err(error),
                Reply::Pending => {
                    self.reply = Some(Reply::Pending);
                    return Poll::Pending;
                }
                Reply::Future(mut future) => match future.as_mut().poll(cx) {
                    Poll::Ready(output) => break output,
                    Poll::Pending => {
                        self.reply = Some(Reply::Future(future));
                        return Poll::Pending;
                    }
                },
                Reply::After(wait, next) => {
                    if self.poll_wait(wait, cx).is_pending() {
                        self.reply = Some(Reply::After(wait, next));
                        return Poll::Pending;
                    }
                    self.reply = Some(*next);
                }
            }
        };
        lock(&self.tally).in_flight -= 1;
        Poll::Ready(output)
    }
}

impl<Res, Err> Drop for ScriptedFuture<Res, Err> {
    fn drop(&mut self) {
        if self.reply.is_some() {
            let mut tally = lock(&self.tally);
            tally.in_flight -= 1;
            tally.dropped += 1;
        }
    }
}

impl<Res, Err> fmt::Debug for ScriptedFuture<Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedFuture").finish_non_exhaustive()
    }
}

impl<Res, Err> fmt::Debug for Reply<Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok(_) => "Ok",
            Self::Err(_) => "Err",
            Self::Pending => "Pending",
            Self::After(..) => "After",
            Self::Future(_) => "Future",
        })
    }
}

/// A probe that panicked on purpose must not poison the test that expects it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
