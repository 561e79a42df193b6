//! Around a handler.

use std::time::Duration;

use buttress_deadline::{TimeoutBudget, TimeoutBudgetLayer};
use buttress_heartbeat::HeartbeatSseLayer;
use buttress_respond::{Respond, RespondLayer};
use tower_layer::{Identity, Layer};

/// Everything that a handler which streams needs around it, in its order.
///
/// ```text
/// Respond → (guard) → HeartbeatSse → TimeoutBudget → handler
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
///
/// # Clone
/// Clones, and all services made by them, share what their layers share.
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
pub struct Inbound<H = HeartbeatSseLayer, G = Identity> {
    respond: RespondLayer,
    guard: G,
    heartbeat: H,
    timeout_budget: TimeoutBudgetLayer,
    // Calls that are the same join here, innermost: inside of the time of each caller.
}

/// What [`Inbound`] makes of a handler `S`; with its defaults its name is `InboundService<S>`.
pub type InboundService<S, H = HeartbeatSseLayer, G = Identity> =
    Respond<<G as Layer<Kept<S, H>>>::Service>;

type Kept<S, H> = <H as Layer<TimeoutBudget<S>>>::Service;

/// The stack around a handler.
#[must_use]
pub fn inbound() -> Inbound {
    Inbound {
        respond: RespondLayer::new(),
        guard: Identity::new(),
        heartbeat: HeartbeatSseLayer::new(),
        timeout_budget: TimeoutBudgetLayer::new(Inbound::TOTAL),
    }
}

// ===== impl Inbound =====

impl Inbound {
    /// How long a call may take, unless told otherwise: 600 s.
    pub const TOTAL: Duration = Duration::from_secs(600);
}

impl<H, G> Inbound<H, G> {
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
    pub fn guard<G2>(self, layer: G2) -> Inbound<H, G2> {
        let Self {
            respond,
            guard: _,
            heartbeat,
            timeout_budget,
        } = self;
        Inbound {
            respond,
            guard: layer,
            heartbeat,
            timeout_budget,
        }
    }

    /// What keeps streams alive: a [`HeartbeatSseLayer`], [eager](HeartbeatSseLayer::eager) or not. Default: not.
    #[must_use]
    pub fn heartbeat<H2>(self, layer: H2) -> Inbound<H2, G> {
        let Self {
            respond,
            guard,
            heartbeat: _,
            timeout_budget,
        } = self;
        Inbound {
            respond,
            guard,
            heartbeat: layer,
            timeout_budget,
        }
    }

    /// Streams pass as they are.
    #[must_use]
    pub fn without_heartbeat(self) -> Inbound<Identity, G> {
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
}

impl<S, H, G> Layer<S> for Inbound<H, G>
where
    H: Layer<TimeoutBudget<S>>,
    G: Layer<Kept<S, H>>,
{
    type Service = InboundService<S, H, G>;

    fn layer(&self, handler: S) -> Self::Service {
        let kept = self.heartbeat.layer(self.timeout_budget.layer(handler));
        self.respond.layer(self.guard.layer(kept))
    }
}
