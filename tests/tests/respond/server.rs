//! A server behind the layers of a door, over HTTP/1.1 and HTTP/2.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use buttress::classify::Profile;
use buttress::core::{Backoff, BoxError, Deadline, Failure, Outcome};
use buttress::deadline::{Budget, TimeoutBudgetLayer, current};
use buttress::respond::RespondLayer;
use buttress::retry::{RetryLayer, RetryOverride};
use buttress_testkit::body::{ScriptedBody, Step};
use http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::{ServiceBuilder, service_fn};

/// How long the door waits for an answer.
pub(crate) const TOTAL: Duration = Duration::from_millis(250);

/// Serves until the returned tasks are dropped.
pub(crate) async fn start() -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let calls = Arc::new(AtomicUsize::new(0));
            let stack = ServiceBuilder::new()
                .layer(RespondLayer::new().after_retries(true))
                .map_request(overrides)
                .layer(TimeoutBudgetLayer::new(TOTAL))
                .layer(retries())
                .service(service_fn(move |request| {
                    answer(calls.fetch_add(1, Relaxed) + 1, request)
                }));
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                let stack = TowerToHyperService::new(stack);
                // What a client does to its connection is its own affair.
                let _ended = builder.serve_connection(TokioIo::new(tcp), stack).await;
            });
        }
    });
    (addr, tasks)
}

/// Three attempts at whatever is answered with a failure, one at once after another.
fn retries() -> RetryLayer<Profile> {
    RetryLayer::http(Profile::GRPC)
        .retry_answered(true)
        .backoff(Backoff::constant(Duration::ZERO))
        .min_attempt(Duration::ZERO)
}

/// One of the paths has more time than the rest, and another one has no retries.
fn overrides<B>(mut request: Request<B>) -> Request<B> {
    let path = request.uri().path().to_owned();
    let extensions = request.extensions_mut();
    if path == "/test/Left" {
        extensions.insert(Budget(Duration::from_secs(60)));
    }
    if path == "/test/BusyAlone" {
        extensions.insert(RetryOverride::never());
    }
    request
}

/// Answers the call of that number on this connection.
async fn answer<B>(number: usize, request: Request<B>) -> Result<Response<ScriptedBody>, BoxError> {
    let content_type = request.headers().get("content-type").cloned();
    let steps = match request.uri().path() {
        "/test/Never" => std::future::pending().await,
        "/test/Stalls" => vec![message("one"), Step::Stall],
        // Its source fails while the event before it may still be unwritten.
        "/test/Events" => {
            let silent = Failure::new(Outcome::IDLE_ELAPSED, "upstream.internal is silent");
            vec![Step::data("data: one\n\n"), Step::Error(silent.into())]
        }
        "/test/Left" => {
            let now = tokio::time::Instant::now().into_std();
            let left = current().map(|deadline: Deadline| deadline.remaining(now).as_millis());
            let left = left.map_or_else(String::new, |left| left.to_string());
            vec![message(&left), Step::trailer("grpc-status", "0")]
        }
        "/test/Busy" | "/test/BusyAlone" => {
            let busy = Response::builder()
                .header("content-type", "application/grpc")
                .header("grpc-status", "14")
                .header("grpc-message", format!("call {number}"));
            return Ok(busy.body(ScriptedBody::new([]))?);
        }
        _ => {
            let open = Outcome::CIRCUIT_OPEN.after(Duration::from_millis(1_500));
            return Err(Failure::new(open, "upstream.internal is down").into());
        }
    };
    let body = ScriptedBody::new(steps).conservative_end().unknown_size();
    let mut response = Response::new(body);
    if let Some(content_type) = content_type {
        response.headers_mut().insert("content-type", content_type);
    }
    Ok(response)
}

/// As gRPC frames it; to others it is a chunk.
fn message(text: &str) -> Step {
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
    framed.extend_from_slice(text.as_bytes());
    Step::data(framed)
}
