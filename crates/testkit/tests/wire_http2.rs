//! What reaches an HTTP/2 client over a real socket.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may panic as a test may"
)]

mod common;

use std::{error::Error, time::Duration};

use buttress_testkit::{
    body::{BoxError, ScriptedBody, Step},
    upstream::{Behaviour, Cut, Script, Server, Upstream},
};
use http::{Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::{body::Incoming, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, timeout},
};

use common::tcp::eventually;

const DELAY: Duration = Duration::from_millis(25);

/// One connection to a server that plays a script.
struct Client {
    server: Server,
    send: SendRequest<ScriptedBody>,
    _connection: JoinSet<()>,
}

impl Client {
    async fn of(script: impl Into<Script>) -> Self {
        let server = Server::start(Upstream::new(script)).await;
        let tcp = TcpStream::connect(server.addr()).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let io = TokioIo::new(tcp);
        let executor = TokioExecutor::new();
        let (send, connection) = hyper::client::conn::http2::handshake(executor, io)
            .await
            .unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { drop(connection.await) });
        Self {
            server,
            send,
            _connection: tasks,
        }
    }

    async fn post(&mut self, path: &str, body: ScriptedBody) -> hyper::Result<Response<Incoming>> {
        let uri = format!("{}{path}", self.server.url());
        self.send
            .send_request(Request::post(uri).body(body).unwrap())
            .await
    }

    async fn chat(&mut self) -> hyper::Result<Response<Incoming>> {
        let body = ScriptedBody::full(r#"{"stream":true}"#);
        self.post("/v1/chat/completions", body).await
    }
}

/// The frames of a body, and the error that ended it.
async fn frames(mut body: Incoming) -> (Vec<String>, Option<hyper::Error>) {
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                let data = frame.into_data().unwrap_or_default();
                frames.push(String::from_utf8_lossy(&data).into_owned());
            }
            Err(error) => return (frames, Some(error)),
        }
    }
    (frames, None)
}

fn reason(error: &hyper::Error) -> Option<h2::Reason> {
    error.source()?.downcast_ref::<h2::Error>()?.reason()
}

#[tokio::test]
async fn both_versions_share_a_port_and_a_script() {
    let mut client = Client::of(Script::sequence([Behaviour::overloaded()])).await;
    let response = client.chat().await.unwrap();
    assert_eq!(
        (response.status(), response.version()),
        (StatusCode::SERVICE_UNAVAILABLE, Version::HTTP_2)
    );
    let (frames, error) = frames(client.chat().await.unwrap().into_body()).await;
    assert!(error.is_none());
    assert_eq!(frames.last().unwrap(), "data: [DONE]\n\n");
    let calls = client.server.upstream().calls();
    assert!(
        calls
            .iter()
            .all(|call| call.version == Version::HTTP_2 && call.body_complete)
    );
}

#[tokio::test]
async fn each_chunk_arrives_when_it_was_sent() {
    let script = Behaviour::well()
        .pieces("text/plain", ["one", "two", "three"])
        .chunk_delay(DELAY);
    let mut client = Client::of(script).await;
    let start = Instant::now();
    let mut body = client.chat().await.unwrap().into_body();
    for (expected, wait) in [
        ("one", Duration::ZERO),
        ("two", DELAY),
        ("three", 2 * DELAY),
    ] {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), expected);
        assert!(start.elapsed() >= wait);
        let completed = client.server.upstream().counts().answers_completed;
        assert_eq!(completed == 1, expected == "three");
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_reset_resets_one_stream_and_leaves_the_connection() {
    let mut client = Client::of(Script::sequence([
        Behaviour::well().cut_after(3, Cut::Reset),
        Behaviour::well().cut_before_head(Cut::Reset),
        Behaviour::well().cut_before_head(Cut::Refuse),
    ]))
    .await;
    let (frames, error) = frames(client.chat().await.unwrap().into_body()).await;
    assert_eq!(frames.len(), 3);
    assert_eq!(reason(&error.unwrap()), Some(h2::Reason::INTERNAL_ERROR));
    assert_eq!(
        reason(&client.chat().await.unwrap_err()),
        Some(h2::Reason::INTERNAL_ERROR)
    );
    assert_eq!(
        reason(&client.chat().await.unwrap_err()),
        Some(h2::Reason::REFUSED_STREAM)
    );
    assert_eq!(client.chat().await.unwrap().status(), 200);
    let counts = client.server.upstream().counts();
    // The refused one is not billed.
    assert_eq!((counts.connections, counts.calls, counts.billed), (1, 4, 3));
}

// Streams and connection are different tasks, and here on different threads too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_and_a_close_end_the_connection() {
    for cut in [Cut::Abort, Cut::Close].repeat(10) {
        let mut client = Client::of(Behaviour::well().cut_after(3, cut)).await;
        let (frames, error) = frames(client.chat().await.unwrap().into_body()).await;
        assert_eq!((frames.len(), error.is_some()), (3, true), "{cut:?}");
        // Not by another request: one that meets a dying connection is the client's matter, and hyper's
        // has been seen to wait for ever.
        eventually(|| client.send.is_closed()).await;

        let mut client = Client::of(Behaviour::well().cut_before_head(cut)).await;
        assert!(client.chat().await.is_err(), "{cut:?}");
        eventually(|| client.send.is_closed()).await;
        assert_eq!(client.server.upstream().counts().calls, 1);
    }
}

#[tokio::test]
async fn a_stall_holds_up_its_own_stream_only() {
    let mut client = Client::of(Script::sequence([
        Behaviour::well().cut_after(1, Cut::Stall)
    ]))
    .await;
    let mut stalled = client.chat().await.unwrap().into_body();
    assert!(stalled.frame().await.unwrap().is_ok());
    assert!(timeout(2 * DELAY, stalled.frame()).await.is_err());
    assert_eq!(
        frames(client.chat().await.unwrap().into_body())
            .await
            .0
            .len(),
        23
    );
    drop(stalled);
    eventually(|| client.server.upstream().counts().abandoned == 1).await;
}

#[tokio::test]
async fn an_early_answer_comes_while_the_upload_is_alive() {
    let script = Behaviour::rate_limited()
        .answer_early()
        .chunk_at([1])
        .chunk_delay(10 * DELAY);
    let mut client = Client::of(script).await;
    let upload = ScriptedBody::new([Step::data("begun"), Step::Stall]);
    let handle = upload.handle();
    let response = client.post("/", upload).await.unwrap();
    assert_eq!(response.status(), 429);
    assert!(!handle.dropped());
    // When the answer is complete, the server has no use for the rest of the upload.
    assert!(frames(response.into_body()).await.1.is_none());
    eventually(|| handle.dropped()).await;
}

#[tokio::test]
async fn a_slow_reader_and_trailers_both_ways() {
    let script = Behaviour::well()
        .read_slowly(1, DELAY)
        .trailer("x-end", "1");
    let mut client = Client::of(script).await;
    let start = Instant::now();
    let body = ScriptedBody::new([Step::data("a"), Step::trailer("x-sum", "9")]);
    let response = client.post("/echo", body).await.unwrap();
    assert!(start.elapsed() >= DELAY);
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-end"], "1");
    assert_eq!(collected.to_bytes(), "a");
    assert_eq!(
        client
            .server
            .upstream()
            .last_call()
            .unwrap()
            .trailers
            .unwrap()["x-sum"],
        "9"
    );
}

#[tokio::test]
async fn a_client_that_breaks_off_its_upload_is_not_answered() {
    let mut client = Client::of(Script::well()).await;
    let broken: BoxError = "disk error".into();
    let body = ScriptedBody::new([Step::data("a"), Step::Error(broken)]);
    assert!(client.post("/", body).await.is_err());
    let upstream = client.server.upstream();
    eventually(|| upstream.counts().abandoned == 1).await;
    assert_eq!(
        (upstream.counts().calls, upstream.counts().requests_received),
        (1, 0)
    );
}
