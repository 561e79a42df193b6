use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Answers every connection with the same bytes, which need not be HTTP, then closes it.
///
/// It waits until some of a request has arrived, and reads the rest for as long as the client sends.
#[derive(Debug)]
pub struct RawServer {
    addr: SocketAddr,
    // Aborted when dropped.
    _tasks: JoinSet<()>,
}

impl RawServer {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn start(answer: impl Into<Bytes>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port on the loopback interface");
        let addr = listener
            .local_addr()
            .expect("a bound socket has an address");
        let answer = answer.into();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let answer = answer.clone();
                // A client that goes away early loses nothing but its answer.
                connections.spawn(async move { drop(serve(tcp, &answer).await) });
            }
        });
        Self {
            addr,
            _tasks: tasks,
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Scheme and authority, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

async fn serve(mut tcp: TcpStream, answer: &[u8]) -> io::Result<()> {
    let mut waste = [0; 4096];
    if tcp.read(&mut waste).await? == 0 {
        return Ok(());
    }
    tcp.write_all(answer).await?;
    tcp.shutdown().await?;
    // Unread bytes would turn the close into a reset.
    while tcp.read(&mut waste).await? > 0 {}
    Ok(())
}
