//! A circuit per key.

mod all;
mod map;

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use crate::error::CircuitOpen;
use crate::handle::CircuitHandle;
use crate::permit::Permit;
use crate::select::{Select, sealed::Sealed};

pub(crate) use map::Map;

/// A circuit per key that `F` reads from a request.
#[derive(Clone)]
pub struct Keyed<F, K> {
    pub(crate) key: F,
    pub(crate) map: Arc<Map<K>>,
}

/// Reads and operates the circuits of a keyed layer.
///
/// # Clone
/// Clones, and the layer it came from, share the circuits.
pub struct Circuits<K> {
    map: Arc<Map<K>>,
}

// ===== impl Keyed =====

impl<F, K> Sealed for Keyed<F, K> {}

impl<Req, F, K> Select<Req> for Keyed<F, K>
where
    F: Fn(&Req) -> K,
    K: Hash + Eq,
{
    #[inline]
    fn admit(&self, request: &Req) -> Result<Permit, Box<CircuitOpen>> {
        self.map.admit((self.key)(request))
    }
}

impl<F, K> fmt::Debug for Keyed<F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").finish_non_exhaustive()
    }
}

// ===== impl Circuits =====

impl<K: Hash + Eq> Circuits<K> {
    pub(crate) const fn new(map: Arc<Map<K>>) -> Self {
        Self { map }
    }

    /// The circuit of a key, if it has one. Asking makes none, and keeps none.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<CircuitHandle> {
        self.map.get(key).map(CircuitHandle::new)
    }

    /// All keys that have a circuit, in no order, each with its circuit.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(K, CircuitHandle)>
    where
        K: Clone,
    {
        let all = self.map.snapshot().into_iter();
        all.map(|(key, circuit)| (key, CircuitHandle::new(circuit)))
            .collect()
    }

    /// The circuit that keys share for which there was no room.
    #[must_use]
    pub fn overflow(&self) -> CircuitHandle {
        CircuitHandle::new(self.map.overflow().clone())
    }

    /// How many circuits there are, the shared one not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether no key has a circuit yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many there may be.
    #[must_use]
    pub fn max(&self) -> usize {
        self.map.max()
    }
}

impl<K> Clone for Circuits<K> {
    fn clone(&self) -> Self {
        Self {
            map: Arc::clone(&self.map),
        }
    }
}

/// How many there are: the keys may be secret.
impl<K: Hash + Eq> fmt::Debug for Circuits<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuits")
            .field("len", &self.len())
            .field("max", &self.max())
            .finish_non_exhaustive()
    }
}
