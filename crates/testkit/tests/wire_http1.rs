//! What is really on the wire over HTTP/1.1, read by read.

mod common;

use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, RawServer, Script};
use tokio::{io::AsyncReadExt, net::TcpStream, time::Instant};

use crate::common::tcp::{Client, closing, request, serve};

const DELAY: Duration = Duration::from_millis(25);

#[tokio::test]
async fn status_header_fields_and_body_are_sent() {
    let script = Behaviour::status(429)
        .header("retry-after-ms", "120")
        .header("set-cookie", "a=1")
        .header("set-cookie", "b=2")
        .header("retry-after", &b"\xb2"[..])
        .body("text/plain", "slow down");
    let server = serve(script).await;
    let mut client = Client::connect(&server).await;
    client.send(&closing("GET", "/")).await;
    let mut all = Vec::new();
    client.0.read_to_end(&mut all).await.unwrap();
    let has = |part: &[u8]| all.windows(part.len()).any(|window| window == part);
    assert!(all.starts_with(b"HTTP/1.1 429 Too Many Requests\r\n"));
    assert!(has(b"\r\nretry-after-ms: 120\r\n") && has(b"\r\nretry-after: \xb2\r\n"));
    assert!(has(b"\r\nset-cookie: a=1\r\n") && has(b"\r\nset-cookie: b=2\r\n"));
    assert!(has(b"\r\ncontent-length: 9\r\n"));
    assert!(all.ends_with(b"\r\n\r\nslow down"));
}

#[tokio::test]
async fn the_head_waits() {
    let server = serve(Behaviour::well().head_delay(DELAY)).await;
    let mut client = Client::chat(&server).await;
    let start = Instant::now();
    assert!(
        client
            .read()
            .await
            .unwrap()
            .starts_with(b"HTTP/1.1 200 OK\r\n")
    );
    assert!(start.elapsed() >= DELAY);
}

#[tokio::test]
async fn each_chunk_arrives_in_a_read_of_its_own() {
    let script = Behaviour::well()
        .pieces("text/plain", ["one", "two", "three"])
        .chunk_delay(DELAY);
    let server = serve(script).await;
    let expected = ["3\r\none\r\n", "3\r\ntwo\r\n", "5\r\nthree\r\n0\r\n\r\n"];
    let mut seen: Vec<String> = Vec::new();
    // On a busy machine the reader may come too late to see the chunks apart, but not every time.
    for _ in 0..5 {
        let mut client = Client::connect(&server).await;
        client.send(&request("GET", "/", "")).await;
        let start = Instant::now();
        let mut reads = Vec::<String>::new();
        while !reads.concat().ends_with("0\r\n\r\n") {
            reads.push(String::from_utf8(client.read().await.unwrap()).unwrap());
        }
        assert!(start.elapsed() >= 2 * DELAY);
        // The head is flushed before the first chunk, but may be read together with it.
        seen = reads.into_iter().filter_map(without_head).collect();
        if seen == expected {
            return;
        }
    }
    panic!("{seen:?}");
}

#[tokio::test]
async fn a_chunk_may_end_inside_a_character() {
    let server = serve(
        Behaviour::well()
            .pieces("text/plain", ["a–b"])
            .chunk_at([2]),
    )
    .await;
    let mut client = Client::connect(&server).await;
    client.send(&closing("GET", "/")).await;
    let mut all = Vec::new();
    client.0.read_to_end(&mut all).await.unwrap();
    assert!(all.ends_with(b"\r\n\r\n2\r\na\xe2\r\n3\r\n\x80\x93b\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn head_204_and_304_leave_the_connection_in_order() {
    let server = serve(Script::well()).await;
    let mut client = Client::connect(&server).await;
    for (method, target) in [
        ("HEAD", "/bytes/5"),
        ("GET", "/status/204"),
        ("GET", "/status/304"),
    ] {
        client.send(&request(method, target, "")).await;
    }
    client.send(&closing("GET", "/bytes/5")).await;
    let (text, end) = client.read_to_end().await;
    end.unwrap();
    let parts: Vec<_> = text.split("\r\n\r\n").collect();
    let [head, no_content, not_modified, get, "bbbbb"] = parts[..] else {
        panic!("{parts:?}")
    };
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("\r\ncontent-length: 5"));
    assert!(no_content.starts_with("HTTP/1.1 204 ") && !no_content.contains("content-length"));
    assert!(not_modified.starts_with("HTTP/1.1 304 ") && !not_modified.contains("content-length"));
    assert!(get.starts_with("HTTP/1.1 200 ") && get.contains("\r\ncontent-length: 5"));
    assert_eq!(server.upstream().counts().connections, 1);
}

#[tokio::test]
async fn the_target_is_recorded_byte_for_byte() {
    let server = serve(Script::well()).await;
    let mut client = Client::connect(&server).await;
    client
        .send(&closing("GET", "//a/../%2F%zz/?q=a%20b&&="))
        .await;
    client.read_to_end().await.1.unwrap();
    assert_eq!(
        server.upstream().last_call().unwrap().uri,
        "//a/../%2F%zz/?q=a%20b&&="
    );
}

#[tokio::test]
async fn trailers_are_sent_to_who_wants_them() {
    let script = Behaviour::well()
        .body("text/plain", "a")
        .unsized_body()
        .header("trailer", "x-end")
        .trailer("x-end", "1");
    let server = serve(script).await;
    let mut client = Client::connect(&server).await;
    client
        .send("GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: close, te\r\n\r\n")
        .await;
    let (text, end) = client.read_to_end().await;
    end.unwrap();
    assert!(
        text.ends_with("\r\n\r\n1\r\na\r\n0\r\nx-end: 1\r\n\r\n"),
        "{text}"
    );
}

#[tokio::test]
async fn many_connections_are_served_at_once() {
    let server = serve(Behaviour::well().head_delay(DELAY)).await;
    let mut clients = Vec::new();
    for _ in 0..300 {
        let mut client = Client::connect(&server).await;
        client.send(&closing("GET", "/")).await;
        clients.push(client);
    }
    for mut client in clients {
        let (text, end) = client.read_to_end().await;
        assert!(end.is_ok() && text.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    let counts = server.upstream().counts();
    assert_eq!((counts.connections, counts.answers_completed), (300, 300));
}

#[tokio::test]
async fn a_raw_server_answers_anything() {
    let server = RawServer::start("HTTP/9.9 banana\r\n\r\n").await;
    for _ in 0..2 {
        let mut client = Client(TcpStream::connect(server.addr()).await.unwrap());
        client.send(&request("POST", "/", "body")).await;
        let (text, end) = client.read_to_end().await;
        assert_eq!(text, "HTTP/9.9 banana\r\n\r\n");
        end.unwrap();
    }
    assert!(server.url().starts_with("http://127.0.0.1:"));
}

/// What is left of a read that begins with a head, if anything is.
fn without_head(read: String) -> Option<String> {
    match read.split_once("\r\n\r\n") {
        Some((head, "")) if head.starts_with("HTTP/") => None,
        Some((head, rest)) if head.starts_with("HTTP/") => Some(rest.to_owned()),
        _ => Some(read),
    }
}
