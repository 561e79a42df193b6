//! The calls that are under way in this process.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::fmt;
use std::hash::BuildHasherDefault;
use std::mem::replace;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use buttress_body::{Shared, SharedBody};
use buttress_core::BoxError;
use tokio::time::Instant;

use crate::call::Call;
use crate::call_id::CallId;
use crate::fingerprint::Shown;
use crate::hash::AsItIs;
use crate::notes::Notes;

/// Every call that is under way, by name.
///
/// ```text
///              begin              last one leaves: somebody drives it, or will within a time
///   (nothing) ───► Attended(n) ──────────────────────────────────────► Orphaned
///       ▲            │   ▲                                              │   │
///       │            │   └──────────────────── join ────────────────────┘   │
///       └────────────┴────────────────────── it ends, or its time is up ────┘
/// ```
pub(crate) struct Calls {
    shards: [Mutex<Shard>; SHARDS],
    /// Undriven orphans, once each, the oldest first. One that has been adopted stays in it until its time is up.
    orphans: Mutex<VecDeque<Orphan>>,
    /// How many, so that nobody takes a lock in order to find none.
    orphaned: AtomicUsize,
}

type Shard = HashMap<CallId, Running, BuildHasherDefault<AsItIs>>;

/// A call that is under way.
pub(crate) struct Running {
    shared: Shared<Call>,
    notes: Arc<Notes>,
    subscribers: usize,
    /// An executor has it.
    is_driven: bool,
    /// Since when nobody has had it.
    orphaned: Option<Instant>,
    /// It is in the queue of orphans, or has been adopted since.
    is_queued: bool,
}

struct Orphan {
    since: Instant,
    call: CallId,
    notes: Arc<Notes>,
}

/// What is known of the payload of one who asks.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// It does not matter.
    Trusted,
    /// It has not been read yet.
    Unread,
    Shown(&'a Shown),
}

/// What asking for a call came to.
pub(crate) enum Asked<'a> {
    /// It is under way: a place among those who wait for it.
    Joined(SharedBody<Call>, Arc<Notes>),
    /// It is under way, and it depends on the payload.
    Unread,
    /// It is under way, but not for this payload.
    Refused(BoxError),
    /// It is under way, and cannot be joined: the beginning of its answer is gone, or it shall not be.
    InFlight,
    /// It is not: begin it.
    Vacant(Vacant<'a>),
}

/// The place of a call that is to begin. While it exists nobody else can begin it.
pub(crate) struct Vacant<'a> {
    shard: MutexGuard<'a, Shard>,
    call: CallId,
}

/// What shall become of a call that everybody has left.
pub(crate) enum Left {
    /// Somebody is still there, or it has ended, or somebody drives it: nothing.
    Alone,
    /// It is over: this is to be dropped.
    Cancelled(Shared<Call>),
    /// It is to be driven to its end.
    Drive(Shared<Call>),
    /// It waits to be adopted.
    Orphaned,
}

impl Calls {
    pub(crate) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            orphans: Mutex::default(),
            orphaned: AtomicUsize::new(0),
        }
    }

    /// Asks for a call. Nobody joins one whose payload is known to be another, or who does not want to: that would
    /// keep an orphan alive for somebody who leaves at once. But an orphan that nobody drives is adopted by anybody.
    pub(crate) fn ask(&self, call: &CallId, payload: Payload<'_>, joins: bool) -> Asked<'_> {
        let mut shard = self.shard(call);
        let Some(running) = shard.get_mut(call) else {
            return Asked::Vacant(Vacant { shard, call: *call });
        };
        if !joins && (running.subscribers > 0 || running.is_driven) {
            return Asked::InFlight;
        }
        match payload {
            Payload::Trusted => {}
            Payload::Unread => return Asked::Unread,
            Payload::Shown(shown) => {
                let known = running.notes.fingerprint();
                if let Some(Err(refusal)) = known.map(|known| known.check(shown)) {
                    return Asked::Refused(refusal);
                }
            }
        }
        match running.shared.join() {
            Some(body) => {
                running.subscribers += 1;
                running.orphaned = None;
                Asked::Joined(body, Arc::clone(&running.notes))
            }
            None => Asked::InFlight,
        }
    }

    /// Lets go of orphans that are older than `ttl`.
    pub(crate) fn let_go_of_orphans(&self, ttl: Duration) {
        // Relaxed: whoever misses one leaves it to the next.
        if self.orphaned.load(Ordering::Relaxed) == 0 {
            return;
        }
        let now = Instant::now();
        while let Some(orphan) = self.orphan_of_age(now, ttl) {
            let mut shard = self.shard(&orphan.call);
            let Entry::Occupied(mut entry) = shard.entry(orphan.call) else {
                continue;
            };
            let running = entry.get_mut();
            if !Arc::ptr_eq(&running.notes, &orphan.notes) {
                continue;
            }
            if running.orphaned == Some(orphan.since) {
                let over = entry.remove();
                drop(shard);
                drop(over); // which cancels it: it may run anybody's code
                continue;
            }
            // Adopted meanwhile, and perhaps left again.
            running.is_queued = running.orphaned.is_some();
            if let Some(since) = running.orphaned {
                drop(shard);
                self.queue(Orphan { since, ..orphan });
            }
        }
    }

    fn queue(&self, orphan: Orphan) {
        let mut orphans = locked(&self.orphans);
        let at = orphans.partition_point(|older| older.since <= orphan.since);
        orphans.insert(at, orphan);
        self.orphaned.store(orphans.len(), Ordering::Relaxed);
    }

    fn orphan_of_age(&self, now: Instant, ttl: Duration) -> Option<Orphan> {
        let mut orphans = locked(&self.orphans);
        let oldest = orphans.front()?;
        if now.saturating_duration_since(oldest.since) < ttl {
            return None;
        }
        self.orphaned.store(orphans.len() - 1, Ordering::Relaxed);
        orphans.pop_front()
    }

    /// A subscriber leaves.
    pub(crate) fn leave(
        &self,
        call: &CallId,
        notes: &Arc<Notes>,
        has_executor: bool,
        now: impl FnOnce() -> Instant,
    ) -> Left {
        let mut shard = self.shard(call);
        let Entry::Occupied(mut entry) = shard.entry(*call) else {
            return Left::Alone; // it has ended
        };
        let running = entry.get_mut();
        if !Arc::ptr_eq(&running.notes, notes) {
            return Left::Alone; // it has ended, and another has begun
        }
        running.subscribers -= 1;
        if running.subscribers > 0 || running.is_driven {
            return Left::Alone;
        }
        if !notes.outlives() || running.shared.is_broken() {
            return Left::Cancelled(entry.remove().shared);
        }
        if has_executor {
            running.is_driven = true;
            return Left::Drive(running.shared.clone());
        }
        let since = now();
        running.orphaned = Some(since);
        if !replace(&mut running.is_queued, true) {
            drop(shard);
            let (call, notes) = (*call, Arc::clone(notes));
            self.queue(Orphan { since, call, notes });
        }
        Left::Orphaned
    }

    /// Whoever drove it has given up.
    pub(crate) fn undriven(&self, call: &CallId, notes: &Arc<Notes>) -> Option<Shared<Call>> {
        let mut shard = self.shard(call);
        let running = shard.get_mut(call)?;
        if !Arc::ptr_eq(&running.notes, notes) {
            return None;
        }
        running.is_driven = false;
        if running.subscribers > 0 {
            return None;
        }
        shard.remove(call).map(|running| running.shared)
    }

    /// It has ended.
    pub(crate) fn remove(&self, call: &CallId, notes: &Arc<Notes>) {
        let mut shard = self.shard(call);
        let Entry::Occupied(entry) = shard.entry(*call) else {
            return;
        };
        if Arc::ptr_eq(&entry.get().notes, notes) {
            let running = entry.remove();
            drop(shard);
            drop(running);
        }
    }

    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        let len = |shard: &Mutex<Shard>| locked(shard).len();
        self.shards.iter().map(len).sum()
    }

    fn shard(&self, call: &CallId) -> MutexGuard<'_, Shard> {
        locked(&self.shards[usize::from(call.call().to_be_bytes()[15]) % SHARDS])
    }
}

impl Vacant<'_> {
    /// Begins it, with one subscriber.
    pub(crate) fn begin(
        mut self,
        shared: Shared<Call>,
        notes: Arc<Notes>,
    ) -> Option<SharedBody<Call>> {
        let body = shared.join();
        let running = Running {
            shared,
            notes,
            subscribers: 1,
            is_driven: false,
            orphaned: None,
            is_queued: false,
        };
        self.shard.insert(self.call, running);
        body
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls")
            .field("running", &self.len())
            .finish()
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// More than cores that ask at once.
const SHARDS: usize = 16;

#[cfg(test)]
mod tests;
