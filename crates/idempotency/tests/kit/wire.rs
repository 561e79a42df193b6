//! A store behind a wire, whose leases run out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress_idempotency::{CallId, Claim, IdempotencyStore, Lease, Reply, Stored};
use tokio::time::{Instant, sleep};

#[derive(Clone)]
pub(crate) struct Wire(Arc<Inside>);

struct Inside {
    held: Mutex<HashMap<u128, Held>>,
    claims: AtomicUsize,
    renewals: AtomicUsize,
    latency: Duration,
    /// How long it takes to keep an answer, which comes to nothing then.
    slow_to_keep: Option<Duration>,
}

struct Held {
    token: u128,
    until: Instant,
    answer: Option<Arc<Stored>>,
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self::with(Duration::from_millis(1), None)
    }

    pub(crate) fn slow_to_keep(time: Duration) -> Self {
        Self::with(Duration::from_millis(1), Some(time))
    }

    pub(crate) fn with(latency: Duration, slow_to_keep: Option<Duration>) -> Self {
        Self(Arc::new(Inside {
            held: Mutex::default(),
            claims: AtomicUsize::new(0),
            renewals: AtomicUsize::new(0),
            latency,
            slow_to_keep,
        }))
    }

    pub(crate) fn renewals(&self) -> usize {
        self.0.renewals.load(SeqCst)
    }

    /// Nothing happens unless the reply is asked for.
    fn say<T: Send + 'static>(
        &self,
        answer: impl FnOnce(&mut HashMap<u128, Held>) -> T + Send + 'static,
    ) -> Reply<T> {
        let inside = Arc::clone(&self.0);
        Reply::later(async move {
            sleep(inside.latency).await;
            answer(&mut inside.held.lock().unwrap())
        })
    }
}

impl Held {
    fn is(&self, lease: &Lease) -> bool {
        self.token == lease.token() && self.answer.is_none()
    }
}

impl IdempotencyStore for Wire {
    fn is_shared(&self) -> bool {
        true
    }

    fn claim(&self, call: &CallId, lease: Duration) -> Reply<Claim> {
        let call = *call;
        let token = self.0.claims.fetch_add(1, SeqCst) as u128;
        self.say(move |all| {
            let now = Instant::now();
            match all.get(&call.call()).filter(|held| now < held.until) {
                Some(Held { answer: None, .. }) => Claim::InFlight,
                Some(Held {
                    answer: Some(answer),
                    ..
                }) => Claim::Finished(Arc::clone(answer)),
                None => {
                    let until = now + lease;
                    let answer = None;
                    all.insert(
                        call.call(),
                        Held {
                            token,
                            until,
                            answer,
                        },
                    );
                    Claim::Run(Lease::new(call, token))
                }
            }
        })
    }

    fn renew(&self, lease: &Lease, time: Duration) -> Reply<bool> {
        self.0.renewals.fetch_add(1, SeqCst);
        let lease = *lease;
        self.say(move |all| {
            let held = all.get_mut(&lease.call().call());
            let held = held.filter(|held| held.is(&lease));
            held.map(|held| held.until = Instant::now() + time)
                .is_some()
        })
    }

    fn finish(&self, lease: Lease, answer: Stored, ttl: Duration) -> Reply<bool> {
        if let Some(time) = self.0.slow_to_keep {
            return Reply::later(async move {
                sleep(time).await;
                false
            });
        }
        self.say(move |all| {
            let held = all.get_mut(&lease.call().call());
            let held = held.filter(|held| held.is(&lease));
            held.map(|held| {
                held.until = Instant::now() + ttl;
                held.answer = Some(Arc::new(answer));
            })
            .is_some()
        })
    }

    fn release(&self, lease: Lease) -> Reply<()> {
        self.say(move |all| {
            if all
                .get(&lease.call().call())
                .is_some_and(|held| held.is(&lease))
            {
                all.remove(&lease.call().call());
            }
        })
    }
}
