//! Around a handler.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use buttress_classify::Profile;
use buttress_deadline::{TimeoutBudget, TimeoutBudgetLayer};
use buttress_heartbeat::HeartbeatSseLayer;
use buttress_idempotency::IdempotencyLayer;
use buttress_respond::{Respond, RespondLayer};
use tower_layer::{Identity, Layer};

/// Everything that a handler which streams needs around it, in its order.
///
/// ```text
/// Respond → (guard) → HeartbeatSse → TimeoutBudget → Idempotency → handler
/// ```
///
/// # Defaults
///
/// | slot | holds | why |
/// |---|---|---|
/// | [`respond`](Self::respond) | [`RespondLayer::new`] | every failure becomes an answer |
/// | [`guard`](Self::guard) | nothing | authentication and compression are your choice |
/// | [`heartbeat`](Self::heartbeat) | after 15 s of silence | half of the shortest common idle limit |
/// | [`timeout_budget`](Self::timeout_budget) | 600 s, or what the client says it waits | what the official SDKs wait |
/// | [`idempotency`](Self::idempotency) | for requests with a key and credentials | whoever sends a key wants one call |
///
/// # What it keeps
/// Nothing of a request without an `Idempotency-Key`, or without credentials. Of others, a `POST` or `PATCH` each: the
/// answer if it is a success and at most 8 MiB long, for 24 hours, in memory of this process; all together at most
/// 256 MiB and 100,000 answers, half of it of one caller. What has not been asked for the longest makes room. While a
/// call is under way, up to 8 MiB of its answer beside. Each of these is a setting of [`IdempotencyLayer`] and of its
/// [store](crate::idempotency::MemoryStore).
///
/// # Clone
/// Clones, and all services made by them, share what their layers share: the calls that are under way, and the answers
/// that are kept.
///
/// # Errors
/// None: the service's error is [`Infallible`](std::convert::Infallible), as an axum `Router` asks for.
///
/// # Examples
/// ```
/// use axum::{Router, body::Body, http::Request, routing::get};
/// use buttress::deadline::{TimeoutBudgetLayer, current};
/// use buttress::stack::inbound;
/// use std::time::Duration;
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), tower::BoxError> {
/// let never = || async {
///     assert!(current().is_some(), "the handler knows how long it has");
///     std::future::pending::<()>().await
/// };
/// let app = Router::new().route("/", get(never));
/// let app: Router = app.layer(inbound().timeout_budget(TimeoutBudgetLayer::new(Duration::from_secs(30))));
///
/// let request = Request::get("/").header("grpc-timeout", "2S").body(Body::empty())?;
/// assert_eq!(app.oneshot(request).await?.status(), 504);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Inbound<H = HeartbeatSseLayer, G = Identity, I = IdempotencyLayer> {
    respond: RespondLayer,
    guard: G,
    heartbeat: H,
    timeout_budget: TimeoutBudgetLayer,
    idempotency: I,
}

/// What [`Inbound`] makes of a handler `S`; with its defaults its name is `InboundService<S>`.
pub type InboundService<S, H = HeartbeatSseLayer, G = Identity, I = IdempotencyLayer> =
    Respond<<G as Layer<Kept<S, H, I>>>::Service>;

type Kept<S, H, I> = <H as Layer<TimeoutBudget<<I as Layer<S>>::Service>>>::Service;

/// The stack around a handler.
#[must_use]
pub fn inbound() -> Inbound {
    Inbound {
        respond: RespondLayer::new(),
        guard: Identity::new(),
        heartbeat: HeartbeatSseLayer::new(),
        timeout_budget: TimeoutBudgetLayer::new(Inbound::TOTAL),
        idempotency: IdempotencyLayer::new(Profile::OPENAI),
    }
}

// ===== impl Inbound =====

impl Inbound {
    /// How long a call may take, unless told otherwise: 600 s.
    pub const TOTAL: Duration = Duration::from_secs(600);
}

impl<H, G> Inbound<H, G> {
    /// Finishes calls that have a key and whose callers have all gone away: `|call| drop(tokio::spawn(call))`.
    /// Default: such a call waits for a retry of one of them, for 30 s, and is not worked on meanwhile.
    #[must_use]
    pub fn executor(
        mut self,
        execute: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Self {
        self.idempotency = self.idempotency.executor(execute);
        self
    }
}

impl<H, G, I> Inbound<H, G, I> {
    /// How failures are answered. Default: [`RespondLayer::new`].
    #[must_use]
    pub fn respond(mut self, layer: RespondLayer) -> Self {
        self.respond = layer;
        self
    }

    /// What stands between answers and heartbeats: authentication, then compression. Default: nothing.
    ///
    /// What fails in there is answered for as any failure. Compression has to be outside of the heartbeats, since
    /// nothing can be put into compressed bytes.
    #[must_use]
    pub fn guard<G2>(self, layer: G2) -> Inbound<H, G2, I> {
        Inbound {
            respond: self.respond,
            guard: layer,
            heartbeat: self.heartbeat,
            timeout_budget: self.timeout_budget,
            idempotency: self.idempotency,
        }
    }

    /// What keeps streams alive: a [`HeartbeatSseLayer`], [eager](HeartbeatSseLayer::eager) or not. Default: not.
    #[must_use]
    pub fn heartbeat<H2>(self, layer: H2) -> Inbound<H2, G, I> {
        Inbound {
            respond: self.respond,
            guard: self.guard,
            heartbeat: layer,
            timeout_budget: self.timeout_budget,
            idempotency: self.idempotency,
        }
    }

    /// Streams pass as they are.
    #[must_use]
    pub fn without_heartbeat(self) -> Inbound<Identity, G, I> {
        self.heartbeat(Identity::new())
    }

    /// How long the call may take. Default: 600 s, or less if the client says so.
    #[must_use]
    pub fn timeout_budget(mut self, layer: TimeoutBudgetLayer) -> Self {
        self.timeout_budget = layer;
        self
    }

    /// No time of its own. What the client says holds.
    #[must_use]
    pub fn without_timeout_budget(self) -> Self {
        self.timeout_budget(TimeoutBudgetLayer::new(Duration::MAX))
    }

    /// Which calls are one: an [`IdempotencyLayer`]. Default: `POST`s and `PATCH`es of the same credentials with the same
    /// `Idempotency-Key`, whose successes are [kept](Self#what-it-keeps) as [`Profile::OPENAI`] reads them.
    ///
    /// It knows how streams of LLM APIs end, those of others too. One that ends sooner is not kept, nor is any other
    /// event stream: nothing says that it is whole. [`Profile::HTTP`] believes them all, even one that ends with an
    /// error event. A handler that takes requests of one type only has to take `Request<RequestBody<_>>`.
    #[must_use]
    pub fn idempotency<I2>(self, layer: I2) -> Inbound<H, G, I2> {
        Inbound {
            respond: self.respond,
            guard: self.guard,
            heartbeat: self.heartbeat,
            timeout_budget: self.timeout_budget,
            idempotency: layer,
        }
    }

    /// The handler is called as often as it is asked, and nothing is kept.
    #[must_use]
    pub fn without_idempotency(self) -> Inbound<H, G, Identity> {
        self.idempotency(Identity::new())
    }
}

impl<S, H, G, I> Layer<S> for Inbound<H, G, I>
where
    I: Layer<S>,
    H: Layer<TimeoutBudget<I::Service>>,
    G: Layer<Kept<S, H, I>>,
{
    type Service = InboundService<S, H, G, I>;

    fn layer(&self, handler: S) -> Self::Service {
        let called = self.timeout_budget.layer(self.idempotency.layer(handler));
        let kept = self.heartbeat.layer(called);
        self.respond.layer(self.guard.layer(kept))
    }
}
