//! `EventSource` in headless Chromium: a page that reads the streams and posts what it saw.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, Matcher, Script, Upstream};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::report::{self, Report, missing};

/// On a loaded machine it takes its time to begin.
const PATIENCE: Duration = Duration::from_secs(60);

const PROGRAMS: [&str; 2] = ["chromium-headless-shell", "chromium"];

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

/// Lets the browser read all these streams at once; `None` where it is not installed.
pub(crate) async fn read(
    server: SocketAddr,
    upstream: &Upstream,
    streams: &[String],
) -> Option<Report> {
    upstream.record_bodies(1 << 20);
    let profile = Profile::new();
    let port = server.port();
    let page = format!("http://page.test:{port}/page#{}", streams.join(","));
    let Some(mut browser) = start(&profile, &page) else {
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
    let posted = timeout(PATIENCE, posted).await.expect("it takes for ever");
    browser.kill().await.unwrap();
    Some(report::read(std::str::from_utf8(&posted).unwrap()))
}

fn start(profile: &Profile, page: &str) -> Option<Child> {
    let started = PROGRAMS.iter().map(|program| {
        Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
            ])
            .args(["--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync"])
            .args([
                "--no-proxy-server",
                "--host-resolver-rules=MAP *.test 127.0.0.1",
            ])
            // Without it, it ends as soon as the page is there.
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", profile.0.display()))
            .arg(page)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    });
    let there = |child: &io::Result<Child>| !matches!(child, Err(error) if error.kind() == ErrorKind::NotFound);
    started.into_iter().find(there).map(Result::unwrap)
}

/// A profile of its own; removed when dropped.
struct Profile(PathBuf);

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
