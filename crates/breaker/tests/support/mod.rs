//! An upstream behind a breaker, and calls to it.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "helpers of tests may panic, and not every test needs all of them"
)]

use std::time::Duration;

use buttress_breaker::{
    CircuitBreaker, CircuitBreakerLayer, CircuitHandle, CircuitOpen, CircuitState, Policy,
};
use buttress_classify::Profile;
use buttress_core::{BoxError, Failure, Outcome, find};
use buttress_testkit::upstream::{Behaviour, Script, Upstream, UpstreamService};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Long enough for any first open wait, jitter included.
pub(crate) const OPEN_WAIT: Duration = Duration::from_secs(34);

pub(crate) type Service = CircuitBreaker<UpstreamService, Profile>;

/// What became of a call, as its caller sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// An answer that ended, with this status.
    Whole(u16),
    /// An answer of this status, whose body broke off.
    Broken(u16),
    /// No answer.
    Failed,
    /// The circuit was open.
    Refused,
}

/// An upstream, and one circuit before it.
pub(crate) struct Guarded {
    pub(crate) upstream: Upstream,
    pub(crate) layer: CircuitBreakerLayer<Profile>,
}

impl Guarded {
    pub(crate) fn new(script: impl Into<Script>) -> Self {
        Self::with(Policy::DEFAULT, script)
    }

    pub(crate) fn with(policy: Policy, script: impl Into<Script>) -> Self {
        Self {
            upstream: Upstream::new(script),
            layer: CircuitBreakerLayer::http(Profile::OPENAI).policy(policy),
        }
    }

    pub(crate) fn always(behaviour: Behaviour) -> Self {
        Self::new(Script::always(behaviour))
    }

    pub(crate) fn service(&self) -> Service {
        self.layer.layer(self.upstream.service())
    }

    pub(crate) fn circuit(&self) -> CircuitHandle {
        self.layer.handle()
    }

    pub(crate) fn state(&self) -> CircuitState {
        self.circuit().state()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state() == CircuitState::Closed
    }

    /// How many calls have reached the upstream.
    pub(crate) fn calls(&self) -> u64 {
        self.upstream.counts().calls
    }

    pub(crate) fn set(&self, behaviour: Behaviour) {
        self.upstream.set_script(Script::always(behaviour));
    }

    /// Calls, and reads all that comes.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Seen {
        see(self.service().oneshot(request).await).await
    }

    /// Asks for a stream.
    pub(crate) async fn chat(&self) -> Seen {
        self.send(chat()).await
    }

    /// Calls so many times, one after the other.
    pub(crate) async fn chats(&self, calls: u32) {
        for _ in 0..calls {
            self.chat().await;
        }
    }
}

pub(crate) async fn see<B>(result: Result<Response<B>, BoxError>) -> Seen
where
    B: Body + Unpin,
{
    let mut answer = match result {
        Ok(answer) => answer,
        Err(error) if find::<CircuitOpen>(&*error).is_some() => {
            let failure: &Failure = find(&*error).unwrap();
            assert_eq!(failure.outcome().kind, Outcome::CIRCUIT_OPEN.kind);
            return Seen::Refused;
        }
        Err(_) => return Seen::Failed,
    };
    let status = answer.status().as_u16();
    while let Some(frame) = answer.frame().await {
        if frame.is_err() {
            return Seen::Broken(status);
        }
    }
    Seen::Whole(status)
}

pub(crate) fn chat() -> Request<Full<Bytes>> {
    let body = r#"{"model":"m","stream":true,"messages":[]}"#;
    Request::post("/v1/chat/completions")
        .body(Full::from(body))
        .unwrap()
}
