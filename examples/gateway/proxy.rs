//! From a request to its answer.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::get;
use axum::{Json, Router};
use buttress::core::BoxError;
use buttress::respond::RespondLayer;
use http::header::{CONNECTION, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::util::BoxCloneSyncService;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tracing::Instrument as _;

use crate::access::{Course, Line};
use crate::circuits::Board;
use crate::forward;
use crate::stack::Stack;
use crate::upstream::Upstream;

const ATTEMPTS: HeaderName = HeaderName::from_static("x-buttress-attempts");

/// What every request needs.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    circuits: Board,
    exchange: Exchange,
}

/// Everything between a client and the upstreams: it always has an answer.
type Exchange = BoxCloneSyncService<Request, Response<Body>, Infallible>;

impl Gateway {
    /// `upstream` is where requests go first.
    pub(crate) fn new(
        upstream: Upstream,
        circuits: Board,
        respond: &RespondLayer,
        stack: Stack,
    ) -> Self {
        let upstream = Arc::new(upstream);
        let exchange = service_fn(move |request| {
            let (upstream, stack) = (Arc::clone(&upstream), stack.clone());
            async move {
                let course = Course::of(&request);
                match exchange(request, &upstream, stack).await {
                    Ok(answer) => Ok(answer.map(|body| {
                        body.map_err(move |error| {
                            course.cut(&error);
                            error
                        })
                    })),
                    Err(error) => {
                        course.refuse(&error);
                        Err(error)
                    }
                }
            }
        });
        let exchange = respond.layer(exchange);
        let exchange = exchange.map_response(|answer| answer.map(Body::new));
        Self {
            circuits,
            exchange: BoxCloneSyncService::new(exchange),
        }
    }

    /// Everything but `/healthz` and `/circuits` goes upstream.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/circuits", get(circuits))
            .fallback(proxy)
            .with_state(self)
    }
}

async fn exchange(
    request: Request,
    upstream: &Upstream,
    stack: Stack,
) -> Result<Response<Body>, BoxError> {
    let course = Course::of(&request);
    let mut request = forward::request(request, upstream)?;
    request.extensions_mut().insert(course);
    stack.oneshot(request).await
}

async fn circuits(State(gateway): State<Gateway>) -> Json<Value> {
    gateway.circuits.show()
}

/// Dropped when the client leaves, and the call upstream with it.
async fn proxy(State(gateway): State<Gateway>, mut request: Request) -> Response<Body> {
    let course = Course::default();
    let line = Line::begin(&request, course.clone());
    request.extensions_mut().insert(course.clone());
    let exchange = gateway.exchange.oneshot(request);
    let Ok(mut answer) = exchange.instrument(line.span()).await;
    let made = HeaderValue::from(course.attempts());
    answer.headers_mut().insert(ATTEMPTS, made);
    if course.refusal().is_some() && is_no_request(answer.status()) {
        // What we make of a request that is not one may not be where the next one begins.
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(CONNECTION, close);
    }
    line.follow(answer)
}

fn is_no_request(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::NOT_IMPLEMENTED
    )
}
