//! A thousand who ask for the same at the same time.

use std::fs;
use std::io::Write as _;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;

use crate::gated::{Gated, chat};
use crate::harness::Gateway;

const CLIENTS: usize = 1_000;
/// A server allows 200 at once on a connection, and a process so and so many connections.
const PER_CONNECTION: usize = 100;
/// An answer of a mebibyte. A copy for each client would be a gibibyte.
const PIECES: usize = 16;
const PIECE: usize = 64 << 10;
/// What each client may cost the gateway: its share of a connection, its request, its place in the queue.
const PER_CLIENT: usize = 24 << 10;

type Http2 = Client<HttpConnector, Full<Bytes>>;

#[tokio::test]
async fn a_thousand_duplicates_of_a_stream_are_one_call_and_one_body_in_memory() {
    let upstream = Gated::start(chat(PIECES, PIECE)).await;
    let gateway = Gateway::before(upstream.url(), &["--heartbeat", "off"]).await;
    gateway.get("/healthz").await;
    let before = memory(gateway.pid(), "VmRSS:");

    let whole: &'static [u8] = upstream.whole().leak();
    let mut clients = JoinSet::new();
    let mut connection = None;
    for number in 0..CLIENTS {
        if number % PER_CONNECTION == 0 {
            let mut builder = Client::builder(TokioExecutor::new());
            connection = Some(builder.http2_only(true).build_http());
        }
        let client: Http2 = connection.clone().unwrap();
        clients.spawn(ask(
            client,
            format!("http://{}/v1/chat/completions", gateway.address),
            whole,
        ));
    }
    upstream.is_called(1).await;
    gateway.logs("joined", CLIENTS - 1).await;
    upstream.pass(PIECES + 1);
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }

    assert_eq!(upstream.calls(), 1);
    let grown = memory(gateway.pid(), "VmHWM:") - before;
    let body = whole.len();
    let said = format!("{CLIENTS} clients of a body of {body} bytes: {grown} bytes at most\n");
    std::io::stdout().write_all(said.as_bytes()).unwrap();
    // The body is held as it was read, and copied once when it is kept.
    assert!(grown < 3 * body + CLIENTS * PER_CLIENT, "{said}");
}

/// Reads the answer, and holds none of it.
async fn ask(client: Http2, url: String, whole: &[u8]) {
    let request = Request::post(url)
        .header("authorization", "Bearer me")
        .header("idempotency-key", "k")
        .body(Full::from(r#"{"stream":true}"#));
    let answer = client.request(request.unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);
    let (mut body, mut rest) = (answer.into_body(), whole);
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        rest = rest
            .strip_prefix(&data[..])
            .expect("the same bytes for all");
    }
    assert!(rest.is_empty(), "{} bytes are missing", rest.len());
}

/// Of a process, in bytes.
fn memory(pid: u32, what: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kibibytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kibibytes.parse::<usize>().unwrap() << 10
}
