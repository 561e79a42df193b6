//! Errors as hyper and h2 really give them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::upstream::{
    answering, framing, goaway, h2_head, h2_preface, nobody, resetting, rst_stream, settings,
    silent, spawn,
};
use buttress_classify::transport::transport;
use buttress_core::{Acceptance, BoxError, Failure, Kind, Outcome, Reason, Timer};
use bytes::Bytes;
use http::{Request, Response, Uri, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

type Body = BoxBody<Bytes, BoxError>;

const NOT_TAKEN_ON: Acceptance = Acceptance::Rejected;
const NOBODY_KNOWS: Acceptance = Acceptance::Unknown;

// ===== connecting =====

#[tokio::test]
async fn a_refused_connection_is_proof_that_nothing_was_taken_on() {
    let error = fails(nobody().await).await;
    assert_reads(&error, Kind::Transient, Some(Reason::Refused), NOT_TAKEN_ON);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_proof_too() {
    let resolver = tower::service_fn(|_| async {
        Err::<std::iter::Empty<SocketAddr>, _>(io::Error::other("no such name"))
    });
    let client =
        Client::builder(TokioExecutor::new()).build(HttpConnector::new_with_resolver(resolver));
    let error = client
        .request(request("http://upstream.invalid/"))
        .await
        .unwrap_err();
    assert_reads(&error, Kind::Transient, Some(Reason::Refused), NOT_TAKEN_ON);
}

#[tokio::test]
async fn a_failed_handshake_is_proof_and_a_slow_one_is_a_connect_timeout() {
    // What hyper-rustls makes of an alert, and the connector of a time limit.
    for (error, reason) in [
        (io::ErrorKind::InvalidData, Reason::Refused),
        (io::ErrorKind::UnexpectedEof, Reason::Refused),
        (io::ErrorKind::TimedOut, Reason::Timeout(Timer::Connect)),
    ] {
        let connector = tower::service_fn(move |_: Uri| {
            std::future::ready(Err::<TokioIo<tokio::net::TcpStream>, _>(io::Error::new(
                error,
                "handshake",
            )))
        });
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let error = client
            .request(request("http://upstream/"))
            .await
            .unwrap_err();
        assert_reads(&error, Kind::Transient, Some(reason), NOT_TAKEN_ON);
    }
}

// ===== HTTP/1.1 =====

#[tokio::test]
async fn f18_a_reset_without_an_answer_proves_nothing() {
    let error = fails(resetting("").await).await;
    assert_reads(&error, Kind::Transient, Some(Reason::Reset), NOBODY_KNOWS);
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_proves_nothing() {
    for cut in ["", "HTTP/1.1 200 OK\r\ncontent-"] {
        let error = fails(answering(cut).await).await;
        assert_reads(&error, Kind::Transient, Some(Reason::Reset), NOBODY_KNOWS);
    }
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_transient() {
    let error = fails(answering("what do you want?\r\n\r\n").await).await;
    assert_reads(&error, Kind::Transient, None, NOBODY_KNOWS);
}

#[tokio::test]
async fn a_body_cut_short_is_seen_behind_its_error() {
    const CUT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
    for upstream in [answering(CUT).await, resetting(CUT).await] {
        let response = get(upstream).await.unwrap();
        let error = response.into_body().collect().await.unwrap_err();
        assert_reads(&error, Kind::Transient, Some(Reason::Reset), NOBODY_KNOWS);
    }
}

#[tokio::test]
async fn a_request_that_waited_for_a_connection_that_closed_was_never_sent() {
    let socket = tokio::net::TcpStream::connect(answering("").await)
        .await
        .unwrap();
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(socket));
    let (mut sender, connection) = handshake.await.unwrap();
    drop(connection);
    let error = sender.send_request(request("/")).await.unwrap_err();
    assert!(error.is_canceled());
    assert_reads(&error, Kind::Transient, Some(Reason::Reset), NOT_TAKEN_ON);

    let error = sender.ready().await.unwrap_err();
    assert!(error.is_closed());
    assert_reads(&error, Kind::Transient, Some(Reason::Reset), NOT_TAKEN_ON);
}

// ===== our own side =====

#[tokio::test]
async fn f26_an_error_of_our_own_side_is_never_retryable() {
    let upstream = answering("").await;
    let client = client(false);

    let relative = client.request(request("/relative")).await.unwrap_err();
    let mut ancient = request(&format!("http://{upstream}/"));
    *ancient.version_mut() = Version::HTTP_09;
    let ancient = client.request(ancient).await.unwrap_err();
    let broken = broken_body("cannot rewrite the prompt".into()).await;

    for error in [relative, ancient, broken] {
        assert_eq!(transport(&error), Outcome::LOCAL, "{error:?}");
    }
}

#[tokio::test]
async fn a_failure_of_a_layer_speaks_first_however_deep_it_is() {
    let failure = Failure::new(Outcome::SHARE_EXCEEDED, "too slow");
    let wrapped = io::Error::other(failure);
    let error = broken_body(wrapped.into()).await;
    assert_eq!(transport(&error), Outcome::SHARE_EXCEEDED);
}

/// What the client says when the body of its own request fails.
async fn broken_body(error: BoxError) -> Error {
    let chunks = [Ok(Frame::data(Bytes::from_static(b"{"))), Err(error)];
    let body = BodyExt::boxed(StreamBody::new(futures_util::stream::iter(chunks)));
    let request = Request::post(format!("http://{}/", silent().await))
        .body(body)
        .unwrap();
    client(false).request(request).await.unwrap_err()
}

// ===== HTTP/2 =====

#[tokio::test]
async fn a_refused_stream_is_given_back_unprocessed() {
    let upstream = framing(|stream| rst_stream(stream, h2::Reason::REFUSED_STREAM)).await;
    let error = h2_fails(upstream).await;
    assert_reads(
        &error,
        Kind::Transient,
        Some(Reason::Unprocessed),
        NOT_TAKEN_ON,
    );
}

#[tokio::test]
async fn a_stream_above_the_last_id_of_a_graceful_goaway_is_given_back_unprocessed() {
    let upstream = framing(|_| goaway(0, h2::Reason::NO_ERROR)).await;
    let error = h2_fails(upstream).await;
    assert_reads(
        &error,
        Kind::Transient,
        Some(Reason::Unprocessed),
        NOT_TAKEN_ON,
    );
}

#[tokio::test]
async fn any_other_end_of_a_stream_proves_nothing() {
    for frames in [
        |stream| rst_stream(stream, h2::Reason::CANCEL),
        |stream| rst_stream(stream, h2::Reason::INTERNAL_ERROR),
        |_| goaway(0, h2::Reason::ENHANCE_YOUR_CALM),
        // The last id takes the stream in. Then the connection breaks: no stream has the number 0.
        |stream| {
            [
                goaway(stream, h2::Reason::NO_ERROR),
                rst_stream(0, h2::Reason::NO_ERROR),
            ]
            .concat()
        },
    ] as [fn(u32) -> Vec<u8>; 4]
    {
        let error = h2_fails(framing(frames).await).await;
        assert_reads(&error, Kind::Transient, Some(Reason::Reset), NOBODY_KNOWS);
    }
}

/// hyper calls it the user's error, and a request of ours would then seem to be at fault.
#[tokio::test]
async fn f26_the_end_of_a_connection_under_a_request_that_waits_for_a_stream_is_not_our_own_side() {
    let closing = Arc::new(Notify::new());
    let close = Arc::clone(&closing);
    let upstream = crate::upstream::upstream(move |mut socket| {
        let close = Arc::clone(&close);
        async move {
            const MAX_CONCURRENT_STREAMS: u16 = 0x3;
            let only_one = settings(&[(MAX_CONCURRENT_STREAMS, 1)]);
            socket.write_all(&only_one).await.unwrap();
            h2_preface(&mut socket).await;
            h2_head(&mut socket).await.unwrap();
            close.notified().await;
        }
    })
    .await;
    let client = client(true);
    let call = || client.request(request(&format!("http://{upstream}/")));
    let (first, second, ()) = tokio::join!(call(), call(), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        closing.notify_one();
    });
    for error in [first.unwrap_err(), second.unwrap_err()] {
        assert_reads(&error, Kind::Transient, Some(Reason::Reset), NOBODY_KNOWS);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_that_nobody_answers_is_an_idle_timeout() {
    let (ours, _theirs) = tokio::io::duplex(4096);
    let handshake = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(1))
        .handshake(TokioIo::new(ours));
    let (mut sender, connection) = handshake.await.unwrap();
    spawn(async move { drop(connection.await) });
    let error = sender
        .send_request(request("http://upstream/"))
        .await
        .unwrap_err();
    let idle = Some(Reason::Timeout(Timer::Idle));
    assert_reads(&error, Kind::Transient, idle, NOBODY_KNOWS);
}

#[tokio::test]
async fn a_connection_that_breaks_under_a_stream_proves_nothing() {
    let upstream = crate::upstream::upstream(|mut socket| async move {
        h2_preface(&mut socket).await;
        h2_head(&mut socket).await.unwrap();
    })
    .await;
    let error = h2_fails(upstream).await;
    assert_reads(&error, Kind::Transient, Some(Reason::Reset), NOBODY_KNOWS);
}

// ===== the clients =====

async fn get(upstream: SocketAddr) -> Result<Response<Incoming>, Error> {
    let request = request(&format!("http://{upstream}/"));
    client(false).request(request).await
}

async fn fails(upstream: SocketAddr) -> Error {
    get(upstream).await.unwrap_err()
}

async fn h2_fails(upstream: SocketAddr) -> Error {
    let request = request(&format!("http://{upstream}/"));
    client(true).request(request).await.unwrap_err()
}

fn client(http2: bool) -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new())
        .http2_only(http2)
        .build_http()
}

fn request(uri: &str) -> Request<Body> {
    let body = Empty::new().map_err(|never| match never {});
    Request::get(uri).body(BodyExt::boxed(body)).unwrap()
}

/// As itself, and in the box in which layers pass it on.
fn assert_reads<E>(error: &E, kind: Kind, reason: Option<Reason>, acceptance: Acceptance)
where
    E: std::error::Error + 'static,
{
    let outcome = transport(error);
    let read = (outcome.kind, outcome.reason, outcome.acceptance);
    assert_eq!(read, (kind, reason, acceptance), "{error:?}");
}
