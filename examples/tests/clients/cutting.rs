//! Between a client and the gateway: a connection that breaks.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Passes bytes on, but for the first connection: that is cut, on both sides, in the middle of what comes back. Ends
/// its connections when dropped.
#[derive(Debug)]
pub(crate) struct Cutting {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Cutting {
    /// So many bytes of the first answer still arrive; the next one is waited for, and lost.
    pub(crate) async fn before(target: SocketAddr, after: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let is_first = count.fetch_add(1, Ordering::Relaxed) == 0;
                let after = is_first.then_some(after);
                connections.spawn(async move { drop(pass(client, target, after).await) });
            }
        });
        Self {
            address,
            connections,
            _tasks: tasks,
        }
    }

    /// So many there have been.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn pass(mut client: TcpStream, target: SocketAddr, after: Option<u64>) -> io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let Some(after) = after else {
        return copy_bidirectional(&mut client, &mut server).await.map(drop);
    };
    let (mut from_client, mut to_client) = client.split();
    let (from_server, mut to_server) = server.split();
    let mut arriving = from_server.take(after);
    let asked = async {
        copy(&mut from_client, &mut to_server).await?;
        std::future::pending::<io::Result<()>>().await
    };
    let cut = async {
        copy(&mut arriving, &mut to_client).await?;
        to_client.flush().await?;
        arriving.into_inner().readable().await
    };
    tokio::select! {
        failed = asked => failed,
        done = cut => done,
    }
}
