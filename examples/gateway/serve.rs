//! Accepting connections, and letting go of them in peace.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceBuilder;
use tracing::{info, warn};

use crate::background::Background;
use crate::signals::Signals;

/// A burst of clients waits here instead of being refused.
const BACKLOG: u32 = 4096;
/// How long a client may take for a head, for its first word on a new connection, and between two
/// requests: longer than the 60 s after which common load balancers close on their side, so that
/// none sends a request into a connection that we are about to close.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// How often a silent HTTP/2 connection is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);
/// Until sockets or memory are free again; accepting in a tight loop frees none.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens; the error names the address.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    listen(address).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until told to stop, then finishes what is in flight within `drain`, or until told again: what clients
/// wait for, and what goes on in the background.
///
/// Returns whether everything in flight could be finished.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    background: Background,
    mut signals: Signals,
    drain: Duration,
) -> bool {
    let connections = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tasks.spawn(connection(stream, app.clone(), connections.watcher()));
                }
                Err(error) => {
                    warn!(target: "gateway", %error, "cannot accept");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = tasks.join_next() => {} // frees what a finished task holds
            () = signals.recv() => break,
        }
    }
    drop(listener);
    info!(target: "gateway", connections = connections.count(), "draining");
    let finished = tokio::select! {
        () = async {
            connections.shutdown().await;
            background.finish().await;
        } => true,
        () = sleep(drain) => false,
        () = signals.recv() => false,
    };
    if !finished {
        warn!(target: "gateway", calls = background.running(), "connections cut");
    }
    tasks.shutdown().await;
    finished
}

async fn connection(stream: TcpStream, app: Router, watcher: Watcher) {
    // Without it the first event of a stream waits for the peer's delayed acknowledgement: 40 ms.
    if stream.set_nodelay(true).is_err() {
        return; // already gone
    }
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING);

    let spoke = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&spoke);
    let app = ServiceBuilder::new()
        .map_request(move |request| {
            heard.store(true, Ordering::Relaxed);
            request
        })
        .service(app);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    let mut connection = pin!(watcher.watch(connection));
    // Before its first request a connection has neither of the above limits: not even the version
    // is known. Errors are the client's: whatever was in flight has been logged.
    let early = timeout(HEAD_TIMEOUT, connection.as_mut()).await;
    if early.is_err() && spoke.load(Ordering::Relaxed) {
        let _ended = connection.await;
    }
}
