//! What passes through: how a request is kept for the next tier, and what becomes of responses.

mod cloned;
mod http;

use std::future::Future;

use buttress_core::{BoxError, Deadline, Outcome};

use crate::served::{ServedBy, Tried};
use crate::trail::{FallbackOverride, Trail};

pub use self::cloned::Cloned;
pub use self::http::{Http, KeptHttp};

/// What passes through a fallback: its requests, and its responses.
///
/// [`Http`] is for `http::Request` and `http::Response` with any bodies, [`Cloned`] for all else.
pub trait Traffic {
    /// A request, as the caller gives it.
    type Request;
    /// A request, as primary and tiers are called with it.
    type Sent;
    /// What is kept of a request until its call has been served.
    type Kept;
    /// What the primary answers.
    type Received;
    /// What the caller gets.
    type Response;
    /// What a tier changes about requests.
    type Rewrite: Clone + Default + Send + Sync + 'static;

    /// Makes the request of a call that nobody but the primary is asked for.
    fn once(request: Self::Request) -> Self::Sent;

    /// Splits a request into what the primary is called with and what is kept of it; `None` where nobody else
    /// may be asked.
    fn keep(&self, request: Self::Request) -> (Self::Sent, Option<Self::Kept>);

    /// What the request says about being sent to others. Asked only after a failure.
    fn facts(kept: &Self::Kept) -> Facts;

    /// Makes the request of a tier, unless too little of it could be kept.
    fn again(kept: &Self::Kept, trail: impl FnOnce() -> Trail) -> Option<Self::Sent>;

    /// Changes a request as a tier asks for. One that goes to another account leaves all credentials behind.
    fn rewrite(
        rewrite: Self::Rewrite,
        same_account: bool,
        request: Self::Sent,
    ) -> impl Future<Output = Result<Self::Sent, BoxError>> + Send;

    /// Takes off a request what holds for the time of its call alone: it is handed over, to be served later.
    fn outlive(_request: &mut Self::Sent) {}

    /// Hands a response of the primary on, without what only we say.
    fn hand_on(response: Self::Received) -> Self::Response;

    /// The primary has served the call.
    fn primary_served(&self, response: &mut Self::Response, kept: &Self::Kept);

    /// The primary has failed, and nobody else was asked.
    fn primary_alone(&self, _response: &mut Self::Response) {}

    /// A tier has served the call.
    fn tier_served(&self, response: &mut Self::Response, kept: &Self::Kept, by: ServedBy);

    /// Nobody could serve the call, and this response was the last.
    fn all_failed(&self, response: &mut Self::Response, outcome: Outcome, by: ServedBy);

    /// Those whom a fallback further inside has asked for this response.
    fn tried_inside(response: &Self::Response) -> &[Tried];
}

/// Takes responses of a tier for those of its own.
pub trait Accept<Res>: Traffic {
    /// The response, as the caller gets it, without what only we say.
    fn accept(response: Res) -> Self::Response;
}

/// What a request says about being sent to others.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Until when anybody cares.
    pub deadline: Option<Deadline>,
    /// What the caller asks for in place of the layer's settings.
    pub overrides: Option<FallbackOverride>,
    /// Who has been asked before, by a fallback further outside.
    pub trail: Option<Trail>,
}
