//! HTTP requests whose bodies can be cloned.

use ::http::{Request, Response};
use buttress_core::Attempt;
use http_body::Body;

use super::http::facts;
use super::{Discard, Drain, HttpReplay, Replay};
use crate::policy::Facts;

/// Keeps HTTP requests as [`HttpReplay`] does, by the same rules, but clones their bodies in place of
/// recording them: for bodies that share their bytes, such as `Full<Bytes>`.
///
/// The inner service is called with the request's own type, and nothing is counted against a cap: what
/// is cloned is in memory already.
///
/// # What it costs
/// The clone of the request, and up to three allocations for the [`Attempt`] in the extensions, unless
/// [`mark_attempts`](crate::RetryLayer::mark_attempts) is off.
#[derive(Debug, Clone)]
pub struct CloneBodies {
    pub(crate) rules: HttpReplay,
}

impl CloneBodies {
    fn mark<B>(&self, request: &mut Request<B>, attempt: Attempt) {
        self.rules
            .mark_extensions(request.extensions_mut(), attempt);
        self.rules.mark_headers(request.headers_mut(), attempt);
    }
}

impl<B: Clone> Replay<Request<B>> for CloneBodies {
    type Request = Request<B>;
    type Saved = Request<B>;

    #[inline]
    fn once(&self, request: Request<B>) -> Request<B> {
        request
    }

    // A request is some 250 bytes: each function that is not inlined moves it once more.
    #[inline(always)]
    fn save(&self, mut request: Request<B>) -> (Request<B>, Option<Request<B>>) {
        if self.rules.is_once(&request) {
            return (request, None);
        }
        let saved = request.clone();
        self.mark(&mut request, Attempt::FIRST);
        (request, Some(saved))
    }

    fn facts(&self, saved: &Request<B>) -> Facts {
        facts(saved.method(), saved.headers(), saved.extensions())
    }

    fn restore(&self, saved: &mut Request<B>, attempt: Attempt) -> Option<Request<B>> {
        let mut request = saved.clone();
        self.mark(&mut request, attempt);
        Some(request)
    }
}

impl<B: Body> Discard<Response<B>> for CloneBodies {
    type Discarding = Drain<B>;

    fn discard(&self, response: Response<B>) -> Option<Drain<B>> {
        self.rules.discard(response)
    }
}
