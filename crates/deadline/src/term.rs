//! When a call ends, and what is said then: moves from the future into the body.

use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant as StdInstant};

use buttress_core::{Acceptance, BoxError, Deadline, Failure, Outcome};
use buttress_timer::Alarm;
use http::Request;
use tokio::time::Instant;

use crate::current::{least, within};
use crate::error::{DeadlineExceeded, ShareExceeded};
use crate::event;
use crate::portion::TooLittle;
use crate::service::Rule;

/// The time that one call has.
#[derive(Debug, Default)]
pub(crate) struct Term {
    /// `None` if nobody says anything.
    span: Option<Span>,
    /// Set when somebody first waits, or when a frame has come that is not the last.
    alarm: Alarm,
    /// How many frames have been handed on since the end.
    late: u8,
}

/// From when until when.
#[derive(Debug)]
struct Span {
    start: StdInstant,
    /// The end, which everybody inside sees as current.
    end: Deadline,
    /// Whose time is up then, if it is we who end the call; `None` if somebody outside does.
    whose: Option<Whose>,
    /// How long after the start the first content must come, before the end; `None` once it has.
    first: Option<Duration>,
}

/// How many frames may be handed on after the end: what had arrived by then and was not fetched, and no stream
/// that never ends. Four fill the window of an HTTP/2 stream as it is by default; events are smaller.
const MAX_LATE: u8 = 16;

/// A moment at which we end a call.
struct Limit {
    start: StdInstant,
    end: Deadline,
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
    /// Finds out when a call ends, tells its request, and says what we have to do about it.
    #[inline]
    pub(crate) fn begin<Q>(rule: &impl Rule, request: &mut Request<Q>) -> Result<Self, BoxError> {
        let now = Instant::now().into_std();
        let told = request.extensions().get::<Deadline>().copied();
        let outer = least(told);
        let remaining = outer.map(|outer| outer.remaining(now));
        let portion = rule.portion(request, remaining).map_err(refuse)?;
        let Some(time) = portion.time else {
            return Ok(Self::default());
        };
        rule.tell(request.headers_mut(), time);

        let deadline = match outer {
            // All that remains ends with the deadline that is there.
            Some(outer) if remaining == Some(time) => outer,
            _ => Deadline::after(now, time),
        };
        let seen = deadline.enforced();
        if told != Some(seen) {
            match request.extensions_mut().get_mut::<Deadline>() {
                Some(told) => *told = seen, // in its place, without another box
                None => drop(request.extensions_mut().insert(seen)),
            }
        }
        let span = Span {
            start: now,
            end: seen,
            whose: (!deadline.is_enforced()).then_some(portion.whose),
            first: portion.first,
        };
        Ok(Self {
            span: Some(span),
            ..Self::default()
        })
    }

    /// Does something inside of it.
    #[inline]
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        within(self.span.as_ref().map(|span| span.end), work)
    }

    /// Content has come.
    #[inline]
    pub(crate) fn has_begun(&mut self) {
        if let Some(span) = &mut self.span {
            span.first = None;
        }
    }

    /// For those who have nothing to do but wait: the error that ends the call, once its time is up.
    #[inline]
    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<BoxError> {
        while let Some(limit) = self.span.as_ref().and_then(Span::next) {
            if self.alarm.due().is_none() {
                self.alarm.set(Some(limit.at()));
            }
            // It may have been set for the first content, which has come since.
            if ready!(self.alarm.poll(cx)) >= limit.at() {
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
        let span = self.span.as_ref()?;
        if span.first.is_some() {
            return None; // nothing has come yet, and the timer is for that
        }
        let limit = span.next()?;
        if self.late == 0 {
            if self.alarm.due().is_none() {
                if is_last() {
                    return None; // no timer for an answer in one piece
                }
                self.alarm.set(Some(limit.at()));
            }
            match self.alarm.poll(cx) {
                Poll::Ready(due) if due >= limit.at() => {}
                // Not yet, or for the first content: then the next frame sets it anew.
                _ => return None,
            }
        }
        self.late = self.late.saturating_add(1);
        (self.late > MAX_LATE && !is_last()).then(|| limit.exceeded())
    }
}

// ===== impl Span =====

impl Span {
    /// What we do next if nothing happens.
    #[inline]
    fn next(&self) -> Option<Limit> {
        let (end, whose) = match self.first {
            Some(first) => (Deadline::after(self.start, first), Whose::Share),
            None => (self.end, self.whose?),
        };
        let start = self.start;
        Some(Limit { start, end, whose })
    }
}

// ===== impl Limit =====

impl Limit {
    fn at(&self) -> Instant {
        Instant::from_std(self.end.instant())
    }

    #[cold]
    fn exceeded(&self) -> BoxError {
        let time = self.end.remaining(self.start);
        event::exceeded(self.whose, time);
        self.whose.failure(time, None)
    }
}

// ===== impl Whose =====

impl Whose {
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

/// A call that is not worth starting.
#[cold]
fn refuse(TooLittle { whose, left, floor }: TooLittle) -> BoxError {
    event::refused(whose, left, floor);
    whose.failure(left, Some(floor))
}
