//! What the client sends arrives whole, once or again.

use buttress_testkit::upstream::{Behaviour, Script, fingerprint};
use http::StatusCode;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::harness::{Gateway, read_until, scene, soon};

/// Bytes without a period that a mistake could hide in.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

#[tokio::test]
async fn a_body_of_200_kib_is_replayed_byte_for_byte() {
    let script = Script::sequence([
        Behaviour::overloaded(),
        Behaviour::overloaded().answer_early(),
    ]);
    // Who answers early hangs up early: a further attempt may meet the dying connection.
    let scene = scene(script, &["--max-attempts", "5"]).await;
    let body = noise(200 << 10);
    let answer = scene.gateway.post("/echo", body.clone()).await;

    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.attempts() >= 3);
    assert!(answer.body == body);
    let calls = scene.upstream.calls();
    for call in [&calls[0], &calls[2]] {
        assert!(call.body_complete);
        assert_eq!(call.body_fingerprint, fingerprint(&body));
        assert_eq!(call.headers["content-length"], body.len().to_string());
    }
}

#[tokio::test]
async fn a_body_of_8_mib_above_the_cap_goes_out_once_and_whole() {
    let scene = scene(Behaviour::overloaded(), &["--max-replay", "1048576"]).await;
    let body = noise(8 << 20);
    let answer = scene.gateway.post("/echo", body.clone()).await;

    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.attempts(), 1);
    let calls = scene.upstream.calls();
    assert_eq!(calls.len(), 1);
    assert!(calls[0].body_complete);
    assert_eq!(calls[0].body_len, 8 << 20);
    assert_eq!(calls[0].body_fingerprint, fingerprint(&body));
}

#[tokio::test]
async fn a_body_of_8_mib_below_the_cap_is_replayed() {
    let scene = scene(Script::sequence([Behaviour::overloaded()]), &[]).await;
    let body = noise(8 << 20);
    let answer = scene.gateway.post("/bytes/8388608", body.clone()).await;

    assert_eq!((answer.status, answer.attempts()), (StatusCode::OK, 2));
    assert_eq!(answer.body.len(), 8 << 20);
    let whole =
        |call: &buttress_testkit::upstream::Call| call.body_fingerprint == fingerprint(&body);
    assert!(scene.upstream.calls().iter().all(whole));
}

#[tokio::test]
async fn a_body_reaches_the_upstream_while_the_client_still_sends_it() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let gateway = Gateway::before(url, &[]).await;

    let mut client = gateway.connect().await;
    let head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    client.write_all(head).await.unwrap();
    let (mut call, _) = soon(upstream.accept()).await.unwrap();
    let seen = read_until(&mut call, "first\r\n").await;
    assert!(!seen.contains("second"));
    client.write_all(b"6\r\nsecond\r\n0\r\n\r\n").await.unwrap();
    read_until(&mut call, "6\r\nsecond\r\n0\r\n\r\n").await;
    call.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let answer = read_until(&mut client, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn an_answer_keeps_its_length_or_its_lack_of_one() {
    let script = Script::sequence([Behaviour::well(), Behaviour::well().unsized_body()]);
    let scene = scene(script, &[]).await;
    let sized = scene.gateway.get("/bytes/1000").await;
    assert_eq!(sized.field("content-length"), Some("1000"));
    let chunked = scene.gateway.get("/bytes/1000").await;
    assert_eq!(chunked.field("content-length"), None);
    assert_eq!(sized.body, chunked.body);
}
