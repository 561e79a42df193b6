//! `EventSource` in headless Chromium: a page that reads the streams and posts what it saw.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, Matcher, Script, Upstream};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::harness::soon;
use crate::report::{self, Report, missing};

/// On a loaded machine it takes its time to begin.
const PATIENCE: Duration = Duration::from_secs(60);

const PROGRAMS: [&str; 2] = ["chromium-headless-shell", "chromium"];

const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP *.test 127.0.0.1",
    // Without it, it ends as soon as the page is there.
    "--remote-debugging-port=0",
];

const PAGE: &str = include_str!("eventsource.html");

/// Where the page posts to.
const SEEN: &str = "/seen";

/// The script, and the page beside it.
pub(crate) fn with_page(script: Script) -> Script {
    let page = Behaviour::well().body("text/html", PAGE);
    script
        .on(Matcher::path("/page"), page)
        .on(Matcher::path(SEEN), Behaviour::well())
}

/// A running browser; killed when dropped.
struct Browser {
    child: Child,
    _profile: Profile,
}

/// A profile of its own; removed when dropped.
struct Profile(PathBuf);

/// Reads all these streams at once; `None` where it is not installed.
pub(crate) async fn read(
    server: SocketAddr,
    upstream: &Upstream,
    streams: &[String],
) -> Option<Report> {
    upstream.record_bodies(1 << 20);
    let port = server.port();
    let page = format!("http://page.test:{port}/page#{}", streams.join(","));
    let Some(browser) = Browser::start(&page) else {
        return missing(PROGRAMS[0]);
    };
    let posted = async {
        loop {
            let mut calls = upstream.calls().into_iter();
            let posted = calls.find(|call| call.uri.path() == SEEN && call.body_complete);
            if let Some(call) = posted {
                return call.body;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let posted = timeout(PATIENCE, posted)
        .await
        .expect("Chromium takes for ever");
    browser.end().await;
    Some(report::read(std::str::from_utf8(&posted).unwrap()))
}

// ===== impl Browser =====

impl Browser {
    fn start(page: &str) -> Option<Self> {
        let profile = Profile::new();
        let mut started = PROGRAMS.iter().map(|program| {
            Command::new(program)
                .args(FLAGS)
                .arg(format!("--user-data-dir={}", profile.0.display()))
                .arg(page)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                // What is installed is a script that starts the browser, which starts others.
                .process_group(0)
                .spawn()
        });
        let there = |child: &io::Result<Child>| !matches!(child, Err(error) if error.kind() == ErrorKind::NotFound);
        let child = started.find(there)?.unwrap();
        drop(started);
        Some(Self {
            child,
            _profile: profile,
        })
    }

    /// Waits until all of it is gone, and nobody writes into its profile any more.
    async fn end(mut self) {
        self.kill();
        let mut stdout = self.child.stdout.take().unwrap();
        soon(stdout.read_to_end(&mut Vec::new())).await.unwrap();
    }

    fn kill(&self) {
        if let Some(group) = self.child.id() {
            let mut kill = std::process::Command::new("kill");
            let _gone = kill
                .args(["-s", "KILL", "--", &format!("-{group}")])
                .output();
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.kill();
    }
}

// ===== impl Profile =====

impl Profile {
    fn new() -> Self {
        let name = format!("chromium-{}", std::process::id());
        Self([env!("CARGO_TARGET_TMPDIR"), &name].iter().collect())
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}
