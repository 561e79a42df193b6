//! A `redis-server` of a test's own.

use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// A `redis-server` that keeps nothing on disk and ends with the test. It listens on a port that was free.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    port: u16,
    dir: PathBuf,
    options: Vec<String>,
}

impl RedisServer {
    /// Starts one, with options as on its command line, and waits until it speaks.
    ///
    /// `None` if there is no such program; that is said past the capture of the print macros, and CI does not let it pass.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(options: &[&str]) -> Option<Self> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let (process, n) = (std::process::id(), STARTED.fetch_add(1, Relaxed));
        let dir = std::env::temp_dir().join(format!("buttress-redis-{process}-{n}"));
        fs::create_dir_all(&dir).expect("there is a directory for temporary files");
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        // Somebody else may take the port before the server does.
        for _ in 0..5 {
            let port = free_port();
            let Ok(child) = spawn(port, &dir, &options) else {
                let said = writeln!(io::stderr(), "skipped: redis-server not found");
                said.expect("somebody listens");
                return None;
            };
            let mut server = Self {
                child,
                port,
                dir: dir.clone(),
                options: options.clone(),
            };
            if server.is_ready().await {
                return Some(server);
            }
            fs::create_dir_all(&dir).expect("as above");
        }
        panic!("redis-server found no port");
    }

    /// Where it listens, as its clients write it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// The port that it listens at.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Ends it, as by `kill -9`.
    ///
    /// # Panics
    /// If it cannot be ended.
    pub fn stop(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it has been killed");
    }

    /// Starts it again, on the same port, with nothing in it.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart(&mut self) {
        self.child = spawn(self.port, &self.dir, &self.options).expect("it was there before");
        assert!(self.is_ready().await, "it does not start again");
    }

    /// The server is there, and says nothing.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// It speaks again.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill {signal}");
    }

    /// It speaks, be it to refuse a password that is missing.
    async fn is_ready(&mut self) -> bool {
        let by = Instant::now() + PATIENCE;
        while Instant::now() < by && matches!(self.child.try_wait(), Ok(None)) {
            if let Ok(Ok(true)) = timeout(PATIENCE, self.answers()).await {
                return true;
            }
            sleep(Duration::from_millis(5)).await;
        }
        false
    }

    async fn answers(&self) -> io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut said = [0; 7];
        stream.read_exact(&mut said).await?;
        Ok(said == *b"+PONG\r\n" || said == *b"-NOAUTH")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have been stopped; and whatever cannot be cleaned up lies among the temporary files.
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.dir));
    }
}

/// A port that nobody listens at. None of those that the system gives to whoever connects, so that a server finds it
/// free again when it comes back.
#[must_use]
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        // Several processes test at the same time.
        let n = (std::process::id().wrapping_mul(131)).wrapping_add(GIVEN.fetch_add(1, Relaxed));
        let port = 12_000 + u16::try_from(n % 20_000).unwrap_or_default();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn spawn(port: u16, dir: &PathBuf, options: &[String]) -> io::Result<Child> {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--dir"])
        .arg(dir)
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// With a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(20);
