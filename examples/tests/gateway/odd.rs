//! Odd requests and odd answers are errors, and the gateway lives.

use buttress_testkit::upstream::{RawServer, Script};
use tokio::net::TcpListener;

use crate::harness::{Gateway, scene};

#[tokio::test]
async fn odd_requests_are_refused_and_never_reach_the_upstream() {
    let scene = scene(Script::well(), &[]).await;
    let fields = "host: x\r\nconnection: close\r\n";
    let huge = format!(
        "GET / HTTP/1.1\r\n{fields}x: {}\r\n\r\n",
        "a".repeat(2 << 20)
    );
    let many = format!("GET / HTTP/1.1\r\n{fields}{}\r\n", "x: a\r\n".repeat(500));
    for (request, status) in [
        ("CONNECT up:443 HTTP/1.1\r\nhost: up\r\n\r\n", "501"),
        (
            "GET * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            "400",
        ),
        (
            "GET up:443 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            "400",
        ),
        ("GET / HTTP/1.1\r\nconnection: close\r\n\r\n", "400"),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n",
            "400",
        ),
        ("GET /a b HTTP/1.1\r\nhost: x\r\n\r\n", "400"),
        ("GET / HTTP/9.9\r\nhost: x\r\n\r\n", "400"),
        ("G@T / HTTP/1.1\r\nhost: x\r\n\r\n", "400"),
        ("\0\0\0\0\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: x\r\na: b\r\n c\r\n\r\n", "400"),
        (
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\nconnection: close\r\n\r\n0\r\n\r\n",
            "501",
        ),
        (
            "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, gzip\r\n\r\n",
            "400",
        ),
        (&huge, "431"),
        (&many, "431"),
    ] {
        let answer = scene.gateway.raw(request).await;
        let request = &request[..request.len().min(80)];
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {answer:?}"
        );
    }
    assert!(scene.gateway.is_well().await);
    assert_eq!(scene.upstream.counts().calls, 0);
}

#[tokio::test]
async fn a_request_body_that_breaks_off_is_the_clients_error() {
    let scene = scene(Script::well(), &[]).await;
    let request =
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\n";
    let answer = scene.gateway.raw(request).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        answer.contains("\r\nx-buttress-attempts: 1\r\n"),
        "never sent again: {answer}"
    );
    assert_eq!(scene.upstream.counts().requests_received, 0);
    assert!(scene.gateway.is_well().await);
}

#[tokio::test]
async fn a_request_cannot_be_smuggled_inside_another() {
    let scene = scene(Script::well(), &[]).await;
    let request = "POST /outer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
        content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n\
        28\r\nGET /inner HTTP/1.1\r\nhost: x\r\nx: aaaaaaaa\r\n0\r\n\r\n";
    scene.gateway.raw(request).await;
    let targets: Vec<String> = scene
        .upstream
        .calls()
        .iter()
        .map(|call| call.uri.to_string())
        .collect();
    assert!(
        targets.iter().all(|target| target == "/outer"),
        "{targets:?}"
    );
}

/// What the client sees of an upstream that sends these bytes and closes.
async fn answer_to(bytes: &str) -> (Gateway, String) {
    let upstream = RawServer::start(bytes.to_owned()).await;
    let gateway = Gateway::before(upstream.url(), &["--max-attempts", "1"]).await;
    let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = gateway.raw(request).await;
    (gateway, answer)
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_502() {
    let huge = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(2 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: a\r\n".repeat(500));
    for bytes in [
        "",
        "HTTP/1.1 200",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        &huge,
        &many,
    ] {
        let (gateway, answer) = answer_to(bytes).await;
        let bytes = &bytes[..bytes.len().min(80)];
        assert!(
            answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
            "{bytes:?}: {answer:?}"
        );
        assert!(
            answer.contains("application/problem+json"),
            "{bytes:?}: {answer:?}"
        );
        assert!(gateway.is_well().await);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_arrives_so_far_and_does_not_look_complete() {
    for bytes in [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nFFFFFFFFFFFFFFFFFF\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello",
    ] {
        let (gateway, answer) = answer_to(bytes).await;
        assert!(answer.contains("hello"), "{bytes:?}: {answer:?}");
        let complete = answer.ends_with("\r\n0\r\n\r\n");
        let short = answer.contains("content-length: 50");
        assert!(short || !complete, "{bytes:?}: {answer:?}");
        assert!(gateway.is_well().await);
    }
}

#[tokio::test]
async fn a_length_beside_a_coding_cuts_nothing_off() {
    let (_gateway, answer) = answer_to(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    )
    .await;
    assert!(
        answer.contains("hello") && !answer.contains("content-length"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_handshake_that_fails_is_a_502_and_one_that_stalls_a_504() {
    let plain = RawServer::start("this is not TLS").await;
    let url = format!("https://{}", plain.addr());
    let gateway = Gateway::before(url, &[]).await;
    let failed = gateway.get("/").await;
    assert_eq!((failed.status.as_u16(), failed.attempts()), (502, 3));

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let flags = ["--connect-timeout", "50ms", "--max-attempts", "2"];
    let gateway = Gateway::before(url, &flags).await;
    let stalled = gateway.get("/").await;
    assert_eq!((stalled.status.as_u16(), stalled.attempts()), (504, 2));
    assert_eq!(
        stalled.field("content-type"),
        Some("application/problem+json")
    );
}
