//! A client that notes what it saw, and whether that was all.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::harness::soon;

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
    /// Whether the body came to its proper end.
    pub(crate) whole: bool,
}

/// Asks for a stream.
pub(crate) async fn read(address: SocketAddr, path: &str) -> Seen {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let request = Request::get(format!("http://{address}{path}"))
        .header("accept", "text/event-stream")
        .body(Empty::new())
        .unwrap();
    let (head, mut body) = soon(client.request(request)).await.unwrap().into_parts();
    let mut read = Vec::new();
    let whole = soon(async {
        loop {
            match body.frame().await {
                Some(Ok(frame)) => read.extend(frame.into_data().unwrap_or_default()),
                Some(Err(_)) => break false,
                None => break true,
            }
        }
    })
    .await;
    Seen {
        status: head.status,
        body: String::from_utf8(read).unwrap(),
        whole,
    }
}
