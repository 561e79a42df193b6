//! How long nothing has happened.

use std::time::Duration;

use tokio::time::Instant;

/// Tells when nothing has happened for longer than a limit, without a clock for what happens.
///
/// Pure: `now` comes in as an argument. What happens leaves a mark; whoever looks finds it, and lets the
/// silence begin at that look. So there must be looks, a quarter of the limit apart or less, at the moments
/// that [`next`](Self::next) names: then the limit is found to have passed at least its own length after
/// the last thing that happened, and at most a quarter of it later: a millisecond, where that is more.
///
/// ```text
///  looks    |         |         |         |         |         |         |
///           0        T/4       T/2       3T/4       T        5T/4      3T/2
///  happens       x
///  silence            |<-------------------- T ------------------->| passed
/// ```
///
/// # Examples
/// See [the crate's page](crate).
#[derive(Debug, Clone, Copy)]
pub struct Quiet {
    limit: Duration,
    /// When the silence began for certain; `None` before the first look.
    since: Option<Instant>,
    /// Whether it has been broken since the last look.
    is_broken: bool,
}

impl Quiet {
    /// Begins with its first look, or when it is [restarted](Self::restart).
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Self {
            limit,
            since: None,
            is_broken: false,
        }
    }

    /// Something has happened.
    #[inline]
    pub const fn touch(&mut self) {
        self.is_broken = true;
    }

    /// Whether something has happened since the last look.
    #[must_use]
    #[inline]
    pub const fn is_touched(&self) -> bool {
        self.is_broken
    }

    /// The silence begins here, whatever was before.
    pub const fn restart(&mut self, now: Instant) {
        self.since = Some(now);
        self.is_broken = false;
    }

    /// Looks: whether nothing has happened for as long as the limit.
    ///
    /// A limit of zero has passed at its first look. One that the clock cannot say never passes.
    pub fn has_passed(&mut self, now: Instant) -> bool {
        if self.is_broken || self.since.is_none() {
            self.restart(now);
        }
        self.end().is_some_and(|end| end <= now)
    }

    /// When to look next; `None` if there is no need to.
    #[must_use]
    pub fn next(&self, now: Instant) -> Option<Instant> {
        let end = self.end()?;
        Some(
            now.checked_add(self.grain())
                .map_or(end, |next| next.min(end)),
        )
    }

    /// When the limit has passed if nothing more happens; `None` if it never will, or before the first
    /// look.
    #[must_use]
    pub fn end(&self) -> Option<Instant> {
        self.since?.checked_add(self.limit)
    }

    /// The limit.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// How late it may be: a quarter of the limit, and no less than a millisecond.
    #[must_use]
    pub fn grain(&self) -> Duration {
        (self.limit / 4).max(MIN_GRAIN)
    }
}

/// A timer is no finer. Looks that are closer would follow each other at once, without end.
const MIN_GRAIN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;
