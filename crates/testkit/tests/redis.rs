//! A server that is there, is not, and is again.

use std::time::Duration;

use buttress_testkit::redis::RedisServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What it says to a `PING`, if anything, and soon.
async fn pong(server: &RedisServer) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port()))
        .await
        .ok()?;
    stream.write_all(b"PING\r\nQUIT\r\n").await.ok()?;
    let mut said = String::new();
    let read = timeout(Duration::from_millis(200), stream.read_to_string(&mut said));
    read.await.ok()?.ok()?;
    Some(said)
}

#[tokio::test]
async fn it_is_stopped_frozen_and_started_again() {
    let Some(mut server) = RedisServer::start(&[]).await else {
        return;
    };
    assert!(server.url().contains(&server.port().to_string()));
    assert!(pong(&server).await.is_some());
    server.freeze();
    assert_eq!(pong(&server).await, None);
    server.thaw();
    assert!(pong(&server).await.is_some());
    server.stop();
    assert_eq!(pong(&server).await, None);
    server.restart().await;
    let said = pong(&server).await;
    assert!(said.is_some_and(|said| said.starts_with("+PONG")));
}

#[tokio::test]
async fn it_is_there_even_if_it_speaks_to_nobody_without_a_password() {
    let options = ["--requirepass", "right"];
    let Some(server) = RedisServer::start(&options).await else {
        return;
    };
    let said = pong(&server).await;
    assert!(said.is_some_and(|said| said.starts_with("-NOAUTH")));
}
