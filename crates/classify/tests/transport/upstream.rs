//! Upstreams that misbehave, over real sockets. They write bytes, not HTTP: what they do is seen in
//! the script, and no library of ours or others stands between.

use std::future::Future;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An address at which nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// Does the same with each connection.
pub(crate) async fn upstream<F>(script: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            spawn(script(socket));
        }
    });
    address
}

/// Answers a request with these bytes and closes the connection.
pub(crate) async fn answering(answer: &'static str) -> SocketAddr {
    upstream(move |mut socket| async move {
        head(&mut socket).await;
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
    })
    .await
}

/// Answers a request with these bytes and resets the connection.
pub(crate) async fn resetting(answer: &'static str) -> SocketAddr {
    upstream(move |mut socket| async move {
        head(&mut socket).await;
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket.set_zero_linger().unwrap();
    })
    .await
}

/// Reads a request and says nothing.
pub(crate) async fn silent() -> SocketAddr {
    upstream(|mut socket| async move {
        let mut rest = Vec::new();
        drop(socket.read_to_end(&mut rest).await);
    })
    .await
}

/// Reads a request up to the end of its head.
pub(crate) async fn head(socket: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
}

/// HTTP/2: answers the head of each request with these frames.
pub(crate) async fn framing(
    frames: impl Fn(u32) -> Vec<u8> + Clone + Send + 'static,
) -> SocketAddr {
    upstream(move |mut socket| {
        let frames = frames.clone();
        async move {
            socket.write_all(&settings(&[])).await.unwrap();
            h2_preface(&mut socket).await;
            while let Some(stream) = h2_head(&mut socket).await {
                socket.write_all(&frames(stream)).await.unwrap();
            }
        }
    })
    .await
}

pub(crate) async fn h2_preface(socket: &mut TcpStream) {
    let mut preface = [0; 24];
    socket.read_exact(&mut preface).await.unwrap();
}

/// Reads frames up to the head of a request, and tells the number of its stream; `None` if the
/// client goes away before that.
pub(crate) async fn h2_head(socket: &mut TcpStream) -> Option<u32> {
    loop {
        let (kind, stream) = h2_frame(socket).await?;
        if kind == HEADERS {
            return Some(stream);
        }
    }
}

/// Reads a frame: its type and its stream.
async fn h2_frame(socket: &mut TcpStream) -> Option<(u8, u32)> {
    let mut head = [0; 9];
    socket.read_exact(&mut head).await.ok()?;
    let [l1, l2, l3, kind, _flags, stream @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, l1, l2, l3]) as usize];
    socket.read_exact(&mut payload).await.ok()?;
    Some((kind, u32::from_be_bytes(stream)))
}

pub(crate) fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let entry = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    let payload: Vec<u8> = settings.iter().flat_map(entry).collect();
    frame(0x4, 0, &payload)
}

pub(crate) fn rst_stream(stream: u32, reason: h2::Reason) -> Vec<u8> {
    frame(0x3, stream, &u32::from(reason).to_be_bytes())
}

pub(crate) fn goaway(last_stream: u32, reason: h2::Reason) -> Vec<u8> {
    let payload = [last_stream.to_be_bytes(), u32::from(reason).to_be_bytes()];
    frame(0x7, 0, &payload.concat())
}

fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, 0];
    [&head, &stream.to_be_bytes()[..], payload].concat()
}

const HEADERS: u8 = 0x1;

#[expect(
    clippy::disallowed_methods,
    reason = "an upstream lives beside its client"
)]
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(future));
}
