//! How a request is kept so that it can be sent again, and what becomes of a response that is not
//! wanted.

mod clone_bodies;
mod cloned;
mod drain;
mod http;
#[cfg(feature = "reqwest")]
mod reqwest;
mod weighed;

use std::future::Future;

use buttress_core::Attempt;

use crate::policy::Facts;

pub use self::clone_bodies::CloneBodies;
pub use self::cloned::Cloned;
pub use self::drain::Drain;
pub use self::http::{HttpReplay, SavedHttp};
#[cfg(feature = "reqwest")]
pub use self::reqwest::SavedReqwest;
pub use self::weighed::{Weighed, WeighedRequest};

/// Keeps requests so that they can be sent again.
///
/// [`Cloned`] does it for whatever is `Clone`, [`HttpReplay`] for `http::Request` with any body (and
/// for `reqwest::Request`), [`CloneBodies`] for `http::Request` with a body that is `Clone`.
pub trait Replay<Req> {
    /// What the inner service is called with.
    type Request;
    /// What is kept of a request until its call is committed.
    type Saved;

    /// Makes the request of a call that is certain to be made only once.
    fn once(&self, request: Req) -> Self::Request;

    /// Splits a request into its first attempt and what is kept of it; `None` where it cannot be
    /// sent again, or must not. The first attempt goes out in any case.
    fn save(&self, request: Req) -> (Self::Request, Option<Self::Saved>);

    /// What the request says about being sent again. Asked only after a failure.
    fn facts(&self, saved: &Self::Saved) -> Facts;

    /// Makes the request of a further attempt, unless too little of it could be kept.
    fn restore(&self, saved: &mut Self::Saved, attempt: Attempt) -> Option<Self::Request>;
}

/// Gets rid of a response whose call is made again.
pub trait Discard<Res> {
    /// Reads off what is left of a response.
    type Discarding: Future<Output = ()>;

    /// Drops the response, or hands back what is to be polled for a while before it is dropped.
    fn discard(&self, response: Res) -> Option<Self::Discarding>;
}
