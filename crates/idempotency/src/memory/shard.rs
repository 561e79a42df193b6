//! One part of the store: all calls of some scopes.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use tokio::time::Instant;

use super::list::{Arena, Links, List};
use crate::call_id::CallId;
use crate::hash::AsItIs;
use crate::store::Lease;
use crate::stored::Stored;

/// Pure: `now` in, decisions out.
///
/// ```text
///            claim               finish
///   (no entry) ──► Leased ──────────────► Finished ──► (no entry): expired, or evicted as the
///       ▲             │                                longest unused
///       └─────────────┘ release
/// ```
#[derive(Default)]
pub(super) struct Shard {
    places: HashMap<CallId, usize, BuildHasherDefault<AsItIs>>,
    scopes: HashMap<u128, Scope, BuildHasherDefault<AsItIs>>,
    entries: Vec<Entry>,
    free: Vec<usize>,
    /// All finished answers, by use.
    finished: List,
}

/// What one scope holds.
#[derive(Clone, Copy)]
struct Scope {
    entries: usize,
    bytes: usize,
    /// Its finished answers, by use.
    finished: List,
}

/// How much one scope may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quota {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

struct Entry {
    call: CallId,
    state: State,
    of_all: Links,
    of_scope: Links,
}

enum State {
    Leased { token: u128 },
    Finished(Finished),
}

pub(super) struct Finished {
    pub(super) answer: Arc<Stored>,
    pub(super) weight: usize,
    /// `None` is never.
    pub(super) until: Option<Instant>,
    /// When it was kept or asked for last.
    pub(super) used: Instant,
}

pub(super) enum Claimed {
    Leased,
    Finished(Arc<Stored>),
    InFlight,
    OverQuota,
}

/// What is not held any more.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Freed {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

impl Shard {
    /// The finished answer. The clock is read only if there is one.
    pub(super) fn recall(
        &mut self,
        call: &CallId,
        now: impl FnOnce() -> Instant,
    ) -> Option<Arc<Stored>> {
        match &self.entries[self.place(call)?].state {
            // A stale one is left to whoever claims it next, who is about to.
            State::Finished(_) => self.fresh(call, now()),
            State::Leased { .. } => None,
        }
    }

    /// The finished answer, which is now the last that was used.
    fn fresh(&mut self, call: &CallId, now: Instant) -> Option<Arc<Stored>> {
        let at = self.place(call)?;
        let answer = match &mut self.entries[at].state {
            State::Finished(finished) if finished.is_fresh(now) => {
                finished.used = now;
                Arc::clone(&finished.answer)
            }
            State::Finished(_) | State::Leased { .. } => return None,
        };
        self.finished.touch(&mut OfAll(&mut self.entries), at);
        let scope = scope(&mut self.scopes, call.scope());
        scope.finished.touch(&mut OfScope(&mut self.entries), at);
        Some(answer)
    }

    /// What a claim would find, if that is anything.
    pub(super) fn look(&mut self, call: &CallId, now: Instant) -> Option<Claimed> {
        match &self.entries[self.place(call)?].state {
            State::Leased { .. } => Some(Claimed::InFlight),
            State::Finished(_) => self.fresh(call, now).map(Claimed::Finished),
        }
    }

    pub(super) fn claim(
        &mut self,
        call: &CallId,
        token: u64,
        quota: Quota,
        now: Instant,
    ) -> (Claimed, Freed) {
        let mut freed = Freed::default();
        if let Some(known) = self.look(call, now) {
            return (known, freed);
        }
        if let Some(stale) = self.place(call) {
            freed.add(self.remove(stale));
        }
        while self.scope(call).entries >= quota.entries {
            match self.scope(call).finished.oldest() {
                Some(oldest) => freed.add(self.remove(oldest)),
                None => {
                    self.forget_if_empty(call.scope());
                    return (Claimed::OverQuota, freed);
                }
            }
        }
        self.insert(Entry {
            call: *call,
            state: State::Leased {
                token: token.into(),
            },
            of_all: Links::UNLINKED,
            of_scope: Links::UNLINKED,
        });
        (Claimed::Leased, freed)
    }

    /// Keeps the answer if the lease is held. If there is no room for it in its scope, the lease ends all the same.
    pub(super) fn finish(
        &mut self,
        lease: &Lease,
        finished: Finished,
        quota: Quota,
    ) -> (bool, Freed) {
        let weight = finished.weight;
        let mut freed = Freed::default();
        let call = lease.call();
        let Some(at) = self.leased(lease) else {
            return (false, freed);
        };
        while self.scope(call).bytes + weight > quota.bytes {
            match self.scope(call).finished.oldest() {
                Some(oldest) => freed.add(self.remove(oldest)),
                None => {
                    freed.add(self.remove(at));
                    return (false, freed);
                }
            }
        }
        self.entries[at].state = State::Finished(finished);
        self.finished.push(&mut OfAll(&mut self.entries), at);
        let scope = scope(&mut self.scopes, call.scope());
        scope.bytes += weight;
        scope.finished.push(&mut OfScope(&mut self.entries), at);
        (true, freed)
    }

    pub(super) fn release(&mut self, lease: &Lease) -> Freed {
        match self.leased(lease) {
            Some(at) => self.remove(at),
            None => Freed::default(),
        }
    }

    pub(super) fn is_leased(&self, lease: &Lease) -> bool {
        self.leased(lease).is_some()
    }

    /// Since when nobody has asked for that which was not asked for the longest.
    pub(super) fn oldest(&self) -> Option<Instant> {
        match &self.entries[self.finished.oldest()?].state {
            State::Finished(finished) => Some(finished.used),
            State::Leased { .. } => None,
        }
    }

    /// Lets go of it.
    pub(super) fn evict(&mut self) -> Option<Freed> {
        let oldest = self.finished.oldest()?;
        Some(self.remove(oldest))
    }

    fn place(&self, call: &CallId) -> Option<usize> {
        self.places.get(call).copied()
    }

    fn leased(&self, lease: &Lease) -> Option<usize> {
        let at = self.place(lease.call())?;
        let held =
            matches!(self.entries[at].state, State::Leased { token } if token == lease.token());
        held.then_some(at)
    }

    fn scope(&mut self, call: &CallId) -> &Scope {
        scope(&mut self.scopes, call.scope())
    }

    fn insert(&mut self, entry: Entry) {
        let call = entry.call;
        let at = match self.free.pop() {
            Some(at) => {
                self.entries[at] = entry;
                at
            }
            None => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
        };
        self.places.insert(call, at);
        scope(&mut self.scopes, call.scope()).entries += 1;
    }

    fn remove(&mut self, at: usize) -> Freed {
        // Its answer is dropped here; its place is used again.
        let token = State::Leased { token: 0 };
        let state = std::mem::replace(&mut self.entries[at].state, token);
        let call = self.entries[at].call;
        let scope = scope(&mut self.scopes, call.scope());
        scope.entries -= 1;
        let mut bytes = 0;
        if let State::Finished(finished) = state {
            bytes = finished.weight;
            scope.bytes -= bytes;
            scope.finished.remove(&mut OfScope(&mut self.entries), at);
            self.finished.remove(&mut OfAll(&mut self.entries), at);
        }
        self.places.remove(&call);
        self.free.push(at);
        self.forget_if_empty(call.scope());
        Freed { entries: 1, bytes }
    }

    fn forget_if_empty(&mut self, scope: u128) {
        if self
            .scopes
            .get(&scope)
            .is_some_and(|scope| scope.entries == 0)
        {
            self.scopes.remove(&scope);
        }
    }
}

fn scope(scopes: &mut HashMap<u128, Scope, BuildHasherDefault<AsItIs>>, scope: u128) -> &mut Scope {
    scopes.entry(scope).or_insert(Scope {
        entries: 0,
        bytes: 0,
        finished: List::EMPTY,
    })
}

impl Finished {
    fn is_fresh(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Freed {
    fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.bytes += other.bytes;
    }
}

impl Default for List {
    fn default() -> Self {
        Self::EMPTY
    }
}

struct OfAll<'a>(&'a mut [Entry]);
struct OfScope<'a>(&'a mut [Entry]);

impl Arena for OfAll<'_> {
    fn links(&mut self, at: usize) -> &mut Links {
        &mut self.0[at].of_all
    }
}

impl Arena for OfScope<'_> {
    fn links(&mut self, at: usize) -> &mut Links {
        &mut self.0[at].of_scope
    }
}
