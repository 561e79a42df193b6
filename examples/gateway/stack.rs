//! Where the layers meet, and the only place where they do.

use axum::body::Body;
use buttress::core::BoxError;
use http::{Request, Response};
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

use crate::access::Attempts;
use crate::args::{Args, Breaker};
use crate::client::client;
use crate::forward;

/// The layers around the client, as one service.
pub(crate) type Stack = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

/// Outermost first. A new layer is a line here, at the place that its documentation names, and
/// its flags in [`Args`].
pub(crate) fn stack(args: &Args, breaker: Breaker) -> Result<Stack, rustls::Error> {
    let streams = args.streams();
    let service = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(Body::new))
        .map_request(move |mut request: Request<Body>| {
            request.extensions_mut().insert(streams.heartbeats());
            request
        })
        .layer(streams.heartbeat())
        .map_result(|answer: Result<_, BoxError>| Ok::<_, BoxError>(forward::response(answer?)?))
        .layer(args.retry())
        .layer(breaker)
        .layer(args.judge())
        .layer(streams.timeout())
        .map_request(Attempts::count)
        .service(client(args.connect_timeout)?);
    Ok(BoxCloneSyncService::new(service))
}
