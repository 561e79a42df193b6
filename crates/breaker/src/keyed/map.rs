//! The circuits of all keys: found by a read lock, and never more than so many.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::error::CircuitOpen;
use crate::permit::Permit;
use crate::policy::Policy;
use crate::shared::Shared;

/// A circuit per key.
///
/// Where there is room for no more, a circuit makes room that is closed and has not been asked for
/// since somebody last looked for room (a hand goes round, as in CLOCK page replacement). One that is
/// not closed stays: forgetting it would let a herd through to an upstream that is known to be down. But not
/// for ever: if nobody has come for longer than the longest wait after its own was over, there is no herd.
/// If none is found in a few steps, the new key shares the overflow circuit with all others like it.
pub(crate) struct Map<K> {
    shards: Box<[Shard<K>]>,
    /// Circuits in all shards.
    len: AtomicUsize,
    max: usize,
    overflow: Shared,
    hash: RandomState,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) policy: Policy,
}

/// On lines of its own, so that threads with different keys do not disturb one another.
#[repr(align(128))]
struct Shard<K>(RwLock<Slots<K>>);

struct Slots<K> {
    by_hash: HashMap<u64, Slot<K>, BuildHasherDefault<Hashed>>,
    /// The hashes of all slots; the hand of the clock is at the front.
    clock: VecDeque<u64>,
}

struct Slot<K> {
    key: K,
    circuit: Shared,
    /// Asked for since the hand last passed.
    used: AtomicBool,
}

impl<K: Hash + Eq> Map<K> {
    pub(crate) fn new(policy: Policy, name: Option<Arc<str>>, max: usize) -> Self {
        let shards = (max / MIN_SHARD).clamp(1, MAX_SHARDS);
        // Whoever shares this one shares no credential.
        let shared = policy.single_credential(false);
        Self {
            shards: (0..shards).map(|_| Shard::default()).collect(),
            len: AtomicUsize::new(0),
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
        self.len.load(Ordering::Relaxed)
    }

    /// Asks the circuit of this key, which is made if there is none, to let a call through.
    ///
    /// One that is not closed is asked outside of the lock: who listens to its events may come back.
    #[inline]
    pub(crate) fn admit(&self, key: K) -> Result<Permit, Box<CircuitOpen>> {
        let hash = self.hash.hash_one(&key);
        let slots = self.shard(hash).read();
        let circuit = match slots.by_hash.get(&hash) {
            Some(slot) if slot.key == key => {
                // Most of the time it is set already, and the line stays where it is.
                if !slot.used.load(Ordering::Relaxed) {
                    slot.used.store(true, Ordering::Relaxed);
                }
                if let Some(permit) = slot.circuit.acquire_if_closed() {
                    return Ok(permit);
                }
                slot.circuit.clone()
            }
            // Two keys of one hash: the later one has no place of its own.
            Some(_) => self.overflow.clone(),
            None => {
                drop(slots);
                return self.insert(hash, key).acquire();
            }
        };
        drop(slots);
        circuit.acquire()
    }

    /// The circuit of this key, if there is one. Asking does not keep it.
    pub(crate) fn get(&self, key: &K) -> Option<Shared> {
        let hash = self.hash.hash_one(key);
        let slots = self.shard(hash).read();
        let slot = slots.by_hash.get(&hash).filter(|slot| slot.key == *key);
        slot.map(|slot| slot.circuit.clone())
    }

    /// All circuits, in no order.
    pub(crate) fn all(&self) -> Vec<(K, Shared)>
    where
        K: Clone,
    {
        let mut all = Vec::with_capacity(self.len());
        for shard in &self.shards {
            let slots = shard.read();
            let slots = slots.by_hash.values();
            all.extend(slots.map(|slot| (slot.key.clone(), slot.circuit.clone())));
        }
        all
    }

    #[cold]
    fn insert(&self, hash: u64, key: K) -> Shared {
        let mut slots = self.shard(hash).write();
        // Somebody may have been faster.
        if let Some(slot) = slots.by_hash.get(&hash) {
            let same = slot.key == key;
            return if same { &slot.circuit } else { &self.overflow }.clone();
        }
        if !self.grow() && !slots.make_room() {
            return self.overflow.clone();
        }
        let digits = format!("{:08x}", hash >> 32);
        let name = named(self.name.as_deref(), &digits);
        let circuit = Shared::one_of_many(self.policy, Some(name));
        slots.clock.push_back(hash);
        let slot = Slot {
            key,
            circuit: circuit.clone(),
            used: AtomicBool::new(true),
        };
        slots.by_hash.insert(hash, slot);
        circuit
    }

    /// Takes a place, if there is one.
    fn grow(&self) -> bool {
        // Relaxed: the count guards no memory, it only has to add up.
        let grown = self
            .len
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |len| {
                (len < self.max).then(|| len + 1)
            });
        grown.is_ok()
    }

    fn shard(&self, hash: u64) -> &Shard<K> {
        // The map in the shard uses the ends of the hash.
        let middle = (hash >> 32) as usize;
        &self.shards[middle % self.shards.len()]
    }
}

impl<K> Slots<K> {
    /// Lets one circuit go that nobody would miss, if there is one among the next few.
    fn make_room(&mut self) -> bool {
        for _ in 0..STEPS.min(self.clock.len()) {
            let Some(hash) = self.clock.pop_front() else {
                return false;
            };
            let Some(slot) = self.by_hash.get_mut(&hash) else {
                continue; // every hash in the clock has a slot
            };
            let used = std::mem::take(slot.used.get_mut());
            if !used && slot.circuit.is_forgettable() {
                self.by_hash.remove(&hash);
                return true;
            }
            self.clock.push_back(hash);
        }
        false
    }
}

impl<K> Shard<K> {
    // A thread that panicked here was hashing or comparing a key: the slots are as they were.
    #[inline]
    fn read(&self) -> RwLockReadGuard<'_, Slots<K>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Slots<K>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Default for Shard<K> {
    fn default() -> Self {
        Self(RwLock::new(Slots {
            by_hash: HashMap::default(),
            clock: VecDeque::new(),
        }))
    }
}

/// So many locks: more than most machines have cores to contend for them.
const MAX_SHARDS: usize = 16;
/// A small map is not divided, so that its circuits compete for all of its places.
const MIN_SHARD: usize = 64;
/// How far the hand goes in search of room: what a new key costs is bounded, too.
const STEPS: usize = 8;

fn named(layer: Option<&str>, circuit: &str) -> Arc<str> {
    match layer {
        Some(layer) => format!("{layer}/{circuit}").into(),
        None => circuit.into(),
    }
}

/// Takes what is a hash already as it is.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        unreachable!("{} bytes where a hash was due", bytes.len());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
