//! An upstream whose stream goes on when it is told to, piece by piece.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::harness::soon;

/// Answers each call with the same pieces; ends with its connections when dropped.
pub(crate) struct Gated {
    address: SocketAddr,
    stage: Arc<Stage>,
    _tasks: JoinSet<()>,
}

struct Stage {
    pieces: Vec<Bytes>,
    calls: AtomicUsize,
    gate: Semaphore,
}

impl Gated {
    pub(crate) async fn start(pieces: Vec<Bytes>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stage = Arc::new(Stage {
            pieces,
            calls: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        });
        let shown = Arc::clone(&stage);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let stage = Arc::clone(&shown);
                let answer = service_fn(move |request| answer(request, Arc::clone(&stage)));
                connections.spawn(async move {
                    let builder = Builder::new(TokioExecutor::new());
                    let serving = builder.serve_connection(TokioIo::new(client), answer);
                    drop(serving.await); // whoever goes away has his reasons
                });
            }
        });
        Self {
            address,
            stage,
            _tasks: tasks,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets so many pieces pass, of whichever call comes first.
    pub(crate) fn pass(&self, pieces: usize) {
        self.stage.gate.add_permits(pieces);
    }

    pub(crate) fn calls(&self) -> usize {
        self.stage.calls.load(Ordering::Relaxed)
    }

    /// Waits until it has been called so often.
    pub(crate) async fn is_called(&self, times: usize) {
        soon(async {
            while self.calls() < times {
                sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    /// All of an answer.
    pub(crate) fn whole(&self) -> Vec<u8> {
        self.stage.pieces.concat()
    }
}

/// The pieces of a chat: so many, of so many bytes each, and the end.
pub(crate) fn chat(pieces: usize, bytes: usize) -> Vec<Bytes> {
    let word = |n| {
        let word = format!("{n}").repeat(bytes);
        let word = &word[..bytes];
        let chunk = format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{word}"}}}}]}}"#);
        Bytes::from(format!("data: {chunk}\n\n"))
    };
    let end = Bytes::from_static(b"data: [DONE]\n\n");
    (0..pieces).map(word).chain([end]).collect()
}

async fn answer(
    request: Request<Incoming>,
    stage: Arc<Stage>,
) -> Result<Response<StreamBody<impl Stream<Item = Result<Frame<Bytes>, Infallible>>>>, hyper::Error>
{
    request.into_body().collect().await?;
    stage.calls.fetch_add(1, Ordering::Relaxed);
    let pieces = stream::iter(stage.pieces.clone()).then(move |piece| {
        let stage = Arc::clone(&stage);
        async move {
            stage.gate.acquire().await.unwrap().forget();
            Ok(Frame::data(piece))
        }
    });
    let mut response = Response::new(StreamBody::new(pieces));
    let headers = response.headers_mut();
    headers.insert("content-type", "text/event-stream".parse().unwrap());
    Ok(response)
}
