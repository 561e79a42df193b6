//! The calls that are under way in this process.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::fmt;
use std::hash::BuildHasherDefault;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use buttress_body::{Shared, SharedBody};
use tokio::time::Instant;

use crate::call::Call;
use crate::call_id::CallId;
use crate::hash::AsItIs;
use crate::notes::Notes;

/// Every call that is under way, by name.
///
/// ```text
///            begin              last one leaves: somebody drives it, or will within a time
///   (nothing) ───► Attended(n) ──────────────────────────────────────► Orphaned
///       ▲            │   ▲                                              │   │
///       │            │   └──────────────────── join ────────────────────┘   │
///       └────────────┴────────────────────── it ends, or its time is up ────┘
/// ```
pub(crate) struct Calls {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
pub(crate) struct Shard {
    running: HashMap<CallId, Running, BuildHasherDefault<AsItIs>>,
    /// Undriven orphans, the oldest first. One that has been adopted stays in it until its time is up.
    orphans: VecDeque<(Instant, CallId, Arc<Notes>)>,
}

/// A call that is under way.
pub(crate) struct Running {
    shared: Shared<Call>,
    notes: Arc<Notes>,
    subscribers: usize,
    /// It goes on without subscribers.
    outlives: bool,
    /// An executor has it.
    is_driven: bool,
    /// Since when nobody has had it.
    orphaned: Option<Instant>,
}

/// What asking for a call came to.
pub(crate) enum Asked<'a> {
    /// It is under way: a place among those who wait for it.
    Joined(SharedBody<Call>, Arc<Notes>),
    /// It is under way, and the beginning of its answer is gone.
    TooLate,
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
        }
    }

    /// Asks for a call. On the way it lets go of orphans that are older than `orphan_ttl`, of those that share a lock
    /// with this call.
    pub(crate) fn ask(&self, call: &CallId, orphan_ttl: Duration) -> Asked<'_> {
        let mut shard = self.shard(call);
        if !shard.orphans.is_empty() {
            let over = shard.take_over_age(Instant::now(), orphan_ttl);
            drop(shard);
            drop(over); // which cancels them: it may run anybody's code
            shard = self.shard(call);
        }
        let Some(running) = shard.running.get_mut(call) else {
            return Asked::Vacant(Vacant { shard, call: *call });
        };
        match running.shared.join() {
            Some(body) => {
                running.subscribers += 1;
                running.orphaned = None;
                Asked::Joined(body, Arc::clone(&running.notes))
            }
            None => Asked::TooLate,
        }
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
        let shard = &mut *shard;
        let Entry::Occupied(mut entry) = shard.running.entry(*call) else {
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
        if !running.outlives || running.shared.is_broken() {
            return Left::Cancelled(entry.remove().shared);
        }
        if has_executor {
            running.is_driven = true;
            return Left::Drive(running.shared.clone());
        }
        let now = now();
        running.orphaned = Some(now);
        shard.orphans.push_back((now, *call, Arc::clone(notes)));
        Left::Orphaned
    }

    /// Whoever drove it has given up.
    pub(crate) fn undriven(&self, call: &CallId, notes: &Arc<Notes>) -> Option<Shared<Call>> {
        let mut shard = self.shard(call);
        let running = shard.running.get_mut(call)?;
        if !Arc::ptr_eq(&running.notes, notes) {
            return None;
        }
        running.is_driven = false;
        if running.subscribers > 0 {
            return None;
        }
        shard.running.remove(call).map(|running| running.shared)
    }

    /// It goes on for its subscribers only.
    pub(crate) fn dies_with_subscribers(&self, call: &CallId, notes: &Arc<Notes>) {
        let mut shard = self.shard(call);
        if let Some(running) = shard.running.get_mut(call) {
            if Arc::ptr_eq(&running.notes, notes) {
                running.outlives = false;
            }
        }
    }

    /// It has ended.
    pub(crate) fn remove(&self, call: &CallId, notes: &Arc<Notes>) {
        let mut shard = self.shard(call);
        let Entry::Occupied(entry) = shard.running.entry(*call) else {
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
        let len = |shard: &Mutex<Shard>| locked(shard).running.len();
        self.shards.iter().map(len).sum()
    }

    fn shard(&self, call: &CallId) -> MutexGuard<'_, Shard> {
        locked(&self.shards[usize::from(call.call().to_be_bytes()[15]) % SHARDS])
    }
}

impl Shard {
    fn take_over_age(&mut self, now: Instant, ttl: Duration) -> Vec<Running> {
        let mut over = Vec::new();
        while let Some((since, call, notes)) = self.orphans.front() {
            if now.saturating_duration_since(*since) < ttl {
                break;
            }
            let running = self.running.get(call);
            let is_same = running.is_some_and(|running| {
                Arc::ptr_eq(&running.notes, notes) && running.orphaned == Some(*since)
            });
            if is_same {
                over.extend(self.running.remove(call));
            }
            self.orphans.pop_front();
        }
        over
    }
}

impl Vacant<'_> {
    /// Begins it, with one subscriber.
    pub(crate) fn begin(
        mut self,
        shared: Shared<Call>,
        notes: Arc<Notes>,
        outlives: bool,
    ) -> Option<SharedBody<Call>> {
        let body = shared.join();
        let running = Running {
            shared,
            notes,
            subscribers: 1,
            outlives,
            is_driven: false,
            orphaned: None,
        };
        self.shard.running.insert(self.call, running);
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

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// More than cores that ask at once.
const SHARDS: usize = 16;
