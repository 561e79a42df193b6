//! Requests that cost more to send again than others.

use std::fmt;

use buttress_core::Attempt;

use super::{Discard, Replay};
use crate::policy::Facts;

/// Keeps requests as `R` does, and weighs each by a closure; see [`RetryLayer::cost`].
///
/// [`RetryLayer::cost`]: crate::RetryLayer::cost
#[derive(Clone)]
pub struct Weighed<R, F> {
    pub(crate) replay: R,
    pub(crate) weigh: F,
}

/// What [`Weighed`] keeps of a request.
#[derive(Debug)]
pub struct WeighedRequest<T> {
    saved: T,
    weight: u32,
}

impl<Req, R, F> Replay<Req> for Weighed<R, F>
where
    R: Replay<Req>,
    F: Fn(&Req) -> u32,
{
    type Request = R::Request;
    type Saved = WeighedRequest<R::Saved>;

    fn once(&self, request: Req) -> R::Request {
        self.replay.once(request)
    }

    fn save(&self, request: Req) -> (R::Request, Option<Self::Saved>) {
        let weight = (self.weigh)(&request);
        let (request, saved) = self.replay.save(request);
        (request, saved.map(|saved| WeighedRequest { saved, weight }))
    }

    fn facts(&self, saved: &Self::Saved) -> Facts {
        Facts {
            weight: saved.weight,
            ..self.replay.facts(&saved.saved)
        }
    }

    fn restore(&self, saved: &mut Self::Saved, attempt: Attempt) -> Option<R::Request> {
        self.replay.restore(&mut saved.saved, attempt)
    }
}

impl<Res, R: Discard<Res>, F> Discard<Res> for Weighed<R, F> {
    type Discarding = R::Discarding;

    fn discard(&self, response: Res) -> Option<R::Discarding> {
        self.replay.discard(response)
    }
}

impl<R: fmt::Debug, F> fmt::Debug for Weighed<R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Weighed")
            .field("replay", &self.replay)
            .finish_non_exhaustive()
    }
}
