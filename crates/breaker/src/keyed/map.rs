//! The circuits of all keys: each thread finds them in a place of its own, and never are there more than so
//! many.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use buttress_core::thread_number;

use crate::error::CircuitOpen;
use crate::keyed::all::{All, ByHash, Slot};
use crate::permit::Permit;
use crate::policy::Policy;
use crate::shared::Shared;
use crate::stripes::SLOTS;

/// A circuit per key.
///
/// Where there is room for no more, a circuit makes room that is [forgettable](Shared::is_forgettable) and
/// has not been asked for since somebody last looked for room (a hand goes round, as in CLOCK page
/// replacement). Another one stays: forgetting it would let a herd through to an upstream that is known to be
/// down. If none is found in a few steps, the new key shares the overflow circuit with all others like it.
pub(crate) struct Map<K> {
    all: Mutex<All<K>>,
    /// What threads have found of it, and find again without meeting each other. Who holds the lock of all may
    /// take these, and nobody does it the other way round.
    found: [Found<K>; SLOTS],
    max: usize,
    overflow: Shared,
    hash: RandomState,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) policy: Policy,
}

/// On lines of its own, so that threads do not disturb one another.
#[repr(align(128))]
struct Found<K>(RwLock<ByHash<K>>);

impl<K: Hash + Eq> Map<K> {
    pub(crate) fn new(policy: Policy, name: Option<Arc<str>>, max: usize) -> Self {
        // Whoever shares this one shares no credential.
        let shared = policy.single_credential(false);
        Self {
            all: Mutex::default(),
            found: std::array::from_fn(|_| Found::default()),
            max,
            overflow: Shared::new(shared, Some(named(name.as_deref(), "overflow"))),
            hash: RandomState::new(),
            name,
            policy,
        }
    }

    pub(crate) const fn max(&self) -> usize {
        self.max
    }

    pub(crate) const fn overflow(&self) -> &Shared {
        &self.overflow
    }

    pub(crate) fn len(&self) -> usize {
        self.all().by_hash.len()
    }

    /// Asks the circuit of this key, which is made if there is none, to let a call through.
    ///
    /// One that is not closed is asked outside of the lock: who listens to its events may come back.
    #[inline]
    pub(crate) fn admit(&self, key: K) -> Result<Permit, Box<CircuitOpen>> {
        let hash = self.hash.hash_one(&key);
        let found = self.found().read();
        let circuit = match found.get(&hash) {
            Some(slot) if slot.key == key => {
                slot.touch();
                if let Some(permit) = slot.circuit.acquire_if_closed() {
                    return Ok(permit);
                }
                slot.circuit.clone()
            }
            _ => {
                drop(found);
                return self.look_up(hash, key).acquire();
            }
        };
        drop(found);
        circuit.acquire()
    }

    /// The circuit of this key, if there is one. Asking does not keep it.
    pub(crate) fn get(&self, key: &K) -> Option<Shared> {
        let hash = self.hash.hash_one(key);
        let all = self.all();
        let slot = all.by_hash.get(&hash).filter(|slot| slot.key == *key);
        slot.map(|slot| slot.circuit.clone())
    }

    /// All circuits, in no order.
    pub(crate) fn snapshot(&self) -> Vec<(K, Shared)>
    where
        K: Clone,
    {
        let all = self.all();
        let slots = all.by_hash.values();
        slots
            .map(|slot| (slot.key.clone(), slot.circuit.clone()))
            .collect()
    }

    /// The circuit of a key that this thread has not found yet.
    #[cold]
    fn look_up(&self, hash: u64, key: K) -> Shared {
        let mut all = self.all();
        let Some(slot) = self.slot(&mut all, hash, key) else {
            return self.overflow.clone();
        };
        slot.touch();
        let circuit = slot.circuit.clone();
        // While all are locked: whoever takes the place of this one finds it here.
        self.found().write().insert(hash, slot);
        circuit
    }

    fn slot(&self, all: &mut All<K>, hash: u64, key: K) -> Option<Arc<Slot<K>>> {
        if let Some(slot) = all.by_hash.get(&hash) {
            // Two keys of one hash: the later one has no place of its own.
            return (slot.key == key).then(|| Arc::clone(slot));
        }
        if all.by_hash.len() >= self.max && !self.make_room(all) {
            return None;
        }
        let digits = format!("{:08x}", hash >> 32);
        let name = named(self.name.as_deref(), &digits);
        Some(all.insert(hash, key, Shared::new(self.policy, Some(name))))
    }

    /// Lets one circuit go that nobody would miss, if there is one among the next few.
    fn make_room(&self, all: &mut All<K>) -> bool {
        let Some(hash) = all.pass_by_the_used() else {
            return false;
        };
        for found in &self.found {
            found.write().remove(&hash);
        }
        true
    }

    /// What this thread has found.
    #[inline]
    fn found(&self) -> &Found<K> {
        &self.found[thread_number() % SLOTS]
    }

    // Here and below: a thread that panicked was hashing, comparing or cloning a key, and the slots are as they
    // were.
    fn all(&self) -> MutexGuard<'_, All<K>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Found<K> {
    #[inline]
    fn read(&self) -> RwLockReadGuard<'_, ByHash<K>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, ByHash<K>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Default for Found<K> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

fn named(layer: Option<&str>, circuit: &str) -> Arc<str> {
    match layer {
        Some(layer) => format!("{layer}/{circuit}").into(),
        None => circuit.into(),
    }
}

#[cfg(all(test, not(buttress_loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_thread_finds_a_circuit_that_has_made_room() {
        const KEYS: u64 = 40;
        let map = Map::new(Policy::DEFAULT, None, 8);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let map = &map;
                scope.spawn(move || {
                    for call in 0..5_000 {
                        drop(map.admit((call * (thread + 1)) % KEYS));
                    }
                });
            }
        });
        let all = map.all();
        assert_eq!(all.by_hash.len(), 8);
        for found in &map.found {
            for (hash, slot) in &*found.read() {
                let same = all.by_hash.get(hash).map(|known| Arc::ptr_eq(known, slot));
                assert_eq!(same, Some(true));
            }
        }
    }
}
