//! Profiles as classifiers: reading the head of an answer.

use buttress_body::WatchedBody;
#[cfg(feature = "reqwest")]
use buttress_core::Never;
use buttress_core::{Classify, Outcome, Report, Verdict, Watch};
use http::{Extensions, HeaderMap, StatusCode};
use http_body::Body;

use crate::data::Dialect;
use crate::hints::Hints;
use crate::observe::Observer;
use crate::profile::Profile;
use crate::transport::transport;

/// Follows the body of an answer whose head looks well: attaches an [`Observer`].
///
/// It does not know the request: an answer to HEAD has no body to follow, and its verdict is the
/// head's.
#[derive(Debug, Clone, Copy)]
pub struct Follow(Profile);

impl<B: Body> Watch<http::Response<B>> for Follow {
    type Watched<R: Report> = http::Response<WatchedBody<B, Observer, R>>;

    fn attach<R: Report>(self, response: http::Response<B>, mut report: R) -> Self::Watched<R> {
        let observer = self.0.observer(response.status(), response.headers());
        if !observer.awaits_content() {
            report.head_suffices();
        }
        response.map(|body| WatchedBody::new(body, observer, report))
    }

    fn pass<R: Report>(response: http::Response<B>) -> Self::Watched<R> {
        response.map(WatchedBody::unobserved)
    }
}

impl<B: Body, E: 'static> Classify<http::Response<B>, E> for Profile {
    type Watch = Follow;

    #[inline]
    fn classify(&self, result: Result<&http::Response<B>, &E>) -> Verdict<Follow> {
        match result {
            Ok(response) => {
                let (status, extensions) = (response.status(), response.extensions());
                match self.at_head(status, response.headers(), extensions) {
                    success if success.is_success() => Verdict::Watch(Follow(*self)),
                    failure => Verdict::Final(failure),
                }
            }
            Err(error) => Verdict::Final(transport(error)),
        }
    }

    fn leave(&self, response: &mut http::Response<B>, outcome: Outcome) {
        leave(response.extensions_mut(), outcome);
    }
}

/// At its head alone: the body of a `reqwest::Response` cannot be wrapped without asking that it, and
/// the report, be `Send + Sync`.
#[cfg(feature = "reqwest")]
impl<E: 'static> Classify<reqwest::Response, E> for Profile {
    type Watch = Never;

    #[inline]
    fn classify(&self, result: Result<&reqwest::Response, &E>) -> Verdict<Never> {
        Verdict::Final(match result {
            Ok(response) => {
                let (status, extensions) = (response.status(), response.extensions());
                self.at_head(status, response.headers(), extensions)
            }
            Err(error) => transport(error),
        })
    }

    fn leave(&self, response: &mut reqwest::Response, outcome: Outcome) {
        leave(response.extensions_mut(), outcome);
    }
}

impl Profile {
    /// What the head of an answer says: the [`Outcome`] that a layer left in its extensions, else
    /// its status, its hints, and `grpc-status` where that is due.
    ///
    /// A success with empty extensions costs three comparisons, one with others a lookup. None of its
    /// headers are looked at, and nothing is allocated.
    #[inline]
    #[must_use]
    pub fn at_head(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Outcome {
        // Apart from the rest so that the compiler has nothing to save and restore for it.
        if status.as_u16() < 400 && extensions.is_empty() && self.dialect() != Dialect::Grpc {
            return Outcome::SUCCESS;
        }
        self.closer(status, headers, extensions)
    }

    #[inline(never)]
    fn closer(&self, status: StatusCode, headers: &HeaderMap, extensions: &Extensions) -> Outcome {
        match extensions.get::<Outcome>() {
            Some(left) => *left,
            None if status.as_u16() < 400 && self.dialect() != Dialect::Grpc => Outcome::SUCCESS,
            None => self.error_body(status, headers, &[]),
        }
    }
}

/// Adds what the headers ask for to the outcome of a failure.
pub(crate) fn hinted(mut outcome: Outcome, headers: &HeaderMap) -> Outcome {
    if outcome.is_success() {
        return outcome;
    }
    // There is no wall clock here: a date is as good as the answer's own `date`.
    let hints = Hints::read(headers, None);
    outcome.retry_after = hints.retry_after;
    outcome.should_retry = hints.should_retry;
    outcome
}

/// The layer that found a failure first has seen most of it: later ones do not overwrite it.
fn leave(extensions: &mut Extensions, outcome: Outcome) {
    if !outcome.is_success() && extensions.get::<Outcome>().is_none() {
        extensions.insert(outcome);
    }
}
