//! A real proxy as a child process, with an idle limit of one second.

use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::harness::soon;

/// Which proxy, and how it is started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    program: &'static str,
    /// Its settings, with gaps for the addresses, and the name of the file they belong in.
    settings: &'static str,
    file: &'static str,
    /// What comes before the name of that file.
    flags: &'static [&'static str],
}

pub(crate) const NGINX: Kind = Kind {
    program: "nginx",
    settings: include_str!("nginx.conf"),
    file: "nginx.conf",
    flags: &["-e", "stderr", "-p", ".", "-c"],
};

pub(crate) const HAPROXY: Kind = Kind {
    program: "haproxy",
    settings: include_str!("haproxy.cfg"),
    file: "haproxy.cfg",
    flags: &["-db", "-f"],
};

pub(crate) const ENVOY: Kind = Kind {
    program: "envoy",
    settings: include_str!("envoy.yaml"),
    file: "envoy.yaml",
    flags: &["--disable-hot-restart", "--concurrency", "1", "-c"],
};

/// A running proxy; killed when dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    child: Child,
    home: Home,
}

/// Its folder; removed when dropped.
struct Home(PathBuf);

/// What it says, in its folder.
const LOG: &str = "log";

/// How often another port is tried, should somebody take it before the proxy does.
const TRIES: usize = 5;

impl Kind {
    /// The program; says so if it is not there.
    pub(crate) fn find(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .chain(["/usr/sbin".into()]) // where Debian keeps its servers
            .map(|folder| folder.join(self.program))
            .find(|program| program.is_file());
        if found.is_none() {
            // Past the capture of the print macros.
            let _lost = writeln!(io::stderr(), "skipped: {} not found", self.program);
        }
        found
    }

    /// Starts `program` in front of this origin.
    pub(crate) async fn start(self, program: &Path, origin: SocketAddr) -> Proxy {
        let mut log = String::new();
        for _ in 0..TRIES {
            match self.try_start(program, origin).await {
                Ok(proxy) => return proxy,
                Err(said) => log = said,
            }
        }
        panic!("{} does not start: {log}", self.program);
    }

    /// If it has given up, what it said.
    async fn try_start(self, program: &Path, origin: SocketAddr) -> Result<Proxy, String> {
        let address = free_port();
        let home = Home::new(self.program);
        let settings = self
            .settings
            .replace("@PORT@", &address.port().to_string())
            .replace("@ORIGIN@", &origin.to_string())
            .replace("@ORIGIN_PORT@", &origin.port().to_string());
        fs::write(home.0.join(self.file), settings).unwrap();
        let child = Command::new(program)
            .args(self.flags)
            .arg(self.file)
            .current_dir(&home.0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(home.0.join(LOG)).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut proxy = Proxy {
            address,
            child,
            home,
        };
        if soon(proxy.listens()).await {
            Ok(proxy)
        } else {
            Err(fs::read_to_string(proxy.home.0.join(LOG)).unwrap())
        }
    }
}

impl Proxy {
    /// Waits until it does; `false` if it has given up.
    async fn listens(&mut self) -> bool {
        loop {
            let reached = TcpStream::connect(self.address).await.is_ok();
            if self.child.try_wait().unwrap().is_some() {
                return false; // whoever was reached, it was somebody else
            }
            if reached {
                return true;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Home {
    fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{number}", std::process::id());
        let home: PathBuf = [env!("CARGO_TARGET_TMPDIR"), &name].iter().collect();
        fs::create_dir_all(&home).unwrap();
        Self(home)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// A port that nobody listens on, at this moment.
fn free_port() -> SocketAddr {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    TcpListener::bind(any).unwrap().local_addr().unwrap()
}
