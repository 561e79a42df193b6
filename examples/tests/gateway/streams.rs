//! Events reach the client as they come.

use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, Cut};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::harness::{Gateway, read_until, scene, soon};

const TRIES: usize = 21;

#[tokio::test]
async fn the_first_event_of_a_stream_arrives_within_5_ms_of_being_sent() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let gateway = Gateway::before(url, &[]).await;

    // One connection for all, as clients keep it: only there does a kernel delay its
    // acknowledgements, and Nagle's algorithm wait for them.
    let mut client = gateway.connect().await;
    let mut took = Vec::new();
    while took.len() < TRIES {
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let (mut call, _) = soon(upstream.accept()).await.unwrap();
        call.set_nodelay(true).unwrap();
        read_until(&mut call, "\r\n\r\n").await;
        call.write_all(HEAD).await.unwrap();
        read_until(&mut client, "\r\n\r\n").await;
        let sent = Instant::now();
        call.write_all(b"12\r\ndata: {\"text\":1}\n\n\r\n")
            .await
            .unwrap();
        read_until(&mut client, "data: {\"text\":1}\n\n\r\n").await;
        took.push(sent.elapsed());
        call.write_all(b"0\r\n\r\n").await.unwrap();
        read_until(&mut client, "0\r\n\r\n").await;
    }
    took.sort_unstable();
    let (best, median, worst) = (took[0], took[TRIES / 2], took[TRIES - 1]);
    println!("first event of {TRIES} streams: best {best:?}, median {median:?}, worst {worst:?}");
    assert!(median < Duration::from_millis(5), "median {median:?}");
}

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\
    content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn a_stream_passes_unchanged_however_it_is_cut_into_chunks() {
    let text = "data: {\"text\":\"Zürich €\"}\r\n\r\n: ping\n\ndata: a\ndata: b\n\nid: 1\rdata: [DONE]\r\r";
    for size in [1, 7, 4096] {
        let stream = Behaviour::well()
            .pieces("text/event-stream", [text])
            .chunk_size(size);
        let scene = scene(stream, &[]).await;
        let answer = scene.gateway.get("/").await;
        assert_eq!(answer.body, text);
        assert_eq!(answer.field("content-type"), Some("text/event-stream"));
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_does_not_look_complete() {
    for cut in [Cut::Reset, Cut::Close] {
        let stream = Behaviour::well().cut_after(3, cut);
        let scene = scene(stream, &[]).await;
        let body = r#"{"stream":true}"#;
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = scene.gateway.raw(request).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(!answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
        assert_eq!(
            scene.upstream.counts().calls,
            1,
            "content has flowed: no retry"
        );
    }
}
