//! A client that sees every read.

use std::{io, time::Duration};

use buttress_testkit::upstream::{Script, Server, Upstream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

pub(crate) const STREAM: &str = r#"{"stream":true}"#;

/// Long enough to see that nothing comes, short enough for a test.
const SILENCE: Duration = Duration::from_millis(60);

pub(crate) async fn serve(script: impl Into<Script>) -> Server {
    Server::start(Upstream::new(script)).await
}

pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) async fn connect(server: &Server) -> Self {
        let tcp = TcpStream::connect(server.addr()).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        Self(tcp)
    }

    /// Connects and sends a chat completion request.
    pub(crate) async fn chat(server: &Server) -> Self {
        let mut client = Self::connect(server).await;
        client
            .send(&request("POST", "/v1/chat/completions", STREAM))
            .await;
        client
    }

    pub(crate) async fn send(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// One read: what has come by now, or as soon as something comes.
    pub(crate) async fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; 64 * 1024];
        let read = self.0.read(&mut buffer).await?;
        buffer.truncate(read);
        Ok(buffer)
    }

    /// Until the server closes, and how it did.
    pub(crate) async fn read_to_end(&mut self) -> (String, io::Result<()>) {
        let mut all = Vec::new();
        let end = loop {
            match timeout(Duration::from_secs(10), self.read())
                .await
                .expect("an end")
            {
                Ok(bytes) if bytes.is_empty() => break Ok(()),
                Ok(bytes) => all.extend(bytes),
                Err(error) => break Err(error),
            }
        };
        (String::from_utf8_lossy(&all).into_owned(), end)
    }

    /// Until all that is expected has come.
    pub(crate) async fn read_until(&mut self, is_all: impl Fn(&str) -> bool) -> String {
        let mut all = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&all).into_owned();
            if is_all(&text) {
                return text;
            }
            let read = timeout(Duration::from_secs(10), self.read()).await;
            let bytes = read
                .unwrap_or_else(|_| panic!("stalled after {text:?}"))
                .unwrap();
            assert!(!bytes.is_empty(), "ended after {text:?}");
            all.extend(bytes);
        }
    }

    /// The connection is open, and nothing comes.
    pub(crate) async fn assert_silent(&mut self) {
        let read = timeout(SILENCE, self.read()).await;
        assert!(read.is_err(), "{read:?} where silence was due");
    }
}

/// Waits until it is so: what one side has done, the other sees a moment later.
pub(crate) async fn eventually(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(10), wait)
        .await
        .expect("it never became so");
}

pub(crate) fn events(text: &str) -> usize {
    text.matches("data: ").count()
}

pub(crate) fn request(method: &str, target: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nhost: upstream\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

pub(crate) fn closing(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nhost: upstream\r\nconnection: close\r\n\r\n")
}
