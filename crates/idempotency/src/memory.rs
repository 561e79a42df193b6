//! A store in the memory of this process.

mod list;
mod shard;

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use self::shard::{Claimed, Finished, Freed, Quota, Shard};
use crate::call_id::CallId;
use crate::store::{Claim, IdempotencyStore, Lease, Reply};
use crate::stored::Stored;

/// Keeps answers in the memory of this process.
///
/// What has not been asked for the longest makes room for what is new, among the finished answers: a call that is
/// under way is never evicted. A scope that has used up its quota evicts its own. Where nothing can be evicted a
/// call is made all the same, and not kept.
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | [`max_entries`](Self::max_entries) | 100,000 | more than one a second, for a day |
/// | [`max_bytes`](Self::max_bytes) | 256 MiB | what a small gateway can spare |
/// | [`scope_entries`](Self::scope_entries) | half of all | one tenant cannot have it all |
/// | [`scope_bytes`](Self::scope_bytes) | half of all | likewise |
///
/// An answer counts for its body, its headers, and some 250 bytes beside. Looking one up allocates nothing and
/// takes one lock of sixteen; calls of one scope share a lock. Making room in a full store takes each of them for a
/// moment.
#[derive(Debug)]
pub struct MemoryStore {
    limits: Limits,
    shards: [Mutex<Shard>; SHARDS],
    used: Used,
    tokens: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    entries: usize,
    bytes: usize,
    scope: Quota,
}

/// What all shards hold together.
#[derive(Debug, Default)]
struct Used {
    entries: AtomicUsize,
    bytes: AtomicUsize,
}

impl MemoryStore {
    /// An empty store with the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            limits: Limits {
                entries: MAX_ENTRIES,
                bytes: MAX_BYTES,
                scope: Quota {
                    entries: MAX_ENTRIES / 2,
                    bytes: MAX_BYTES / 2,
                },
            },
            shards: std::array::from_fn(|_| Mutex::default()),
            used: Used::default(),
            tokens: AtomicU64::new(0),
        }
    }

    /// How many calls it knows, finished and under way. Default: 100,000. Also sets
    /// [`scope_entries`](Self::scope_entries) to half of it.
    #[must_use]
    pub const fn max_entries(mut self, entries: usize) -> Self {
        self.limits.entries = entries;
        self.limits.scope.entries = entries.div_ceil(2);
        self
    }

    /// How many bytes finished answers may take together. Default: 256 MiB. Also sets
    /// [`scope_bytes`](Self::scope_bytes) to half of it.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.limits.bytes = bytes;
        self.limits.scope.bytes = bytes.div_ceil(2);
        self
    }

    /// How many of the calls may be of one scope. Default: half of [`max_entries`](Self::max_entries).
    #[must_use]
    pub const fn scope_entries(mut self, entries: usize) -> Self {
        self.limits.scope.entries = entries;
        self
    }

    /// How many of the bytes may be of one scope. Default: half of [`max_bytes`](Self::max_bytes).
    #[must_use]
    pub const fn scope_bytes(mut self, bytes: usize) -> Self {
        self.limits.scope.bytes = bytes;
        self
    }

    /// How many calls it knows at this moment.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.used.entries.load(Ordering::Relaxed)
    }

    /// How many bytes the finished answers count for at this moment.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.used.bytes.load(Ordering::Relaxed)
    }

    fn claim_at(&self, call: &CallId, now: Instant) -> Claim {
        let token = self.tokens.fetch_add(1, Ordering::Relaxed);
        // A place is reserved first: nobody holds one lock while asking for another.
        if !self.reserve(&self.used.entries, 1, self.limits.entries) {
            // There may be no need for it.
            return match self.shard(call).look(call, now) {
                Some(Claimed::Finished(answer)) => Claim::Finished(answer),
                Some(Claimed::InFlight) => Claim::InFlight,
                _ => Claim::Unkept("the store is full"),
            };
        }
        let mut shard = self.shard(call);
        let (claimed, freed) = shard.claim(call, token, self.limits.scope, now);
        drop(shard);
        self.freed(freed.entries, freed.bytes);
        match claimed {
            Claimed::Leased => Claim::Run(Lease::new(*call, u128::from(token))),
            Claimed::Finished(answer) => {
                self.freed(1, 0);
                Claim::Finished(answer)
            }
            Claimed::InFlight => {
                self.freed(1, 0);
                Claim::InFlight
            }
            Claimed::OverQuota => {
                self.freed(1, 0);
                Claim::Unkept("the quota of its scope is used up")
            }
        }
    }

    fn finish_at(&self, lease: &Lease, answer: Stored, ttl: Duration) -> bool {
        let (call, now) = (lease.call(), Instant::now());
        let weight = answer.weight() + ENTRY;
        // What fits into nothing makes no room for itself.
        let fits = weight <= self.limits.scope.bytes.min(self.limits.bytes)
            && self.reserve(&self.used.bytes, weight, self.limits.bytes);
        let mut shard = self.shard(call);
        let (kept, freed) = if fits {
            let finished = Finished {
                answer: Arc::new(answer),
                weight,
                until: now.checked_add(ttl),
                used: now,
            };
            shard.finish(lease, finished, self.limits.scope)
        } else {
            (false, shard.release(lease))
        };
        drop(shard);
        self.freed(freed.entries, freed.bytes);
        if fits && !kept {
            self.freed(0, weight);
        }
        kept
    }

    /// Takes so much of what there is, and makes room for it if need be. Says whether there was, or could be made,
    /// enough.
    fn reserve(&self, used: &AtomicUsize, amount: usize, limit: usize) -> bool {
        used.fetch_add(amount, Ordering::Relaxed);
        while used.load(Ordering::Relaxed) > limit {
            let Some(freed) = self.evict() else {
                used.fetch_sub(amount, Ordering::Relaxed);
                return false;
            };
            self.freed(freed.entries, freed.bytes);
        }
        true
    }

    /// Lets go of the finished answer that was not asked for the longest, in whichever shard. Looks at one after the
    /// other: should somebody ask for it meanwhile, the next oldest of its shard goes.
    fn evict(&self) -> Option<Freed> {
        loop {
            let ages = (0..SHARDS).filter_map(|at| Some((self.locked(at).oldest()?, at)));
            let (_, at) = ages.min()?;
            let freed = self.locked(at).evict();
            if freed.is_some() {
                return freed;
            }
        }
    }

    fn freed(&self, entries: usize, bytes: usize) {
        if entries > 0 {
            self.used.entries.fetch_sub(entries, Ordering::Relaxed);
        }
        if bytes > 0 {
            self.used.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    fn shard(&self, call: &CallId) -> MutexGuard<'_, Shard> {
        self.locked(shard_of(call))
    }

    /// Nothing inside of it panics; a poisoned one is as good as any.
    fn locked(&self, at: usize) -> MutexGuard<'_, Shard> {
        self.shards[at]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl IdempotencyStore for MemoryStore {
    fn recall(&self, call: &CallId) -> Option<Arc<Stored>> {
        self.shard(call).recall(call, Instant::now)
    }

    fn claim(&self, call: &CallId, _lease: Duration) -> Reply<Claim> {
        Reply::now(self.claim_at(call, Instant::now()))
    }

    /// A lease lasts until it is given back: whoever holds it lives in this process, too.
    fn renew(&self, lease: &Lease, _time: Duration) -> Reply<bool> {
        Reply::now(self.shard(lease.call()).is_leased(lease))
    }

    fn finish(&self, lease: Lease, answer: Stored, ttl: Duration) -> Reply<bool> {
        Reply::now(self.finish_at(&lease, answer, ttl))
    }

    fn release(&self, lease: Lease) -> Reply<()> {
        let freed = self.shard(lease.call()).release(&lease);
        self.freed(freed.entries, freed.bytes);
        Reply::now(())
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").finish_non_exhaustive()
    }
}

fn shard_of(call: &CallId) -> usize {
    // All calls of a scope are in one shard, so that its quota is kept there, too.
    usize::from(call.scope().to_be_bytes()[0]) % SHARDS
}

const MAX_ENTRIES: usize = 100_000;
const MAX_BYTES: usize = 256 << 20;

/// More than cores that ask at once.
const SHARDS: usize = 16;

/// What an entry takes beside its answer: its place in a map, a list and an index.
const ENTRY: usize = 192;

#[cfg(test)]
mod tests;
