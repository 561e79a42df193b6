//! The gateway as a child process, and clients in front of it.

use std::fmt::Display;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use buttress_testkit::upstream::{Script, Server, Upstream};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Long enough for a loaded machine; nothing waits for it unless something is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running gateway; killed when dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    /// What it said on stdout.
    pub(crate) said: Vec<String>,
    log: Log,
    child: Child,
    http1: Client<HttpConnector, Full<Bytes>>,
    http2: Client<HttpConnector, Full<Bytes>>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

/// The gateway's stderr; removed when dropped.
struct Log(PathBuf);

/// A gateway in front of a scripted upstream.
pub(crate) struct Scene {
    pub(crate) gateway: Gateway,
    pub(crate) upstream: Upstream,
    _server: Server,
}

/// Starts both.
pub(crate) async fn scene(script: impl Into<Script>, flags: &[&str]) -> Scene {
    let upstream = Upstream::new(script);
    let server = Server::start(upstream.clone()).await;
    let gateway = Gateway::before(server.url(), flags).await;
    Scene {
        gateway,
        upstream,
        _server: server,
    }
}

impl Gateway {
    /// In front of `upstream`, with a backoff short enough for a test.
    pub(crate) async fn before(upstream: impl Display, flags: &[&str]) -> Self {
        let upstream = upstream.to_string();
        let mut all = vec![
            "--upstream",
            &upstream,
            "--retry-base",
            "1ms",
            "--retry-cap",
            "1ms",
        ];
        // Failures on purpose are no reason to leave the upstream alone, unless that is what the test is about.
        if !flags.iter().any(|flag| flag.starts_with("--breaker")) {
            all.extend(["--breaker-failures", "off", "--breaker-rate", "off"]);
        }
        all.extend(flags);
        Self::start(&all).await
    }

    /// With these flags alone, on a port of its own.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        Self::start_in(flags, &[]).await
    }

    /// The same, with these variables in its environment.
    pub(crate) async fn start_in(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        // Into a file, because a pipe that nobody reads stops the writer.
        let log = Log::new();
        let mut child = command()
            .args(["--listen", "127.0.0.1:0"])
            .args(flags)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(File::create(&log.0).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        while said.len() < 3 {
            let line = soon(lines.next_line()).await.unwrap();
            said.push(line.expect("an address and two commands on stdout"));
        }
        let address = said[0].strip_prefix("listening on http://").unwrap();
        Self {
            address: address.parse().unwrap(),
            said,
            log,
            child,
            http1: Client::builder(TokioExecutor::new()).build_http(),
            http2: Client::builder(TokioExecutor::new())
                .http2_only(true)
                .build_http(),
        }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask(Request::get(target), "").await
    }

    pub(crate) async fn post(&self, target: &str, body: impl Into<Bytes>) -> Answer {
        self.ask(Request::post(target), body).await
    }

    /// Over HTTP/1.1.
    pub(crate) async fn ask(&self, head: http::request::Builder, body: impl Into<Bytes>) -> Answer {
        self.exchange(&self.http1, head, body.into()).await
    }

    /// Over HTTP/2 with prior knowledge.
    pub(crate) async fn ask_http2(
        &self,
        head: http::request::Builder,
        body: impl Into<Bytes>,
    ) -> Answer {
        self.exchange(&self.http2, head, body.into()).await
    }

    async fn exchange(
        &self,
        client: &Client<HttpConnector, Full<Bytes>>,
        head: http::request::Builder,
        body: Bytes,
    ) -> Answer {
        let (head, body) = self.begin(client, head, body).await.into_parts();
        let body: Collected<Bytes> = soon(body.collect()).await.unwrap();
        Answer {
            status: head.status,
            headers: head.headers,
            trailers: body.trailers().cloned(),
            body: body.to_bytes(),
        }
    }

    /// Over HTTP/2; an answer whose body has yet to come, or to break off.
    pub(crate) async fn begin_http2(
        &self,
        head: http::request::Builder,
        body: impl Into<Bytes>,
    ) -> Response<Incoming> {
        self.begin(&self.http2, head, body.into()).await
    }

    async fn begin(
        &self,
        client: &Client<HttpConnector, Full<Bytes>>,
        head: http::request::Builder,
        body: Bytes,
    ) -> Response<Incoming> {
        let mut request = head.body(Full::new(body)).unwrap();
        let target = request.uri().path_and_query().unwrap().clone();
        *request.uri_mut() = Uri::builder()
            .scheme("http")
            .authority(self.address.to_string())
            .path_and_query(target)
            .build()
            .unwrap();
        soon(client.request(request)).await.unwrap()
    }

    /// A connection without a client's good manners.
    pub(crate) async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Sends these bytes as they are; returns all that comes back until the gateway closes.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        // It may hang up before it has heard everything.
        let _hung_up = stream.write_all(bytes.as_ref()).await;
        read_all(stream).await
    }

    pub(crate) async fn is_well(&self) -> bool {
        self.get("/healthz").await.status == StatusCode::OK
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log.0).unwrap()
    }

    /// Waits until it has logged so many lines with these words.
    pub(crate) async fn logs(&self, words: &str, times: usize) {
        soon(async {
            while self.log().matches(words).count() < times {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Sends a signal by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.await.unwrap().success());
    }

    /// Waits for its end; returns the exit code and the log.
    pub(crate) async fn end(mut self) -> (Option<i32>, String) {
        let status = soon(self.child.wait()).await.unwrap();
        (status.code(), fs::read_to_string(&self.log.0).unwrap())
    }

    /// Asks it to stop; returns the exit code and the log.
    pub(crate) async fn stop(self) -> (Option<i32>, String) {
        self.signal("TERM").await;
        self.end().await
    }
}

impl Log {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("gateway-{}-{number}.log", std::process::id());
        Self([env!("CARGO_TARGET_TMPDIR"), &name].iter().collect())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}

impl Answer {
    /// The one value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.field("x-buttress-attempts").unwrap().parse().unwrap()
    }
}

/// The program, as `cargo test` has built it beside this test.
pub(crate) fn command() -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let gateway: PathBuf = ["examples", "gateway"].iter().collect();
    let gateway = profile
        .join(gateway)
        .with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        gateway.exists(),
        "{} is not there: `cargo test` builds it unless told which test to run; \
         `cargo build -p buttress-examples --example gateway` does in any case",
        gateway.display()
    );
    Command::new(gateway)
}

/// What must happen, but not within any particular time.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("it takes for ever")
}

/// Waits until the upstream has seen something.
pub(crate) async fn until(upstream: &Upstream, seen: impl Fn(&Upstream) -> bool) {
    soon(async {
        while !seen(upstream) {
            sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Reads until these bytes have come; returns all that came.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    loop {
        let count = soon(stream.read_buf(&mut read)).await.unwrap();
        let text = String::from_utf8_lossy(&read);
        if text.contains(end) {
            return text.into_owned();
        }
        assert!(count > 0, "the connection ended after {text:?}");
    }
}

/// Reads until the other side closes, or resets.
pub(crate) async fn read_all(mut stream: TcpStream) -> String {
    let mut read = Vec::new();
    let _end = soon(stream.read_to_end(&mut read)).await;
    String::from_utf8_lossy(&read).into_owned()
}
