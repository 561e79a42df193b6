//! HTTP requests, whose bodies are recorded as they are sent.

use ::http::header::{HeaderMap, HeaderName, HeaderValue, UPGRADE};
use ::http::request::Parts;
use ::http::{Extensions, Method, Request, Response, Version};
use buttress_body::{Replay as Keeper, ReplayBody, ReplayPool};
use buttress_core::{Attempt, BoxError, Deadline, IdempotencyKey};
use http_body::Body;

use super::{Discard, Drain, Replay};
use crate::policy::{Facts, RetryOverride};

/// Keeps the head of an HTTP request, and records its body while it is being sent.
///
/// Sent once and not kept are: requests that an outer retry layer owns (they carry an [`Attempt`]),
/// `CONNECT` and upgrades, and requests whose [`RetryOverride`] says so.
///
/// # What it costs
/// The clone of the head; one allocation for the record, unless the body is empty, and one for its list
/// of chunks if there is more than one; and up to three for the [`Attempt`] in the extensions, unless
/// [`mark_attempts`](crate::RetryLayer::mark_attempts) is off.
///
/// # Clone
/// Clones share the [`ReplayPool`].
#[derive(Debug, Clone)]
pub struct HttpReplay {
    pub(crate) max_replay: usize,
    pub(crate) pool: ReplayPool,
    pub(crate) nested: bool,
    pub(crate) mark_attempts: bool,
    pub(crate) attempt_header: Option<HeaderName>,
}

/// What [`HttpReplay`] keeps of a request.
#[derive(Debug)]
pub struct SavedHttp<B> {
    head: Parts,
    /// `None` for a body that was empty from the start.
    body: Option<Keeper<B>>,
}

// ===== impl HttpReplay =====

impl HttpReplay {
    /// The most that is kept of one body. Prompts without attachments are far smaller.
    pub const DEFAULT_MAX_REPLAY: usize = 64 * 1024;
    /// The most that is kept of all bodies together.
    pub const DEFAULT_POOL: usize = 256 * 1024 * 1024;

    pub(crate) fn may_retry(&self, method: &Method, version: Version, headers: &HeaderMap) -> bool {
        // An upgraded connection speaks another protocol: there is no request to be sent again.
        // HTTP/2 upgrades by CONNECT.
        let upgrade = version <= Version::HTTP_11 && headers.contains_key(UPGRADE);
        *method != Method::CONNECT && !upgrade && self.max_replay > 0
    }

    /// Whether the request is to be sent once, whatever comes of it.
    pub(super) fn is_once<B>(&self, request: &Request<B>) -> bool {
        let extensions = request.extensions();
        let owned = extensions.get::<Attempt>().is_some();
        let once = extensions
            .get::<RetryOverride>()
            .is_some_and(RetryOverride::is_never);
        once || (owned && !self.nested)
            || !self.may_retry(request.method(), request.version(), request.headers())
    }

    fn mark(&self, head: &mut Parts, attempt: Attempt) {
        self.mark_extensions(&mut head.extensions, attempt);
        self.mark_headers(&mut head.headers, attempt);
    }

    pub(super) fn mark_extensions(&self, extensions: &mut Extensions, attempt: Attempt) {
        if self.mark_attempts {
            extensions.insert(attempt);
        }
    }

    pub(crate) fn mark_headers(&self, headers: &mut HeaderMap, attempt: Attempt) {
        if let Some(name) = &self.attempt_header {
            headers.insert(name, HeaderValue::from(attempt.number().get()));
        }
    }
}

impl Default for HttpReplay {
    fn default() -> Self {
        Self {
            max_replay: Self::DEFAULT_MAX_REPLAY,
            pool: ReplayPool::new(Self::DEFAULT_POOL),
            nested: false,
            mark_attempts: true,
            attempt_header: None,
        }
    }
}

impl<B> Replay<Request<B>> for HttpReplay
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Request = Request<ReplayBody<B>>;
    type Saved = SavedHttp<B>;

    fn once(&self, request: Request<B>) -> Self::Request {
        request.map(ReplayBody::once)
    }

    fn save(&self, request: Request<B>) -> (Self::Request, Option<SavedHttp<B>>) {
        if self.is_once(&request) {
            return (self.once(request), None);
        }
        let (mut head, body) = request.into_parts();
        let kept = head.clone();
        self.mark(&mut head, Attempt::FIRST);
        let (keeper, body) = if body.is_end_stream() {
            (None, ReplayBody::once(body))
        } else {
            let (keeper, body) = Keeper::new(body, self.max_replay, &self.pool);
            (Some(keeper), body)
        };
        let saved = SavedHttp {
            head: kept,
            body: keeper,
        };
        (Request::from_parts(head, body), Some(saved))
    }

    fn facts(&self, saved: &SavedHttp<B>) -> Facts {
        let Parts {
            method,
            headers,
            extensions,
            ..
        } = &saved.head;
        facts(method, headers, extensions)
    }

    fn restore(&self, saved: &mut SavedHttp<B>, attempt: Attempt) -> Option<Self::Request> {
        let body = match &saved.body {
            Some(keeper) => keeper.again()?,
            None => ReplayBody::empty(),
        };
        let mut head = saved.head.clone();
        self.mark(&mut head, attempt);
        Some(Request::from_parts(head, body))
    }
}

impl<B: Body> Discard<Response<B>> for HttpReplay {
    type Discarding = Drain<B>;

    fn discard(&self, response: Response<B>) -> Option<Drain<B>> {
        // On HTTP/2 dropping the response resets its stream and leaves the connection alone.
        if response.version() > Version::HTTP_11 {
            return None;
        }
        Drain::new(response.into_body())
    }
}

/// What the head of a request says about its being sent again.
pub(super) fn facts(method: &Method, headers: &HeaderMap, extensions: &Extensions) -> Facts {
    Facts {
        repeatable: is_repeatable(method, headers) || extensions.get::<IdempotencyKey>().is_some(),
        deadline: extensions.get::<Deadline>().copied(),
        weight: 1,
        overrides: extensions.get().copied().unwrap_or_default(),
    }
}

/// Whether a second effect of the request is as good as one: RFC 9110 §9.2.2, or a key by which the
/// upstream recognises it.
pub(crate) fn is_repeatable(method: &Method, headers: &HeaderMap) -> bool {
    method.is_idempotent()
        || headers
            .get(IDEMPOTENCY_KEY)
            .is_some_and(|key| IdempotencyKey::parse(key.as_bytes()).is_ok())
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
