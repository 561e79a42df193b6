//! Who waits for the shared source, and whether it is worth asking.

use std::mem::take;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use slab::Slab;

/// Wakes everybody who waits, and remembers that it was rung.
///
/// The source is given this as its waker. It is not part of the run, so that a source that keeps its waker
/// does not keep itself alive.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    /// The source has something to say, or may have: whoever comes first asks it.
    due: AtomicBool,
    /// A lock of its own: nobody else's code runs while it is held.
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    /// `None`: whoever sits there has been woken.
    wakers: Slab<Option<Waker>>,
    /// Kept for its memory.
    batch: Vec<Waker>,
}

impl Bell {
    /// Rung: the source has not been asked yet.
    pub(crate) fn new() -> Self {
        Self {
            due: AtomicBool::new(true),
            seats: Mutex::default(),
        }
    }

    pub(crate) fn take_seat(&self) -> usize {
        self.seats().wakers.insert(None)
    }

    pub(crate) fn leave_seat(&self, seat: usize) {
        let waker = self.seats().wakers.try_remove(seat);
        drop(waker); // when the lock is not held any more
    }

    /// The next ring wakes this one.
    pub(crate) fn wait(&self, seat: usize, waker: &Waker) {
        let is_known = |known: &Option<Waker>| known.as_ref().is_some_and(|k| k.will_wake(waker));
        if self.seats().wakers.get(seat).is_some_and(is_known) {
            return;
        }
        let waker = waker.clone();
        let mut seats = self.seats();
        let before = seats
            .wakers
            .get_mut(seat)
            .and_then(|slot| slot.replace(waker));
        drop(seats);
        drop(before);
    }

    /// Whether the source is worth asking.
    pub(crate) fn is_due(&self) -> bool {
        // Acquire: whoever rang has done so after what it tells of.
        self.due.load(Ordering::Acquire)
    }

    /// Whoever is about to ask the source answers the bell first, so that it may ring meanwhile.
    pub(crate) fn answer(&self) -> bool {
        self.due.swap(false, Ordering::AcqRel)
    }

    /// Wakes everybody but `except`, who is awake.
    pub(crate) fn ring(&self, except: Option<usize>) {
        self.due.store(true, Ordering::Release);
        let mut seats = self.seats();
        let mut batch = take(&mut seats.batch);
        for (seat, waker) in &mut seats.wakers {
            if Some(seat) != except {
                batch.extend(waker.take());
            }
        }
        drop(seats);
        batch.drain(..).for_each(Waker::wake);
        let mut seats = self.seats();
        if seats.batch.capacity() < batch.capacity() {
            seats.batch = batch;
        }
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring(None);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring(None);
    }
}
