//! A Redis of a test's own.

use std::io;
use std::ops::{Deref, DerefMut};

use buttress_testkit::redis::RedisServer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Ends with the test.
pub(crate) struct Redis(RedisServer);

impl Redis {
    /// `None` if there is no such program.
    pub(crate) async fn start() -> Option<Self> {
        RedisServer::start(&[]).await.map(Self)
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
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).await?;
        stream
            .write_all(format!("{command}\r\nQUIT\r\n").as_bytes())
            .await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        Ok(said.strip_suffix("+OK\r\n").unwrap_or_default().to_owned())
    }
}

impl Deref for Redis {
    type Target = RedisServer;

    fn deref(&self) -> &RedisServer {
        &self.0
    }
}

impl DerefMut for Redis {
    fn deref_mut(&mut self) -> &mut RedisServer {
        &mut self.0
    }
}
