//! Between a client and the gateway: counts the heartbeats on their way.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What both forms of a heartbeat begin with.
pub(crate) const HEARTBEAT: &str = ": keepalive\n";

/// Passes bytes on as they come; ends its connections when dropped.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) address: SocketAddr,
    heartbeats: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Tap {
    pub(crate) async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heartbeats = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&heartbeats);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                // Whoever goes away early has seen what he wanted.
                connections.spawn(async move { drop(pass(client, target, &count).await) });
            }
        });
        Self {
            address,
            heartbeats,
            _tasks: tasks,
        }
    }

    /// So many have passed.
    pub(crate) fn heartbeats(&self) -> usize {
        self.heartbeats.load(Ordering::Relaxed)
    }
}

async fn pass(client: TcpStream, target: SocketAddr, count: &AtomicUsize) -> io::Result<()> {
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    tokio::select! {
        ended = copy(&mut from_client, &mut to_server) => ended.map(drop),
        ended = downstream(from_server, to_client, count) => ended,
    }
}

async fn downstream(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    count: &AtomicUsize,
) -> io::Result<()> {
    let mut read = Vec::new();
    while from.read_buf(&mut read).await? > 0 {
        to.write_all(&read).await?;
        count.fetch_add(
            read.windows(HEARTBEAT.len())
                .filter(|seen| seen == &HEARTBEAT.as_bytes())
                .count(),
            Ordering::Relaxed,
        );
        read.clear();
    }
    to.shutdown().await
}
