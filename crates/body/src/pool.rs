//! One cap over everything that is kept for replay.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A cap on the bytes that all recorded bodies together may hold.
///
/// Clones share one count.
#[derive(Debug, Clone)]
pub struct ReplayPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    used: AtomicUsize,
    max: usize,
}

impl ReplayPool {
    /// A pool of so many bytes.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                used: AtomicUsize::new(0),
                max: max_bytes,
            }),
        }
    }

    /// The bytes in use at this moment.
    #[must_use]
    pub fn used(&self) -> usize {
        self.shared.used.load(Ordering::Relaxed)
    }

    /// The cap.
    #[must_use]
    pub fn max_bytes(&self) -> usize {
        self.shared.max
    }

    /// A share of the pool that holds nothing yet.
    pub(crate) fn share(&self) -> Share {
        Share {
            pool: self.clone(),
            bytes: 0,
        }
    }
}

/// What one record holds of the pool; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    pool: ReplayPool,
    bytes: usize,
}

impl Share {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes more of the pool, if it has as much.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let Shared { used, max } = &*self.pool.shared;
        // Relaxed: the count guards no memory, it only has to add up.
        let granted = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|sum| sum <= max)
        });
        if granted.is_ok() {
            self.bytes += bytes;
        }
        granted.is_ok()
    }

    /// Gives so much of it back.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        if bytes == 0 {
            return; // and leave the count to the others
        }
        self.bytes -= bytes;
        self.pool.shared.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::ReplayPool;

    #[test]
    fn what_was_taken_comes_back_and_never_more() {
        let pool = ReplayPool::new(100);
        let mut a = pool.share();
        let mut b = pool.share();
        assert!(a.grow(60));
        assert!(!b.grow(41));
        assert!(b.grow(40));
        drop(a);
        assert_eq!(pool.used(), 40);
        b.shrink(30);
        assert_eq!(pool.used(), 10);
        b.shrink(30);
        assert_eq!(pool.used(), 0);
    }

    #[test]
    fn a_size_beyond_all_memory_is_refused() {
        let pool = ReplayPool::new(usize::MAX);
        let mut share = pool.share();
        assert!(share.grow(1));
        assert!(!share.grow(usize::MAX));
    }
}
