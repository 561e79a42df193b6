//! The whole time of a call.

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use http::Request;
use tower_layer::Layer;

use crate::hint::{Hints, TimeoutHeader};
use crate::portion::{Portion, TooLittle};
use crate::service::{Rule, Timed};
use crate::term::Whose;

/// Gives a call a time budget, tells everybody inside of it, and ends the call with it.
///
/// What happens, in order: the deadline of the call is the least of the layer's own total, of what the
/// request's headers say, and of a [`Deadline`] that is there already, in the extensions of the request
/// or as the [`current`] one. So a client can shorten its time, and never extend it. A call that has none
/// left is refused. Otherwise the deadline is put into the extensions, and is the current one for
/// everything inside, while the head is awaited and while the body is read: retries, shares and limits in
/// there find it without being told. When it has come the inner future or body is dropped, which cancels
/// all work below, and the call ends with [`DeadlineExceeded`].
///
/// Head and body are waited for under one timer. Data that has arrived is handed on first, however late the
/// reader comes for it: [16 frames](crate::DeadlineBody) at most. An answer that switches protocols (101, or success to `CONNECT`) passes untimed from
/// there on.
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | total | none: it is an argument | nobody but you knows it |
/// | [`read`](Self::read) | `grpc-timeout`, `x-envoy-expected-rq-timeout-ms` | both tell what the caller waits, all in all |
/// | [`wall_clock`](Self::wall_clock) | none | moments need clocks that agree |
///
/// A header that says something malformed is as if absent, and an event says so; each line of a header that
/// comes several times counts.
///
/// # Clone
/// There is no state to share: clones are alike.
///
/// # Examples
/// ```
/// use buttress_deadline::{TimeoutBudgetLayer, TimeoutHeader};
/// use std::time::Duration;
///
/// // In front of clients that use an LLM provider's SDK.
/// let layer = TimeoutBudgetLayer::new(Duration::from_secs(120)).read(TimeoutHeader::Stainless);
/// # let _ = layer;
/// ```
///
/// [`Deadline`]: buttress_core::Deadline
/// [`DeadlineExceeded`]: crate::DeadlineExceeded
/// [`current`]: crate::current()
#[derive(Debug, Clone, Copy)]
pub struct TimeoutBudgetLayer {
    total: Duration,
    hints: Hints,
}

/// Gives a call a time budget; made by [`TimeoutBudgetLayer`].
pub type TimeoutBudget<S> = Timed<S, TimeoutBudgetLayer>;

/// The time that one call has in place of the layer's own total: put it into the extensions of its
/// request.
///
/// It replaces the total only: a client's header, and a deadline that is there already, still shorten it.
///
/// ```
/// use buttress_deadline::Budget;
/// use std::time::Duration;
///
/// let mut request = http::Request::post("/v1/batches").body(())?;
/// request.extensions_mut().insert(Budget(Duration::from_secs(600)));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget(pub Duration);

/// A time budget of zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidBudget(());

// ===== impl TimeoutBudgetLayer =====

impl TimeoutBudgetLayer {
    /// No call takes longer than `total`. [`Duration::MAX`]: the layer has no limit of its own, and
    /// enforces those of others. In a `const` a bad value does not compile.
    ///
    /// # Panics
    /// For a total of zero.
    #[must_use]
    pub const fn new(total: Duration) -> Self {
        assert!(!total.is_zero(), "a time budget of nothing allows no call");
        Self {
            total,
            hints: Hints::DEFAULT,
        }
    }

    /// As [`new`](Self::new), for values from files and flags.
    ///
    /// # Errors
    /// [`InvalidBudget`] for a total of zero.
    pub const fn try_new(total: Duration) -> Result<Self, InvalidBudget> {
        if total.is_zero() {
            return Err(InvalidBudget(()));
        }
        Ok(Self::new(total))
    }

    /// Reads this header, too. Default: [`Grpc`](TimeoutHeader::Grpc) and
    /// [`EnvoyExpected`](TimeoutHeader::EnvoyExpected).
    #[must_use]
    pub const fn read(mut self, header: TimeoutHeader) -> Self {
        self.hints = self.hints.with(header);
        self
    }

    /// Does not read this header, whatever [`read`](Self::read) says.
    #[must_use]
    pub const fn ignore(mut self, header: TimeoutHeader) -> Self {
        self.hints = self.hints.without(header);
        self
    }

    /// Reads `x-request-deadline`, too: a moment as RFC 3339 writes it, compared with this clock, which is
    /// `SystemTime::now` outside of tests. Default: not read.
    ///
    /// Only where the clocks of caller and server agree: one that is behind shortens the call by as much.
    #[must_use]
    pub const fn wall_clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.hints = self.hints.wall_clock(clock);
        self
    }
}

impl<S> Layer<S> for TimeoutBudgetLayer {
    type Service = TimeoutBudget<S>;

    fn layer(&self, inner: S) -> TimeoutBudget<S> {
        Timed::new(inner, *self)
    }
}

impl Rule for TimeoutBudgetLayer {
    /// The least of all that is said.
    #[inline]
    fn portion<Q>(
        &self,
        request: &Request<Q>,
        remaining: Option<Duration>,
    ) -> Result<Portion, TooLittle> {
        let own = request.extensions().get::<Budget>();
        let total = own.map_or(self.total, |Budget(total)| *total);
        let time = remaining.map_or(total, |remaining| remaining.min(total));
        let time = self.hints.least(time, request.headers());
        if time.is_zero() {
            return Err(TooLittle {
                whose: Whose::Budget,
                left: time,
                floor: Duration::ZERO,
            });
        }
        Ok(Portion {
            time: (time < Duration::MAX).then_some(time),
            whose: Whose::Budget,
            first: None,
        })
    }
}

// ===== impl InvalidBudget =====

impl fmt::Display for InvalidBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time budget is longer than 0s")
    }
}

impl Error for InvalidBudget {}
