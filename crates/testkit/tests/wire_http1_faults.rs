//! What goes wrong on the wire over HTTP/1.1.

mod common;

use std::{io, time::Duration};

use buttress_testkit::upstream::{Behaviour, Cut, Script, fingerprint};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::common::tcp::{Client, events, eventually, request, serve};

#[tokio::test]
async fn a_stall_keeps_the_connection_open() {
    let server = serve(Script::sequence([
        Behaviour::well().cut_before_head(Cut::Stall),
        Behaviour::well().cut_after(2, Cut::Stall),
    ]))
    .await;
    let mut before_head = Client::chat(&server).await;
    before_head.assert_silent().await;
    let mut client = Client::chat(&server).await;
    client
        .read_until(|text| events(text) == 2 && text.ends_with("\r\n"))
        .await;
    client.assert_silent().await;
    before_head.assert_silent().await;
}

#[tokio::test]
async fn a_caller_who_leaves_a_stall_is_seen_to_leave() {
    let server = serve(Behaviour::well().cut_after(2, Cut::Stall)).await;
    let mut client = Client::chat(&server).await;
    client.read_until(|text| events(text) == 2).await;
    assert_eq!(server.upstream().counts().abandoned, 0);
    drop(client);
    eventually(|| server.upstream().counts().abandoned == 1).await;
}

#[tokio::test]
async fn a_reset_in_mid_stream_is_a_reset_after_all_that_was_sent() {
    for cut in [Cut::Reset, Cut::Refuse, Cut::Abort] {
        let server = serve(Behaviour::well().cut_after(3, cut)).await;
        let (text, end) = Client::chat(&server).await.read_to_end().await;
        assert!(is_reset(&end), "{cut:?}: {end:?}");
        assert_eq!(events(&text), 3, "{cut:?}");
        assert!(!text.ends_with("0\r\n\r\n"));
    }
}

#[tokio::test]
async fn a_close_in_mid_stream_is_an_end_without_last_chunk() {
    let server = serve(Behaviour::well().cut_after(3, Cut::Close)).await;
    let (text, end) = Client::chat(&server).await.read_to_end().await;
    end.unwrap();
    assert_eq!(events(&text), 3);
    assert!(!text.ends_with("0\r\n\r\n"));

    server
        .upstream()
        .set_script(Behaviour::well().chunk_size(4).cut_after(2, Cut::Close));
    let mut client = Client::connect(&server).await;
    client.send(&request("GET", "/bytes/100", "")).await;
    let (text, end) = client.read_to_end().await;
    end.unwrap();
    assert!(text.contains("content-length: 100\r\n") && text.ends_with("\r\n\r\nbbbbbbbb"));
}

#[tokio::test]
async fn before_the_head_a_reset_resets_and_a_close_closes() {
    let server = serve(Script::sequence([
        Behaviour::well().cut_before_head(Cut::Reset),
        Behaviour::well().cut_before_head(Cut::Close),
    ]))
    .await;
    let (text, end) = Client::chat(&server).await.read_to_end().await;
    assert!(text.is_empty() && is_reset(&end), "{end:?}");
    let (text, end) = Client::chat(&server).await.read_to_end().await;
    assert!(text.is_empty() && end.is_ok(), "{end:?}");
    assert_eq!(
        (
            server.upstream().counts().billed,
            server.upstream().counts().cut
        ),
        (2, 2)
    );
}

#[tokio::test]
async fn http_may_end_well_where_the_stream_does_not() {
    let server = serve(Script::sequence([
        Behaviour::well().without_terminator(),
        Behaviour::well().error_event_after(2),
    ]))
    .await;
    for last in ["\"stop\"", "\"server_error\""] {
        let mut client = Client::chat(&server).await;
        let text = client
            .read_until(|text| text.ends_with("\r\n0\r\n\r\n"))
            .await;
        let data = text.rsplit("data: ").next().unwrap();
        assert!(
            data.contains(last) && text.ends_with("\r\n0\r\n\r\n"),
            "{text}"
        );
        assert!(!text.contains("[DONE]"));
    }
}

#[tokio::test]
async fn a_slow_reader_reads_slowly() {
    let server = serve(Behaviour::well().read_slowly(1000, Duration::from_secs(1))).await;
    let body = "x".repeat(16 * 1024 * 1024);
    let fingerprint = fingerprint(body.as_bytes());
    let mut client = Client::connect(&server).await;
    let request = request("POST", "/", &body);
    let mut send = Box::pin(client.send(&request));
    assert!(
        timeout(Duration::from_millis(120), &mut send)
            .await
            .is_err(),
        "16 MiB fit into no socket's buffers"
    );
    let read = server.upstream().counts().request_bytes;
    assert!((1000..1024 * 1024).contains(&read), "{read} bytes");
    send.await;
    assert!(
        client
            .read()
            .await
            .unwrap()
            .starts_with(b"HTTP/1.1 200 OK\r\n")
    );
    let call = server.upstream().last_call().unwrap();
    assert_eq!(
        (call.body_len, call.body_fingerprint),
        (body.len() as u64, fingerprint)
    );
}

#[tokio::test]
async fn an_early_answer_comes_before_the_request_is_sent() {
    let server = serve(Behaviour::rate_limited().answer_early()).await;
    let mut client = Client::connect(&server).await;
    client
        .send("POST / HTTP/1.1\r\nhost: upstream\r\ncontent-length: 1000000\r\n\r\n")
        .await;
    assert!(client.read().await.unwrap().starts_with(b"HTTP/1.1 429 "));
    assert_eq!(server.upstream().counts().requests_received, 0);
}

#[tokio::test]
async fn an_early_answer_is_not_lost_on_a_client_that_goes_on_sending() {
    let server = serve(Behaviour::rate_limited().answer_early()).await;
    for _ in 0..5 {
        let (mut read, mut write) = TcpStream::connect(server.addr())
            .await
            .unwrap()
            .into_split();
        let sending = async {
            let head = "POST / HTTP/1.1\r\nhost: upstream\r\ncontent-length: 1000000\r\n\r\n";
            write.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..10 {
                write.write_all(&[b'x'; 100_000]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let mut answer = String::new();
        let (_, read) = tokio::join!(sending, read.read_to_string(&mut answer));
        read.unwrap();
        assert!(answer.starts_with("HTTP/1.1 429 ") && answer.ends_with("too many requests\n"));
    }
}

#[tokio::test]
async fn a_server_goes_away_and_comes_back_on_the_same_port() {
    let server = serve(Script::well()).await;
    let mut idle = Client::connect(&server).await;
    idle.send(&request("GET", "/", "")).await;
    assert!(
        idle.read()
            .await
            .unwrap()
            .starts_with(b"HTTP/1.1 200 OK\r\n")
    );

    server.go_away().await;
    assert!(matches!(idle.read().await.as_deref(), Ok([]) | Err(_)));
    let refused = TcpStream::connect(server.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);

    server.come_back().await.unwrap();
    assert!(server.come_back().await.is_err(), "it is there already");
    let mut client = Client::connect(&server).await;
    client.send(&request("GET", "/", "")).await;
    assert!(
        client
            .read()
            .await
            .unwrap()
            .starts_with(b"HTTP/1.1 200 OK\r\n")
    );
    assert_eq!(server.upstream().counts().connections, 2);
}

#[tokio::test]
async fn a_dropped_server_refuses() {
    let server = serve(Script::well()).await;
    let addr = server.addr();
    let mut client = Client::chat(&server).await;
    client.read_until(|text| text.contains("[DONE]")).await;
    drop(server);
    assert!(matches!(client.read().await.as_deref(), Ok([]) | Err(_)));
    assert!(TcpStream::connect(addr).await.is_err());
}

fn is_reset(end: &io::Result<()>) -> bool {
    end.as_ref()
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
}
