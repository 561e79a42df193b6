//! HTTP requests, whose bodies are recorded as they are sent.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use ::http::header::{HeaderName, HeaderValue, RETRY_AFTER, UPGRADE};
use ::http::request::Parts;
use ::http::{HeaderMap, Method, Request, Response, Version};
use buttress_body::{Replay as Keeper, ReplayBody, ReplayPool};
use buttress_core::{BoxError, Deadline, Kind, Outcome};
use http_body::Body;

use super::{Accept, Facts, Traffic};
use crate::body::FallbackBody;
use crate::last_good::LastGood;
use crate::rewrite::Rewrite;
use crate::served::{ServedBy, Tried};
use crate::trail::{FallbackOverride, Trail};

/// HTTP requests with bodies `Q`, which are recorded while they are sent, and responses with bodies `B`.
///
/// Asked alone is the primary for `CONNECT` and upgrades, and where the [`FallbackOverride`] of a request says
/// so.
///
/// # What it costs
/// The clone of the head, and one allocation for the record of a body, unless it is empty.
///
/// # Clone
/// Clones share the [`ReplayPool`].
pub struct Http<Q, B> {
    pub(crate) max_replay: usize,
    pub(crate) pool: ReplayPool,
    pub(crate) last_good: Option<LastGood>,
    /// The name of the primary, if answers are to say in a header who gave them.
    pub(crate) tell: Option<HeaderValue>,
    bodies: PhantomData<fn(Q) -> B>,
}

/// What [`Http`] keeps of a request.
#[derive(Debug)]
pub struct KeptHttp<Q> {
    head: Parts,
    body: Kept<Q>,
}

#[derive(Debug)]
enum Kept<Q> {
    Empty,
    Recorded(Keeper<Q>),
}

/// What only we say of an answer.
const OURS: &str = "x-buttress-";
/// Who served the call, where answers are to say it in a header.
const SERVED_BY: HeaderName = HeaderName::from_static("x-buttress-served-by");
/// How long the caller waits for this very call.
const WAITS: [HeaderName; 6] = [
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("x-envoy-expected-rq-timeout-ms"),
    HeaderName::from_static("x-envoy-upstream-rq-timeout-ms"),
    HeaderName::from_static("x-request-deadline"),
    HeaderName::from_static("x-stainless-read-timeout"),
    HeaderName::from_static("x-stainless-timeout"),
];
/// Whether the answer is less than what was asked for.
const DEGRADED: HeaderName = HeaderName::from_static("x-buttress-degraded");

// ===== impl Http =====

impl<Q, B> Http<Q, B> {
    /// The most that is kept of one body. Prompts carry images and whole documents.
    pub const DEFAULT_MAX_REPLAY: usize = 16 * 1024 * 1024;
    /// The most that is kept of all bodies together.
    pub const DEFAULT_POOL: usize = 256 * 1024 * 1024;

    pub(crate) fn new() -> Self {
        Self {
            max_replay: Self::DEFAULT_MAX_REPLAY,
            pool: ReplayPool::new(Self::DEFAULT_POOL),
            last_good: None,
            tell: None,
            bodies: PhantomData,
        }
    }

    fn say_who(&self, response: &mut Response<FallbackBody<B>>, by: &ServedBy) {
        if self.tell.is_none() {
            return;
        }
        let headers = response.headers_mut();
        say(headers, SERVED_BY, by.name.header_value());
        if by.degraded {
            say(headers, DEGRADED, HeaderValue::from_static("true"));
        }
    }
}

impl<Q, B> Http<Q, B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    /// Keeps a copy of the answer as it passes, where that is asked for.
    fn keep_answer(&self, response: &mut Response<FallbackBody<B>>, kept: &KeptHttp<Q>) {
        if let Some(last_good) = &self.last_good {
            if let Some(recorder) = last_good.recorder(&kept.head, response) {
                response.body_mut().record(recorder);
            }
        }
    }
}

impl<Q, B> Traffic for Http<Q, B>
where
    Q: Body + Unpin + Send + 'static,
    Q::Data: Send,
    Q::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Request = Request<Q>;
    type Sent = Request<ReplayBody<Q>>;
    type Kept = KeptHttp<Q>;
    type Received = Response<B>;
    type Response = Response<FallbackBody<B>>;
    type Rewrite = Rewrite;

    fn once(request: Request<Q>) -> Self::Sent {
        request.map(ReplayBody::once)
    }

    fn keep(&self, request: Request<Q>) -> (Self::Sent, Option<KeptHttp<Q>>) {
        if is_for_primary_alone(&request) {
            return (Self::once(request), None);
        }
        let (head, body) = request.into_parts();
        let kept = head.clone();
        let (keeper, body) = if body.is_end_stream() {
            (Kept::Empty, ReplayBody::once(body))
        } else {
            let (keeper, body) = Keeper::new(body, self.max_replay, &self.pool);
            (Kept::Recorded(keeper), body)
        };
        let kept = KeptHttp {
            head: kept,
            body: keeper,
        };
        (Request::from_parts(head, body), Some(kept))
    }

    fn facts(kept: &KeptHttp<Q>) -> Facts {
        let extensions = &kept.head.extensions;
        Facts {
            deadline: extensions.get().copied(),
            overrides: extensions.get().copied(),
            trail: extensions.get().cloned(),
        }
    }

    fn again(kept: &KeptHttp<Q>, trail: impl FnOnce() -> Trail) -> Option<Self::Sent> {
        let body = match &kept.body {
            Kept::Empty => ReplayBody::empty(),
            Kept::Recorded(keeper) => keeper.again()?,
        };
        let mut head = kept.head.clone();
        head.extensions.insert(trail());
        Some(Request::from_parts(head, body))
    }

    async fn rewrite(
        rewrite: Rewrite,
        same_account: bool,
        request: Self::Sent,
    ) -> Result<Self::Sent, BoxError> {
        Ok(rewrite.apply(request, same_account).await?)
    }

    fn outlive(request: &mut Self::Sent) {
        let extensions = request.extensions_mut();
        extensions.remove::<Deadline>();
        extensions.remove::<Trail>();
        for name in WAITS {
            request.headers_mut().remove(name);
        }
    }

    #[inline]
    fn hand_on(mut response: Response<B>) -> Self::Response {
        strip_ours(response.headers_mut());
        response.map(FallbackBody::primary)
    }

    fn primary_served(&self, response: &mut Self::Response, kept: &KeptHttp<Q>) {
        self.keep_answer(response, kept);
        self.primary_alone(response);
    }

    fn primary_alone(&self, response: &mut Self::Response) {
        if let Some(name) = &self.tell {
            // The primary may have a fallback of its own inside.
            match response.extensions().get().cloned() {
                Some(by) => self.say_who(response, &by),
                None => say(response.headers_mut(), SERVED_BY, name.clone()),
            }
        }
    }

    fn tier_served(&self, response: &mut Self::Response, kept: &KeptHttp<Q>, by: ServedBy) {
        let by = match response.extensions_mut().remove() {
            Some(inner) => by.through(inner),
            None => by,
        };
        if !by.degraded {
            self.keep_answer(response, kept);
        }
        self.say_who(response, &by);
        response.extensions_mut().insert(by);
    }

    fn all_failed(&self, response: &mut Self::Response, outcome: Outcome, by: ServedBy) {
        self.say_who(response, &by);
        // Whoever is told to wait wants to know how long, even if it was another tier that said so.
        let asks_to_wait = matches!(outcome.kind, Kind::Throttled | Kind::Overloaded);
        if let Some(wait) = outcome.retry_after.filter(|wait| !wait.is_zero()) {
            if asks_to_wait {
                if let Ok(entry) = response.headers_mut().try_entry(RETRY_AFTER) {
                    let wait = HeaderValue::from(whole_seconds(wait));
                    let _its_own = entry.or_try_insert(wait);
                }
            }
        }
        response.extensions_mut().insert(outcome);
        response.extensions_mut().insert(by);
    }

    fn tried_inside(response: &Self::Response) -> &[Tried] {
        let by = response.extensions().get::<ServedBy>();
        by.map_or(&[], ServedBy::reasons)
    }
}

impl<Q, B, T> Accept<Response<T>> for Http<Q, B>
where
    Self: Traffic<Response = Response<FallbackBody<B>>>,
    T: Body + Send + 'static,
    T::Error: Into<BoxError>,
{
    fn accept(mut response: Response<T>) -> Response<FallbackBody<B>> {
        strip_ours(response.headers_mut());
        response.map(FallbackBody::tier)
    }
}

/// An upgraded connection speaks another protocol: there is no request to be sent elsewhere.
fn is_for_primary_alone<Q>(request: &Request<Q>) -> bool {
    let upgrade = request.version() <= Version::HTTP_11 && request.headers().contains_key(UPGRADE);
    let overrides = request.extensions().get::<FallbackOverride>();
    upgrade || request.method() == Method::CONNECT || overrides == Some(&FallbackOverride::OFF)
}

/// Takes off what only we say: no upstream tells who served a call.
#[inline]
fn strip_ours(headers: &mut HeaderMap) {
    let ours = headers
        .keys()
        .filter(|name| name.as_str().starts_with(OURS));
    for name in ours.cloned().collect::<Vec<_>>() {
        headers.remove(name);
    }
}

/// Says something in a header, unless there is no room for another: a map of headers has a limit.
fn say(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    let _no_room = headers.try_insert(name, value);
}

/// Rounded up: never earlier than told.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs()
        .saturating_add(u64::from(wait.subsec_nanos() > 0))
}

impl<Q, B> Clone for Http<Q, B> {
    fn clone(&self) -> Self {
        Self {
            max_replay: self.max_replay,
            pool: self.pool.clone(),
            last_good: self.last_good.clone(),
            tell: self.tell.clone(),
            bodies: PhantomData,
        }
    }
}

impl<Q, B> fmt::Debug for Http<Q, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("max_replay", &self.max_replay)
            .field("last_good", &self.last_good)
            .finish_non_exhaustive()
    }
}

// ===== impl KeptHttp =====

impl<Q> KeptHttp<Q> {
    /// The head of the request, as the caller gave it.
    #[must_use]
    pub const fn head(&self) -> &Parts {
        &self.head
    }
}
