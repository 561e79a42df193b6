//! Heartbeats before there is an answer.

mod body;
mod future;
mod words;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use buttress_classify::Profile;
use http::header::ACCEPT_ENCODING;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::body::HeartbeatBody;
use crate::scanned::{Asked, ScannedBody};
use crate::service::HeartbeatSse;
use crate::wants::WantsStream;

pub use body::SplicedBody;
pub use future::EagerFuture;
use future::Wait;

/// The first heartbeat comes before the inner service's head, if that takes long; see
/// [`eager`](crate::HeartbeatSseLayer::eager).
#[derive(Clone, Copy)]
pub struct Eager<W> {
    after: Duration,
    wants: W,
    pub(crate) profile: Profile,
}

/// What is known of what the request wants.
pub(crate) enum Wanted {
    Known(WantsStream),
    InBody(Arc<Asked>),
}

impl<W> Eager<W> {
    pub(crate) const fn new(after: Duration, wants: W) -> Self {
        Self {
            after,
            wants,
            profile: Profile::OPENAI,
        }
    }
}

impl<S, Q, B, W, R> Service<Request<Q>> for HeartbeatSse<S, Eager<W>>
where
    S: Service<Request<ScannedBody<Q>>, Response = Response<B>>,
    S::Error: 'static,
    Q: Body,
    B: Body,
    B::Data: 'static,
    W: Fn(&Parts) -> R,
    R: Into<WantsStream>,
{
    type Response = Response<HeartbeatBody<SplicedBody<S::Future, B>>>;
    type Error = S::Error;
    type Future = EagerFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let settings = self.settings.for_request(&request);
        let (mut head, body) = request.into_parts();
        let wants = match settings.heartbeat.0 {
            Some(_) => (self.mode.wants)(&head).into(),
            None => WantsStream::No,
        };
        if wants != WantsStream::No {
            ask_for_plain(&mut head.headers);
        }
        let (wanted, body) = match wants {
            WantsStream::BodyTells => {
                let asked = Arc::new(Asked::default());
                let body = ScannedBody::new(body, Arc::clone(&asked));
                (Wanted::InBody(asked), body)
            }
            known => (Wanted::Known(known), ScannedBody::unread(body)),
        };
        let inner = self.inner.call(Request::from_parts(head, body));
        match wanted.now() {
            WantsStream::No => EagerFuture::plain(inner, settings),
            WantsStream::Yes | WantsStream::BodyTells => {
                let Eager { after, profile, .. } = self.mode;
                let wait = Wait::new(Box::pin(inner), wanted, after, profile);
                EagerFuture::eager(wait, settings)
            }
        }
    }
}

impl Wanted {
    pub(crate) fn now(&self) -> WantsStream {
        match self {
            Self::Known(known) => *known,
            Self::InBody(asked) => asked.get(),
        }
    }
}

/// A compressed stream could not be joined to a head that has gone out. Who named no codings gets none.
fn ask_for_plain(headers: &mut HeaderMap) {
    if headers.contains_key(ACCEPT_ENCODING) {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
}

/// A closure says nothing about itself.
impl<W> fmt::Debug for Eager<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Eager")
            .field("after", &self.after)
            .field("profile", &self.profile.name())
            .finish_non_exhaustive()
    }
}
