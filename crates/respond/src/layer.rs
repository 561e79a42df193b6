//! What the layer is told.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use buttress_classify::Profile;
use tower_layer::Layer;

use crate::event;
use crate::problem::Problem;
use crate::service::Respond;

/// Answers for failures, so that nothing outside of it ever sees an error.
///
/// What happens, in order: an error of the inner service (of its call, or of its readiness) is read by its
/// [`Outcome`] and becomes an answer: problem details for HTTP, a status for gRPC, which its own clients know
/// by the content type of their requests. Answers pass. If a body fails that has begun, its client is told as
/// well as its protocol allows: a gRPC stream ends with trailers; an event stream with an event named `error`, if
/// it has just ended another; anything else breaks off.
///
/// | outcome | HTTP | gRPC | `Retry-After` |
/// |---|---|---|---|
/// | circuit open, queue full, overloaded | 503 | `UNAVAILABLE` | yes |
/// | throttled | 429 | `RESOURCE_EXHAUSTED` | yes |
/// | the same call is under way | 409 | `ABORTED` | yes |
/// | the time budget ran out | 504 | `DEADLINE_EXCEEDED` | no |
/// | any other time limit | 504 | `DEADLINE_EXCEEDED`, of a connection `UNAVAILABLE` | no |
/// | refused, reset, cut short, or unknown | 502 | `UNAVAILABLE` | if the upstream said so |
/// | out of quota | 402 | `RESOURCE_EXHAUSTED` | if the upstream said so |
/// | idempotency key missing | 400 | `INVALID_ARGUMENT` | no |
/// | idempotency key used for something else | 422 | `INVALID_ARGUMENT` | no |
/// | our own side failed | 500 | `INTERNAL` | no |
///
/// No answer holds the text of an error, or names an upstream.
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | [`map`](Self::map) | none | the table says it |
/// | [`after_retries`](Self::after_retries) | off | without retries inside, the client's own are of use |
/// | [`profile`](Self::profile) | [`Profile::HTTP`] | problem details in error events, too |
///
/// # Clone
/// Clones share the mapping, and there is no other state.
///
/// [`Outcome`]: buttress_core::Outcome
#[derive(Debug, Clone, Default)]
pub struct RespondLayer {
    settings: Arc<Settings>,
}

#[derive(Clone)]
pub(crate) struct Settings {
    map: Option<Map>,
    pub(crate) after_retries: bool,
    pub(crate) profile: Profile,
}

type Map = Arc<dyn Fn(&(dyn Error + 'static), &mut Problem) + Send + Sync>;

impl RespondLayer {
    /// Answers by the table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes what is told of a failure: given the error, and what would be told. Default: nothing.
    ///
    /// ```
    /// use buttress_core::find;
    /// use buttress_respond::RespondLayer;
    /// use http::StatusCode;
    ///
    /// let layer = RespondLayer::new().map(|error, problem| {
    ///     if find::<std::num::ParseIntError>(error).is_some() {
    ///         problem.status = StatusCode::BAD_REQUEST;
    ///         problem.detail = "that is no number".into();
    ///     }
    /// });
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn map<F>(mut self, map: F) -> Self
    where
        F: Fn(&(dyn Error + 'static), &mut Problem) + Send + Sync + 'static,
    {
        Arc::make_mut(&mut self.settings).map = Some(Arc::new(map));
        self
    }

    /// There is a retry layer inside: what could not be mended there, the client shall not send again by
    /// itself. Default: off.
    ///
    /// Failures that might pass are then answered with `x-should-retry: false` (in gRPC:
    /// `grpc-retry-pushback-ms: -1`), and answers of the upstream in whose extensions the retry layer has left such an
    /// outcome get the same field, unless they have an `x-should-retry`. Without it only failures that no
    /// repetition can mend are. A refusal of our own with a wait
    /// (circuit open, queue full) may be tried again in any case, after the wait.
    #[must_use]
    pub fn after_retries(mut self, yes: bool) -> Self {
        Arc::make_mut(&mut self.settings).after_retries = yes;
        self
    }

    /// In whose words an event stream is told that it has failed. Default: [`Profile::HTTP`], which has
    /// problem details.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        Arc::make_mut(&mut self.settings).profile = profile;
        self
    }
}

impl<S> Layer<S> for RespondLayer {
    type Service = Respond<S>;

    fn layer(&self, inner: S) -> Respond<S> {
        Respond::new(inner, Arc::clone(&self.settings))
    }
}

// ===== impl Settings =====

impl Settings {
    /// What is told of this error.
    #[cold]
    pub(crate) fn problem(&self, error: &(dyn Error + 'static)) -> Problem {
        let mut problem = Problem::of(error);
        if self.after_retries {
            problem.after_retries();
        }
        if let Some(map) = &self.map {
            map(error, &mut problem);
        }
        event::answered(&problem);
        problem
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            map: None,
            after_retries: false,
            profile: Profile::HTTP,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("map", &self.map.is_some())
            .field("after_retries", &self.after_retries)
            .field("profile", &self.profile)
            .finish()
    }
}
