//! A Redis of a test's own.

use std::fs;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::harness::soon;

/// Ends with the test.
pub(crate) struct Redis {
    child: Child,
    port: u16,
    dir: PathBuf,
}

impl Redis {
    /// `None` if there is no such program; that is said, and CI does not let it pass.
    pub(crate) async fn start() -> Option<Self> {
        let port = free_port();
        let dir = [env!("CARGO_TARGET_TMPDIR"), &format!("redis-{port}")]
            .iter()
            .collect();
        fs::create_dir_all(&dir).unwrap();
        let Some(child) = spawn(port, &dir) else {
            let mut past_the_capture = io::stderr();
            writeln!(past_the_capture, "skipped: redis-server not found").unwrap();
            return None;
        };
        let redis = Self { child, port, dir };
        redis.is_ready().await;
        Some(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// As by `kill -9`.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// On the same port, with nothing in it.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.port, &self.dir).unwrap();
        self.is_ready().await;
    }

    /// The names of all that is in it.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let said = self.say("KEYS *").await.unwrap();
        let words = said.lines().filter(|line| !line.starts_with(['*', '$']));
        words.map(str::to_owned).collect()
    }

    /// The lease of a call that is under way runs out, as it would in half a minute.
    pub(crate) async fn time_passes(&self) {
        for key in self.keys().await {
            let left = self.say(&format!("PTTL {key}")).await.unwrap();
            let left: u32 = left.strip_prefix(':').unwrap().trim().parse().unwrap();
            assert!((1..=30_000).contains(&left), "{left} ms");
            self.say(&format!("PEXPIRE {key} 1")).await.unwrap();
        }
    }

    /// A command, and what comes of it.
    async fn say(&self, command: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream
            .write_all(format!("{command}\r\nQUIT\r\n").as_bytes())
            .await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        Ok(said.strip_suffix("+OK\r\n").unwrap_or_default().to_owned())
    }

    async fn is_ready(&self) {
        soon(async {
            while !self
                .say("PING")
                .await
                .is_ok_and(|said| said.contains("PONG"))
            {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have been stopped.
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.dir));
    }
}

fn spawn(port: u16, dir: &PathBuf) -> Option<Child> {
    let child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--dir"])
        .arg(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.ok()
}

/// A port that nobody listens at. None of those that the system gives to whoever connects, so that a server finds
/// it free again when it comes back.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        // Several processes test at the same time.
        let n = std::process::id() * 137 + GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(12_000 + n % 20_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
