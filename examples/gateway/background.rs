//! Calls that go on after their clients have left.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::watch;

/// Runs them, and knows how many there are, so that they are waited for at the end. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Background(watch::Sender<usize>);

/// One that runs; dropped, it has ended.
struct Running(Background);

impl Background {
    pub(crate) fn run(&self, call: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let running = Running::new(self);
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the executor that the layer asks its user for"
        )]
        tokio::spawn(async move {
            call.await;
            drop(running);
        });
    }

    /// Waits until there is none.
    pub(crate) async fn finish(&self) {
        let mut running = self.0.subscribe();
        let none_left = running.wait_for(|running| *running == 0).await;
        drop(none_left); // we hold a sender: there is no error
    }

    /// How many there are.
    pub(crate) fn running(&self) -> usize {
        *self.0.borrow()
    }
}

impl Running {
    fn new(all: &Background) -> Self {
        all.0.send_modify(|running| *running += 1);
        Self(all.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.send_modify(|running| *running -= 1);
    }
}
