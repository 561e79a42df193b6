//! Which thread this is.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of this thread: they are numbered as they come.
///
/// For counts that are there several times, so that threads do not fetch the same cache line from one another: a thread
/// takes the place of its number, modulo the number of places.
#[must_use]
#[inline]
pub fn thread_number() -> usize {
    NUMBER.with(|number| match number.get() {
        UNKNOWN => next(number),
        known => known,
    })
}

#[cold]
fn next(number: &Cell<usize>) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed) % UNKNOWN;
    number.set(next);
    next
}

thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(UNKNOWN) };
}

const UNKNOWN: usize = usize::MAX;

#[cfg(test)]
mod tests {
    use super::thread_number;

    #[test]
    fn a_thread_keeps_its_number_and_has_it_alone() {
        let mine = thread_number();
        let other = std::thread::spawn(|| (thread_number(), thread_number()));
        let (first, second) = other.join().unwrap();
        assert_eq!(first, second);
        assert_ne!(first, mine);
        assert_eq!(thread_number(), mine);
    }
}
