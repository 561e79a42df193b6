//! Events reach the client as they come.

use std::time::Duration;

use buttress_testkit::upstream::Behaviour;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::harness::{Gateway, read_until, scene, soon};

const TRIES: usize = 21;

#[tokio::test]
async fn content_arrives_within_5_ms_of_being_sent_and_with_the_first_all_that_was_held() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let gateway = Gateway::before(url, &[]).await;

    // One connection for all, as clients keep it: only there does a kernel delay its
    // acknowledgements, and Nagle's algorithm wait for them.
    let mut client = gateway.connect().await;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    while first.len() < TRIES {
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let (mut call, _) = soon(upstream.accept()).await.unwrap();
        call.set_nodelay(true).unwrap();
        read_until(&mut call, "\r\n\r\n").await;
        let early = [HEAD, PING, ROLE].concat();
        call.write_all(early.as_bytes()).await.unwrap();
        sleep(Duration::from_millis(2)).await; // it arrives, and is held

        let sent = Instant::now();
        call.write_all(TEXT.as_bytes()).await.unwrap();
        let answer = read_until(&mut client, TEXT).await;
        first.push(sent.elapsed());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(body, [PING, ROLE, TEXT].concat(), "unchanged");

        let sent = Instant::now();
        call.write_all(TEXT.as_bytes()).await.unwrap();
        assert_eq!(read_until(&mut client, TEXT).await, TEXT);
        second.push(sent.elapsed());
        call.write_all(b"0\r\n\r\n").await.unwrap();
        read_until(&mut client, "0\r\n\r\n").await;
    }
    for (which, mut took) in [("first", first), ("second", second)] {
        took.sort_unstable();
        // On a machine with much else to do, half of the tries may wait for the processor.
        let (best, quarter, median) = (took[0], took[TRIES / 4], took[TRIES / 2]);
        println!(
            "{which} content of {TRIES} streams: best {best:?}, quarter {quarter:?}, median {median:?}"
        );
        assert!(quarter < Duration::from_millis(5), "{which}: {quarter:?}");
    }
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\
    content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const PING: &str = "8\r\n: ping\n\n\r\n";
const ROLE: &str = "34\r\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n\r\n";
const TEXT: &str = "30\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n\r\n";

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
