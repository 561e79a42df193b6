//! What is known of a call that is under way.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use buttress_core::{Outcome, Report};
use http::response::Parts;

use crate::fingerprint::Fingerprint;
use crate::subscriber::Left;

/// What those who wait for a call, and those who pass its bodies on, tell one another.
#[derive(Default)]
pub(crate) struct Notes {
    head: OnceLock<Head>,
    outcome: OnceLock<Outcome>,
    payload: Mutex<Payload>,
    is_over: AtomicBool,
    has_begun: AtomicBool,
    outlives: AtomicBool,
    is_out_of_time: AtomicBool,
    is_first_refused: AtomicBool,
}

#[derive(Default)]
struct Payload {
    fingerprint: Option<Fingerprint>,
    /// A duplicate waits to compare its own.
    is_awaited: bool,
}

/// The head of the answer, for everybody.
pub(crate) struct Head {
    pub(crate) parts: Parts,
    /// What the body said of its size when it came.
    pub(crate) size: Left,
    /// There is nothing else.
    pub(crate) is_all: bool,
}

impl Notes {
    /// There is one head, and whoever publishes it does so once.
    pub(crate) fn publish(&self, head: Head) {
        drop(self.head.set(head));
    }

    pub(crate) fn head(&self) -> Option<&Head> {
        self.head.get()
    }

    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.get()
    }

    /// The call is no more among those that are under way.
    pub(crate) fn set_over(&self) {
        // Release, as whoever sees it relies on that.
        self.is_over.store(true, Ordering::Release);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Its lease is held: it is to be made, and goes on without subscribers if it `outlives` them.
    pub(crate) fn begin(&self, outlives: bool) {
        // Relaxed: read under the lock of the shard, or by whoever has polled the call.
        self.has_begun.store(true, Ordering::Relaxed);
        self.outlives.store(outlives, Ordering::Relaxed);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    pub(crate) fn outlives(&self) -> bool {
        self.outlives.load(Ordering::Relaxed)
    }

    /// It has taken too long: whoever waits for its head gives it up.
    pub(crate) fn set_out_of_time(&self) {
        // Relaxed: one task at a time polls the call.
        self.is_out_of_time.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_out_of_time(&self) -> bool {
        self.is_out_of_time.load(Ordering::Relaxed)
    }

    /// The first to ask has asked for something else than what was made elsewhere; all others have not.
    pub(crate) fn refuse_first(&self) {
        // Relaxed: the head, which comes later, orders it.
        self.is_first_refused.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_first_refused(&self) -> bool {
        self.is_first_refused.load(Ordering::Relaxed)
    }

    /// The request is known. Says whether anybody waits for that.
    pub(crate) fn identify(&self, fingerprint: Fingerprint) -> bool {
        let mut payload = self.payload();
        payload.fingerprint.get_or_insert(fingerprint);
        payload.is_awaited
    }

    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        self.payload().fingerprint
    }

    /// As [`fingerprint`](Self::fingerprint); whoever makes it known will wake those who wait.
    pub(crate) fn await_fingerprint(&self) -> Option<Fingerprint> {
        let mut payload = self.payload();
        payload.is_awaited = true;
        payload.fingerprint
    }

    fn payload(&self) -> MutexGuard<'_, Payload> {
        self.payload.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears what became of an answer: part of the type of its body.
pub struct Judgement(pub(crate) Arc<Notes>);

impl Report for Judgement {
    fn report(self, outcome: Outcome) {
        // It is said once.
        let _ = self.0.outcome.set(outcome);
    }
}

impl fmt::Debug for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judgement(..)")
    }
}
