//! A server behind the layers of a door, over HTTP/1.1 and HTTP/2.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use buttress::core::{BoxError, Deadline, Failure, Outcome};
use buttress::deadline::{Budget, TimeoutBudgetLayer, current};
use buttress::respond::RespondLayer;
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
            let stack = ServiceBuilder::new()
                .layer(RespondLayer::new())
                .map_request(patience)
                .layer(TimeoutBudgetLayer::new(TOTAL))
                .service(service_fn(answer));
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

/// One of the paths has more time than the rest.
fn patience<B>(mut request: Request<B>) -> Request<B> {
    if request.uri().path() == "/test/Left" {
        request
            .extensions_mut()
            .insert(Budget(Duration::from_secs(60)));
    }
    request
}

async fn answer<B>(request: Request<B>) -> Result<Response<ScriptedBody>, BoxError> {
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
