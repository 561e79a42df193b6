//! Where the layers meet, and the only place where they do.

use axum::body::Body;
use buttress::classify::Profile;
use buttress::core::BoxError;
use buttress::idempotency::IdempotencyLayer;
use buttress::retry::RetryLayer;
use http::{Request, Response};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, filter::FilterLayer};

use crate::access::Course;
use crate::args::{Args, Breaker};
use crate::client::Client;
use crate::fallback::Chain;
use crate::forward::{self, Kept, Sent};
use crate::idempotency::Keeping;
use crate::upstream::Upstream;

/// The layers around all upstreams, as one service.
pub(crate) type Stack = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;
/// Those around one.
pub(crate) type Tier = BoxCloneSyncService<Request<Kept>, Response<Body>, BoxError>;

/// Outermost first. A new layer is a line here or in [`tier`], at the place that its documentation names, and
/// its flags in [`Args`].
pub(crate) fn stack(args: &Args, idempotency: IdempotencyLayer<Keeping>, chain: Chain) -> Stack {
    let streams = args.streams();
    let Chain { fallback, primary } = chain;
    let service = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(Body::new))
        .map_request(move |mut request: Request<Body>| {
            request.extensions_mut().insert(streams.heartbeats());
            request
        })
        .layer(streams.heartbeat())
        .layer(args.timeout_budget())
        .layer(idempotency)
        .layer(fallback)
        .service(primary);
    BoxCloneSyncService::new(service)
}

/// One upstream; all of them share the client, and the budget of the retries.
pub(crate) fn tier(
    args: &Args,
    upstream: Upstream,
    retry: RetryLayer<Profile>,
    breaker: Breaker,
    client: Client<Sent>,
) -> Tier {
    let service = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(Body::new))
        .map_result(|answer: Result<_, BoxError>| Ok::<_, BoxError>(forward::response(answer?)?))
        .layer(FilterLayer::new(move |request| upstream.aim(request)))
        .layer(retry)
        .layer(args.budget_share())
        .layer(breaker)
        .layer(args.judge())
        .layer(args.streams().timeout())
        .map_request(Course::count)
        .service(client);
    BoxCloneSyncService::new(service)
}
