//! All circuits by the hashes of their keys, and which of them would not be missed.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::shared::Shared;

pub(super) struct All<K> {
    pub(super) by_hash: ByHash<K>,
    /// The hashes of all slots; the hand of the clock is at the front.
    clock: VecDeque<u64>,
}

pub(super) type ByHash<K> = HashMap<u64, Arc<Slot<K>>, BuildHasherDefault<Hashed>>;

pub(super) struct Slot<K> {
    pub(super) key: K,
    pub(super) circuit: Shared,
    /// Asked for since the hand last passed.
    used: AtomicBool,
}

impl<K> All<K> {
    pub(super) fn insert(&mut self, hash: u64, key: K, circuit: Shared) -> Arc<Slot<K>> {
        let slot = Arc::new(Slot {
            key,
            circuit,
            used: AtomicBool::new(true),
        });
        self.clock.push_back(hash);
        self.by_hash.insert(hash, Arc::clone(&slot));
        slot
    }

    /// Moves the hand on, to one that it takes out.
    pub(super) fn pass_by_the_used(&mut self) -> Option<u64> {
        for _ in 0..STEPS.min(self.clock.len()) {
            let hash = self.clock.pop_front()?;
            let Some(slot) = self.by_hash.get(&hash) else {
                continue; // every hash in the clock has a slot
            };
            if !slot.used.swap(false, Ordering::Relaxed) && slot.circuit.is_forgettable() {
                self.by_hash.remove(&hash);
                return Some(hash);
            }
            self.clock.push_back(hash);
        }
        None
    }
}

impl<K> Slot<K> {
    #[inline]
    pub(super) fn touch(&self) {
        // Most of the time it is set already, and the line stays where it is.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }
}

impl<K> Default for All<K> {
    fn default() -> Self {
        Self {
            by_hash: HashMap::default(),
            clock: VecDeque::new(),
        }
    }
}

/// How far the hand goes in search of room: what a new key costs is bounded, too.
const STEPS: usize = 8;

/// Takes what is a hash already as it is.
#[derive(Default)]
pub(super) struct Hashed(u64);

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
