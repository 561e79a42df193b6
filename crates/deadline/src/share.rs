//! One stage's part of the time of a call.

use std::time::Duration;

use buttress_core::Ratio;
use http::{HeaderMap, Request};
use tower_layer::Layer;

use crate::portion::{Portion, Share, TooLittle};
use crate::service::{Rule, Timed};
use crate::tell::tell;

/// Gives a stage its share of the remaining time, and tells the upstream how long it has.
///
/// What happens, in order: the [`Deadline`] of the call is looked up: in the extensions of the request, or the
/// [`current`] one if that is earlier. The stage gets its [share](Share) of what remains *now*; with less than its floor it
/// is not started. The request's own deadline becomes the end of that share, and its headers say how long
/// that is, rounded down: anew for each attempt, if the layer stands inside of the retries. When the share
/// has run out, or is below the floor, the stage ends with [`ShareExceeded`], which another attempt or another
/// stage may mend; if it was all that remained, with [`DeadlineExceeded`], which nobody can.
///
/// Without a deadline only [`at_most`](Self::at_most) means anything.
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | [`at_most`](Self::at_most) | no limit | the fraction is one |
/// | [`floor`](Self::floor) | 1 ms | the least that an upstream can be told |
/// | [`attempt_share`](Self::attempt_share) | all of it | to cut a long completion off is to pay for it twice |
/// | [`announce`](Self::announce) | off | strangers have no use for the header |
///
/// # Clone
/// There is no state to share: clones are alike.
///
/// # Examples
/// ```
/// use buttress_core::Ratio;
/// use buttress_deadline::BudgetShareLayer;
/// use std::time::Duration;
///
/// // The first tier leaves the others more than half of the time.
/// let layer = BudgetShareLayer::fraction(Ratio::percent(40)).floor(Duration::from_millis(200));
/// # let _ = layer;
/// ```
///
/// [`Deadline`]: buttress_core::Deadline
/// [`DeadlineExceeded`]: crate::DeadlineExceeded
/// [`ShareExceeded`]: crate::ShareExceeded
/// [`current`]: crate::current()
#[derive(Debug, Clone, Copy)]
pub struct BudgetShareLayer {
    share: Share,
    announce: bool,
}

/// Gives a stage its share of the time; made by [`BudgetShareLayer`].
pub type BudgetShare<S> = Timed<S, BudgetShareLayer>;

impl BudgetShareLayer {
    /// A stage of this share.
    #[must_use]
    pub const fn new(share: Share) -> Self {
        Self {
            share,
            announce: false,
        }
    }

    /// A stage that may use all that remains: it tells the upstream, and is not started for nothing.
    #[must_use]
    pub const fn all() -> Self {
        Self::new(Share::ALL)
    }

    /// A stage that gets this fraction of what remains.
    #[must_use]
    pub const fn fraction(fraction: Ratio) -> Self {
        Self::new(Share::fraction(fraction))
    }

    /// As [`Share::at_most`].
    #[must_use]
    pub const fn at_most(mut self, time: Duration) -> Self {
        self.share = self.share.at_most(time);
        self
    }

    /// As [`Share::floor`].
    #[must_use]
    pub fn floor(mut self, time: Duration) -> Self {
        self.share = self.share.floor(time);
        self
    }

    /// As [`Share::attempt_share`].
    #[must_use]
    pub const fn attempt_share(mut self, fraction: Ratio) -> Self {
        self.share = self.share.attempt_share(fraction);
        self
    }

    /// Whether requests that are not gRPC are told by `x-envoy-expected-rq-timeout-ms`. Default: off.
    ///
    /// A gRPC request always says its `grpc-timeout`. What a request says already, in either header, is
    /// brought up to date in any case: it was said for the hop before.
    #[must_use]
    pub const fn announce(mut self, yes: bool) -> Self {
        self.announce = yes;
        self
    }
}

impl<S> Layer<S> for BudgetShareLayer {
    type Service = BudgetShare<S>;

    fn layer(&self, inner: S) -> BudgetShare<S> {
        Timed::new(inner, *self)
    }
}

impl Rule for BudgetShareLayer {
    #[inline]
    fn portion<Q>(
        &self,
        request: &Request<Q>,
        remaining: Option<Duration>,
    ) -> Result<Portion, TooLittle> {
        let share = request.extensions().get::<Share>();
        share.unwrap_or(&self.share).of(remaining)
    }

    #[inline]
    fn tell(&self, headers: &mut HeaderMap, time: Duration) {
        tell(headers, time, self.announce);
    }
}
