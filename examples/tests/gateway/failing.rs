//! Streams that fail for good: the client sees as much as there was, and that it is not all.

use buttress_testkit::upstream::{Behaviour, Cut, RawServer};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Gateway, read_all, read_until, scene, soon};

const STREAM: &str = r#"{"stream":true}"#;
const REQUEST: &str = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 15\r\n\r\n{\"stream\":true}";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    transfer-encoding: chunked\r\n\r\n";

const ROLE: &str =
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Grüß\"}}]}\n\n";
const ERROR: &str = "data: {\"error\":{\"type\":\"server_error\",\"message\":\"m\"}}\n\n";

const CUTS: [Cut; 2] = [Cut::Close, Cut::Reset];

#[tokio::test]
async fn the_last_of_all_broken_streams_arrives_as_far_as_it_came_and_says_why_it_ends() {
    let upstream = RawServer::start(format!("{CHUNKED}8\r\n: ping\n\n\r\n")).await;
    let gateway = Gateway::before(upstream.url(), &[]).await;
    let answer = gateway.raw(REQUEST).await;
    assert!(answer.contains("x-buttress-attempts: 3\r\n"), "{answer:?}");
    let (_, rest) = answer.split_once(": ping\n\n\r\n").unwrap();
    assert!(
        rest.contains("\r\nevent: error\ndata: {\"error\":"),
        "{rest:?}"
    );
    assert!(rest.ends_with("}\n\n\r\n"), "no last chunk: {answer:?}");
}

#[tokio::test]
async fn an_error_event_after_content_passes_byte_for_byte_and_nothing_is_repeated() {
    let said = [": ping\n\n", ROLE, TEXT, ERROR, "data: [DONE]\n\n"];
    let scene = scene(Behaviour::well().pieces("text/event-stream", said), &[]).await;
    let answer = scene.gateway.post("/v1/chat/completions", STREAM).await;
    assert_eq!((answer.status, answer.attempts()), (StatusCode::OK, 1));
    assert_eq!(answer.body, said.concat());
    assert_eq!(scene.upstream.counts().calls, 1);
}

/// An upstream whose end is in the test's own hands, so that the client has its content before that.
struct Hand {
    gateway: Gateway,
    upstream: TcpListener,
}

impl Hand {
    async fn start() -> Self {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", upstream.local_addr().unwrap());
        let gateway = Gateway::before(url, &[]).await;
        Self { gateway, upstream }
    }

    /// Takes a call and answers with a role and some text.
    async fn begin(&self) -> TcpStream {
        let (mut call, _) = soon(self.upstream.accept()).await.unwrap();
        read_until(&mut call, STREAM).await;
        let chunks = [ROLE, TEXT].map(|event| format!("{:X}\r\n{event}\r\n", event.len()));
        let answer = format!("{CHUNKED}{}", chunks.concat());
        call.write_all(answer.as_bytes()).await.unwrap();
        call
    }

    /// Whether the log says that it was called once and that the answer broke off.
    async fn saw_one_call_cut(self) -> bool {
        let (_, log) = self.gateway.stop().await;
        let mut lines = log.lines();
        lines.any(|line| line.contains("attempts=1 ") && line.contains("outcome=cut"))
    }
}

fn cut(call: TcpStream, cut: Cut) {
    if cut == Cut::Reset {
        call.set_zero_linger().unwrap();
    }
    drop(call);
}

#[tokio::test]
async fn a_stream_that_dies_after_content_is_broken_for_a_client_of_http_1() {
    for how in CUTS {
        let hand = Hand::start().await;
        let mut client = hand.gateway.connect().await;
        client.write_all(REQUEST.as_bytes()).await.unwrap();
        let call = hand.begin().await;
        let answer = read_until(&mut client, TEXT).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("x-buttress-attempts: 1\r\n"), "{answer}");
        cut(call, how);
        let rest = read_all(client).await;
        assert!(
            !rest.contains("0\r\n\r\n"),
            "{how:?}: the last chunk came: {rest}"
        );
        assert!(hand.saw_one_call_cut().await, "{how:?}");
    }
}

#[tokio::test]
async fn a_stream_that_dies_after_content_is_reset_for_a_client_of_http_2() {
    for how in CUTS {
        let hand = Hand::start().await;
        let request = hand.gateway.begin_http2(Request::post("/"), STREAM);
        let (answer, call) = tokio::join!(request, hand.begin());
        assert_eq!(answer.status(), StatusCode::OK);
        let mut body = answer.into_body();
        let mut read = Vec::new();
        while read.len() < ROLE.len() + TEXT.len() {
            let frame = soon(body.frame()).await.unwrap().unwrap();
            read.extend(frame.into_data().unwrap());
        }
        assert_eq!(read, [ROLE, TEXT].concat().as_bytes());
        cut(call, how);
        let last = soon(body.frame()).await.unwrap().unwrap();
        assert!(last.into_data().unwrap().starts_with(b"event: error\n"));
        let error = soon(body.frame()).await.unwrap().unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        let reset = source.downcast_ref::<h2::Error>().unwrap();
        assert!(reset.is_reset() && reset.is_remote(), "{how:?}: {reset}");
        assert!(hand.saw_one_call_cut().await, "{how:?}");
    }
}
