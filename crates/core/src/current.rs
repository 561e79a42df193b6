//! The deadline of the call that is being worked on, known to everybody inside of it.

use std::cell::Cell;

use crate::deadline::Deadline;

thread_local! {
    /// Set while a future or a body inside of a scope is polled, as a task-local is: a task that waits
    /// leaves nothing behind on its thread.
    static CURRENT: Cell<Option<Deadline>> = const { Cell::new(None) };
}

impl Deadline {
    /// The deadline of the call that this code works on, if it runs inside of a [`scope`](Self::scope) that says one.
    #[must_use]
    #[inline]
    pub fn current() -> Option<Self> {
        CURRENT.get()
    }

    /// Does something inside of a call with this deadline, or of one without any. What was current before is so again
    /// afterwards, even if the work panics.
    ///
    /// For layers: a call is in its scope whenever it is polled, on whatever thread and by whomever.
    ///
    /// ```
    /// use buttress_core::Deadline;
    /// # #[allow(clippy::disallowed_methods, reason = "an example")]
    /// let soon = Deadline::at(std::time::Instant::now());
    ///
    /// let seen = Deadline::scope(Some(soon), || {
    ///     // A call that is everybody's, and not only this caller's.
    ///     assert_eq!(Deadline::scope(None, Deadline::current), None);
    ///     Deadline::current()
    /// });
    /// assert_eq!(seen, Some(soon));
    /// assert_eq!(Deadline::current(), None);
    /// ```
    #[inline]
    pub fn scope<T>(deadline: Option<Self>, work: impl FnOnce() -> T) -> T {
        let _restored = Restore(CURRENT.replace(deadline));
        work()
    }
}

/// Puts back what was current before.
struct Restore(Option<Deadline>);

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::{Duration, Instant};

    use super::Deadline;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "an `Instant` can only be had from the clock"
    )]
    fn what_was_current_is_so_again_even_after_a_panic() {
        let outer = Deadline::after(Instant::now(), Duration::from_secs(1));
        Deadline::scope(Some(outer), || {
            let work = || Deadline::scope(None, || panic!("on purpose"));
            assert!(catch_unwind(AssertUnwindSafe(work)).is_err());
            assert_eq!(Deadline::current(), Some(outer));
        });
        assert_eq!(Deadline::current(), None);
    }
}
