use std::{
    fmt,
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::Request;
use hyper::{body::Incoming, rt::Executor, service::service_fn};
use hyper_util::{rt::TokioIo, server::conn::auto};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    Upstream, UpstreamService,
    socket::{KillSwitch, Socket},
    wire::{WireBody, throw},
};

/// An [`Upstream`] on a TCP port of this machine: HTTP/1.1, and HTTP/2 with prior knowledge.
///
/// Nagle's algorithm is off and every chunk is written on its own. Dropping the server ends its
/// connections in the middle of whatever they do.
///
/// # Examples
///
/// ```
/// use buttress_testkit::upstream::{Behaviour, Script, Server, Upstream};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let upstream = Upstream::new(Script::sequence([Behaviour::rate_limited()]));
/// let server = Server::start(upstream).await;
/// let url = format!("{}/v1/chat/completions", server.url());
/// # assert!(url.starts_with("http://127.0.0.1:"));
/// # }
/// ```
pub struct Server {
    upstream: Upstream,
    addr: SocketAddr,
    tasks: Tasks,
}

/// What runs for a server: its listener, its connections, and on HTTP/2 their streams.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

/// How long a listener waits that could not accept.
const AGAIN: Duration = Duration::from_millis(5);

// ===== impl Server =====

impl Server {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn start(upstream: Upstream) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::bind(upstream, any)
            .await
            .expect("a free port on the loopback interface")
    }

    /// Listens on this address.
    ///
    /// # Errors
    ///
    /// If it cannot be bound.
    pub async fn bind(upstream: Upstream, addr: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let server = Self {
            upstream,
            addr,
            tasks: Tasks::default(),
        };
        server.accept(listener);
        Ok(server)
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

    /// The upstream behind it.
    #[must_use]
    pub const fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Stops listening and drops every connection: from now on the port refuses.
    pub async fn go_away(&self) {
        // Again, because a connection may have been accepted while the listener was being stopped.
        loop {
            let mut tasks = std::mem::take(&mut *self.tasks.lock());
            if tasks.is_empty() {
                return;
            }
            tasks.shutdown().await;
        }
    }

    /// Listens on the same port again.
    ///
    /// # Errors
    ///
    /// If somebody else has taken it meanwhile, or it never was away.
    pub async fn come_back(&self) -> io::Result<()> {
        self.accept(TcpListener::bind(self.addr).await?);
        Ok(())
    }

    fn accept(&self, listener: TcpListener) {
        let (upstream, tasks) = (self.upstream.clone(), self.tasks.clone());
        self.tasks.execute(async move {
            loop {
                // Out of file descriptors, or the peer is gone already: the next one may do better.
                let Ok((tcp, _)) = listener.accept().await else {
                    tokio::time::sleep(AGAIN).await;
                    continue;
                };
                upstream.count_connection();
                tasks.execute(connection(tcp, upstream.service(), tasks.clone()));
            }
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.lock().abort_all();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

// ===== impl Tasks =====

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        let mut tasks = self.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(future);
    }
}

async fn connection(tcp: TcpStream, service: UpstreamService, tasks: Tasks) {
    // Without it a delayed acknowledgement costs 40 ms a chunk; if it fails the peer is gone already.
    let _gone = tcp.set_nodelay(true);
    let switch = KillSwitch::default();
    let io = TokioIo::new(Socket::new(tcp, switch.clone()));
    let serve = service_fn(|request: Request<Incoming>| {
        let version = request.version();
        let switch = switch.clone();
        let answer = service.answer(request);
        async move {
            match answer.await {
                Ok(response) => Ok(response.map(|body| WireBody::new(body, version, switch))),
                Err(error) => {
                    throw(&switch, version, &error);
                    Err(error)
                }
            }
        }
    });
    let builder = auto::Builder::new(tasks);
    tokio::select! {
        biased;
        () = switch.thrown() => {}
        // Whatever the peer did wrong, it has been told.
        _ = builder.serve_connection(io, serve) => {}
    }
}
