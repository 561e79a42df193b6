//! From a request to its answer.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::get;
use axum::{Json, Router};
use http::header::HeaderName;
use http::{HeaderValue, Response};
use serde_json::Value;
use tower::ServiceExt as _;
use tracing::Instrument as _;

use crate::access::{Attempts, Line};
use crate::circuits::Board;
use crate::forward;
use crate::respond::Refusal;
use crate::stack::Stack;
use crate::upstream::Upstream;

const ATTEMPTS: HeaderName = HeaderName::from_static("x-buttress-attempts");

/// What every request needs.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) circuits: Board,
    pub(crate) stack: Stack,
}

impl Gateway {
    /// Everything but `/healthz` and `/circuits` goes upstream.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/circuits", get(circuits))
            .fallback(proxy)
            .with_state(self)
    }

    async fn exchange(
        self,
        request: Request,
        attempts: Attempts,
    ) -> Result<Response<Body>, Refusal> {
        let mut request = forward::request(request, &self.upstream)?;
        request.extensions_mut().insert(attempts);
        self.stack.oneshot(request).await.map_err(Refusal::upstream)
    }
}

async fn circuits(State(gateway): State<Gateway>) -> Json<Value> {
    gateway.circuits.show()
}

/// Dropped when the client leaves, and the call upstream with it.
async fn proxy(State(gateway): State<Gateway>, request: Request) -> Response<Body> {
    let attempts = Attempts::default();
    let mut line = Line::begin(&request, attempts.clone());
    let answer = gateway
        .exchange(request, attempts.clone())
        .instrument(line.span())
        .await;
    let mut response = answer.unwrap_or_else(|refusal| {
        line.refused(&refusal);
        refusal.into_response()
    });
    let made = HeaderValue::from(attempts.made());
    response.headers_mut().insert(ATTEMPTS, made);
    line.follow(response)
}
