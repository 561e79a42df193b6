//! When a call ends, and what is said then: moves from the future into the body.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use buttress_core::{Acceptance, BoxError, Deadline, Failure, Outcome};
use buttress_timer::Alarm;
use http::Extensions;
use tokio::time::Instant;

use crate::current::within;
use crate::error::{DeadlineExceeded, ShareExceeded};
use crate::event;

/// The time that one call has.
#[derive(Debug, Default)]
pub(crate) struct Term {
    /// What everybody inside sees as current; `None` leaves it as it is.
    deadline: Option<Deadline>,
    /// When we end the call; `None` if nobody has to, or somebody outside does.
    end: Option<Limit>,
    /// The same until the first content has come. Never after the end.
    first: Option<Limit>,
    /// Set when somebody first waits, or when a frame has come that is not the last.
    alarm: Alarm,
    /// How many frames have been handed on since the end.
    late: u8,
}

/// How many frames may be handed on after the end: what had arrived by then and was not fetched, and no stream
/// that never ends. Four fill the window of an HTTP/2 stream as it is by default; events are smaller.
const MAX_LATE: u8 = 16;

/// A moment at which a call is ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    at: Instant,
    time: Duration,
    whose: Whose,
}

/// Whose time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The caller's: nobody has any left.
    Budget,
    /// This stage's.
    Share,
}

// ===== impl Term =====

impl Term {
    /// Everybody inside sees this deadline. It is somebody else who ends the call.
    pub(crate) fn seen(deadline: Deadline) -> Self {
        Self {
            deadline: Some(deadline),
            ..Self::default()
        }
    }

    /// Ends the call at that moment, too.
    pub(crate) fn ends(mut self, limit: Limit) -> Self {
        self.end = Some(limit);
        self
    }

    /// Ends the call at that moment if no content has come by then.
    pub(crate) fn begins(mut self, limit: Limit) -> Self {
        self.first = Some(limit);
        self
    }

    /// Tells the request, unless it has been `told` so already.
    #[inline]
    pub(crate) fn tell(&self, extensions: &mut Extensions, told: Option<Deadline>) {
        match self.deadline {
            Some(deadline) if told != Some(deadline) => match extensions.get_mut::<Deadline>() {
                Some(former) => *former = deadline, // in its place, without another box
                None => drop(extensions.insert(deadline)),
            },
            _ => {}
        }
    }

    /// Does something inside of it.
    #[inline]
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        within(self.deadline, work)
    }

    /// Content has come.
    #[inline]
    pub(crate) fn has_begun(&mut self) {
        self.first = None;
    }

    /// For those who have nothing to do but wait: the error that ends the call, once its time is up.
    #[inline]
    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<BoxError> {
        while let Some(limit) = self.first.or(self.end) {
            if self.alarm.due().is_none() {
                self.alarm.set(Some(limit.at));
            }
            // It may have been set for the first content, which has come since.
            if ready!(self.alarm.poll(cx)) >= limit.at {
                return Poll::Ready(limit.exceeded());
            }
        }
        Poll::Pending
    }

    /// For a frame that has come: the error in its place, if it is one too many after the end.
    ///
    /// Looks at the timer, not at the clock. Without it a reader who is slower than a stream that always has
    /// something ready would never meet the deadline.
    #[inline]
    pub(crate) fn too_late(
        &mut self,
        cx: &mut Context<'_>,
        is_last: impl Fn() -> bool,
    ) -> Option<BoxError> {
        let end = self.end.as_ref()?;
        if self.first.is_some() {
            return None; // nothing has come yet, and the timer is for that
        }
        if self.late == 0 {
            if self.alarm.due().is_none() {
                if is_last() {
                    return None; // no timer for an answer in one piece
                }
                self.alarm.set(Some(end.at));
            }
            match self.alarm.poll(cx) {
                Poll::Ready(due) if due >= end.at => {}
                // Not yet, or for the first content: then the next frame sets it anew.
                _ => return None,
            }
        }
        self.late = self.late.saturating_add(1);
        (self.late > MAX_LATE && !is_last()).then(|| end.exceeded())
    }
}

// ===== impl Limit =====

impl Limit {
    pub(crate) fn new(deadline: Deadline, time: Duration, whose: Whose) -> Self {
        Self {
            at: Instant::from_std(deadline.instant()),
            time,
            whose,
        }
    }

    #[cold]
    fn exceeded(&self) -> BoxError {
        event::exceeded(self.whose, self.time);
        self.whose.failure(self.time, None)
    }
}

// ===== impl Whose =====

impl Whose {
    /// A call that is not worth starting: so much is left, and so much it takes.
    #[cold]
    pub(crate) fn refuse(self, left: Duration, floor: Duration) -> BoxError {
        event::refused(self, left, floor);
        self.failure(left, Some(floor))
    }

    fn failure(self, limit: Duration, floor: Option<Duration>) -> BoxError {
        let failure = match self {
            Self::Budget => {
                let outcome = match floor {
                    Some(_) => Outcome::DEADLINE_EXCEEDED,
                    // It was sent, and nobody knows what has become of it.
                    None => Outcome::DEADLINE_EXCEEDED.accepted(Acceptance::Unknown),
                };
                Failure::new(outcome, DeadlineExceeded { limit, floor })
            }
            Self::Share => Failure::new(
                floor.map_or(Outcome::SHARE_EXCEEDED, |_| Outcome::SHARE_TOO_SHORT),
                ShareExceeded { limit, floor },
            ),
        };
        failure.within(limit).into()
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Share => "share",
        }
    }
}
