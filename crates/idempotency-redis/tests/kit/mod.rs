//! A Redis of a test's own, and what is told to stores.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use buttress_idempotency::{CallId, Claim, Fingerprint, IdempotencyStore, Lease, Stored};
use buttress_idempotency_redis::RedisStore;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, cmd};
use tokio::time::{Instant, sleep};

/// Longer than any lease that a test waits for the end of.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A server that ends with the test. It listens on a port that was free.
pub(crate) struct Server {
    child: Child,
    port: u16,
    dir: PathBuf,
    options: Vec<String>,
}

impl Server {
    /// `None` if there is no such program; that is said, and CI does not let it pass.
    pub(crate) async fn start() -> Option<Self> {
        Self::with(&[]).await
    }

    pub(crate) async fn with(options: &[&str]) -> Option<Self> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "buttress-redis-{}-{}",
            std::process::id(),
            STARTED.fetch_add(1, Relaxed)
        );
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        // Somebody else may take the port before the server does.
        for _ in 0..5 {
            let port = free_port();
            let Some(child) = spawn(port, &dir, &options) else {
                let mut past_the_capture = std::io::stderr();
                writeln!(past_the_capture, "skipped: redis-server not found").unwrap();
                return None;
            };
            let options = options.clone();
            let mut server = Self {
                child,
                port,
                dir: dir.clone(),
                options,
            };
            if server.is_ready().await {
                return Some(server);
            }
        }
        panic!("redis-server found no port");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// A store that a slow machine does not make nervous.
    pub(crate) fn store(&self) -> RedisStore {
        RedisStore::new(&self.url()).unwrap().patience(LONG)
    }

    /// As by `kill -9`.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How often anybody has connected, this time included.
    pub(crate) async fn connections(&self) -> u64 {
        self.count("total_connections_received:").await
    }

    /// How much it has said.
    pub(crate) async fn bytes_out(&self) -> u64 {
        self.count("total_net_output_bytes:").await
    }

    async fn count(&self, what: &str) -> u64 {
        let stats: String = self.say(&[b"INFO", b"stats"]).await;
        let mut counts = stats.lines().filter_map(|line| line.strip_prefix(what));
        counts.next().unwrap().parse().unwrap()
    }

    /// On the same port.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.port, &self.dir, &self.options).unwrap();
        assert!(self.is_ready().await, "it does not start again");
    }

    /// The server is there, and says nothing.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    pub(crate) async fn connect(&self) -> MultiplexedConnection {
        let client = Client::open(self.url()).unwrap();
        let patient = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(LONG))
            .set_response_timeout(Some(LONG));
        let connecting = client.get_multiplexed_async_connection_with_config(&patient);
        connecting.await.unwrap()
    }

    /// Words of a command, as an operator would type them.
    pub(crate) async fn say<T: FromRedisValue>(&self, command: &[&[u8]]) -> T {
        let mut said = cmd(std::str::from_utf8(command[0]).unwrap());
        for word in &command[1..] {
            said.arg(word);
        }
        said.query_async(&mut self.connect().await).await.unwrap()
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.say(&[b"KEYS", b"*"]).await;
        keys.sort();
        keys
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(status.success());
    }

    /// It speaks, be it to refuse a password that is missing.
    async fn is_ready(&mut self) -> bool {
        let client = Client::open(self.url()).unwrap();
        let by = Instant::now() + Duration::from_secs(20);
        while Instant::now() < by && self.child.try_wait().unwrap().is_none() {
            match client.get_multiplexed_async_connection().await {
                Ok(mut connection) => match cmd("PING").query_async(&mut connection).await {
                    Ok(()) => return true,
                    Err(error) if error.code() == Some("NOAUTH") => return true,
                    Err(_) => {}
                },
                Err(error) if !error.is_io_error() => return true,
                Err(_) => {}
            }
            sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been stopped; and whatever cannot be cleaned up lies among the temporary files.
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.dir));
    }
}

fn spawn(port: u16, dir: &PathBuf, options: &[String]) -> Option<Child> {
    let port = port.to_string();
    let child = Command::new("redis-server")
        .args(["--port", &port, "--bind", "127.0.0.1", "--save", ""])
        .arg("--dir")
        .arg(dir)
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.ok()
}

/// A port that nobody listens at. None of those that the system gives to whoever connects, so that a server finds it
/// free again when it comes back.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        // Several processes test at the same time.
        let n = std::process::id() * 131 + GIVEN.fetch_add(1, Relaxed);
        let port = u16::try_from(12_000 + n % 20_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub(crate) const CALL: CallId = CallId::new(1, 0x5f0c);

/// Where that call is kept.
pub(crate) const KEY: &str = "buttress:{00000000000000000000000000005f0c}";

pub(crate) fn answer(body: impl Into<Bytes>) -> Stored {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "text/plain".parse().unwrap());
    Stored::new(
        StatusCode::OK,
        headers,
        body.into(),
        None,
        Fingerprint::UNCHECKED,
    )
}

pub(crate) async fn claim(store: &RedisStore) -> Claim {
    store.claim(&CALL, LONG).await
}

/// A lease that is granted.
pub(crate) async fn lease(store: &RedisStore, time: Duration) -> Lease {
    granted(store.claim(&CALL, time).await)
}

#[track_caller]
pub(crate) fn granted(claim: Claim) -> Lease {
    match claim {
        Claim::Run(lease) => lease,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn finished(claim: Claim) -> Bytes {
    match claim {
        Claim::Finished(answer) => answer.body().clone(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn in_flight(claim: &Claim) {
    assert!(matches!(claim, Claim::InFlight), "{claim:?}");
}

/// Claims until it is granted: when the lease of another has run out, which nobody can say exactly.
pub(crate) async fn claim_in_the_end(store: &RedisStore) -> Lease {
    let by = Instant::now() + LONG / 3;
    loop {
        match claim(store).await {
            Claim::Run(lease) => return lease,
            Claim::InFlight | Claim::Finished(_) if Instant::now() < by => {
                sleep(Duration::from_millis(5)).await;
            }
            other => panic!("{other:?}"),
        }
    }
}
